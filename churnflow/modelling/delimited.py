"""A delimited text: its separator is found, its quotes are kept to, its lines counted as an editor shows them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.decoding import decoded
from churnflow.modelling.formats import CONFLICT, nul_byte, unfinished_merge
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.separators import beginning, rows_of, separator_of
from churnflow.modelling.table import Form, Table
from churnflow.modelling.text_lines import bounded_lines
from churnflow.modelling.unpacking import unpacked

# Few rows at a time stay in the processor's cache; the columns of a wide table want more than a handful.
_CELLS: Final = 40_000
_FEWEST_ROWS: Final = 256
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


def read(path: Path, options: ReadOptions) -> Table:
    """Read a delimited text. Raises UsageError for one of unknown encoding or separator, cut, damaged, or no table."""
    table, note = decoded(path, options.encoding, lambda encoding: _read(path, encoding, options))
    return replace(table, notes=(note, *table.notes)) if note else table


def _read(path: Path, encoding: str, options: ReadOptions) -> Table:
    with unpacked(path, most=None) as opened, io.TextIOWrapper(opened.stream, encoding, newline="") as text:
        lines = _checked(text, path)
        start = beginning(lines, options, path)
        separator = separator_of(start, options, path)
        reader = _Reader(chain(start.sample, lines), separator, start.skipped, path)
        form = Form("CSV", _plain_name(encoding), separator, opened.compression)
        assembly = Assembly(reader.header(), path.name, form, options)
        for rows, ends in reader.chunks():
            assembly.add(rows, ends)
        return assembly.table(_line_ends(text.newlines))


def _plain_name(encoding: str) -> str:
    return "utf-8" if encoding == "utf-8-sig" else encoding


def _checked(text: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yield the lines of a text. Raises UsageError where one shows that it is none, or not one that is finished."""
    for number, line in enumerate(bounded_lines(text, path), start=1):
        if "\0" in line:
            raise nul_byte(path, number)
        if line[0] in "<|>" and line.startswith(CONFLICT):
            raise unfinished_merge(path, number)
        yield line


class _Reader:
    """The rows of a text, in chunks, with the line on which each ends."""

    def __init__(self, lines: Iterable[str], separator: str, skipped: int, path: Path) -> None:
        self._path = path
        self._line = skipped
        self._rows: Any = rows_of(lines, separator)

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


def _line_ends(found: str | tuple[str, ...] | None) -> list[str]:
    if isinstance(found, tuple):
        return [f"its lines end in different ways: {', '.join(map(repr, found))}"]
    return ["its lines end in a carriage return alone"] if found == "\r" else []
