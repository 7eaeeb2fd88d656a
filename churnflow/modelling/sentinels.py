"""Values that stand for a missing one though they look like values: found by where they lie and how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.dates import Order, parse
from churnflow.modelling.texts import fold
from churnflow.modelling.values import Floats, Present

_WORDS: Final = """
    unknown unspecified undefined missing empty blank nil none null nan na n/a n.a. n.a tbd unbekannt inconnu
    desconocido #n/a #na #null! #value! #ref! #div/0! #num! #name? (blank) (empty) (null) <null> <na> <n/a> -nan -
    -- --- . .. ... _ / ? ?? k.a.
"""
# Words that say that there is nothing, beside the usual ones: they make no category of a column of numbers or dates.
NOTHING: Final = frozenset(_WORDS.split()) | {
    *("not available", "not applicable", "not known", "not specified", "no data", "k. a.", "n. a.", "nicht bekannt"),
}
NUMBERS: Final = tuple(sign * value for value in (1, 9, 99, 999, 9_999, 99_999, 999_999, 9_999_999) for sign in (-1, 1))
DATES: Final = frozenset(
    datetime(*day, tzinfo=UTC)
    for day in (
        *((1, 1, 1), (1753, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (1970, 1, 1)),
        *((2099, 12, 31), (2999, 12, 31), (9999, 12, 31)),
    )
)
LEAST_ROWS: Final = 5
LEAST_DISTINCT: Final = 10
# A 9 or -1 that lies apart from the others may well be a value.
LEAST_FAR: Final = 10
FAR: Final = timedelta(days=5 * 365)


@dataclass(frozen=True)
class Sentinel:
    """A value that is read as missing, as the source writes it; in how many rows; and the evidence for it."""

    value: str
    rows: int
    because: str


def among_words(values: Present) -> list[Sentinel]:
    """Return the values of a category that hold neither letter nor digit, where the others do."""
    marks = {text: count for text, count in values.counts.items() if not any(map(str.isalnum, text))}
    if not marks or len(marks) == len(values.counts):
        return []
    return [Sentinel(text, count, "no letter and no digit, as all other values have") for text, count in marks.items()]


def beside(texts: Iterable[tuple[str, int]], what: str) -> list[Sentinel]:
    """Return those of some texts, each with its rows, that are words for nothing; `what` are the other values."""
    words = ((text, count) for text, count in texts if fold(text) in NOTHING)
    return [Sentinel(text, count, f"a word for nothing among {what}") for text, count in words]


def among_numbers(values: Present) -> list[Sentinel]:
    """Return the numbers such as -999 that are set apart from all others.

    One is, if it occurs in five rows and more often than the other values usually do, there are ten others, and
    it is the only one below zero, or lies further from them than they do from each other.
    """
    numbers = values.figures
    found: list[Sentinel] = []
    for candidate in sorted(NUMBERS, key=abs, reverse=True):
        same = numbers == candidate
        if not same.any():
            continue
        rest = np.isfinite(numbers) & ~same & ~np.isin(numbers, [float(sentinel.value) for sentinel in found])
        count = int(values.sizes[same].sum())
        because = _apart(candidate, numbers[rest]) if _is_spike(count, values.sizes[rest]) else ""
        if because:
            found.append(Sentinel(str(candidate), count, because))
    return found


def among_dates(values: Present, order: Order) -> list[Sentinel]:
    """Return the dates such as 1900-01-01 that lie more than five years from all others."""
    found: list[tuple[str, int, datetime]] = []
    first, last = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    for text, count in values.counts.items():
        moment = parse(text, order)
        if moment in DATES:
            found.append((text, count, moment))
        elif moment is not None:
            first, last = min(first, moment), max(last, moment)
    if first > last:
        return []
    because = f"years from all other dates, {first.year} to {last.year}"
    return [Sentinel(text, count, because) for text, count, at in found if first - at > FAR or at - last > FAR]


def _is_spike(count: int, others: npt.NDArray[np.int64]) -> bool:
    return count >= LEAST_ROWS and len(others) >= LEAST_DISTINCT and count > float(np.median(others))


def _apart(candidate: int, rest: Floats) -> str:
    """Return the evidence that a number is no value like the rest, empty if it may be one."""
    low, high = float(rest.min()), float(rest.max())
    span = f"the others run from {low:g} to {high:g}"
    if candidate < 0 <= low:
        return f"the only number below zero; {span}"
    gap = low - candidate if candidate < low else candidate - high
    is_far = gap > high - low and abs(candidate) >= LEAST_FAR
    return f"further away than the others are from each other; {span}" if is_far else ""
