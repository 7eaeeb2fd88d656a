"""Columns that name something rather than measure it: row numbers, ids, and codes that only look like numbers."""

import re
from typing import Final

import numpy as np

from churnflow.modelling.values import Present

MOSTLY: Final = 0.99
LEAST_ROWS: Final = 20
_IS_ID: Final = re.compile(r"(^|[_\s.-])([Ii][Dd]|IDS|ids|[Uu][Uu][Ii][Dd]|[Gg][Uu][Ii][Dd])$|[a-z](Id|ID)$")
_MAY_BE_ID: Final = re.compile(r"(^|[_\s.-])(key|number|no|nr|num|code|account|index|row)$|(Key|Number|No|Nr|Code)$")
_ZIP: Final = re.compile(
    r"(^|[_\s.-])(zip|zip[_\s.-]?code|post[_\s.-]?code|postal[_\s.-]?code|plz|cep)$", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"[0-9]+")
_PADDED: Final = re.compile(r"0+[1-9][0-9]*")
_POWER: Final = re.compile(r"[0-9]+[eE][0-9]+")
_LONG: Final = re.compile(r"[-+]?[0-9]{16,}")
_HALF: Final = 0.5
_ROUNDED: Final = re.compile(r"[0-9][.,][0-9]+[eE]\+[0-9]+")


def named_as_id(name: str) -> bool:
    """Tell whether a column's name says that it holds ids; `paid` and `covid` do not."""
    return _IS_ID.search(name) is not None


def is_whole(values: Present) -> bool:
    """Tell whether all values are whole numbers."""
    numbers = values.figures
    return bool(len(numbers)) and bool(np.all(np.isfinite(numbers) & (numbers == np.floor(numbers))))


def as_row_number(values: Present) -> bool:
    """Tell whether the values count the rows, one by one, in the order of the file."""
    if len(values.counts) < max(LEAST_ROWS, values.rows) or not is_whole(values):
        return False
    return bool(np.all(np.diff(values.figures) == 1))


def as_identifier(name: str, values: Present) -> str | None:
    """Return why a column holds ids that say nothing of a customer, None if it does not seem so.

    Its name alone is no reason: few values of a column named as an id are codes, which a model can use.
    """
    if values.total < LEAST_ROWS:
        return None
    if as_row_number(values):
        return "it counts the rows of the file, one by one"
    own = len(values.counts) >= MOSTLY * values.total
    if named_as_id(name) and (own or (is_whole(values) and len(values.counts) > 100)):  # noqa: PLR2004 - too many for codes
        each = "a value of its own in every row" if own else f"{len(values.counts):,} different ids"
        return f"an id by its name, with {each}"
    if own and _MAY_BE_ID.search(name) and is_whole(values):
        return "a whole number of its own in every row, and a name that says it names something"
    return None


def as_code(name: str, values: Present) -> str | None:
    """Return why numbers are codes, whose digits count and not their size; None if they are not."""
    why = _why_code(name, values) if _share(values, _DIGITS) >= _HALF else None
    return None if why is None else f"{len(values.counts):,} different {why}"


def _why_code(name: str, values: Present) -> str | None:
    if _is_padded(values):
        return "codes, digits with leading zeros"
    if _has_powers(values):
        return "codes, of which some read like 1e5"
    if _share(values, _LONG) >= _HALF:
        return "numbers of 16 digits or more, which no float holds"
    if not is_whole(values) or len(values.counts) <= 2:  # noqa: PLR2004 - two values are a yes and a no
        return None
    return (
        "postal codes by its name" if _ZIP.search(name) else "codes, an id by its name" if named_as_id(name) else None
    )


def _share(values: Present, form: re.Pattern[str]) -> float:
    """Return the share of the values that have a form, by rows."""
    return sum(count for text, count in values.counts.items() if form.fullmatch(text)) / max(1, values.total)


def lost_digits(values: Present) -> int:
    """Count the ids that a spreadsheet wrote as 1.23457E+15, whose last digits are gone."""
    return sum(count for text, count in values.counts.items() if _ROUNDED.fullmatch(text))


def _is_padded(values: Present) -> bool:
    """Tell whether values are digits of one length with leading zeros, which a number would lose."""
    lengths: dict[int, int] = {}
    padded = set()
    for text, count in values.counts.items():
        if _DIGITS.fullmatch(text):
            lengths[len(text)] = lengths.get(len(text), 0) + count
            if text.startswith("0") and len(text) > 1:
                padded.add(len(text))
    return any(lengths[length] >= MOSTLY * values.total for length in padded)


def padded(values: Present) -> int:
    """Count the rows whose value has leading zeros, which a number loses: 007 may be another code than 7."""
    return sum(count for text, count in values.counts.items() if _PADDED.fullmatch(text))


def _has_powers(values: Present) -> bool:
    """Tell whether values are codes of one length, of which a few look like powers of ten: 1e5 beside 123."""
    if len({len(text) for text in values.counts}) > 1:
        return False
    powers = [text for text in values.counts if _POWER.fullmatch(text)]
    return bool(powers) and all(_DIGITS.fullmatch(text) or _POWER.fullmatch(text) for text in values.counts)
