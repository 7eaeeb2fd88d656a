"""A source as columns of text: every format is read into this, before anything is taken for a number."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Final, TypeVar, cast, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.numerals import Decimal, Mark, evidence
from churnflow.modelling.texts import missing_words, present

SHOWN_COLUMNS: Final = 20

Codes = npt.NDArray[np.int32]
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
    """Columns of text as they stand in a source, each distinct text of a column once.

    texts_of: the distinct texts of each column, in order of first appearance; codes: for each column the place of each
    row's text among them, (rows,). lines: the line, or the row of a sheet or result, on which each row ends. missing:
    the words that stand for a missing value, folded. decimal: the mark that was declared. notes: what a reader of the
    report should know about the source. typed: the columns whose values are numbers in the source itself, which every
    format writes with a point, whatever is declared or usual of texts.
    """

    header: tuple[str, ...]
    distinct: tuple[list[str], ...]
    codes: tuple[Codes, ...]
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
        columns = Columns(len(header))
        columns.add(list(rows))
        distinct, codes = columns.coded()
        return cls(tuple(header), distinct, codes, range(2, len(columns) + 2), ragged, missing=missing)

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

    def column(self, name: str) -> list[str]:
        """Return the texts of one column, one a row, as they stand. Raises UsageError as `place` does."""
        place = self.place(name)
        return _spread(self.distinct[place], self.codes[place])

    def coded(self, name: str) -> tuple[list[str], Codes]:
        """Return the distinct texts of a column and, for each row, the place of its text. Raises as `place` does."""
        place = self.place(name)
        return self.distinct[place], self.codes[place]

    def counts(self, name: str) -> dict[str, int]:
        """Return the values of a column without the blanks around them, and in how many rows each stands."""
        return self._counts(self.place(name))

    @cached_property
    def usual_decimal(self) -> Mark | None:
        """The decimal mark of those columns that leave no doubt about theirs, None where they differ or show none."""
        places = [place for place, name in enumerate(self.header) if name not in self.typed]
        marks = {evidence(self._counts(place)).mark for place in places if _has_commas(self.distinct[place])}
        if "," not in marks:
            return None
        ordinary = (place for place in places if not _has_commas(self.distinct[place]))
        marks |= {evidence(self._counts(place)).mark for place in ordinary}
        return "," if marks <= {",", None} else None

    def equal_rows(self, names: Iterable[str]) -> int:
        """Count the rows whose texts in these columns all equal those of an earlier row. Raises as `place` does."""
        places = [self.place(name) for name in names]
        if not places:
            return max(0, len(self.lines) - 1)
        together = np.zeros(len(self.lines), dtype=np.int64)
        for place in places:
            # Numbered anew after every column, so that the numbers never grow beyond the count of rows.
            joined = together * len(self.distinct[place]) + self.codes[place]
            together = np.unique(joined, return_inverse=True)[1].astype(np.int64)
        return len(together) - int(together.max(initial=-1)) - 1

    def _counts(self, place: int) -> dict[str, int]:
        sizes = np.bincount(self.codes[place], minlength=len(self.distinct[place])).tolist()
        found: Counter[str] = Counter()
        for text, size in zip(self.distinct[place], sizes, strict=True):
            bare = present(text, self.missing)
            if bare is not None:
                found[bare] += size
        return found


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
        columns = zip(self._table.distinct, self._table.codes, strict=True)
        return [texts[codes[place]] for texts, codes in columns]

    def __iter__(self) -> Iterator[list[str]]:
        columns = zip(self._table.distinct, self._table.codes, strict=True)
        return map(list, zip(*(_spread(texts, codes) for texts, codes in columns), strict=True))

    def __eq__(self, other: object) -> bool:
        return list(self) == other

    __hash__ = None  # type: ignore[assignment]


class Columns:
    """Columns that grow by rows; a text that a column holds already takes four more bytes."""

    def __init__(self, width: int) -> None:
        """Begin with so many empty columns."""
        self._known = [_numbering() for _ in range(width)]
        self._codes = [array("i") for _ in range(width)]

    def __len__(self) -> int:
        return len(self._codes[0]) if self._codes else 0

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Add rows, each as wide as the table."""
        for known, codes, texts in zip(self._known, self._codes, zip(*rows, strict=True), strict=False):
            # Twice as fast as looking every text up: most of a few thousand are the same.
            places, distinct = pd.factorize(np.array(texts, dtype=object))
            numbers = np.fromiter(map(known.__getitem__, distinct), np.int32, len(distinct))
            codes.frombytes(numbers[places].tobytes())

    def drop_last(self) -> None:
        """Take the last row away, and the texts that only it has brought."""
        for known, codes in zip(self._known, self._codes, strict=True):
            last = codes.pop()
            if last == len(known) - 1 and last not in codes:
                known.popitem()

    def last(self) -> list[str]:
        """Return the last row."""
        return [list(known)[codes[-1]] for known, codes in zip(self._known, self._codes, strict=True)]

    def coded(self) -> tuple[tuple[list[str], ...], tuple[Codes, ...]]:
        """Return the distinct texts of each column, and the codes of its rows."""
        return (
            tuple(list(known) for known in self._known),
            tuple(np.frombuffer(codes, dtype=np.int32) if codes else np.empty(0, np.int32) for codes in self._codes),
        )


def _numbering() -> defaultdict[str, int]:
    """Return a dictionary that numbers its keys in the order in which they are first asked for."""
    known: defaultdict[str, int] = defaultdict()
    known.default_factory = known.__len__
    return known


def _spread(distinct: Sequence[T], codes: Codes) -> list[T]:
    values = np.empty(len(distinct), dtype=object)
    values[:] = distinct
    return cast("list[T]", values[codes].tolist())


def _has_commas(texts: Iterable[str]) -> bool:
    return any("," in text for text in texts)


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
