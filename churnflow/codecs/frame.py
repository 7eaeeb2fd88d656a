"""Data frames as Parquet, written and read by DuckDB; equal frames give equal bytes."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from churnflow.errors import IntegrityError

SUFFIX = ".parquet"
_NAMES = "churnflow.columns"


def dump(value: object, path: Path) -> None:
    """Write a data frame, its index left out, in one thread so that order and bytes depend on the content alone.

    Raises TypeError for anything but a data frame of text, numbers, booleans and times; ValueError when it has no
    column, or column names that are no text or not unique.
    """
    if not isinstance(value, pd.DataFrame):
        message = f"the codec frame stores data frames, not {type(value).__name__}"
        raise TypeError(message)
    if not all(isinstance(name, str) for name in value.columns) or not value.columns.is_unique:
        message = "a data frame is stored with unique column names of text"
        raise ValueError(message)
    if value.columns.empty:
        message = "a data frame without columns can not be stored"
        raise ValueError(message)
    frame = pd.DataFrame({name: _plain(name, value[name]) for name in value.columns}).reset_index(drop=True)
    frame.columns = pd.Index(_apart(frame.columns))
    # The names proper are kept beside.
    names = json.dumps(list(value.columns)).replace("'", "''")
    with _connection() as connection:
        connection.register("frame", frame)
        settings = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{'{_NAMES}': '{names}'}}"
        connection.execute(f"COPY frame TO ? ({settings})", [str(path)])


def load(path: Path) -> pd.DataFrame:
    """Read the data frame back; text columns have pandas' `str` type, missing values included.

    Raises IntegrityError when the bytes are no Parquet.
    """
    try:
        with _connection() as connection:
            frame = connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
            query = "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = ?"
            names = connection.execute(query, [str(path), _NAMES]).fetchone()
    except duckdb.Error as error:
        message = f"{path.name} can not be read as Parquet: {str(error).splitlines()[0]}"
        raise IntegrityError(message, hint="churnflow verify names what is broken, and what restores it") from None
    if names:
        frame.columns = pd.Index(json.loads(names[0]), dtype="str")
    for name in frame.columns:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = frame[name].astype("str").where(frame[name].notna())
    return frame


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
