"""Numbers and texts as the report writes them; whatever comes from data stays inert in Markdown and HTML."""

import re
from collections.abc import Sequence
from typing import Final

from churnflow.domain.evidence import Check, Measure

_INTERVAL: Final = r"\[-?\d[\d.,e+-]*, -?\d[\d.,e+-]*\](?![\[(:])"
_LETTER: Final = r"[^\W_]"
# Only what could act is escaped, so that `roc_auc >= 0.8 [0.82, 0.87]` reads in a pager as it was written.
_ACTIVE: Final = re.compile(
    rf"(?P<inert>{_INTERVAL})|[\\`*\[\]|~$]|(?<!{_LETTER})_|_(?!{_LETTER})|<(?=[A-Za-z/!?])|&(?=#?\w+;)"
)
_AT_START: Final = re.compile(r"^(?:(\d{1,9})(?=[.)](?:\s|$))|(?=[#>=]|[-+](?:[\s-]|$)))")
_CODE: Final = re.compile(r"(`[^`]+`)")
_WIDEST: Final = 72
_EXACT: Final = 1e15
_MINUTE: Final = 60


def flat(text: object) -> str:
    """Return text on one line, without control characters or what else can not be seen."""
    return " ".join("".join(character if character.isprintable() else " " for character in str(text)).split())


def plain(text: object) -> str:
    """Return text on one line that Markdown shows as it is: no markup, no HTML, no control characters."""
    return _begun(_escaped(flat(text)))


def code(text: object) -> str:
    """Return text as inline code; as plain text where it holds a mark that could end the code or a table's cell."""
    line = flat(text)
    if "`" in line or "|" in line:
        return plain(line)
    return f"`{line}`" if line else ""


def prose(text: str) -> str:
    """Return a sentence as `plain` does, but that what stands between backticks in it stays code."""
    parts = _CODE.split(flat(text))
    return _begun("".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, its columns padded so that it reads as plain text too, but for very long cells."""
    widths = [min(_WIDEST, max(len(row[place]) for row in (header, *rows))) for place in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows), ""]


def number(value: float) -> str:
    """Return a number with four significant digits, from a thousand on in full with thousands marks."""
    whole = value == int(value)
    if abs(value) < _EXACT and (whole or abs(value) >= 1000):  # noqa: PLR2004 - a thousand
        return f"{value:,.0f}" if value else "0"
    return f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """Return a 95% interval in brackets, nothing where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def measured(check: Check) -> str:
    """Return what was observed of a check, with its interval where one is known."""
    if check.observed is None:
        return "not measured"
    return " ".join(filter(None, (number(check.observed), interval(check.low, check.high))))


def values(metrics: Sequence[tuple[str, Measure]]) -> list[str]:
    """Return a table of metrics, with intervals and counts as far as there are any."""
    rows = [
        [code(name), number(m.value), interval(m.low, m.high), "" if m.n is None else f"{m.n:,}"] for name, m in metrics
    ]
    header = ("metric", "value", "95% interval", "n")
    used = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return table([header[place] for place in used], [[row[place] for place in used] for row in rows]) if rows else []


def counted(count: int, what: str) -> str:
    """Return a count with its noun: `no issue`, `1 issue`, `2 issues`."""
    return f"{count or 'no'} {what}" if count < 2 else f"{count:,} {what}s"  # noqa: PLR2004 - the plural


def seconds(value: float) -> str:
    """Return a duration: `12 ms`, `0.4 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = round(value)
    if whole < _MINUTE:
        return f"{value * 1000:.0f} ms" if 0 < value < 0.1 else f"{value:.1f} s"  # noqa: PLR2004 - shown as 0.0 s
    minutes, rest = divmod(whole, _MINUTE)
    return f"{minutes} min {rest:02d} s" if minutes < _MINUTE else f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


def _escaped(line: str) -> str:
    return _ACTIVE.sub(lambda match: match[0] if match["inert"] else f"\\{match[0]}", line)


def _begun(line: str) -> str:
    """Return a line that begins no list, heading or quotation."""
    return _AT_START.sub(lambda match: f"{match[1] or ''}\\", line)
