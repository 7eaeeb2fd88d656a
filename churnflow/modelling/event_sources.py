"""The one door to a log of events in whatever form it comes: text, JSON lines, Parquet, or a table held in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import pandas as pd
from duckdb.sqltypes import DuckDBPyType

from churnflow.errors import UsageError
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.event_files import (
    SETTINGS,
    EventFile,
    EventRows,
    fields_of,
    hashed,
    joined,
    quoted,
    row_numbered,
)
from churnflow.modelling.event_rows import delimited, folded_note, json_lines
from churnflow.modelling.event_texts import BLOCK, source_of, write
from churnflow.modelling.formats import format_of
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Form, Table, named_columns
from churnflow.modelling.unpacking import unpacked

_NUMBERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER")
_ALL_NUMBERS: Final = (*_NUMBERS, "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def open_events(
    source: "Path | pd.DataFrame",
    folder: Path,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    names: Sequence[str] = (),
) -> EventFile:
    """Look a log through and return how DuckDB reads it.

    source: delimited text or JSON lines, plain or compressed, Parquet, a workbook, an SQLite file, or a frame that an
    earlier step has read. What DuckDB can not read where it lies is written into `folder`; of these, workbooks, SQLite
    and frames have to fit into memory. names: of the columns of a text without a header. Raises UsageError for no log.
    """
    if not isinstance(source, Path):
        _refuse_names(names, "the source")
        return _table("the source", read_table(source, options), folder)
    with unpacked(source, most=None) as opened:
        found, compression = format_of(source, opened.head(), options), opened.compression
    if found != "csv" or options.header is not None:
        _refuse_names(names, source.name)
    match found:
        case "csv":
            return delimited(source, folder, options, names)
        case "jsonl":
            return json_lines(source, folder, options)
        case "parquet":
            return _parquet(source, folder, compression)
        case _:
            return _table(source.name, read_table(source, options), folder)


def _refuse_names(names: Sequence[str], source: str) -> None:
    if names:
        message = f"names are for a text without a header, and {source} has one"
        raise UsageError(message, hint="leave `names` out")


def _parquet(path: Path, folder: Path, compression: str) -> EventFile:
    readable = _plain_copy(path, folder) if compression else path
    source = f"read_parquet({quoted(source_of(readable))}, binary_as_string = true, hive_partitioning = false)"
    try:
        with duckdb.connect(config=SETTINGS) as connection:
            described = connection.execute(f"SELECT * FROM {source} LIMIT 0").description or ()
    except duckdb.Error as error:
        message = f"{path.name} can not be read as Parquet: {told(error)}"
        raise UsageError(message, hint="write it again, or copy it again if it was cut off") from error
    known = [field for name, kind, *_ in described for field in _fields(name, kind)]
    header, folded = named_columns([name for name, _, _ in known], path.name)
    types = tuple(kind for _, _, kind in known)
    fields = fields_of(len(header))
    selected = ", ".join(f"{value} AS {field}" for (_, value, _), field in zip(known, fields, strict=True))
    rows = f"SELECT {selected} FROM {source}"
    return EventFile(
        path.name,
        header,
        types,
        Form("Parquet", "", "", compression),
        EventRows(rows, row_numbered(rows), joined(fields, ","), hashed(fields)),
        numbers=frozenset(name for name, kind in zip(header, types, strict=True) if kind.startswith(_ALL_NUMBERS)),
        notes=folded_note(folded),
    )


def _fields(name: str, kind: DuckDBPyType) -> Iterator[tuple[str, str, str]]:
    """Yield name, SQL and type of a column, or of each field of one that is a struct."""
    value = '"' + name.replace('"', '""') + '"'
    if kind.id == "struct":
        for field, inner in cast("list[tuple[str, DuckDBPyType]]", kind.children):
            yield f"{name}.{field}", f"{value}[{quoted(field)}]", str(inner)
    else:
        yield name, value, str(kind)


def _plain_copy(path: Path, folder: Path) -> Path:
    copy = folder / "events.parquet"
    with unpacked(path, most=None) as opened, copy.open("wb") as written:
        while block := opened.stream.read(BLOCK):
            write(written, block, path)
    return copy


def _table(name: str, table: Table, folder: Path) -> EventFile:
    """Return a table as a log: its rows go into a file, some at a time, with their lines."""
    fields, place = fields_of(len(table.header)), folder / "table.parquet"
    texts = ", ".join(f"CAST({field} AS VARCHAR) AS {field}" for field in fields)
    with duckdb.connect(str(folder / "table.duckdb")) as connection:
        kinds = ", ".join(f"{field} VARCHAR" for field in fields)
        connection.execute(f"CREATE TABLE events ({kinds}, line BIGINT)")
        for first, pieces in table.batches():
            columns: dict[str, Any] = {
                field: pd.Categorical.from_codes(piece.codes, pd.Index(piece.texts, dtype=object))
                for field, piece in zip(fields, pieces, strict=True)
            }
            lines = table.lines[first : first + pieces[0].rows]
            connection.register("piece", pd.DataFrame({**columns, "line": list(lines)}))
            connection.execute(f"INSERT INTO events SELECT {texts}, line FROM piece")
            connection.unregister("piece")
        connection.execute(f"COPY events TO {quoted(str(place))} (FORMAT parquet)")
    rows = f"SELECT * FROM read_parquet({quoted(source_of(place))})"
    return EventFile(
        name,
        table.header,
        ("VARCHAR",) * len(fields),
        table.form,
        EventRows(f"SELECT * EXCLUDE line FROM ({rows})", rows, joined(fields, ","), hashed(fields)),
        numbers=table.typed,
        notes=table.notes,
    )
