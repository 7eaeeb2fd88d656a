"""The Markdown report as one HTML page that needs nothing beside it."""

import re
from collections.abc import Mapping
from typing import Final

from markdown_it import MarkdownIt

SIGN: Final = '<meta name="generator" content="churnflow">'
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.4rem; border-bottom: 2px solid #d7dfe8; padding-bottom: .2rem; }
h3 { margin-top: 1.8rem; color: #1f4e79; } h4 { margin-bottom: .3rem; }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: .6rem 0 1rem; font-size: .92em; }
th, td { border: 1px solid #d7dfe8; padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { background: #f2f6fa; } code { background: #f2f6fa; padding: 0 .25em; border-radius: 3px; font-size: .92em; }
li, td { overflow-wrap: break-word; } th, td:first-child { white-space: nowrap; }
.good { color: #1d6b35; } .bad { color: #a3161f; font-weight: bold; } .open { color: #8a4b00; font-weight: bold; }
figure { display: inline-block; margin: .4rem 1rem 1rem 0; width: 27rem; max-width: 100%; vertical-align: top; }
figure svg { width: 100%; height: auto; } figcaption { font-style: italic; font-size: .92em; }
@media print { body { max-width: none; } figure, table { break-inside: avoid; } }
"""
# Nothing may be fetched or run, whatever a report holds: it is passed on by mail and opened from disk.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
_IMAGE: Final = re.compile(r'<p><img src="([^"]+)" alt="[^"]*" /></p>\n<p><em>(.*)</em></p>')
_TITLE: Final = re.compile(r"<h1>(.*?)</h1>")
_TAG: Final = re.compile(r"<[^>]*>")
_CLASSES: Final = {"PASS": "good", "FAIL": "bad", "ASK": "open", "met": "good", "NOT MET": "bad"}
_RESULT: Final = re.compile(r"<td>(PASS|FAIL|ASK|met|NOT MET)\b(.*?)</td>")


def html(text: str, plots: Mapping[str, str]) -> str:
    """Return the page for a Markdown report; `plots` (file name to SVG) take the place of the images that name them.

    HTML within the Markdown stays text, so that nothing that came from data becomes markup.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = _RESULT.sub(lambda match: f'<td class="{_CLASSES[match[1]]}">{match[1]}{match[2]}</td>', body)
    body = _IMAGE.sub(lambda match: _figure(match, plots), body)
    heading = _TITLE.search(body)
    title = _TAG.sub("", heading[1]) if heading else "Report"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'{SIGN}\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _figure(match: re.Match[str], plots: Mapping[str, str]) -> str:
    drawn = plots.get(match[1])
    return match[0] if drawn is None else f"<figure>{drawn}<figcaption>{match[2]}</figcaption></figure>"
