"""A data frame that an earlier step has read elsewhere, as a table of text."""

from typing import Any

import numpy as np
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.assembly import unusual
from churnflow.modelling.exact_text import exact_text, holds_texts
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Form, Table, named_columns
from churnflow.modelling.texts import missing_words
from churnflow.modelling.values import Values

SOURCE = "the source"
# Of a frame of texts its `attrs` may say under this name which columns were numbers where they came from.
TYPED = "churnflow.typed"


def read(frame: object, options: ReadOptions) -> Table:
    """Return the frame's values as text, "" for a missing one. Raises UsageError for what is no frame with rows."""
    if not isinstance(frame, pd.DataFrame):
        message = f"{SOURCE} is {type(frame).__name__}, neither a file nor a table"
        raise UsageError(message, hint="name a file, or under needs: what an earlier step produced as a frame")
    header, folded = named_columns([str(name) for name in frame.columns], SOURCE)
    if frame.empty:
        message = f"{SOURCE} has no row"
        raise UsageError(message, hint="look at what the step before it has read")
    columns = tuple(_coded(str(name), frame.iloc[:, place]) for place, name in enumerate(frame.columns))
    return Table(
        header,
        columns,
        range(1, len(frame) + 1),
        form=Form("a table of an earlier step", "", ""),
        folded=folded,
        missing=missing_words(options.missing),
        decimal=options.decimal,
        notes=tuple(unusual(header, columns)),
        typed=frozenset(name for place, name in enumerate(header) if _is_number(frame.iloc[:, place]))
        | (set(header) & set(frame.attrs.get(TYPED, ()))),
    )


def _coded(name: str, column: "pd.Series[Any]") -> Values:
    if column.dtype == object:
        # By their texts: as keys of a dictionary 1, 1.0 and True are one value.
        texts_ = [_own_text(value) for value in column]
        if None in texts_:
            raise _nested(name, column.iloc[texts_.index(None)])
        column = pd.Series(texts_, dtype=object)
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise _nested(name, next(value for value in column if exact_text(value) is None)) from None
    texts = [exact_text(value.item() if isinstance(value, np.generic) else value) for value in values]
    if None in texts:
        raise _nested(name, values[texts.index(None)])
    known: dict[str, int] = {}
    places = [known.setdefault(text or "", len(known)) for text in texts]
    places.append(known.setdefault("", len(known)) if (codes < 0).any() else 0)
    return Values(list(known), np.array(places, dtype=np.int32)[codes])


def _is_number(column: "pd.Series[Any]") -> bool:
    if column.dtype == object:
        return not holds_texts(value for value in column if _own_text(value))
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _own_text(value: Any) -> str | None:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return ""
    return exact_text(value.item() if isinstance(value, np.generic) else value)


def _nested(name: str, value: object) -> UsageError:
    message = f"{SOURCE}: the column {name!r} holds {type(value).__name__}, not single values"
    return UsageError(message, hint="spread it over columns in the step that produces the frame")
