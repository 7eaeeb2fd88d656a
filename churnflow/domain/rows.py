"""Whether a text is a table of customers: its column names are those of a table that is known to hold them."""

import csv
import re
from collections.abc import Iterable
from typing import Final

# Enough for a header of a few thousand columns and the row below it.
BEGINNING: Final = 65_536
_DELIMITERS: Final = ",;\t|"
_FEWEST: Final = 2
_LINE_END: Final = re.compile(rb"[\r\n]+")
_LETTER: Final = re.compile(r"[^\W\d_]")


def columns_of(content: bytes) -> frozenset[str]:
    """Return the names of the columns of a delimited text by its first bytes; none where it is no table with rows.

    A table has two columns or more, and below its names a row of as many cells.
    """
    beginning = content[:BEGINNING]
    first, second = [*_LINE_END.split(beginning.lstrip(b"\r\n "), maxsplit=2), b"", b""][:2]
    if b"\0" in beginning or not any(sign in first for sign in _DELIMITERS.encode()):
        return frozenset()
    names, row = (line.decode("utf-8-sig", errors="replace") for line in (first, second))
    tables = ((_cells(names, sign), _cells(row, sign)) for sign in _DELIMITERS)
    # Cells without a letter are values: two tables without names would share their zeros and ones.
    named = [[cell for cell in cells if _LETTER.search(cell)] for cells, below in tables if len(cells) == len(below)]
    widest = max(named, key=len, default=[])
    return frozenset(widest) if len(widest) >= _FEWEST else frozenset()


def taken_from(columns: frozenset[str], known: Iterable[tuple[str, frozenset[str]]]) -> str | None:
    """Return the name of the first of the `known` tables of which `columns` has at least half, and no fewer than two.

    None where there is no such table.
    """
    alike = (name for name, theirs in known if len(columns & theirs) >= max(_FEWEST, len(theirs) / 2))
    return next(alike, None)


def _cells(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
