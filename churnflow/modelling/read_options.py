"""What a workflow may say about how its source is written; without a word everything is found out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from churnflow.errors import UsageError
from churnflow.modelling.numerals import Decimal

Format = Literal["auto", "csv", "parquet", "excel", "jsonl", "sqlite"]
BLANKS: Final = " "


@dataclass(frozen=True)
class ReadOptions:
    """How a source is written, as far as it is declared.

    separator: one character, ``" "`` for runs of blanks, ``auto``. encoding: as Python names it, ``auto``. decimal: the
    mark before the decimals. header: the line, or row of the sheet, that holds the names of the columns. sheet: of a
    workbook; table, query: of an SQLite file. missing: the words that stand for a missing value, None for the usual.
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

    def __post_init__(self) -> None:
        """Check what can be told without the source. Raises UsageError."""
        if self.header is not None and self.header < 1:
            message = f"the header stands on line 1 or below it, not on {self.header}"
            raise UsageError(message, hint="count lines from 1, or leave `header` out")
        if self.table is not None and self.query is not None:
            message = "a table and a query are named, where one of them is read"
            raise UsageError(message, hint="leave `table` or `query` out")

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
