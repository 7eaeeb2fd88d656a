"""A source as columns of text: every format is read into this, before anything is taken for a number."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import Final, TypeVar, cast, overload

import numpy as np

from churnflow.errors import UsageError
from churnflow.modelling.fingerprints import Equals, Remembered, joined
from churnflow.modelling.gathering import Columns
from churnflow.modelling.numerals import Decimal, Mark, evidence
from churnflow.modelling.texts import missing_words
from churnflow.modelling.values import Codes, TextColumn, Values

SHOWN_COLUMNS: Final = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Ragged:
    """A row with another number of fields than the header."""

    line: int
    fields: int
    text: str


@dataclass(frozen=True)
class Form:
    """How a source was found to be written; what does not apply to its format is "".

    separator: of a delimited text, `" "` for runs of blanks. part: the sheet or table that was read.
    """

    format: str = "CSV"
    encoding: str = "utf-8"
    separator: str = ","
    compression: str = ""
    part: str = ""

    def shown(self) -> str:
        """Write it in one line, as facts show it."""
        parts = (
            self.format,
            self.compression and f"{self.compression}-compressed",
            self.part,
            self.encoding,
            self.separator and f"separated by {'blanks' if self.separator == ' ' else repr(self.separator)}",
        )
        return ", ".join(filter(None, parts))


@dataclass(frozen=True)
class Table:
    """Columns of text as they stand in a source, in memory or, beyond what that should hold, on disk.

    lines: the line, or the row of a sheet or result, on which each row ends. missing: the words that stand for a
    missing value, folded. decimal: the mark that was declared. notes: what a reader of the report should know about the
    source. typed: the columns whose values are numbers in the source itself, which every format writes with a point,
    whatever is declared or usual of texts.
    """

    header: tuple[str, ...]
    columns: tuple[TextColumn, ...]
    lines: Sequence[int]
    ragged: tuple[Ragged, ...] = ()
    form: Form = Form()
    folded: tuple[str, ...] = ()
    missing: frozenset[str] = missing_words()
    decimal: Decimal = "auto"
    notes: tuple[str, ...] = ()
    typed: frozenset[str] = frozenset()

    @classmethod
    def of_rows(
        cls,
        header: Sequence[str],
        rows: Iterable[Sequence[str]],
        ragged: tuple[Ragged, ...] = (),
        missing: frozenset[str] = missing_words(),
    ) -> "Table":
        """Return a table of rows, each as wide as the header; they follow it on the lines from the second on."""
        columns, every = Columns(len(header)), list(rows)
        columns.add(every, range(2, len(every) + 2))
        gathered, lines = columns.gathered()
        return cls(tuple(header), gathered, lines, ragged, missing=missing)

    @property
    def separator(self) -> str:
        """What stands between the fields of a row that is written out."""
        return self.form.separator or ","

    @property
    def read_as(self) -> str:
        """How the source was read, in one line."""
        mark = self.usual_decimal if self.decimal == "auto" else self.decimal
        return f"{self.form.shown()}, numbers with a decimal comma" if mark == "," else self.form.shown()

    @property
    def rows(self) -> "Rows":
        """The rows, each put together when it is asked for."""
        return Rows(self)

    def place(self, name: str) -> int:
        """Return the place of a column. Raises UsageError, with the nearest name, for one that is not there."""
        if name not in self.header:
            plain = {known.casefold(): known for known in reversed(self.header)}
            near = get_close_matches(name.casefold(), plain, n=1)
            more = ", ..." if len(self.header) > SHOWN_COLUMNS else ""
            shown = f"its columns: {', '.join(self.header[:SHOWN_COLUMNS])}{more}"
            message = f"the file has no column {name!r}"
            raise UsageError(message, hint=f"did you mean {plain[near[0]]!r}?" if near else shown)
        return self.header.index(name)

    def values(self, name: str) -> TextColumn:
        """Return one column. Raises UsageError as `place` does."""
        return self.columns[self.place(name)]

    def column(self, name: str) -> list[str]:
        """Return the texts of one column, one a row, as they stand. Raises UsageError as `place` does."""
        return list(chain.from_iterable(_spread(piece.texts, piece.codes) for piece in self.values(name).pieces()))

    @property
    def in_memory(self) -> bool:
        """Whether all of it is in memory."""
        return all(isinstance(column, Values) for column in self.columns)

    def batches(self, places: Iterable[int] | None = None) -> Iterator[tuple[int, tuple[Values, ...]]]:
        """Yield some rows at a time, all of a table in memory: the number of the first, and the values of each column.

        places: the columns that are wanted, all by default.
        """
        wanted = self.columns if places is None else [self.columns[place] for place in places]
        first = 0
        for pieces in zip(*(column.pieces() for column in wanted), strict=True):
            yield first, pieces
            first += pieces[0].rows

    def picked(self, places: Iterable[int]) -> Iterator[list[str]]:
        """Yield the rows of these numbers, which ascend."""
        wanted = np.fromiter(places, np.int64)
        for first, pieces in self.batches() if len(wanted) else ():
            low, high = np.searchsorted(wanted, (first, first + pieces[0].rows))
            for place in (wanted[low:high] - first).tolist():
                yield [piece.texts[piece.codes[place]] for piece in pieces]

    def counts(self, name: str) -> Mapping[str, int]:
        """Return the values of a column without the blanks around them, and in how many rows each stands."""
        return self.values(name).present(self.missing).counts

    @cached_property
    def usual_decimal(self) -> Mark | None:
        """The decimal mark of those columns that leave no doubt about theirs, None where they differ or show none."""
        columns = [column for name, column in zip(self.header, self.columns, strict=True) if name not in self.typed]
        marks = {evidence(column.present(self.missing).counts).mark for column in columns if _has_commas(column)}
        if "," not in marks:
            return None
        ordinary = (column for column in columns if not _has_commas(column))
        marks |= {evidence(column.present(self.missing).counts).mark for column in ordinary}
        return "," if marks <= {",", None} else None

    def equal_rows(self, names: Iterable[str]) -> int:
        """Count the rows whose texts in these columns all equal those of an earlier row. Raises as `place` does."""
        places = [self.place(name) for name in names]
        if not places:
            return max(0, len(self.lines) - 1)
        if not self.in_memory:
            return len(self.lines) - self._distinct_rows(places)
        together = np.zeros(len(self.lines), dtype=np.int64)
        for piece in (piece for place in places for piece in self.columns[place].pieces()):
            # Numbered anew after every column, so that the numbers never grow beyond the count of rows.
            numbered = together * len(piece.texts) + piece.codes
            together = np.unique(numbered, return_inverse=True)[1].astype(np.int64)
        return len(together) - int(together.max(initial=-1)) - 1

    def _distinct_rows(self, places: Sequence[int]) -> int:
        """Count the rows that differ in these columns, of which memory holds a batch at a time."""
        equals, remembered = Equals(), Remembered()
        for _, pieces in self.batches(places):
            prints = np.zeros((pieces[0].rows, 2), np.uint64)
            for place, piece in enumerate(pieces):
                prints = joined(prints, remembered.of(place, piece.texts)[piece.codes])
            equals.add(prints, np.zeros(len(prints)))
        return equals.distinct()


class Rows(Sequence[list[str]]):
    """The rows of a table, each a list of texts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table.lines)

    @overload
    def __getitem__(self, place: int) -> list[str]: ...
    @overload
    def __getitem__(self, place: slice) -> list[list[str]]: ...
    def __getitem__(self, place: int | slice) -> list[str] | list[list[str]]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        return next(self._table.picked([at]))

    def __iter__(self) -> Iterator[list[str]]:
        for _, pieces in self._table.batches():
            yield from map(list, zip(*(_spread(piece.texts, piece.codes) for piece in pieces), strict=True))

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    __hash__ = None  # type: ignore[assignment]


def _spread(distinct: Sequence[T], codes: Codes) -> list[T]:
    values = np.empty(len(distinct), dtype=object)
    values[:] = distinct
    return cast("list[T]", values[codes].tolist())


def _has_commas(column: TextColumn) -> bool:
    return any("," in text for texts in column.distinct() for text in texts)


def named_columns(names: Sequence[str], source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column names with blanks folded, and those that were changed by it.

    Raises UsageError for a name that is empty or stands twice, and for a header of nothing but numbers.
    """
    folded = tuple(" ".join(name.split()) for name in names)
    empty = [place for place, name in enumerate(folded, start=1) if not name]
    if empty:
        message = f"{source}: column {empty[0]} of {len(folded)} has no name"
        raise UsageError(message, hint="give every column a name in the first line")
    if all(_is_number(name) for name in folded):
        message = f"{source} has no header: its first line holds numbers only"
        raise UsageError(message, hint="write the names of the columns into a first line of their own")
    doubled = [name for name, count in Counter(folded).items() if count > 1]
    if doubled:
        message = f"{source}: the header names {doubled[0]!r} twice"
        raise UsageError(message, hint="rename one of the two columns")
    return folded, tuple(name for name, raw in zip(folded, names, strict=True) if name != raw)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
