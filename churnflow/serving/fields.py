"""The fields of a customer in a request: what each accepts, what that means, and what is worth a warning.

A text is read as ingestion reads it in the source, by the same code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from churnflow.modelling.dates import ORDERS
from churnflow.modelling.readings import Reading
from churnflow.modelling.texts import MAX_LEVELS

SHOWN_LEVELS = 30

# A value, None for a missing one, and why it is refused, None if it is not.
Read = tuple[Any, str | None]


@dataclass(frozen=True)
class MeasuredField:
    """A column that the model knows as numbers, with the range seen in training; values outside it bring a warning."""

    kind: ClassVar[Literal["number"]] = "number"
    called: ClassVar[str] = "range"
    name: str
    required: bool
    reading: Reading
    low: float | None
    high: float | None

    @property
    def seen(self) -> str:
        """What was seen in training, in words."""
        return f"{self.written(self.low)} to {self.written(self.high)}"

    def written(self, value: float | None) -> str:
        """Return a value as a client writes it, "any" for no limit."""
        return "any" if value is None else f"{value:.10g}"

    def warning(self, value: float) -> str | None:
        """Return what was seen in training when the value lies outside."""
        below, above = self.low is not None and value < self.low, self.high is not None and value > self.high
        return f"outside the {self.called} seen in training, {self.seen}" if below or above else None


@dataclass(frozen=True)
class NumberField(MeasuredField):
    """A numeric column."""

    integer: bool = False

    def read(self, given: object) -> Read:
        """Return the number, refused if it is none, not finite, or a fraction in a column of whole numbers.

        A text is read as ingestion reads it in the source, "1" as 1.
        """
        # bool is a subclass of int, and `true` is not a number of months.
        if isinstance(given, bool) or not (given is None or isinstance(given, int | float | str)):
            return None, "must be a number"
        if isinstance(given, int | float) and not is_finite(given):
            return None, "must be a finite number"
        try:
            value = self.reading.read(given)
        except ValueError:
            return None, "must be a number"
        return (None, None) if value is None else self._checked(value)

    def _checked(self, value: Any) -> Read:
        if not is_finite(value):
            return None, "must be a finite number"
        return (None, "must be a whole number") if self.integer and value != int(value) else (float(value), None)


@dataclass(frozen=True)
class DateField(MeasuredField):
    """A column of dates, which the model knows as days."""

    called: ClassVar[str] = "dates"

    @property
    def newest(self) -> str:
        """The newest date of the source, from which the days are counted."""
        return self.written(0.0)

    @property
    def counted(self) -> bool:
        """Whether a date is a number of seconds or milliseconds, and no text."""
        return self.reading.calendar is not None and self.reading.calendar.order in {"unix_s", "unix_ms"}

    @property
    def form(self) -> str:
        """How a date is written."""
        order = self.reading.calendar.order if self.reading.calendar else "ymd"
        iso = "" if order == "ymd" else ", or as in 2024-05-31"
        return f"{ORDERS[order]}{iso}"

    def written(self, value: float | None) -> str:
        """Return days as the date that they mean."""
        return "any" if value is None or self.reading.calendar is None else self.reading.calendar.written(value)

    def read(self, given: object) -> Read:
        """Return the days that a date means, refused if it is none in the order of the source."""
        numeric = self.counted and isinstance(given, int | float) and not isinstance(given, bool)
        if given is not None and not isinstance(given, str) and not numeric:
            return None, f"must be a date: {self.form}"
        try:
            return self.reading.read(given), None  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            return None, f"must be a date: {self.form}"


@dataclass(frozen=True)
class CategoryField:
    """A text column with the levels seen in training; a level not among them is answered with a warning."""

    kind: ClassVar[Literal["category"]] = "category"
    name: str
    required: bool
    reading: Reading
    levels: frozenset[str]

    @property
    def seen(self) -> str:
        """The levels seen in training, the first of them where they are many."""
        more = len(self.levels) - SHOWN_LEVELS
        return ", ".join(sorted(self.levels)[:SHOWN_LEVELS]) + (f" and {more} more" if more > 0 else "")

    def read(self, given: object) -> Read:
        """Return the level that a text means, refused if it is no text."""
        if given is not None and not isinstance(given, str):
            return None, "must be a text"
        return self.reading.read(given), None

    def warning(self, value: str) -> str | None:
        """Return that the level is new, if it is."""
        if value in self.levels:
            return None
        # Of so many levels only the most frequent were learned.
        rarely = ", or too rarely to be learned" if len(self.levels) >= MAX_LEVELS else ""
        return f"a value not seen in training{rarely}"


Field = NumberField | DateField | CategoryField


def field_of(column: Mapping[str, Any], missing: frozenset[str]) -> Field:
    """Return the field of a feature. missing: the words of the table. Raises ValueError for one of an unknown kind."""
    name, required = str(column["name"]), bool(column["required"])
    reading = Reading.from_json(column, missing)
    low, high = _limit(column.get("low")), _limit(column.get("high"))
    match column["kind"]:
        case "number" if reading.calendar is not None:
            return DateField(name, required, reading, low, high)
        case "number":
            return NumberField(name, required, reading, low, high, bool(column.get("integer")))
        case "category":
            return CategoryField(name, required, reading, frozenset(map(str, column.get("levels") or ())))
        case _:
            message = f"the schema of the release gives {name} an unknown kind"
            raise ValueError(message)


def is_finite(value: float) -> bool:
    """Tell whether a number, however long, is one that a double can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _limit(value: object) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not is_finite(value)):
        message = "a range in the schema of the release is not of numbers"
        raise ValueError(message)
    return value
