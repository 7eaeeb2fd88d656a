"""Data frames as Parquet, written and read by DuckDB; equal frames give equal bytes."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from churnflow.errors import IntegrityError
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.parquet_frames import read_frame, rows_of, taken_literally
from churnflow.modelling.stored_frame import StoredFrame

SUFFIX = ".parquet"
_NAMES = "churnflow.columns"
_ATTRS = "churnflow.attrs"


def dump(value: object, path: Path) -> None:
    """Write a data frame, its index left out, in one thread so that order and bytes depend on the content alone.

    What its `attrs` say of it is kept, as JSON. One that lies on disk already is not taken into memory for it. Raises
    TypeError for anything but a data frame of text, numbers, booleans and times, and for attrs that are no JSON;
    ValueError when it has no column, or column names that are no text or not unique.
    """
    if not isinstance(value, pd.DataFrame | StoredFrame):
        message = f"the codec frame stores data frames, not {type(value).__name__}"
        raise TypeError(message)
    if not all(isinstance(name, str) for name in value.columns) or not value.columns.is_unique:
        message = "a data frame is stored with unique column names of text"
        raise ValueError(message)
    if value.columns.empty:
        message = "a data frame without columns can not be stored"
        raise ValueError(message)
    apart = _apart(value.columns)
    # The names proper are kept beside.
    attrs = getattr(value, "attrs", {})
    beside = {_NAMES: list(value.columns), **({_ATTRS: attrs} if attrs else {})}
    kept = ", ".join(f"'{key}': '{_quoted(content)}'" for key, content in beside.items())
    settings = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{kept}}}"
    with _connection() as connection:
        if isinstance(value, StoredFrame):
            source = f"({value.query(apart)})"
        else:
            source, columns = "frame", {name: _plain(name, value[name]) for name in value.columns}
            connection.register(source, pd.DataFrame(columns).reset_index(drop=True).set_axis(apart, axis="columns"))
        connection.execute(f"COPY {source} TO ? ({settings})", [str(path)])


def load(path: Path) -> pd.DataFrame:
    """Read the data frame back; text columns have pandas' `str` type, missing values included.

    Raises IntegrityError when the bytes are no Parquet.
    """
    try:
        with _connection() as connection:
            frame = read_frame(connection, f"SELECT * FROM {rows_of([str(path)])}")  # noqa: S608 - quoted
            query = "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) IN (?, ?)"
            beside = dict(connection.execute(query, [taken_literally(str(path)), _NAMES, _ATTRS]).fetchall())
        if _NAMES in beside:
            frame.columns = pd.Index(json.loads(beside[_NAMES]), dtype="str")
        frame.attrs = dict(json.loads(beside.get(_ATTRS, "{}")))
    except (duckdb.Error, ValueError, TypeError, RecursionError) as error:
        message = f"{path.name} can not be read as Parquet: {told(error)}"
        raise IntegrityError(message, hint="churnflow verify names what is broken, and what restores it") from error
    return frame


def _quoted(content: Any) -> str:
    return json.dumps(content, sort_keys=True).replace("'", "''")


def _apart(names: Iterable[str]) -> list[str]:
    """Return names that DuckDB tells apart, which it can not where they are empty or differ only in case."""
    made: dict[str, str] = {}
    for name in names:
        free = name or "_"
        while free.casefold() in made:
            free += "_"
        made[free.casefold()] = free
    return list(made.values())


def _plain(name: str, column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column with text as objects and None, which DuckDB reads as text even where every value is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    elif column.dtype == object:
        column = column.infer_objects()
    if not isinstance(column.dtype, pd.StringDtype) and column.dtype != object:
        return column
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean":
        return column.astype("boolean")
    if kind not in {"string", "empty"}:
        message = f"the column {name!r} holds values of type {kind}, which a frame can not store"
        raise TypeError(message)
    return pd.Series(column.astype(object).where(column.notna(), None), dtype=object)


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})
