"""A stretch of time that is watched, cut into days or weeks of UTC."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from churnflow.errors import UsageError

Period = Literal["day", "week"]

_LENGTHS: Final = {"day": 1, "week": 7}
_FORM: Final = re.compile(r"([1-9]\d{0,3})([dw])")


@dataclass(frozen=True)
class Window:
    """Whole periods up to `end`, which may be in the middle of the last; times are seconds since the epoch.

    starts: of each period. names: `2026-11-20` of a day, `2026-W47` of a week.
    """

    starts: tuple[float, ...]
    names: tuple[str, ...]
    end: float
    period: Period

    @property
    def start(self) -> float:
        """When the first period begins."""
        return self.starts[0]

    @property
    def spans(self) -> list[tuple[float, float]]:
        """The beginning and the end of each period."""
        return list(zip(self.starts, (*self.starts[1:], self.end), strict=True))

    def place(self, at: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the place of the period that each time lies in, (n,)."""
        return np.searchsorted(self.starts, at, side="right").astype(np.int64) - 1


def window(length: str, period: Period, until: str) -> Window:
    """Return the window of so many days or weeks (`14d`, `2w`) that ends at an ISO time, now where there is none.

    It holds whole periods, the one of its end among them: 14 days by the day are today so far and the 13 before.
    Raises UsageError for another form.
    """
    found = _FORM.fullmatch(length)
    if found is None:
        message = f"the window is written as 14d or 2w, not {length!r}"
        raise UsageError(message, hint="window: 14d watches the last fourteen days")
    days = int(found[1]) * (7 if found[2] == "w" else 1)
    end = _moment(until)
    today = end.date()
    of_last = today if period == "day" else today - timedelta(days=today.weekday())
    step = _LENGTHS[period]
    first = [of_last - timedelta(days=step * back) for back in reversed(range(ceil(days / step)))]
    name: Callable[[date], str] = date.isoformat if period == "day" else _week
    return Window(tuple(map(_seconds, first)), tuple(map(name, first)), end.timestamp(), period)


def _moment(until: str) -> datetime:
    if not until:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year < 1971:  # noqa: PLR2004 - a window lies after the epoch
        message = f"until: is no time with its zone: {until!r}"
        raise UsageError(message, hint="write it as 2026-11-25T12:00:00+00:00, or leave it out")
    return moment.astimezone(UTC)


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _week(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"
