"""Where a delimited text is cut: what stands above its header, and the separator at which most lines split alike."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.read_options import BLANKS, ReadOptions
from churnflow.modelling.unpacking import empty

SEPARATORS: Final = (",", ";", "\t", "|")
LONGEST_FIELD: Final = 10_000_000
csv.field_size_limit(LONGEST_FIELD)
_SAMPLE_LINES: Final = 60
_TITLES: Final = 10
_MOSTLY: Final = 0.9
_QUOTED: Final = re.compile(r'"[^"]*"')
_SEP_LINE: Final = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
_RUN: Final = re.compile(r'("(?:[^"]|"")*")|[ \t]+')


@dataclass(frozen=True)
class Start:
    """How a text begins: the number of lines above the header, it and some lines below it, and Excel's word on them.

    said: the separator that a first line of the form ``sep=;`` names, None without one.
    """

    skipped: int
    sample: list[str]
    said: str | None


def beginning(lines: Iterator[str], options: ReadOptions, path: Path) -> Start:
    """Take the beginning of a text off its lines. Raises UsageError where there is none."""
    skipped = len(list(islice(lines, options.header - 1))) if options.header else 0
    said: str | None = None
    for line in lines:
        bare = line.removeprefix("\ufeff")
        named = _SEP_LINE.fullmatch(bare)
        if bare.strip() and not named:
            return Start(skipped, [bare, *islice(lines, _SAMPLE_LINES)], said)
        said = named[1] if named else said
        skipped += 1
    raise empty(path)


def rows_of(lines: Iterable[str], separator: str) -> Any:
    """Return the reader of the `csv` module for lines, of which runs of blanks outside quotes are one separator."""
    if separator == BLANKS:
        lines = (_RUN.sub(lambda run: run[1] or " ", line.strip(" \t\r\n")) + "\n" for line in lines)
    return csv.reader(lines, delimiter=separator, strict=True)


def separator_of(start: Start, options: ReadOptions, path: Path) -> str:
    """Return the separator that is declared, or named in the text, or the likeliest; a blank for runs of them.

    Raises UsageError, with what would do, where the header has one column only.
    """
    first = _QUOTED.sub("", _first_record(start.sample))
    counts = {candidate: first.count(candidate) for candidate in SEPARATORS}
    likely = _likeliest(start.sample, [candidate for candidate, count in counts.items() if count])
    fallback = BLANKS if _is_blank_separated(start.sample) else ","
    chosen = options.mark or start.said or likely or fallback
    if chosen not in first.strip():
        stands = f"; {likely!r} stands {counts[likely]} times in its header" if likely else ""
        message = f"{path.name} has only one column when split at {chosen!r}{stands}"
        raise UsageError(message, hint=_remedy(start, likely))
    return chosen


def _first_record(lines: Sequence[str]) -> str:
    """Return the header, which takes several lines where a quoted name holds a line end."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0:
            return record
    return lines[0]


def _remedy(start: Start, likely: str | None) -> str:
    """Say what to do about a first line of one field: a line below it that has several is likely the header."""
    if likely:
        return f"with: {{separator: {likely!r}}}"
    for place, line in enumerate(start.sample[:_TITLES], start=start.skipped + 1):
        if any(candidate in _QUOTED.sub("", line) for candidate in SEPARATORS):
            return f"if the names of the columns stand further down, say where: with: {{header: {place}}}"
    return "name a table with at least two columns"


def _likeliest(lines: Sequence[str], candidates: Sequence[str]) -> str | None:
    """Return the candidate at which most lines split as the header does, of these the one that splits it most."""
    if len(candidates) < 2:  # noqa: PLR2004 - one candidate needs no comparison
        return candidates[0] if candidates else None
    return max(candidates, key=lambda candidate: _agreement(lines, candidate))


def _agreement(lines: Sequence[str], separator: str) -> tuple[float, int]:
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        # What is wrong is said, with its line, when the rows are read.
        return 0.0, 0
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _is_blank_separated(lines: Sequence[str]) -> bool:
    """Tell whether runs of blanks cut nearly all lines into as many fields as the header, two or more."""
    bare = [line for line in lines if line.strip()]
    widths = [len(_RUN.sub(lambda run: "x" if run[1] else " ", line).split()) for line in bare]
    return widths[0] > 1 and widths.count(widths[0]) >= _MOSTLY * len(widths)
