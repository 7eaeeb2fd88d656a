"""A churn table from a log of events: features strictly before each cut, and who had no event in the days after it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.event_features import (
    Span,
    described,
    features_of,
    free_name,
    frequent_types,
    observed,
    type_names,
)
from churnflow.modelling.event_log import Log
from churnflow.modelling.event_schema import CUT, TARGET, schema_of
from churnflow.modelling.event_times import Windows

Told = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Churn:
    """A churn table and what it was made of.

    customers: a row for each customer at each cut: id, cut where there are several, features, and the target, 1 for no
    active event in the outcome window. current: the same features at the end of the log, whose outcome is not known.
    schema: as ingestion records it, with `time` and `outcome_days`. duplicates: rows equal to an earlier one. left_out:
    customers of the log without an active event observed before any cut.
    """

    customers: pd.DataFrame
    current: pd.DataFrame
    schema: dict[str, Any]
    duplicates: int
    left_out: int

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return both tables by the names under which they are kept."""
        return {"customers": self.customers, "current": self.current}


@dataclass(frozen=True)
class Table:
    """What is made of a log: the id's name, windows, whether it has amounts, and what becomes of equal rows."""

    identifier: str
    windows: Windows
    valued: bool
    drop_duplicates: bool


def churn_table(connection: duckdb.DuckDBPyConnection, log: Log, table: Table, told: Told) -> Churn:
    """Return the churn table of the events that `read_log` has read into `connection`.

    The log is taken in parts of whole customers, so that memory is bounded by the table and not by the log. Features
    are computed of events before the cut alone; which types are counted, of events before the oldest cut alone.
    Raises UsageError where no customer remains, or all of them share one outcome.
    """
    windows = table.windows
    reserved = {*described({}, valued=table.valued), CUT, TARGET}
    table = replace(table, identifier=free_name(table.identifier, reserved))
    kinds = frequent_types(connection, Span(windows.cuts[0], windows.observe))
    types = type_names(kinds, {*reserved, table.identifier})
    end = Span(log.newest + timedelta(days=1), windows.observe)
    rows: list[pd.DataFrame] = []
    current: list[pd.DataFrame] = []
    customers = duplicates = 0
    for _ in _parts(connection, log.buckets, told):
        duplicates += _count(
            connection, "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM part GROUP BY customer, content)"
        )
        if table.drop_duplicates:
            connection.execute("CREATE OR REPLACE TEMP TABLE part AS SELECT DISTINCT * FROM part")
        customers += _count(connection, "SELECT count(DISTINCT customer) FROM part")
        rows += [_at(connection, table, Span(cut, windows.observe), types) for cut in windows.cuts]
        current.append(_features(observed(connection, "part", end, kinds), table, types))
    found = _joined(rows, [table.identifier, CUT])
    _check(found, log, windows)
    schema = schema_of(found, table.identifier, described(types, valued=table.valued), table.windows)
    kept = [column["name"] for column in schema["columns"] if column["role"] != "dropped"]
    now = _joined(current, [table.identifier])[[name for name in kept if name not in {CUT, TARGET}]]
    left_out = customers - found[table.identifier].nunique()
    return Churn(found[kept], now, schema, duplicates, left_out)


def _parts(connection: duckdb.DuckDBPyConnection, buckets: int, told: Told) -> Iterator[int]:
    for bucket in range(buckets):
        told(bucket, buckets, "customers' events")
        query = f"SELECT * EXCLUDE place FROM events WHERE place % {buckets} = {bucket}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE part AS {query}")
        yield bucket
    told(buckets, buckets, "customers' events")


def _at(connection: duckdb.DuckDBPyConnection, table: Table, span: Span, types: Mapping[str, str]) -> pd.DataFrame:
    """Return features and outcome at one cut of the customers in `part`."""
    sums = observed(connection, "part", span, list(types.values()))
    ends = table.windows.ends(span.cut)
    query = f"SELECT DISTINCT customer FROM part WHERE active AND day >= DATE '{span.cut}' AND day < DATE '{ends}'"
    stayed = connection.execute(query).df()["customer"]
    frame = _features(sums, table, types)
    frame.insert(1, CUT, pd.Series([span.cut.isoformat()] * len(frame), dtype="str"))
    return frame.assign(**{TARGET: (~sums["customer"].isin(stayed)).to_numpy(dtype=np.int64)})


def _features(sums: pd.DataFrame, table: Table, types: Mapping[str, str]) -> pd.DataFrame:
    named = pd.Series(sums["customer"], dtype="str", name=table.identifier)
    values = features_of(sums, valued=table.valued, types=types)
    ordered = {name: values[name] for name in described(types, valued=table.valued)}
    return pd.concat([named, pd.DataFrame(ordered, index=sums.index)], axis=1)


def _joined(parts: list[pd.DataFrame], order: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True).sort_values(order, ignore_index=True)


def _check(found: pd.DataFrame, log: Log, windows: Windows) -> None:
    if found.empty:
        message = "no customer was active in the observation window"
        hint = "give a longer observe, another cut, or other active_types"
        if 2 * log.negative > log.events:
            hint = "most amounts are negative; if they are no returns: with: {log: {negative: event}}"
        raise UsageError(message, hint=hint)
    churned = int(found[TARGET].sum())
    if 0 < churned < len(found):
        return
    days = f"from {windows.cuts[-1]} to {windows.ends(windows.cuts[-1]) - timedelta(days=1)}"
    if len(found) == 1:
        message = "only one customer was active before the cut"
        hint = "check the column that `customer` names; a model needs customers who stay and others who leave"
    elif churned:
        message = f"every one of {len(found):,} customers counts as churned: none has an event {days}"
        hint = "give an earlier cut or a longer outcome; log: {until: DAY} leaves out a stray event after the log's end"
    else:
        message = f"no customer of {len(found):,} counts as churned: each has an event {days}"
        hint = "give a shorter outcome window, or check active_types"
    raise UsageError(message, hint=hint)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0] or 0)
