"""A log of events as DuckDB reads it, so that it may exceed the memory: columns, rows that do not fit, their lines."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from churnflow.errors import UsageError
from churnflow.modelling.declared import unknown_column
from churnflow.modelling.table import Form
from churnflow.modelling.texts import missing_words
from churnflow.modelling.unpacking import unpacked

BLANK: Final = "chr(32) || chr(9) || chr(13) || chr(10) || chr(160)"
MOST_RAGGED: Final = 100_000
# No log of the user's makes this process fetch code.
SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {"autoinstall_known_extensions": False}
_BLOCK: Final = 1 << 20
_FLOATS: Final = frozenset({"DOUBLE", "FLOAT"})
_NESTED: Final = ("STRUCT", "MAP", "UNION", "LIST")


@dataclass(frozen=True)
class Ragged:
    """A row that could not be split into the fields of the header."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class RowLines:
    """On which lines the rows of a separated text stand, of which DuckDB tells the bytes, or the number of the row.

    readable: the text, in UTF-8. skipped: the lines above the header, or above the first row if it has none.
    """

    readable: Path
    separator: str
    skipped: int
    has_header: bool

    def at(self, places: Sequence[int]) -> list[int]:
        """Return the lines at which the bytes at `places`, counted from 1 in order, stand.

        DuckDB's own count of lines leaves out those within quotes.
        """
        lines: list[int] = []
        line, passed, left = 1, 0, list(reversed(places))
        for block in self._blocks() if places else ():
            at = 0
            while left and left[-1] - 1 < passed + len(block):
                until = left.pop() - 1 - passed
                line += block.count(b"\n", at, until)
                lines.append(line)
                at = until
            line, passed = line + block.count(b"\n", at), passed + len(block)
            if not left:
                break
        return lines

    def of(self, rows: Sequence[int], rejected: Sequence[int]) -> list[int]:
        """Return the lines on which `rows` begin, numbered in order from 1.

        rejected: the lines of rows that were not counted. The text is read up to the last of the rows.
        """
        wanted, passed, found = set(rows), set(rejected), list[int]()
        number = int(not self.has_header)
        with unpacked(self.readable, most=None) as opened, io.TextIOWrapper(opened.stream, "utf-8", newline="") as text:
            for _ in range(self.skipped):
                text.readline()
            line = self.skipped + 1
            reader = csv.reader(text, delimiter=self.separator)
            for row in reader:
                if row and line not in passed:
                    if number in wanted:
                        found.append(line)
                    number += 1
                line = self.skipped + reader.line_num + 1
                if len(found) == len(wanted):
                    break
        return found

    def _blocks(self) -> Iterator[bytes]:
        with unpacked(self.readable, most=None) as opened:
            yield from iter(lambda: opened.stream.read(_BLOCK), b"")


@dataclass(frozen=True)
class EventRows:
    """The rows of a log as SQL.

    plain: the columns are c0, c1, ... in the order of the header. numbered: with a column `line` as well; with `lines`,
    it is the number of the row. written: a whole row as text; same: what rows have in common that are equal. spans:
    whether a row takes more lines than a text that anyone wrote into it. ragged: line, reason, text and number of
    faults of the rows that did not fit, after a reading of the whole, "" where there can be none.
    """

    plain: str
    numbered: str
    written: str
    same: str
    spans: str = "false"
    ragged: str = ""
    lines: RowLines | None = None


@dataclass(frozen=True)
class EventFile:
    """A log that can be read.

    name: of the source, for what is said of it. types: the SQL type of each column of the header; numbers: the columns
    that hold numbers in the source itself. notes: what the reader of the report should know about the source.
    """

    name: str
    header: tuple[str, ...]
    types: tuple[str, ...]
    form: Form
    rows: EventRows
    numbers: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def column(self, name: str) -> str:
        """Return the SQL name of a column.

        Raises UsageError, with the nearest name, for one that is not there, and for one that holds no single values.
        """
        kind = self.type(name)
        if kind.startswith(_NESTED) or kind.endswith("]"):
            message = f"{self.name}: the column {name!r} holds {kind.partition('(')[0]}, not single values"
            raise UsageError(message, hint="spread it over columns, or over events, where the log is written")
        return f"c{self.header.index(name)}"

    def type(self, name: str) -> str:
        """Return the SQL type of a column. Raises UsageError as `column` does for one that is not there."""
        if name not in self.header:
            error = unknown_column(name, self.header, self.name)
            # Such as that this is one sheet of several.
            raise UsageError(str(error), hint="; ".join((error.hint, *self.notes)))
        return self.types[self.header.index(name)]

    def text(self, name: str, missing: Iterable[str] | None = None) -> str:
        """Return SQL for the values of a column as text without the blanks around them, NULL where missing."""
        words = sorted(missing_words(missing))
        column = self.column(name)
        if self.type(name) in _FLOATS:
            # An id that is missing somewhere may have become a float: 12345.0 is 12345.
            whole = f"CASE WHEN {column} = trunc({column}) THEN TRY_CAST({column} AS BIGINT) END"
            column = f"coalesce(CAST({whole} AS VARCHAR), CAST({column} AS VARCHAR))"
        bare = f"trim(CAST({column} AS VARCHAR), {BLANK})"
        found = f"lower({bare}) IN ({', '.join(map(quoted, words))})"
        # Most values are longer than any of the words.
        longest = max(len(word.encode()) for word in words)
        return f"CASE WHEN strlen({bare}) > {longest} THEN {bare} WHEN {found} THEN NULL ELSE {bare} END"


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def fields_of(width: int) -> list[str]:
    """Return the names that the columns of a log have in SQL."""
    return [f"c{place}" for place in range(width)]


def joined(fields: Iterable[str], separator: str) -> str:
    """Return SQL for a row of fields as text, with a separator between them."""
    texts = ", ".join(f"coalesce(CAST({field} AS VARCHAR), '')" for field in fields)
    return f"concat_ws({quoted(separator)}, {texts})"


def hashed(fields: Iterable[str]) -> str:
    """Return SQL for a number that equal rows of fields have in common, and hardly ever others."""
    return f"hash({', '.join(fields)})"


def row_numbered(rows: str) -> str:
    """Return SQL for rows with their number, from 1 on, as `line`."""
    return f"SELECT *, row_number() OVER () AS line FROM ({rows})"


def ragged_rows(connection: duckdb.DuckDBPyConnection, file: EventFile) -> list[Ragged]:
    """Return the rows that the last reading of the whole file could not split, in order.

    Raises UsageError where they are so many that the file must be read in another way, or one is an open quote.
    """
    if not file.rows.ragged:
        return []
    connection.execute("SET preserve_insertion_order = true")
    rows = connection.execute(f"{file.rows.ragged} ORDER BY line LIMIT {MOST_RAGGED}").fetchall()
    # One row may have several faults, and it is faults of which DuckDB keeps so many.
    if sum(row[3] for row in rows) >= MOST_RAGGED:
        raise _misfit(file, len(rows))
    places = [row[0] for row in rows]
    lines = places if file.rows.lines is None else file.rows.lines.at(places)
    found = [_ragged(line, reason, text or "") for line, (_, reason, text, _) in zip(lines, rows, strict=True)]
    for row in found:
        if "\n" in row.text.rstrip("\r\n"):
            message = f"{file.name}: a quote that is never closed (from line {row.line})"
            again = "; if the file was cut off there, copy it again"
            raise UsageError(message, hint=f"close or double the quote in that row{again}")
    return found


def _misfit(file: EventFile, many: int) -> UsageError:
    if not file.form.separator:
        message = f"{file.name}: {many:,} lines or more are no {file.form.format.removesuffix(' lines')} records"
        return UsageError(message, hint="write one record a line, each key once")
    message = f"{file.name}: {many:,} rows or more do not fit its {len(file.header)} columns"
    return UsageError(message, hint="name the separator under with: {separator: ...}, or mend the file")


def _ragged(line: int, reason: str, text: str) -> Ragged:
    # DuckDB gives the empty lines before a row as a part of it.
    row = text.lstrip("\r\n")
    return Ragged(line + text[: len(text) - len(row)].count("\n"), reason, row)
