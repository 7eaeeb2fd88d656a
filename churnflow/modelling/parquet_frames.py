"""Data frames from Parquet, in which the same text of a column is one object, however many rows have it."""

import re
from collections.abc import Iterable
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

# A text of a column that has more than these is likely to stand in few rows.
_MOST_SHARED: Final = 100_000
_VECTORS: Final = 60
# In a path DuckDB takes these for a pattern.
_PATTERN: Final = re.compile(r"([*?\[])")
# The second is how DuckDB writes a column of texts without any.
_TEXT: Final = frozenset({"VARCHAR", '"NULL"'})


def read_frame(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    """Return what a query answers; columns of text have pandas' `str` type, 8 bytes a row beside the distinct texts.

    Raises duckdb.Error for what can not be read.
    """
    found = [(str(name), str(kind)) for name, kind, *_ in connection.execute(f"DESCRIBE {query}").fetchall()]
    texts = [name for name, kind in found if kind in _TEXT]
    others = [name for name, kind in found if kind not in _TEXT]
    columns: dict[str, Any] = {}
    if others:
        plain = connection.execute(_selected(others, query)).df()
        columns = {name: plain[name] for name in others}
    if texts:
        columns |= _texts(connection, texts, query)
    return pd.DataFrame({name: columns[name] for name, _ in found}, copy=False)


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def rows_of(paths: Iterable[str]) -> str:
    """Return SQL for the rows of Parquet files, one after the other."""
    return f"read_parquet([{', '.join(literal(taken_literally(path)) for path in paths)}])"


def taken_literally(path: str) -> str:
    """Return a path as DuckDB wants it where it takes patterns, so that every letter stands for itself."""
    return _PATTERN.sub(r"[\1]", path)


def _selected(names: Iterable[str], query: str) -> str:
    return f"SELECT {', '.join(map(quoted, names))} FROM ({query})"  # noqa: S608 - every name is quoted


def _texts(connection: duckdb.DuckDBPyConnection, names: list[str], query: str) -> "dict[str, pd.Series[str]]":
    shared: list[dict[str, str]] = [{} for _ in names]
    parts: list[list[Any]] = [[] for _ in names]
    answer = connection.execute(_selected(names, query))
    while len(chunk := answer.fetch_df_chunk(_VECTORS)):
        for place, (known, into) in enumerate(zip(shared, parts, strict=True)):
            into.append(_shared(chunk.iloc[:, place].to_numpy(dtype=object), known))
    none = np.empty(0, dtype=object)
    return {name: pd.Series(np.concatenate(parts.pop(0) or [none]), dtype="str", copy=False) for name in names}


def _shared(texts: Any, known: dict[str, str]) -> Any:
    """Return texts, (n,), of which those that are known are the very objects that are."""
    codes, distinct = pd.factorize(texts)
    if len(known) > _MOST_SHARED:
        return texts
    one = np.empty(len(distinct) + 1, dtype=object)
    one[:-1] = [known.setdefault(text, text) for text in distinct]
    one[-1] = None
    return one[codes]
