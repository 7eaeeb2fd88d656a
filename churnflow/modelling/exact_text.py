"""Values of any type as the text that keeps all of them: every digit, ISO 8601 for time, true and false."""

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

# Whole numbers up to here are exact in a float, which is all that a spreadsheet has.
_EXACT: Final = 2.0**53


def exact_text(value: Any) -> str | None:
    """Return a value as text, "" for none, and None for what is no single value, such as a list or raw bytes."""
    # A subclass is written as what it is one of: a pandas Timestamp as a datetime.
    known = (_WRITERS[kind] for kind in type(value).__mro__ if kind in _WRITERS)
    write = _WRITERS.get(type(value)) or next(known, None)
    return None if write is None else write(value)


def holds_texts(values: Iterable[Any]) -> bool:
    """Tell whether values are anything but numbers and missing ones: how their text reads is then a question."""
    kinds = set(map(type, values)) - {NoneType}
    return not all(issubclass(kind, int | float | Decimal) and kind is not bool for kind in kinds)


def _float(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)


def _datetime(value: dt.datetime) -> str:
    # One time has one text, wherever the session that answered believes to be.
    return (value if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat(sep=" ")


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    str: str,
    NoneType: lambda _: "",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _float,
    Decimal: "{:f}".format,
    UUID: str,
    dt.datetime: _datetime,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: lambda value: _float(value.total_seconds()),
}
