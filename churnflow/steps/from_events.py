"""The step that makes customers of a log of events: features before a cut, and who had no event in the days after."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
from pydantic import BaseModel, Field

from churnflow import Confidence, InputError, Issue, Measure, Progress, StepResult, precheck, reports
from churnflow.modelling.event_amounts import amounts_of
from churnflow.modelling.event_files import EventFile
from churnflow.modelling.event_headers import misnamed_event_columns
from churnflow.modelling.event_log import RULES, Columns, Log, Reading, database, read_log
from churnflow.modelling.event_rows import MOST_LINES
from churnflow.modelling.event_schema import CUT, TARGET
from churnflow.modelling.event_sources import open_events
from churnflow.modelling.event_times import DeclaredWindows, Windows, day_of, days_of, known_zone, place_windows
from churnflow.modelling.event_times import time_format as found_format
from churnflow.modelling.events import Churn, Table, churn_table
from churnflow.modelling.metrics import wilson
from churnflow.modelling.numerals import Decimal
from churnflow.modelling.read_options import Format, ReadOptions

BASE = 90
FEW_CUSTOMERS = 1000
FEW_OF_A_CLASS = 100
MOST_INVALID = 0.01
NEARLY_ALL = 0.95
SHOWN = 5
Window = Annotated[str, Field(pattern=r"^[1-9]\d{0,4}[dw]$", description="days or weeks, such as 90d or 13w")]


class LogFormat(BaseModel, frozen=True, extra="forbid"):
    """What a log is beyond a table; what is not given is found out.

    names: of the columns of a text without a header. time_format: in strftime codes. timezone: of the days, and of
    times without an offset. until: the last day that the log can hold; later events are set apart; today by default.
    negative: what a negative amount is, a return or an event like others.
    """

    names: tuple[str, ...] = ()
    time_format: str = "auto"
    timezone: str = "UTC"
    until: str | None = None
    negative: Literal["return", "event"] = "return"


AS_FOUND = LogFormat()


@reports(
    "customers",
    "churn_ratio",
    "records",
    "invalid_ratio",
    "invalid_rows",
    "duplicate_events",
    "rows",
    "left_out",
    "features",
    *(f"rejected_{rule}" for rule in RULES),
)
@precheck(misnamed_event_columns)
def from_events(
    source: Path | pd.DataFrame,
    customer: str,
    time: str,
    outcome: Window,
    progress: Progress,
    amount: str | None = None,
    event_type: str | None = None,
    cut: str = "auto",
    observe: Window | None = None,
    cuts: Annotated[int, Field(ge=1, le=100)] = 1,
    every: Window | None = None,
    active_types: tuple[str, ...] = (),
    duplicates: Literal["keep", "drop"] = "keep",
    separator: str = "auto",
    encoding: str = "auto",
    decimal: Decimal = "auto",
    format: Format = "auto",  # noqa: A002 - the word that users expect in the workflow
    header: int | None = None,
    sheet: str | None = None,
    table: str | None = None,
    query: str | None = None,
    missing: tuple[str, ...] | None = None,
    log: LogFormat = AS_FOUND,
    memory: Annotated[str, Field(pattern=r"^[1-9]\d*(MB|GB)$", description="a size such as 500MB or 2GB")] = "1GB",
) -> StepResult:
    """Make a churn table of a log of transactions or usage, larger than memory if need be, in any form ingest reads.

    Outputs: `customers`, `rejected` and `schema` as churn.ingest makes them; `current`, each customer's features at the
    end of the log, to be scored. Churned is who has no event (of `active_types`, if given) in the `outcome` days from
    the cut on; features see the `observe` days before it, all if not given. cut: a day, or auto for the newest whose
    outcome the log covers. cuts: so many, `every` days apart (the outcome window if not given), make a row of each
    customer at each. duplicates: what becomes of rows equal in every column. separator to missing: as for churn.ingest.
    memory: the most DuckDB takes.
    """
    options = ReadOptions(separator, encoding, decimal, format, header, sheet, table, query, missing)
    columns, days = _columns(customer, time, amount, event_type), _days(cut, outcome, observe, cuts, every)
    return _result(_make(_Asked(source, options, columns, days, log, active_types, duplicates, memory), progress))


@dataclass(frozen=True)
class _Asked:
    """What the workflow says of the log and of what is made of it."""

    source: Path | pd.DataFrame
    options: ReadOptions
    columns: Columns
    days: DeclaredWindows
    format: LogFormat
    active_types: tuple[str, ...]
    duplicates: str
    memory: str

    @property
    def missing(self) -> tuple[str, ...] | None:
        """The words that stand for a missing value, None for the usual ones."""
        return None if self.options.missing is None else tuple(self.options.missing)


@dataclass(frozen=True)
class _Made:
    """What became of the log: how it was read, where the windows lie, and the churn table."""

    asked: _Asked
    file: EventFile
    reading: Reading
    log: Log
    windows: Windows
    churn: Churn

    @property
    def invalid_ratio(self) -> float:
        """The share of the events that can not be used."""
        return self.log.invalid / (self.log.events + self.log.invalid)

    @property
    def target(self) -> "pd.Series[int]":
        """The outcome of each row."""
        return self.churn.customers[TARGET]


def _columns(customer: str, time: str, amount: str | None, event_type: str | None) -> Columns:
    named = {"customer": customer, "time": time, "amount": amount, "event_type": event_type}
    for role, name in named.items():
        same = next(
            (other for other, twin in named.items() if twin == name and name is not None and other != role), None
        )
        if same:
            message = f"{role} and {same} name the same column, {name!r}"
            raise InputError(message, hint="name a column of its own for each, or leave out what the log does not have")
    return Columns(customer, time, amount, event_type)


def _days(cut: str, outcome: str, observe: str | None, cuts: int, every: str | None) -> DeclaredWindows:
    seen = None if observe is None else days_of(observe, "observe")
    return DeclaredWindows(cut, days_of(outcome, "outcome"), seen, cuts, days_of(every or outcome, "every"))


def _make(asked: _Asked, progress: Progress) -> _Made:
    with tempfile.TemporaryDirectory(prefix="churnflow-events-") as name, database(Path(name), asked.memory) as events:
        file = open_events(asked.source, Path(name), asked.options, asked.format.names)
        reading = _reading(events, file, asked)
        log = read_log(events, file, reading)
        windows = place_windows(log.first, log.newest, asked.days)
        valued, drop = asked.columns.amount is not None, asked.duplicates == "drop"
        churn = churn_table(events, log, Table(asked.columns.customer, windows, valued, drop), progress)
    return _Made(asked, file, reading, log, windows, churn)


def _reading(events: duckdb.DuckDBPyConnection, file: EventFile, asked: _Asked) -> Reading:
    columns, log = asked.columns, asked.format
    if asked.active_types and columns.type is None:
        message = "active_types names types of events, and no column says the type"
        raise InputError(message, hint="name that column: with: {event_type: ...}")
    zone = known_zone(log.timezone)
    return Reading(
        columns,
        found_format(events, file, columns.time, log.time_format, asked.missing),
        amounts_of(events, file, columns.amount, asked.options.decimal, asked.missing),
        zone,
        _end(log.until, zone),
        asked.missing,
        returns=log.negative == "return",
        active_types=asked.active_types,
    )


def _end(until: str | None, zone: str) -> datetime:
    """Return the last moment of the day that is named, else of today."""
    last = datetime.now(ZoneInfo(zone)).date() if until is None else day_of(until, "until")
    return datetime.combine(last, datetime.max.time())


def _result(made: _Made) -> StepResult:
    risks = _risks(made)
    return StepResult(
        outputs={**made.churn.tables(), "rejected": made.log.rejected, "schema": made.churn.schema},
        metrics=_metrics(made),
        facts=_facts(made),
        issues=[
            *_of_source(made),
            *_rejections(made.log),
            *_noted(made),
            *_dropped(made.churn),
            *(Issue(text=text, severity="warning") for _, text in risks),
        ],
        confidence=_initial(risks),
    )


def _metrics(made: _Made) -> dict[str, float | Measure]:
    log, churn, target = made.log, made.churn, made.target
    return {
        "customers": int(churn.customers[churn.schema["id"]].nunique()),
        "churn_ratio": Measure(**asdict(wilson(int(target.sum()), len(target)))),
        "records": log.events,
        "invalid_ratio": made.invalid_ratio,
        "invalid_rows": log.invalid,
        "duplicate_events": churn.duplicates,
        "rows": len(target),
        "left_out": churn.left_out,
        "features": sum(column["role"] == "feature" for column in churn.schema["columns"]),
        **{f"rejected_{rule}": count for rule, count in log.counts.items()},
    }


def _facts(made: _Made) -> dict[str, str]:
    file, reading, log, windows = made.file, made.reading, made.log, made.windows
    types = f" of the types {', '.join(reading.active_types)}" if reading.active_types else ""
    returned = ", returns not counted" if reading.returns and reading.columns.amount else ""
    ends = [f"{cut} to {windows.ends(cut) - timedelta(days=1)}" for cut in windows.cuts[-SHOWN:]]
    return {
        "log": f"{log.events:,} events from {log.first} to {log.newest}",
        "read as": ", ".join(
            (file.form.shown(), f"times as {reading.format.name} in {reading.zone}", *_figures(reading))
        ),
        "cut": _cut(made),
        "observed": "; ".join(_observed(cut, windows, log) for cut in windows.cuts[-SHOWN:]),
        "outcome": "; ".join(ends),
        "churned": f"no event{types} in the {windows.outcome} days from the cut on{returned}",
        "left out": f"{made.churn.left_out:,} customers, who were not active while observed",
        **_by_cut(made.churn),
    }


def _cut(made: _Made) -> str:
    cuts, declared = made.windows.cuts, made.asked.days
    shown = f"{', '.join(map(str, cuts[-SHOWN:]))}{f', the newest of {len(cuts)}' if len(cuts) > SHOWN else ''}"
    newest = f"{'the last is ' if len(cuts) > 1 else ''}the newest day whose outcome the log covers"
    return f"{shown}; {newest}" if declared.cut == "auto" else shown


def _figures(reading: Reading) -> Iterator[str]:
    written = reading.numerals
    if not written.ordinary:
        marks = [f"a decimal {'comma' if written.decimal == ',' else 'point'}"]
        marks += [f"{written.thousands!r} between thousands"] * bool(written.thousands)
        yield f"amounts with {' and '.join(marks)}{f', in {written.unit}' if written.unit else ''}"


def _by_cut(made: Churn) -> dict[str, str]:
    if CUT not in made.customers:
        return {}
    rates = made.customers.groupby(CUT)[TARGET].agg(["size", "mean"]).tail(SHOWN)
    return {f"churn at {cut}": f"{mean:.1%} of {size:,.0f} customers" for cut, size, mean in rates.itertuples()}


def _observed(cut: date, windows: Windows, read: Log) -> str:
    start = read.first if windows.observe is None else cut - timedelta(days=windows.observe)
    return f"{start} to {cut - timedelta(days=1)}"


def _rejections(read: Log) -> Iterator[Issue]:
    for rule, count in read.counts.items():
        if count:
            lines = read.rejected["line"][read.rejected["rule"] == rule].tolist()
            shown = ", ".join(str(line) for line in lines[:SHOWN]) + (", ..." if count > SHOWN else "")
            where = f" (line {shown})" if lines else ""
            text = f"events set apart as {rule.replace('_', ' ')}: {count:,}{where}"
            yield Issue(text=text, severity="warning")


def _of_source(made: _Made) -> Iterator[Issue]:
    doubt = made.reading.numerals.doubt
    doubts = [f"{made.reading.columns.amount}: {doubt}"] if doubt else []
    for text in (*made.file.notes, *doubts, *made.log.stray):
        yield Issue(text=text, severity="warning")


def _noted(made: _Made) -> Iterator[Issue]:
    log, windows, ratio = made.log, made.windows, made.target.mean()
    if log.spanning:
        shown = ", ".join(map(str, log.spanning[:SHOWN])) + (", ..." if len(log.spanning) > SHOWN else "")
        text = f"rows that take more than {MOST_LINES} lines: {len(log.spanning)} (from line {shown})"
        yield Issue(text=f"{text}; does a quote stand there where none belongs?", severity="warning")
    if made.churn.duplicates:
        done = (
            "left out"
            if made.asked.duplicates == "drop"
            else "kept, for two purchases may be alike (or: duplicates: drop)"
        )
        yield Issue(text=f"{made.churn.duplicates:,} events equal an earlier one in every column; they are {done}")
    if windows.observe is not None and windows.cuts[0] - timedelta(days=windows.observe) < log.first:
        text = f"the log begins on {log.first}, within the observation window of the cut {windows.cuts[0]}"
        yield Issue(text=f"{text}, so that its customers are observed for a shorter time", severity="warning")
    if windows.observe is None and len(windows.cuts) > 1:
        text = "without `observe` a later cut is observed for a longer time, so that counts grow from cut to cut"
        yield Issue(text=text, severity="warning")
    if ratio > NEARLY_ALL:
        text = f"{ratio:.1%} count as churned; is {log.newest} the end of the log, or one stray event?"
        yield Issue(text=text, severity="warning")
    if 2 * log.negative > log.events:
        text = f"{log.negative:,} of {log.events:,} amounts are negative: returns? (or: log: {{negative: event}})"
        yield Issue(text=text, severity="warning")


def _dropped(made: Churn) -> Iterator[Issue]:
    for column in made.schema["columns"]:
        if column["role"] == "dropped":
            yield Issue(text=f"the feature {column['name']} is left out: {column['reason']}")


def _risks(made: _Made) -> list[tuple[int, str]]:
    """Return what speaks against a good model, each with the points that it takes from the first confidence."""
    target, invalid = made.target, made.invalid_ratio
    rare = int(min(target.sum(), len(target) - target.sum()))
    candidates = (
        (len(target) < FEW_CUSTOMERS, 20, f"{len(target):,} rows are few (below {FEW_CUSTOMERS:,})"),
        (rare < FEW_OF_A_CLASS, 20, f"only {rare} rows of the rarer class"),
        (target.mean() > 0.5, 5, f"most customers ({target.mean():.0%}) count as churned"),  # noqa: PLR2004
        (invalid > MOST_INVALID, 10, f"{invalid:.1%} of the events can not be used"),
    )
    return [(points, text) for applies, points, text in candidates if applies]


def _initial(risks: list[tuple[int, str]]) -> Confidence:
    """State a first confidence, as churn.scope does for a table of customers."""
    taken = "; ".join(f"-{points} {text}" for points, text in risks) or "no risk was found in the log"
    return Confidence(score=BASE - sum(points for points, _ in risks), because=f"a plan begins at {BASE}; {taken}")
