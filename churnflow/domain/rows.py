"""Whether a text is a table of customers: its column names are those of a table that is known to hold them."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

# Enough for a header of a few thousand columns and the row below it.
BEGINNING: Final = 65_536
_DELIMITERS: Final = ",;\t|"
_FEWEST: Final = 2
_MANY: Final = 3
_LETTER: Final = re.compile(r"[^\W\d_]")
_RULE: Final = re.compile(r":?-+:?")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
# What pandas and spreadsheets call the rows of a summary, which holds no customer.
_SUMMARY: Final = frozenset(
    {"count", "mean", "std", "min", "max", "sum", "total", "median", "unique", "top", "dtype", "missing"}
)


def columns_of(content: bytes) -> frozenset[str]:
    """Return the names of the columns of a text by its first bytes, in small letters; none where it is no table.

    A table has names in its first line, two or more and each once, and below them a row of as many cells or one more
    or less; a summary or a matrix of the columns themselves is none. Of JSON lines the names are those of the first.
    """
    lines = _lines(content[:BEGINNING])
    if lines and lines[0].startswith("{"):
        return _named(_keys(lines[0]))
    signs = (sign for sign in _DELIMITERS if lines and sign in lines[0])
    tables = ([[cell.strip() for cell in row] for row in _rows(lines, sign)] for sign in signs)
    named = (_named(names) for names, row in tables if _is_row(row, names))
    return max(named, key=len, default=frozenset())


def taken_from(columns: frozenset[str], known: Iterable[tuple[str, frozenset[str]]]) -> str | None:
    """Return the name of the first of the `known` tables of which `columns` has at least half, None for no such table.

    Of a table with three columns or more it has to have three.
    """
    alike = (name for name, theirs in known if len(columns & theirs) >= max(min(_MANY, len(theirs)), len(theirs) / 2))
    return next(alike, None) if columns else None


def _lines(beginning: bytes) -> list[str]:
    is_wide = beginning.startswith(_UTF_16)
    if b"\0" in beginning and not is_wide:
        return []
    text = beginning.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")
    return [line for line in re.split(r"[\r\n]+", text) if line.strip() and not line.startswith(("#", "sep="))]


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    found = list(islice(csv.reader(lines, delimiter=delimiter), 2))
    return [*found, [], []][:2]


def _keys(line: str) -> list[str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(found)


def _is_row(row: Sequence[str], names: Sequence[str]) -> bool:
    is_summary = not row or row[0].lower() in _SUMMARY or (row[0] in names and row[0] != "")
    return abs(len(row) - len(names)) <= 1 and not is_summary and not all(map(_RULE.fullmatch, filter(None, row)))


def _named(cells: Sequence[str]) -> frozenset[str]:
    # Cells without a letter are values, as are those that repeat: two tables without names would share them.
    names = [cell.lower() for cell in cells if _LETTER.search(cell)]
    return frozenset(names) if _FEWEST <= len(names) == len(set(names)) else frozenset()
