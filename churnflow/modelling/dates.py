"""Dates as people and systems write them: in which order a column has day, month and year, and what a text means.

The standard library only: ingestion and the API read dates by the same code. Nothing depends on the locale.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from churnflow.modelling.texts import as_number

Order = Literal["ymd", "dmy", "mdy", "unix_s", "unix_ms"]

ORDERS: Final[Mapping[Order, str]] = {
    "ymd": "year, month, day",
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "unix_s": "seconds since 1970",
    "unix_ms": "milliseconds since 1970",
}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds of 1990 and 2100: what lies between and is called a time is one.
UNIX_RANGE: Final = (631_152_000, 4_102_444_800)
_MILLI: Final = 1000
# Two digits mean 1969 to 2068, as POSIX has it for strptime.
_PIVOT: Final = 69
_CENTURY: Final = 100
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK: Final = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"(?:\s?(?P<half>[AaPp][Mm]))?\s?(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?)?"
)
_ISO: Final = re.compile(r"(?P<year>\d{4})(?:([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})|(?P<pair>\d{4}))" + _CLOCK)
_MONTH_ONLY: Final = re.compile(r"(?P<year>\d{4})[-/](?P<month>0[1-9]|1[0-2])")
_NUMERIC: Final = re.compile(r"(?P<first>\d{1,2})([-/. ])(?P<second_>\d{1,2})\2(?P<year>\d{4}|\d{2})" + _CLOCK)
_NAMED: Final = (
    re.compile(
        r"(?P<day>\d{1,2})(?:st|nd|rd|th)?[-\s.]+(?P<word>[A-Za-z]{3,9})\.?[-\s,]+(?P<year>\d{4}|\d{2})" + _CLOCK
    ),
    re.compile(r"(?P<word>[A-Za-z]{3,9})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})" + _CLOCK),
)


@dataclass(frozen=True)
class Writing:
    """How the dates of a column are written. doubt: why the order of day and month can not be told, if it can not."""

    order: Order
    because: str
    doubt: str = ""


@dataclass(frozen=True)
class Calendar:
    """Dates of one column as numbers: days, with fractions, since `reference`, which is a date of UTC."""

    order: Order
    reference: datetime = EPOCH

    def days(self, text: str) -> float:
        """Return the days from the reference to a date. Raises ValueError for a text that is none in this order."""
        moment = parse(text, self.order)
        if moment is None:
            message = "not a date"
            raise ValueError(message)
        return (moment - self.reference) / timedelta(days=1)

    def written(self, days: float) -> str:
        """Return the date that lies so many days from the reference, as ISO 8601 has it; `days` undoes it."""
        return iso(self.reference + timedelta(milliseconds=round(days * 86_400_000)))

    def in_source(self, days: float) -> str:
        """Return the date that lies so many days from the reference in the order of the source; `days` undoes it."""
        moment = parse(self.written(days), "ymd") or self.reference
        milliseconds = (moment - EPOCH) // timedelta(milliseconds=1)
        match self.order:
            case "ymd":
                return iso(moment)
            case "unix_s":
                return f"{milliseconds / _MILLI:.15g}"
            case "unix_ms":
                return str(milliseconds)
            case "dmy" | "mdy":
                day, month = f"{moment.day:02d}", f"{moment.month:02d}"
                first, second = (day, month) if self.order == "dmy" else (month, day)
                return f"{first}/{second}/{moment.year:04d} {iso(moment).partition('T')[2]}".strip()

    def as_json(self) -> dict[str, Any]:
        """Return the calendar as the recorded schema has it."""
        return {"order": self.order, "reference": iso(self.reference), "unit": "days"}

    @classmethod
    def from_json(cls, value: Any) -> "Calendar":
        """Return the calendar that `as_json` described. Raises ValueError when it is none."""
        reference = parse(str(value["reference"]), "ymd") if isinstance(value, dict) and "reference" in value else None
        if reference is None or value.get("order") not in ORDERS:
            message = "a date in the schema has no order or no reference"
            raise ValueError(message)
        return cls(value["order"], reference)


def iso(moment: datetime, *, time: bool | None = None) -> str:
    """Return a moment of UTC as ISO 8601 writes it; time: with the time of day, by default where it is not midnight."""
    plain = moment.replace(tzinfo=None)
    midnight = plain == plain.replace(hour=0, minute=0, second=0, microsecond=0)
    if midnight if time is None else not time:
        return plain.date().isoformat()
    return plain.isoformat(timespec="auto" if time is None else "milliseconds")


def parse(text: str, order: Order) -> datetime | None:
    """Return the moment, in UTC and to the millisecond, that a text means where dates have this order; None if none.

    ISO dates and months in (English) letters are clear and read in any order; a month alone is its first day.
    """
    try:
        return _parsed(text, order)
    except (ValueError, OverflowError):
        return None


def recognise(counts: Mapping[str, int], least: float) -> Writing | None:
    """Return how dates are written, None if less than the share `least` of the values are dates.

    counts: how often each text occurs. Day and month are told apart by numbers above 12; where none is, by points,
    which only the European order has; and where that is open too, `doubt` says so.
    """
    total = sum(counts.values())
    if not total or not _looks_dated(counts):
        return None
    writing = _ordered(match for text in counts if (match := _NUMERIC.fullmatch(text)))
    if writing.doubt:
        read = sum(count for text, count in counts.items() if any(parse(text, order) for order in ("dmy", "mdy")))
    else:
        read = sum(count for text, count in counts.items() if parse(text, writing.order))
    return writing if read >= least * total else None


def recognise_unix(numbers: Iterable[float]) -> Order | None:
    """Return the unit if all numbers are whole and lie, as seconds or milliseconds since 1970, in 1990 to 2100."""
    low, high = UNIX_RANGE
    values = list(numbers)
    if not values or any(not value.is_integer() for value in values):
        return None
    if all(low <= value < high for value in values):
        return "unix_s"
    return "unix_ms" if all(low <= value / _MILLI < high for value in values) else None


def _looks_dated(counts: Mapping[str, int]) -> bool:
    """Tell from a few values whether it is worth looking at all."""
    few = [text for text, _ in zip(counts, range(50), strict=False)]
    forms = (_ISO, _NUMERIC, *_NAMED, _MONTH_ONLY)
    return sum(any(form.fullmatch(text) for form in forms) for text in few) * 2 >= len(few)


def _ordered(numeric: Iterable[re.Match[str]]) -> Writing:
    day_first, month_first, found, marks = False, False, False, True
    for match in numeric:
        found, marks = True, marks and match[2] == "."
        day_first = day_first or int(match["first"]) > len(_MONTHS)
        month_first = month_first or int(match["second_"]) > len(_MONTHS)
    if not found:
        return Writing("ymd", "year first, or the month in letters")
    if day_first and month_first:
        return Writing("dmy", "", "some begin with the day and others with the month")
    if day_first or month_first:
        place = "first" if day_first else "second"
        return Writing("dmy" if day_first else "mdy", f"the {place} number goes above 12")
    if marks:
        return Writing("dmy", "points stand between day and month")
    return Writing("dmy", "", "no number goes above 12, so day and month can not be told apart")


def _parsed(text: str, order: Order) -> datetime | None:
    number = as_number(text) if order in {"unix_s", "unix_ms"} else None
    if number is not None:
        return EPOCH + timedelta(milliseconds=round(number * (_MILLI if order == "unix_s" else 1)))
    if found := _ISO.fullmatch(text):
        year, pair = int(found["year"]), found["pair"]
        month, day = (int(pair[:2]), int(pair[2:])) if pair else (int(found["month"]), int(found["day"]))
        return _moment(year, month, day, found)
    if found := _NUMERIC.fullmatch(text):
        if order not in {"dmy", "mdy"}:
            return None
        first, second = int(found["first"]), int(found["second_"])
        day, month = (first, second) if order == "dmy" else (second, first)
        return _moment(_year(found["year"]), month, day, found)
    if found := _MONTH_ONLY.fullmatch(text):
        return datetime(int(found["year"]), int(found["month"]), 1, tzinfo=UTC)
    return _in_letters(text)


def _in_letters(text: str) -> datetime | None:
    for form in _NAMED:
        if found := form.fullmatch(text):
            month = _MONTHS.index(found["word"][:3].lower()) + 1
            return _moment(_year(found["year"]), month, int(found["day"]), found)
    return None


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:  # noqa: PLR2004 - written in full
        return year
    return year + (19 if year >= _PIVOT else 20) * _CENTURY


def _moment(year: int, month: int, day: int, clock: re.Match[str]) -> datetime:
    """Return the moment of a date and the time of day that was found with it. Raises ValueError when there is none."""
    moment = datetime(year, month, day, tzinfo=UTC)
    if clock["hour"] is None:
        return moment
    hour, half = int(clock["hour"]), (clock["half"] or "").lower()
    if half:
        if not 1 <= hour <= 12:  # noqa: PLR2004 - the hours of half a day
            raise ValueError
        hour = hour % 12 + (12 if half == "pm" else 0)
    milliseconds = int((clock["part"] or "0").ljust(3, "0")[:3])
    moment = moment.replace(hour=hour, minute=int(clock["minute"]), second=int(clock["second"] or 0))
    return moment + timedelta(milliseconds=milliseconds) - _offset(clock["zone"])


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in {"Z", "UTC"}:
        return timedelta(0)
    hours, minutes = int(zone[1:3]), int(zone[3:].removeprefix(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    return offset if zone[0] == "+" else -offset
