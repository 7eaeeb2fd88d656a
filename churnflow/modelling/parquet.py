"""Parquet as columns of text, read by DuckDB in pieces."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, cast

import duckdb
from duckdb.sqltypes import DuckDBPyType

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Form, Table, named_columns

_CELLS: Final = 400_000
NUMBERS: Final = frozenset(f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")) | {
    "integer",
    "uinteger",
    "float",
    "double",
    "decimal",
}
SOURCE: Final = "read_parquet(?, binary_as_string = true, hive_partitioning = false)"
_NESTED: Final = frozenset({"struct", "list", "array", "map", "union"})
# No file of the user's makes this process fetch code.
_SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "autoinstall_known_extensions": False,
    "preserve_insertion_order": True,
}


class Field(NamedTuple):
    """A column, or a field of one that is a struct: SQL for its text, its DuckDB type, and SQL for its value."""

    name: str
    text: str
    kind: str
    value: str


def read(path: Path, options: ReadOptions) -> Table:
    """Read a Parquet file: numbers with every digit, times as ISO 8601 in UTC, the fields of a struct as `name.field`.

    Raises UsageError for a damaged file, and by name for a column of lists, maps or deeper structs.
    """
    with opened(path) as connection:
        fields = described(connection, path)
        assembly = Assembly([field.name for field in fields], path.name, Form("Parquet", "", ""), options)
        wanted = ", ".join(f"coalesce(CAST({field.text} AS VARCHAR), '')" for field in fields)
        answer = connection.execute(f"SELECT {wanted} FROM {SOURCE}", [place_of(path)])  # noqa: S608 - quoted by _quoted
        first = 1
        while rows := answer.fetchmany(max(1, _CELLS // len(fields))):
            assembly.add(rows, range(first, first + len(rows)))
            first += len(rows)
    return assembly.table(texts={place for place, field in enumerate(fields) if field.kind not in NUMBERS})


def header(path: Path, _: ReadOptions) -> tuple[str, ...]:
    """Return the columns of a Parquet file without reading a row. Raises UsageError as `read` does."""
    with opened(path) as connection:
        return named_columns([field.name for field in described(connection, path)], path.name)[0]


@contextmanager
def opened(path: Path, threads: int = 1) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to read a Parquet file by, with times in UTC. Raises UsageError for what can not be read."""
    try:
        with duckdb.connect(config={**_SETTINGS, "threads": threads}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        message = f"{path.name} can not be read as Parquet: {told(error)}"
        raise UsageError(message, hint="copy it again, or write it anew where it was made") from error


def described(connection: duckdb.DuckDBPyConnection, path: Path) -> list[Field]:
    """Return the columns of a file, and the fields of its structs. Raises UsageError for lists and maps."""
    found = connection.execute(f"SELECT * FROM {SOURCE} LIMIT 0", [place_of(path)]).description  # noqa: S608 - no input
    return [field for name, kind, *_ in found or () for field in _fields(name, kind, path)]


def place_of(path: Path) -> str:
    """Return a path whose letters stand for themselves, where DuckDB takes patterns."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _fields(name: str, kind: DuckDBPyType, path: Path) -> Iterator[Field]:
    if kind.id == "struct":
        for field, inner in cast("list[tuple[str, DuckDBPyType]]", kind.children):
            _refuse_nested(f"{name}.{field}", inner, path)
            value = f"{_quoted(name)}[{_literal(field)}]"
            yield Field(f"{name}.{field}", _exact(value, inner), inner.id, value)
    else:
        _refuse_nested(name, kind, path)
        yield Field(name, _exact(_quoted(name), kind), kind.id, _quoted(name))


def _exact(value: str, kind: DuckDBPyType) -> str:
    """Return SQL for a value as text: a whole number is one, also where a missing one made its column one of floats."""
    text = f"CAST({value} AS VARCHAR)"
    if kind.id not in {"double", "float"}:
        return text
    whole = f"CASE WHEN {value} = trunc({value}) AND abs({value}) <= {2**53} THEN TRY_CAST({value} AS BIGINT) END"
    return f"coalesce(CAST({whole} AS VARCHAR), {text})"


def _refuse_nested(name: str, kind: DuckDBPyType, path: Path) -> None:
    if kind.id in _NESTED:
        message = f"{path.name}: the column {name!r} holds {str(kind).split('(', maxsplit=1)[0]}, not single values"
        raise UsageError(message, hint="leave it out, or spread it over columns, where the file is written")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
