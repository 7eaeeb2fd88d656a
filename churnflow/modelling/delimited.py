"""A delimited text: its separator is found, its quotes are kept to, its lines counted as an editor shows them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.decoding import by_bytes, declared, guessed, line_of_failure
from churnflow.modelling.read_options import BLANKS, ReadOptions
from churnflow.modelling.table import Form, Table
from churnflow.modelling.unpacking import empty, unpacked

SEPARATORS: Final = (",", ";", "\t", "|")
LONGEST_FIELD: Final = 10_000_000
csv.field_size_limit(LONGEST_FIELD)
# Few rows at a time stay in the processor's cache; the columns of a wide table want more than a handful.
_CELLS: Final = 40_000
_FEWEST_ROWS: Final = 256
_SAMPLE_LINES: Final = 60
_TITLES: Final = 10
_QUOTED: Final = re.compile(r'"[^"]*"')
_SEP_LINE: Final = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
_RUN: Final = re.compile(r'("(?:[^"]|"")*")|[ \t]+')
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CONFLICT: Final = ("<<<<<<< ", "||||||| ", ">>>>>>> ")


def read(path: Path, options: ReadOptions) -> Table:
    """Read a delimited text. Raises UsageError for one of unknown encoding or separator, cut, damaged, or no table."""
    named = options.encoding != "auto"
    with unpacked(path) as opened:
        encoding = declared(options.encoding) if named else by_bytes(opened.head()) or "utf-8"
    notes: list[str] = []
    try:
        return _read(path, encoding, options, notes)
    except UnicodeDecodeError:
        if named:
            message = f"{path.name} is not {options.encoding} (line {line_of_failure(path, encoding)})"
            raise UsageError(message, hint="leave `encoding` to auto, or name the right one") from None
        if encoding != "utf-8":
            raise _no_encoding(path, encoding) from None
    encoding = guessed(path)
    try:
        notes = [f"the file is not UTF-8; it was read as {encoding}, the likeliest: encoding names another"]
        return _read(path, encoding, options, notes)
    except UnicodeDecodeError:
        raise _no_encoding(path, encoding) from None


def _no_encoding(path: Path, encoding: str) -> UsageError:
    message = f"{path.name} is text of no encoding that was tried (line {line_of_failure(path, encoding)})"
    return UsageError(message, hint="name its encoding: with: {encoding: ...}")


def _read(path: Path, encoding: str, options: ReadOptions, notes: Sequence[str]) -> Table:
    with unpacked(path) as opened, io.TextIOWrapper(opened.stream, encoding, newline="") as text:
        lines = _checked(text, path)
        start = _beginning(lines, options, path)
        separator = _separator(start, options, path)
        reader = _Reader(chain(start.sample, lines), separator, start.skipped, path)
        form = Form("CSV", _plain_name(encoding), separator, opened.compression)
        assembly = Assembly(reader.header(), path.name, form, options)
        for rows, ends in reader.chunks():
            assembly.add(rows, ends)
        return assembly.table([*notes, *_line_ends(text.newlines)])


def _plain_name(encoding: str) -> str:
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _checked(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yield the lines of a text. Raises UsageError where one shows that it is none, or not one that is finished."""
    for number, line in enumerate(text, start=1):
        if "\0" in line:
            message = f"{path.name} holds a NUL byte (line {number}), so it is no text file"
            raise UsageError(message, hint="export the table as CSV with UTF-8 encoding")
        if line[0] in "<|>" and line.startswith(_CONFLICT):
            message = f"{path.name} holds the marks of a merge that was not finished (line {number})"
            raise UsageError(message, hint="settle the conflict in it: git checkout --ours or --theirs takes one side")
        yield line


@dataclass(frozen=True)
class _Start:
    """How a text begins: the number of lines above the header, it and some lines below it, and Excel's word on them.

    said: the separator that a first line of the form ``sep=;`` names, None without one.
    """

    skipped: int
    sample: list[str]
    said: str | None


def _beginning(lines: Iterator[str], options: ReadOptions, path: Path) -> _Start:
    skipped = len(list(islice(lines, options.header - 1))) if options.header else 0
    said: str | None = None
    for line in lines:
        bare = line.removeprefix("\ufeff")
        named = _SEP_LINE.fullmatch(bare)
        if bare.strip() and not named:
            return _Start(skipped, [bare, *islice(lines, _SAMPLE_LINES)], said)
        said = named[1] if named else said
        skipped += 1
    raise empty(path)


class _Reader:
    """The rows of a text, in chunks, with the line on which each ends."""

    def __init__(self, lines: Iterable[str], separator: str, skipped: int, path: Path) -> None:
        self._path = path
        self._line = skipped
        if separator == BLANKS:
            lines = (_RUN.sub(lambda run: run[1] or " ", line.strip(" \t\r\n")) + "\n" for line in lines)
        self._rows: Any = csv.reader(lines, delimiter=separator, strict=True)

    def header(self) -> list[str]:
        """Return the first row."""
        rows, _ = self._taken(1)
        return rows[0]

    def chunks(self) -> Iterator[tuple[list[list[str]], Sequence[int]]]:
        """Yield rows and their lines, without blank lines."""
        size = 1
        while True:
            rows, lines = self._taken(size)
            if not rows:
                return
            size = max(_FEWEST_ROWS, _CELLS // max(1, len(rows[0])))
            if min(map(len, rows)) < 2:  # noqa: PLR2004 - a table has two columns or more
                kept = [(row, line) for row, line in zip(rows, lines, strict=True) if not _is_blank(row)]
                rows, lines = [row for row, _ in kept], [line for _, line in kept]
            if rows:
                yield rows, lines

    def _taken(self, most: int) -> tuple[list[list[str]], Sequence[int]]:
        rows: list[list[str]] = []
        first = self._rows.line_num
        try:
            # What was read before an error stays in the list, so that the error's line can be told.
            rows.extend(islice(self._rows, most))
        except csv.Error as error:
            self._line = self._ends(rows)[-1] if rows else self._line
            raise self._wrong(error) from None
        lines: Sequence[int] = range(self._line + 1, self._line + len(rows) + 1)
        if self._rows.line_num - first != len(rows):
            lines = self._ends(rows)
        self._line += self._rows.line_num - first
        return rows, lines

    def _ends(self, rows: Iterable[list[str]]) -> list[int]:
        """Return the line on which each row ends; one with line ends inside its values takes several."""
        line = self._line
        ends = []
        for row in rows:
            line += 1 + sum(len(_LINE_END.findall(value)) for value in row if "\n" in value or "\r" in value)
            ends.append(line)
        return ends

    def _wrong(self, error: csv.Error) -> UsageError:
        cut = "unexpected end" in str(error)
        what = "a quote that is never closed" if cut else str(error)
        message = f"{self._path.name}: {what} (from line {self._line + 1})"
        again = "; if the file was cut off there, copy it again" if cut else ""
        return UsageError(message, hint=f"close or double the quote in that row{again}")


def _is_blank(row: list[str]) -> bool:
    """Tell whether a line holds nothing, or blanks alone, or the mark with which DOS ended a text (Ctrl-Z)."""
    return len(row) < 2 and not "".join(row).strip(" \t\x1a")  # noqa: PLR2004 - see above


def _first_record(lines: Sequence[str]) -> str:
    """Return the header, which takes several lines where a quoted name holds a line end."""
    record = ""
    for line in lines:
        record += line
        if record.count('"') % 2 == 0:
            return record
    return lines[0]


def _separator(start: _Start, options: ReadOptions, path: Path) -> str:
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


def _remedy(start: _Start, likely: str | None) -> str:
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
    widths = {len(_RUN.sub(lambda run: "x" if run[1] else " ", line).split()) for line in lines if line.strip()}
    return len(widths) == 1 and widths.pop() > 1


def _line_ends(found: str | tuple[str, ...] | None) -> list[str]:
    if isinstance(found, tuple):
        return [f"its lines end in different ways: {', '.join(map(repr, found))}"]
    return ["its lines end in a carriage return alone"] if found == "\r" else []
