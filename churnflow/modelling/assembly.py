"""Rows of any format become a table: what does not belong to it is set apart or left out, and said."""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import numpy as np

from churnflow.errors import UsageError
from churnflow.modelling.gathering import Columns
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Form, Ragged, Table, named_columns
from churnflow.modelling.texts import missing_words
from churnflow.modelling.values import TextColumn

MANY_COLUMNS: Final = 1_000
LONG_VALUE: Final = 100_000
MOST_LINES: Final = 20
SHOWN_LINES: Final = 5
TOTALS: Final = frozenset({"total", "totals", "grand total", "sum", "summe", "gesamt", "insgesamt", "somme", "suma"})


class Assembly:
    """A table in the making. Raises UsageError for a header that is empty, doubled, alone, or made of numbers."""

    def __init__(self, names: Sequence[str], source: str, form: Form, options: ReadOptions) -> None:
        """Take the names as they stand in the header, and the name of the source for what is said of it."""
        self._names = list(names)
        self._source = source
        self._form = form
        self._options = options
        self._header, self._folded = named_columns(names, source)
        self._columns = Columns(len(names), options.room)
        self._ragged: list[Ragged] = []
        self._headers: list[int] = []

    def add(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
        """Add rows with the line on which each ends; those of another width are set apart, further headers left out."""
        width = len(self._names)
        if self._names in rows or not all(map(width.__eq__, map(len, rows))):
            rows, lines = self._sorted_out(rows, lines)
        self._columns.add(rows, lines)

    def table(self, notes: Sequence[str] = (), texts: Collection[int] | None = None) -> Table:
        """Return the whole table.

        notes: what else is to be said of its source. texts: the places of the columns that hold anything but what the
        source has as a number; all where it has texts alone.
        """
        said = [*notes, *self._without_total()]
        if not len(self._columns):
            message = f"{self._source} has a header and no whole row under it"
            raise UsageError(message, hint="name a file with customers in it")
        columns, lines = self._columns.gathered()
        if self._headers:
            said.append(f"the header stands again on {_shown(self._headers)}; left out, as in files joined end to end")
        return Table(
            self._header,
            columns,
            lines,
            tuple(self._ragged),
            self._form,
            self._folded,
            missing_words(self._options.missing),
            self._options.decimal,
            (*said, *unusual(self._header, columns), *self._spanning(columns, lines)),
            frozenset() if texts is None else self._typed(texts),
        )

    def _typed(self, texts: Collection[int]) -> frozenset[str]:
        return frozenset(name for place, name in enumerate(self._header) if place not in texts)

    def _spanning(self, columns: Sequence[TextColumn], lines: Sequence[int]) -> list[str]:
        """Return which values of a delimited text take so many lines that a quote is likely out of place."""
        said = []
        for name, column in zip(self._header, columns, strict=True) if self._form.separator else ():
            rows = list(_rows_of(column)) if any(map(_long_places, column.distinct())) else []
            if rows:
                what = f"values of the column {name} take more than {MOST_LINES} lines: {len(rows):,}"
                shown = _shown([lines[row] for row in rows[: SHOWN_LINES + 1]])
                said.append(f"{what} (up to {shown}); does a quote stand there where none belongs?")
        return said

    def _sorted_out(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> tuple[list[Sequence[str]], list[int]]:
        whole: list[Sequence[str]] = []
        places: list[int] = []
        for row, line in zip(rows, lines, strict=True):
            if row == self._names:
                self._headers.append(line)
            elif len(row) == len(self._names):
                whole.append(row)
                places.append(line)
            else:
                self._ragged.append(Ragged(line, len(row), (self._form.separator or ",").join(row)))
        return whole, places

    def _without_total(self) -> list[str]:
        """Leave a last line out that adds the others up: it says so, and leaves a column blank."""
        if not len(self._columns):
            return []
        cells = [cell.strip() for cell in self._columns.last()]
        first = next((cell for cell in cells if cell), "")
        if "" not in cells or first.rstrip(":").casefold() not in TOTALS:
            return []
        return [f"the last line ({self._columns.drop_last()}) adds the others up ({first!r}); left out"]


def unusual(header: Sequence[str], columns: Sequence[TextColumn]) -> list[str]:
    """Return what is out of the ordinary about the size of a table: very many columns, very long values."""
    said = []
    if len(header) > MANY_COLUMNS:
        said.append(f"the table has {len(header):,} columns, so the search for a model takes long")
    for name, column in zip(header, columns, strict=True):
        longest = max((len(text) for texts in column.distinct() for text in texts), default=0)
        if longest > LONG_VALUE:
            said.append(f"a value of the column {name} has {longest:,} characters")
    return said


def _long_places(texts: Sequence[str]) -> list[int]:
    return [place for place, text in enumerate(texts) if text.count("\n") > MOST_LINES]


def _rows_of(column: TextColumn) -> Iterator[int]:
    """Yield the rows whose value takes very many lines."""
    first = 0
    for piece in column.pieces():
        long = _long_places(piece.texts)
        yield from (first + np.flatnonzero(np.isin(piece.codes, long))).tolist() if long else ()
        first += piece.rows


def _shown(lines: Sequence[int]) -> str:
    more = ", ..." if len(lines) > SHOWN_LINES else ""
    return f"line {', '.join(map(str, lines[:SHOWN_LINES]))}{more}"
