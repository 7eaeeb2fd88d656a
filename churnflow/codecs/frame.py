"""Data frames as Parquet, written and read by DuckDB; equal frames give equal bytes."""

from pathlib import Path

import duckdb
import pandas as pd

SUFFIX = ".parquet"


def dump(value: object, path: Path) -> None:
    """Write a data frame, its index left out, in one thread so that order and bytes depend on the content alone.

    Raises TypeError for anything but a data frame, ValueError for column names that are no text or not unique.
    """
    if not isinstance(value, pd.DataFrame):
        message = f"the codec frame stores data frames, not {type(value).__name__}"
        raise TypeError(message)
    if not all(isinstance(name, str) for name in value.columns) or not value.columns.is_unique:
        message = "a data frame is stored with unique column names of text"
        raise ValueError(message)
    with _connection() as connection:
        connection.register("frame", _plain(value.reset_index(drop=True)))
        connection.execute("COPY frame TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)])


def load(path: Path) -> pd.DataFrame:
    """Read the data frame back; text columns have pandas' `str` type, missing values included."""
    with _connection() as connection:
        frame = connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).df()
    for name in frame.columns:
        if frame[name].dtype == object or isinstance(frame[name].dtype, pd.StringDtype):
            frame[name] = frame[name].astype("str").where(frame[name].notna())
    return frame


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text as objects and None, which DuckDB reads as text even where every value is missing."""
    columns = {}
    for name in frame.columns:
        column = frame[name]
        is_text = isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype) or column.dtype == object
        columns[name] = (
            pd.Series(column.astype(object).where(column.notna(), None), dtype=object) if is_text else column
        )
    return pd.DataFrame(columns, index=frame.index)


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "preserve_insertion_order": True})
