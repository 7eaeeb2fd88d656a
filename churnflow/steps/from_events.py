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

from churnflow import Confidence, InputError, Issue, Measure, Progress, StepResult, reports
from churnflow.modelling.event_files import MOST_LINES, EventFile, open_events
from churnflow.modelling.event_log import RULES, Columns, Log, Reading, database, read_log
from churnflow.modelling.event_schema import CUT, TARGET
from churnflow.modelling.event_times import DeclaredWindows, Windows, day_of, days_of, known_zone, place_windows
from churnflow.modelling.event_times import time_format as found_format
from churnflow.modelling.events import Churn, Table, churn_table
from churnflow.modelling.metrics import wilson

BASE = 90
FEW_CUSTOMERS = 1000
FEW_OF_A_CLASS = 100
MOST_INVALID = 0.01
NEARLY_ALL = 0.95
SHOWN = 5
Window = Annotated[str, Field(pattern=r"^[1-9]\d{0,4}[dw]$")]


class LogFormat(BaseModel, frozen=True, extra="forbid"):
    """How a log is written; what is not given is found out.

    separator: one character, or `blanks` for any number of them. columns: their names, for a file without a header.
    time_format: in strftime codes. timezone: of the days, and of times without an offset. until: the last day that the
    log can hold; later events are set apart; today by default. negative: what a negative amount is, a return or an
    event like others. missing: the words for a missing value, instead of the usual ones.
    """

    separator: str = "auto"
    encoding: str = "auto"
    columns: tuple[str, ...] = ()
    time_format: str = "auto"
    timezone: str = "UTC"
    until: str | None = None
    negative: Literal["return", "event"] = "return"
    missing: tuple[str, ...] | None = None


AS_FOUND = LogFormat()


@reports(
    "records",
    "invalid_rows",
    "invalid_ratio",
    "duplicate_events",
    "customers",
    "rows",
    "left_out",
    "churn_ratio",
    "features",
    *(f"rejected_{rule}" for rule in RULES),
)
def from_events(
    source: Path,
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
    log: LogFormat = AS_FOUND,
    memory: Annotated[str, Field(pattern=r"^[1-9]\d*(MB|GB)$")] = "1GB",
) -> StepResult:
    """Make a churn table of a log of transactions or usage, delimited text or Parquet, larger than memory if need be.

    Outputs: `customers`, `rejected` and `schema` as churn.ingest makes them; `current`, the features of each customer
    at the end of the log, to be scored. Churned is who has no event (of `active_types`, if given) in the `outcome` days
    from the cut on; features see the `observe` days before it, all if not given. cut: a day, or auto for the newest
    whose outcome the log covers. cuts: so many, `every` days apart (the outcome window if not given), make a row of
    each customer at each cut. duplicates: what becomes of rows equal in every column. memory: the most DuckDB takes.
    """
    days = _days(cut, outcome, observe, cuts, every)
    columns = Columns(customer, time, amount, event_type)
    asked = _Asked(source, columns, days, active_types, duplicates, log, memory)
    made = _make(asked, progress)
    return StepResult(
        outputs={**made.churn.tables(), "rejected": made.log.rejected, "schema": made.churn.schema},
        metrics=_metrics(made),
        facts=_facts(made),
        issues=[*_rejections(made.log), *_noted(made, duplicates), *_dropped(made.churn)],
        confidence=_initial(made),
    )


@dataclass(frozen=True)
class _Asked:
    source: Path
    columns: Columns
    days: DeclaredWindows
    active_types: tuple[str, ...]
    duplicates: str
    format: LogFormat
    memory: str


@dataclass(frozen=True)
class _Made:
    """What became of the log: how it was read, where the windows lie, and the churn table."""

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


def _days(cut: str, outcome: str, observe: str | None, cuts: int, every: str | None) -> DeclaredWindows:
    seen = None if observe is None else days_of(observe, "observe")
    return DeclaredWindows(cut, days_of(outcome, "outcome"), seen, cuts, days_of(every or outcome, "every"))


def _make(asked: _Asked, progress: Progress) -> _Made:
    with tempfile.TemporaryDirectory(prefix="churnflow-events-") as name, database(Path(name), asked.memory) as events:
        known = asked.format
        file = open_events(asked.source, Path(name), known.separator, known.encoding, known.columns)
        reading = _reading(events, file, asked)
        log = read_log(events, file, reading)
        windows = place_windows(log.first, log.newest, asked.days)
        valued, drop = asked.columns.amount is not None, asked.duplicates == "drop"
        churn = churn_table(events, log, Table(asked.columns.customer, windows, valued, drop), progress)
    return _Made(file, reading, log, windows, churn)


def _reading(events: duckdb.DuckDBPyConnection, file: EventFile, asked: _Asked) -> Reading:
    columns, log, active_types = asked.columns, asked.format, asked.active_types
    if active_types and columns.type is None:
        message = "active_types names types of events, and no column says the type"
        raise InputError(message, hint="name that column: with: {event_type: ...}")
    zone = known_zone(log.timezone)
    today = datetime.now(ZoneInfo(zone)).date() if log.until is None else day_of(log.until, "until")
    return Reading(
        columns,
        found_format(events, file, columns.time, log.time_format, log.missing),
        zone,
        datetime.combine(today, datetime.max.time()),
        log.missing,
        returns=log.negative == "return",
        active_types=active_types,
    )


def _metrics(made: _Made) -> dict[str, float | Measure]:
    log, churn, target = made.log, made.churn, made.target
    return {
        "records": log.events,
        "invalid_rows": log.invalid,
        "invalid_ratio": made.invalid_ratio,
        "duplicate_events": churn.duplicates,
        "rows": len(target),
        "customers": int(churn.customers[churn.schema["id"]].nunique()),
        "left_out": churn.left_out,
        "churn_ratio": Measure(**asdict(wilson(int(target.sum()), len(target)))),
        "features": sum(column["role"] == "feature" for column in churn.schema["columns"]),
        **{f"rejected_{rule}": count for rule, count in log.counts.items()},
    }


def _facts(made: _Made) -> dict[str, str]:
    file, reading, log, windows = made.file, made.reading, made.log, made.windows
    split = f"columns set apart by {file.separator!r}" if len(file.separator) == 1 else file.separator
    types = f" of the types {', '.join(reading.active_types)}" if reading.active_types else ""
    returned = ", returns not counted" if reading.returns and reading.columns.amount else ""
    ends = [f"{cut} to {windows.ends(cut) - timedelta(days=1)}" for cut in windows.cuts[-SHOWN:]]
    return {
        "log": f"{log.events:,} events from {log.first} to {log.newest}",
        "read as": ", ".join(filter(None, (file.encoding, split, f"times as {reading.format.name} in {reading.zone}"))),
        "observed": "; ".join(_observed(cut, windows, log) for cut in windows.cuts[-SHOWN:]),
        "outcome": "; ".join(ends),
        "churned": f"no event{types} in the {windows.outcome} days from the cut on{returned}",
        "left out": f"{made.churn.left_out:,} customers, who were not active while observed",
        **_by_cut(made.churn),
    }


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


def _noted(made: _Made, duplicates: str) -> Iterator[Issue]:
    log, windows, ratio = made.log, made.windows, made.target.mean()
    if log.spanning:
        shown = ", ".join(map(str, log.spanning[:SHOWN])) + (", ..." if len(log.spanning) > SHOWN else "")
        text = f"rows that take more than {MOST_LINES} lines: {len(log.spanning)} (from line {shown})"
        yield Issue(text=f"{text}; does a quote stand there where none belongs?", severity="warning")
    if made.churn.duplicates:
        done = "left out" if duplicates == "drop" else "kept, for two purchases may be alike (or: duplicates: drop)"
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


def _initial(made: _Made) -> Confidence:
    """State a first confidence, as churn.scope does for a table of customers."""
    target, invalid = made.target, made.invalid_ratio
    rare = int(min(target.sum(), len(target) - target.sum()))
    candidates = (
        (len(target) < FEW_CUSTOMERS, 20, f"{len(target):,} rows are few (below {FEW_CUSTOMERS:,})"),
        (rare < FEW_OF_A_CLASS, 20, f"only {rare} rows of the rarer class"),
        (target.mean() > 0.5, 5, f"most customers ({target.mean():.0%}) count as churned"),  # noqa: PLR2004
        (invalid > MOST_INVALID, 10, f"{invalid:.1%} of the events can not be used"),
    )
    risks = [(points, text) for applies, points, text in candidates if applies]
    taken = "; ".join(f"-{points} {text}" for points, text in risks) or "no risk was found in the log"
    return Confidence(score=BASE - sum(points for points, _ in risks), because=f"a plan begins at {BASE}; {taken}")
