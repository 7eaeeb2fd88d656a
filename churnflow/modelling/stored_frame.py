"""A data frame on disk, for one that memory should not hold: Parquet in parts, put together when it is stored."""

from collections.abc import Sequence
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.parquet_frames import quoted, read_frame, rows_of
from churnflow.modelling.scratch import Scratch, room_on_disk

# What DuckDB takes for a group of rows.
_ROWS: Final = 122_880


class StoredFrame:
    """Columns of text (`str`), float64 and int64, written as rows come; it lasts as long as this object does."""

    def __init__(self, names: "pd.Index[str]") -> None:
        """Begin without rows."""
        self.columns = names
        self._places = [f"c{place}" for place in range(len(names))]
        self._scratch = Scratch()
        self._waiting: list[pd.DataFrame] = []
        self._parts: list[str] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def append(self, frame: pd.DataFrame) -> None:
        """Add rows with these columns. Raises UsageError when the disk is full."""
        self._rows += len(frame)
        self._waiting.append(frame)
        if sum(map(len, self._waiting)) < _ROWS:
            return
        waiting = pd.concat(self._waiting, ignore_index=True)
        whole = len(waiting) // _ROWS * _ROWS
        for start in range(0, whole, _ROWS):
            self._write(waiting.iloc[start : start + _ROWS])
        self._waiting = [waiting.iloc[whole:]]

    def query(self, names: Sequence[str] | None = None) -> str:
        """Return SQL for all rows in order, the columns under these names, c0, c1 and so on by default.

        Raises UsageError when the disk is full.
        """
        rest = pd.concat(self._waiting, ignore_index=True)
        if len(rest) or not self._parts:
            self._write(rest)
        self._waiting = [rest.iloc[:0]]
        named = (f"c{place} AS {quoted(name)}" for place, name in enumerate(names or self._places))
        return f"SELECT {', '.join(named)} FROM {rows_of(self._parts)}"  # noqa: S608

    def frame(self) -> pd.DataFrame:
        """Return the whole frame, in memory."""
        with duckdb.connect(config={"threads": 1}) as connection:
            return read_frame(connection, self.query()).set_axis(self.columns, axis="columns")

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Return a column of numbers, (rows,), 8 bytes each."""
        with duckdb.connect(config={"threads": 1}) as connection:
            place = dict(zip(self.columns, self._places, strict=True))[name]
            column: Any = connection.execute(f"SELECT {place} FROM ({self.query()})").fetchnumpy()[place]  # noqa: S608
        return np.asarray(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan), dtype=np.float64)

    def _write(self, frame: pd.DataFrame) -> None:
        path = str(self._scratch.path / f"{len(self._parts):06}.parquet")
        columns = {place: _plain(frame[name]) for place, name in zip(self._places, self.columns, strict=True)}
        # A column without any text in this part is one of texts all the same.
        texts = (place for place, column in columns.items() if column.dtype == object)
        typed = ", ".join(f"CAST({place} AS VARCHAR) AS {place}" for place in texts)
        query = f"SELECT *{f' REPLACE ({typed})' if typed else ''} FROM part"  # noqa: S608 - no name of a user's
        with room_on_disk(), duckdb.connect(config={"threads": 1, "preserve_insertion_order": True}) as connection:
            connection.register("part", pd.DataFrame(columns))
            try:
                connection.execute(f"COPY ({query}) TO ? (FORMAT parquet, COMPRESSION zstd)", [path])
            except duckdb.IOException as error:
                raise OSError(None, str(error).splitlines()[0].replace(path, "")) from None
        self._parts.append(path)


def _plain(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column with text as objects and None, which DuckDB reads as text even where every value is missing."""
    if not isinstance(column.dtype, pd.StringDtype):
        return column.reset_index(drop=True)
    return pd.Series(column.astype(object).where(column.notna(), None).to_numpy(), dtype=object)
