"""The Markdown report as one HTML page that needs nothing beside it."""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

from markdown_it import MarkdownIt

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; max-width: 62rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.4rem; border-bottom: 2px solid #d7dfe8; padding-bottom: .2rem; }
h3 { margin-top: 1.8rem; color: #1f4e79; } h4 { margin-bottom: .3rem; }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-size: .92em; }
th, td { border: 1px solid #d7dfe8; padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { background: #f2f6fa; } code { background: #f2f6fa; padding: 0 .25em; border-radius: 3px; font-size: .92em; }
figure { display: inline-block; margin: .4rem 1rem .4rem 0; } figure svg { max-width: 30rem; height: auto; }
@media print { body { max-width: none; } }
"""
_IMAGE: Final = re.compile(r'<p><img src="([^"]+)" alt="[^"]*" ?/?></p>')


def html(text: str, plots: Mapping[str, str]) -> str:
    """Return the page for a Markdown report; `plots` (file name to SVG) take the place of the images that name them.

    HTML within the Markdown stays text, so that nothing that came from data becomes markup.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = _IMAGE.sub(lambda match: _figure(match, plots), parser.render(text))
    title = escape(text.partition("\n")[0].lstrip("# "))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _figure(match: re.Match[str], plots: Mapping[str, str]) -> str:
    drawn = plots.get(match[1])
    return match[0] if drawn is None else f"<figure>{drawn}</figure>"
