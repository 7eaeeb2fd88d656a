"""Dates that come too late: after the time at which the outcome was not known yet, or after all other dates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.purity import Rows, Severity, judge_rows
from churnflow.modelling.split import Ints

Floats = npt.NDArray[np.float64]

FEWEST: Final = 10
AHEAD: Final = 1.0
TRUSTED: Final = 0.999


@dataclass(frozen=True)
class Late:
    """A date column with dates that come too late: the evidence in words, and how grave it is."""

    column: str
    reason: str
    severity: Severity


def late_dates(days: Mapping[str, Floats], target: Ints, as_of: float | None = None) -> list[Late]:
    """Return the date columns with dates later than may be.

    days: for each column the days since any one day, (n,), NaN where missing. as_of: the day, counted alike, at which
    the outcome of nobody was known. With it, dates after it in ten rows or more are critical. Without it, a column
    is held against the newest of the others (of each the 99.9% quantile, for single slips of the pen): ten rows more
    than a day later are a warning, and critical if nearly all of them left.
    """
    newest = {
        name: float(np.nanquantile(values, TRUSTED)) for name, values in days.items() if np.isfinite(values).any()
    }
    found = []
    for name in newest:
        others = [day for other, day in newest.items() if other != name]
        limit = as_of if as_of is not None else max(others, default=np.inf) + AHEAD
        with np.errstate(invalid="ignore"):
            late = np.floor(days[name]) > limit  # a time of the last day is not after it
        if late.sum() >= FEWEST:
            found.append(_judged(name, late, target, declared=as_of is not None))
    return found


def _judged(name: str, late: npt.NDArray[np.bool_], target: Ints, *, declared: bool) -> Late:
    count, left = int(late.sum()), int(target[late].sum())
    what = "than as_of" if declared else "than all other date columns"
    pure = judge_rows(Rows(late, f"it is later {what}"), target)
    if pure:
        return Late(name, pure.reason, pure.severity if not declared else "critical")
    words = f"it is later {what} in {count} rows, of which {left} left"
    return Late(name, f"{words}; was it recorded after the outcome?", "critical" if declared else "warning")
