"""The documentation page of the served release: plain HTML without a script, so that it works without a network."""

import json
from html import escape
from typing import Any

from churnflow.serving.current import Served
from churnflow.serving.documentation import PREDICT_PATH, example
from churnflow.serving.fields import CategoryField, DateField, Field, NumberField

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; }
tr { border-bottom: 1px solid #8884; } pre { background: #8882; padding: .8rem; overflow-x: auto; }
:root { color-scheme: light dark; }
"""


def render(api: dict[str, Any], served: Served | None, base_url: str) -> str:
    """Return the page for an OpenAPI document and the release that is served, if one is."""
    title = escape(f"{api['info']['title']} {api['info']['version']}")
    body = "<p>No release is served yet.</p>" if served is None else _release(served, base_url)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'<h1>{title}</h1>{body}<h2>Endpoints</h2><p>In full: <a href="openapi.json">openapi.json</a></p>'
        f"<table>{_endpoints(api)}</table></html>"
    )


def asking(served: Served, base_url: str) -> str:
    """Return the command of a shell that asks a server of the release about the example of its schema."""
    one = json.dumps(example(served), ensure_ascii=False)
    # A quote in an example would end the shell's own: closed, escaped and opened again.
    quoted = one.replace("'", "'\\''")
    url = base_url.rstrip("/") + PREDICT_PATH
    return f"curl -s {url} -H 'content-type: application/json' -d '{quoted}'"


def _release(served: Served, base_url: str) -> str:
    command = asking(served, base_url)
    rows = "".join(_row(column) for column in served.request.fields)
    return (
        f"<p>Bundle sha256 <code>{served.sha256}</code></p><h2>Ask for a prediction</h2><pre>{escape(command)}</pre>"
        f"<p>Several: <code>{{&quot;customers&quot;: [...]}}</code>, at most {served.request.most}.</p><h2>Fields</h2>"
        f"<table><tr><th>field<th>type<th>null<th>seen in training</tr>{rows}</table>"
    )


def _row(column: Field) -> str:
    match column:
        case NumberField(integer=integer):
            kind = "whole number" if integer else "number"
        case DateField():
            kind = f"date: {escape(column.form)}"
        case CategoryField():
            kind = "text"
    null = "refused" if column.required else "allowed"
    return f"<tr><td><code>{escape(column.name)}</code><td>{kind}<td>{null}<td>{escape(column.seen)}</tr>"


def _endpoints(api: dict[str, Any]) -> str:
    return "".join(
        f"<tr><td><code>{method.upper()} {escape(path)}</code><td>{escape(operation.get('description', ''))}</tr>"
        for path, operations in api["paths"].items()
        for method, operation in operations.items()
    )
