"""What a workflow may say about how its source is written; without a word everything is found out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self

from churnflow.errors import UsageError
from churnflow.modelling.numerals import Decimal

Format = Literal["auto", "csv", "parquet", "excel", "jsonl", "sqlite"]
BLANKS: Final = " "
# Half a million rows of twenty columns, whose codes take 40 MB.
MOST_CELLS: Final = 10_000_000
# Distinct texts of all columns together; one takes 100 to 200 bytes.
MOST_TEXTS: Final = 1_000_000
CELLS_AT_ONCE: Final = 1_000_000


@dataclass(frozen=True)
class Room:
    """How much of a table may be in memory before its columns go to disk.

    cells: of the whole table. texts: distinct ones of all columns together; beyond it also the texts of those columns
    that have most of them go to disk. batch: the cells that are read back at a time.
    """

    cells: int = MOST_CELLS
    texts: int = MOST_TEXTS
    batch: int = CELLS_AT_ONCE


@dataclass(frozen=True)
class ReadOptions:
    """How a source is written, as far as it is declared.

    separator: one character, ``" "`` for runs of blanks, ``auto``. encoding: as Python names it, ``auto``. decimal: the
    mark before the decimals. header: the line, or row of the sheet, that holds the names of the columns. sheet: of a
    workbook; table, query: of an SQLite file. missing: the words that stand for a missing value, None for the usual.
    room: how much of the table may be in memory before it goes to disk.
    """

    separator: str = "auto"
    encoding: str = "auto"
    decimal: Decimal = "auto"
    format: Format = "auto"
    header: int | None = None
    sheet: str | None = None
    table: str | None = None
    query: str | None = None
    missing: Iterable[str] | None = None
    room: Room = Room()

    def __post_init__(self) -> None:
        """Check what can be told without the source. Raises UsageError."""
        if self.header is not None and self.header < 1:
            message = f"the header stands on line 1 or below it, not on {self.header}"
            raise UsageError(message, hint="count lines from 1, or leave `header` out")
        if self.table is not None and self.query is not None:
            message = "a table and a query are named, where one of them is read"
            raise UsageError(message, hint="leave `table` or `query` out")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return what the parameters of a step, by name, say of its source. Raises UsageError."""
        return cls(**{option.name: given[option.name] for option in fields(cls) if option.name in given})

    @property
    def mark(self) -> str | None:
        """The separator that is declared, None where it is to be found. Raises UsageError when it is no character."""
        if self.separator == "auto":
            return None
        chosen = self.separator.replace("\\t", "\t")
        if len(chosen) != 1 or chosen in '"\r\n':
            message = f"the separator is one character, not {self.separator!r}"
            raise UsageError(message, hint="write ',', ';', '|', '\\t' or ' ' (blanks), or leave it to auto")
        return chosen
