"""Numbers and texts as the report writes them; whatever comes from data stays inert in Markdown and HTML."""

import re
from collections.abc import Sequence
from typing import Final

from churnflow.domain.evidence import Check, Measure

_ACTIVE: Final = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_INSIDE_WORD: Final = re.compile(r"(?<=\w)\\(_)(?=\w)")


def plain(text: object) -> str:
    """Return text on one line that Markdown shows as it is: no markup, no HTML, no control characters."""
    flat = "".join(character if character.isprintable() else " " for character in str(text))
    # An underscore between letters is no markup, and `roc_auc` reads better in a pager without a backslash.
    return _INSIDE_WORD.sub(r"\1", _ACTIVE.sub(r"\\\1", " ".join(flat.split())))


def code(text: object) -> str:
    """Return text as inline code, without the marks that could end it."""
    flat = "".join(character for character in str(text) if character.isprintable() and character not in "`|")
    return f"`{flat}`" if flat else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table whose columns are padded, so that it reads well as plain text too."""
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return [line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows), ""]


def number(value: float) -> str:
    """Return a number with four significant digits, whole numbers in full with thousands marks."""
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - beyond it a double has no exact whole numbers
        return f"{int(value):,}"
    return f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    """Return a 95% interval in brackets, nothing where there is none."""
    return "" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def measured(measure: Measure | Check) -> str:
    """Return what was measured with its interval, and n where it is known."""
    value = measure.value if isinstance(measure, Measure) else measure.observed
    if value is None:
        return "not measured"
    parts = [number(value), interval(measure.low, measure.high)]
    if isinstance(measure, Measure) and measure.n is not None:
        parts.append(f"n={measure.n:,}")
    return " ".join(filter(None, parts))


def seconds(value: float) -> str:
    """Return a duration: `0.4 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = round(value)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"  # noqa: PLR2004
