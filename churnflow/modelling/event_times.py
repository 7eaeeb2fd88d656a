"""How the times of a log are written: found from a sample, read as local time of one zone, whole windows in days."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import available_timezones

import duckdb

from churnflow.errors import UsageError
from churnflow.modelling.event_files import EventFile, quoted
from churnflow.modelling.personal import shape_of

SHOWN_ZONES: Final = 3
SAMPLE: Final = 20_000
MOSTLY: Final = 0.9
# What programs write where no time is known: the first instants of their calendars, and the last.
PLACEHOLDERS: Final = ("0001-01-01", "1753-01-01", "1899-12-30", "1900-01-01", "1970-01-01", "9999-12-31")
_DAYS: Final = {"d": 1, "w": 7}
_CLOCK: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_WINDOW: Final = re.compile(r"[1-9]\d{0,4}[dw]")
_AMBIGUOUS: Final = frozenset({"day first", "month first"})


@dataclass(frozen=True)
class TimeFormat:
    """How times are written: a name, and SQL that reads a text {x} as local time in {zone}, else NULL.

    typed: {x} is no text, but of the column's own type.
    """

    name: str
    expression: str
    typed: bool = False

    def reads(self, text: str, zone: str) -> str:
        """Return SQL for the local time that `text`, which is SQL for a text, stands for."""
        return self.expression.replace("{x}", text).replace("{zone}", quoted(zone))


@dataclass(frozen=True)
class Windows:
    """The cuts, oldest first, and around each the days observed before it (None: all) and the outcome days from it."""

    cuts: tuple[date, ...]
    observe: int | None
    outcome: int

    def ends(self, cut: date) -> date:
        """Return the first day after the outcome window of `cut`."""
        return cut + timedelta(days=self.outcome)


def days_of(window: str, name: str) -> int:
    """Return the days of a window such as 90d or 13w. Raises UsageError for any other text."""
    if not _WINDOW.fullmatch(window):
        message = f"{name} is a number of days or weeks, not {window!r}"
        raise UsageError(message, hint=f"write it as 90d or 13w: with: {{{name}: 13w}}")
    return int(window[:-1]) * _DAYS[window[-1]]


def day_of(text: str, name: str) -> date:
    """Return a day written as 1997-10-01. Raises UsageError for any other text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{name} is a day, not {text!r}"
        raise UsageError(message, hint=f"write it as year-month-day: with: {{{name}: 1997-10-01}}") from None


def place_windows(first: date, newest: date, windows: "DeclaredWindows") -> Windows:
    """Return the windows as days of a log whose events run from `first` to `newest`, both counted as whole days.

    Raises UsageError where a cut lies outside, or an outcome window ends later than the log: its customers would count
    as churned for lack of data.
    """
    latest = newest + timedelta(days=1 - windows.outcome)
    span = f"events run from {first} to {newest}"
    if latest <= first:
        message = f"the outcome window of {windows.outcome} days leaves nothing to observe: {span}"
        half = (newest - first).days // 2
        raise UsageError(message, hint=f"outcome: {half}d, or give a longer log" if half else "give a longer log")
    cut = latest if windows.cut == "auto" else day_of(windows.cut, "cut")
    if cut > newest:
        message = f"the cut {cut} lies after the newest event, of {newest}"
        raise UsageError(message, hint=f"cut: {latest} or earlier leaves the {windows.outcome} days of the outcome")
    if cut > latest:
        ends = cut + timedelta(days=windows.outcome - 1)
        message = f"the outcome window from {cut} ends on {ends}, the log on {newest}: that would count as churn"
        raise UsageError(message, hint=f"cut: {latest} or earlier, or outcome: {(newest - cut).days + 1}d or shorter")
    oldest = cut - timedelta(days=windows.every * (windows.cuts - 1))
    if oldest <= first:
        most = ((cut - first).days - 1) // windows.every + 1
        message = f"no event lies before the {'cut' if windows.cuts == 1 else 'oldest cut'} {oldest}: {span}"
        later = f"cut: {first + timedelta(days=1)} or later, or auto" if windows.cuts == 1 or most < 1 else ""
        raise UsageError(message, hint=later or f"cuts: {most} or fewer, or a shorter every")
    cuts = tuple(oldest + timedelta(days=windows.every * number) for number in range(windows.cuts))
    return Windows(cuts, windows.observe, windows.outcome)


@dataclass(frozen=True)
class DeclaredWindows:
    """The windows as the workflow declares them, in days; `cut`: a day, or auto for the newest that the log covers."""

    cut: str
    outcome: int
    observe: int | None = None
    cuts: int = 1
    every: int = 1


def time_format(
    connection: duckdb.DuckDBPyConnection, file: EventFile, name: str, declared: str, missing: Sequence[str] | None
) -> TimeFormat:
    """Return how the column `name` is written: as `declared` in strftime codes, or found from the first rows.

    Raises UsageError where no known way fits, or day and month can not be told apart.
    """
    if declared != "auto":
        return _declared(connection, declared)
    if typed := _typed(file.type(name)):
        return typed
    text = f"SELECT {file.text(name, missing)} AS x FROM ({file.rows.plain}) LIMIT {SAMPLE}"
    formats = _formats()
    counts = ", ".join(f"count({known.reads('x', 'UTC')})" for known in formats)
    found = connection.execute(f"SELECT count(x), {counts}, any_value(x) FROM ({text})").fetchall()[0]
    total, fits, example = found[0], dict(zip(formats, found[1:-1], strict=True)), found[-1]
    if not total:
        message = f"{file.name} has no row with a value under {name!r}"
        raise UsageError(message, hint="name a log with events in it, or another column")
    best = max(formats, key=lambda known: fits[known])
    if fits[best] < MOSTLY * total:
        raise _unread(name, {known.name: count for known, count in fits.items() if count}, total, example)
    same = {known.name for known in formats if fits[known] == fits[best]}
    if same >= _AMBIGUOUS:
        message = f"{name!r} does not tell days from months, as in {example!r}"
        raise UsageError(message, hint="with: {log: {time_format: '%d/%m/%Y'}}, or '%m/%d/%Y'")
    return best


def _unread(name: str, fits: Mapping[str, int], total: int, example: str) -> UsageError:
    if len(fits) > 1 and not fits.keys() <= _AMBIGUOUS:
        ways = ", ".join(f"{count:,} as {way}" for way, count in fits.items())
        message = f"{name!r} writes its times in more than one way: {ways}, of the first {total:,}"
        return UsageError(message, hint="write them in one way where the log is made, best as 2024-05-01T12:30:00Z")
    message = f"{name!r} holds no times in a spelling that is known"
    shape = "" if fits else f", such as {shape_of(example)!r} (x a letter, 0 a digit)"
    return UsageError(message + shape, hint="name it in strftime codes: with: {log: {time_format: '%d.%m.%y'}}")


def _declared(connection: duckdb.DuckDBPyConnection, codes: str) -> TimeFormat:
    try:
        connection.execute(f"SELECT try_strptime('', {quoted(codes)})").fetchall()
    except duckdb.Error as error:
        message = f"time_format {codes!r} is not understood: {str(error).splitlines()[0]}"
        raise UsageError(message, hint="write it in strftime codes, such as '%d.%m.%Y %H:%M'") from None
    read = f"try_strptime({{x}}, {quoted(codes)})"
    # With an offset, and only then, it is an instant.
    return TimeFormat(codes, f"timezone({{zone}}, {read})" if "%z" in codes else read)


def _typed(kind: str) -> TimeFormat | None:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return TimeFormat("instants", "timezone({zone}, CAST({x} AS TIMESTAMPTZ))", typed=True)
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return TimeFormat("timestamps", "CAST({x} AS TIMESTAMP)", typed=True)
    return None


def _formats() -> tuple[TimeFormat, ...]:
    # DuckDB takes words such as infinity for times as well, and leaves out a zone that stands behind a local time.
    plain = "^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([ T][0-9]{1,2}:[0-9:.]+)?"
    # Most are of one of the first two forms, which a look at their length tells.
    iso = (
        "CASE WHEN strlen({x}) = 10 OR (strlen({x}) = 19 AND {x}[17] = ':') THEN TRY_CAST({x} AS TIMESTAMP) "
        f"WHEN regexp_matches({{x}}, '{plain}$') THEN TRY_CAST({{x}} AS TIMESTAMP) "
        f"WHEN regexp_matches({{x}}, '{plain} ?(Z|UTC|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$') "
        "THEN timezone({zone}, TRY_CAST({x} AS TIMESTAMPTZ)) END"
    )
    compact = "CASE WHEN regexp_matches({x}, '^[0-9]{8}$') THEN " + _strptime(["%Y%m%d"]) + " END"
    long = "CASE WHEN regexp_matches({x}, '^[0-9]{14}$') THEN " + _strptime(["%Y%m%d%H%M%S"]) + " END"
    return (
        TimeFormat("ISO 8601", iso),
        TimeFormat("YYYYMMDD", compact),
        TimeFormat("YYYYMMDDhhmmss", long),
        TimeFormat("seconds since 1970", _since(r"^[0-9]{9,10}(\.[0-9]+)?$", 1)),
        TimeFormat("milliseconds since 1970", _since(r"^[0-9]{12,13}$", 10**3)),
        TimeFormat("microseconds since 1970", _since(r"^[0-9]{15,16}$", 10**6)),
        TimeFormat("nanoseconds since 1970", _since(r"^[0-9]{18,19}$", 10**9)),
        TimeFormat("day first", _strptime([f"%d{sign}%m{sign}%Y{clock}" for sign in "/-" for clock in _CLOCK])),
        TimeFormat("month first", _strptime([f"%m{sign}%d{sign}%Y{clock}" for sign in "/-" for clock in _CLOCK])),
        TimeFormat("day.month.year", _strptime([f"%d.%m.%Y{clock}" for clock in _CLOCK])),
    )


def _since(pattern: str, unit: int) -> str:
    seconds = f"CAST({{x}} AS DOUBLE) / {unit}"
    return f"CASE WHEN regexp_matches({{x}}, '{pattern}') THEN timezone({{zone}}, to_timestamp({seconds})) END"


def _strptime(formats: Sequence[str]) -> str:
    return f"try_strptime({{x}}, [{', '.join(map(quoted, formats))}])"


def known_zone(zone: str) -> str:
    """Return `zone` if DuckDB knows it. Raises UsageError, with names that are near, for one that it does not."""
    try:
        with duckdb.connect() as connection:
            connection.execute(f"SELECT CAST(timezone({quoted(zone)}, to_timestamp(0)) AS VARCHAR)").fetchall()
    except duckdb.Error:
        near = sorted(name for name in available_timezones() if zone.casefold() in name.casefold())[:SHOWN_ZONES]
        message = f"unknown time zone {zone!r}"
        raise UsageError(message, hint=f"write a name such as {', '.join(near) or 'UTC, Europe/Berlin'}") from None
    return zone
