"""Customers of a Parquet file: numbers stay numbers, and of a column of few texts DuckDB hands over their codes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.batch.customers import ROWS, Customers, Piece, Wanted
from churnflow.errors import UsageError
from churnflow.modelling.parquet import NUMBERS, SOURCE, Field, described, opened, place_of
from churnflow.modelling.parquet_frames import literal
from churnflow.modelling.table import named_columns
from churnflow.modelling.values import Floats, Values

THREADS: Final = 2
# A column with more distinct texts than this comes as texts, each row its own.
MOST_TEXTS: Final = 20_000
_VECTOR: Final = 2_048
# Whose text is what Python reads it as; of others, such as singles and decimals, the shortest text is what is meant.
_EXACT: Final = frozenset({"double", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"})


class ParquetCustomers(Customers):
    """Customers of a Parquet file, streamed."""

    def __init__(self, path: Path) -> None:
        """Look at what the file holds. Raises UsageError for a damaged file, or one without rows."""
        self._path = path
        self.name = path.name
        self.ragged = ()
        with opened(path) as connection:
            fields = described(connection, path)
            counted = connection.execute(f"SELECT count(*) FROM {SOURCE}", [place_of(path)]).fetchone()  # noqa: S608
        self.header, folded = named_columns([field.name for field in fields], path.name)
        self._fields = dict(zip(self.header, fields, strict=True))
        self.notes = [f"blanks in column names were folded: {', '.join(folded)}"] if folded else []
        self.typed = frozenset(name for name, field in self._fields.items() if field.kind in NUMBERS)
        self.kinds = {name: field.kind for name, field in self._fields.items() if field.kind in NUMBERS - {"decimal"}}
        self.rows = int(counted[0]) if counted else 0
        if not self.rows:
            message = f"{path.name} has a header and no row under it"
            raise UsageError(message, hint="name a file with customers in it")

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """Yield all rows in order."""
        with opened(self._path, THREADS) as connection:
            # An enumeration is read as codes without a text for each row, and decided about once.
            known = {
                name: texts
                for name, measured in wanted.features.items()
                if not self._is_number(name, measured=measured)
                and (texts := self._distinct(connection, self._fields[name])) is not None
            }
            names, selected = self._selected(connection, wanted, known)
            query = f"SELECT {', '.join(selected)} FROM {SOURCE}"  # noqa: S608 - every name is quoted
            answer = connection.execute(query, [place_of(self._path)])
            first = 1
            while len(chunk := answer.fetch_df_chunk(ROWS // _VECTOR)):
                columns = {name: chunk.iloc[:, place] for place, name in enumerate(names)}
                lines = np.arange(first, first + len(chunk), dtype=np.int64)
                first += len(chunk)
                features = {name: _column(columns[name], known.get(name)) for name in wanted.features}
                yield Piece(lines, features, {name: _texts(columns[f"text {name}"]) for name in wanted.texts})

    def _is_number(self, name: str, *, measured: bool) -> bool:
        return measured and name in self.typed

    def _selected(
        self, connection: duckdb.DuckDBPyConnection, wanted: Wanted, known: dict[str, list[str]]
    ) -> tuple[list[str], list[str]]:
        """Return the columns of the answer by name, and SQL for each."""
        selected = {}
        for place, (name, measured) in enumerate(wanted.features.items()):
            field = self._fields[name]
            if self._is_number(name, measured=measured):
                text = field.value if field.kind in _EXACT else f"CAST({field.value} AS VARCHAR)"
                selected[name] = f"CAST({text} AS DOUBLE)"
            else:
                selected[name] = _plain(field)
            if name in known:
                levels = ", ".join(map(literal, known[name]))
                connection.execute(f"CREATE TYPE texts{place} AS ENUM ({levels})")
                selected[name] = f"CAST({selected[name]} AS texts{place})"
        selected |= {f"text {name}": _plain(self._fields[name]) for name in wanted.texts}
        return list(selected), [f"{text} AS c{place}" for place, text in enumerate(selected.values())]

    def _distinct(self, connection: duckdb.DuckDBPyConnection, field: Field) -> list[str] | None:
        """Return the texts of a column, None where they are many."""
        query = f"SELECT DISTINCT {_plain(field)} FROM {SOURCE} LIMIT {MOST_TEXTS + 1}"  # noqa: S608 - quoted
        texts = sorted(text for (text,) in connection.execute(query, [place_of(self._path)]).fetchall())
        # SQL can not name a text with a NUL in it.
        return texts if len(texts) <= MOST_TEXTS and not any("\0" in text for text in texts) else None


def _plain(field: Field) -> str:
    return f"coalesce(CAST({field.text} AS VARCHAR), '')"


def _column(column: "pd.Series[Any]", texts: list[str] | None) -> Values | Floats:
    if texts is not None:
        return Values(texts, np.asarray(column.cat.codes, dtype=np.int32))
    if column.dtype == np.float64:
        return column.to_numpy()
    codes, distinct = pd.factorize(_texts(column))
    return Values(list(distinct), np.asarray(codes, dtype=np.int32))


def _texts(column: "pd.Series[Any]") -> npt.NDArray[Any]:
    return column.to_numpy(dtype=object)
