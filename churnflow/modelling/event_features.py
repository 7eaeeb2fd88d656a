"""The features of a customer at a cut: what they are, their unit and source, and how they follow from the events.

Days are counted back from the cut: the day before it has age 1. No event on or after the cut has an age.

Sources: RFM: Fader, Hardie and Lee, RFM and CLV: Using Iso-Value Curves for Customer Base Analysis, Journal of
Marketing Research 42 (2005). Buckinx: Buckinx and Van den Poel, Customer base analysis: partial defection of
behaviourally loyal clients in a non-contractual FMCG retail setting, European Journal of Operational Research 164
(2005), which measured the spacing of purchases and its ratio to the time since the last one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, cast

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.event_files import quoted

Floats = npt.NDArray[np.float64]

RECENT_WEEKS: Final = (4, 13, 26)
MOST_TYPES: Final = 20
MONTH_DAYS: Final = 30

TIMING: Final[Mapping[str, str]] = {
    "recency_days": "days from the last active day to the cut (RFM)",
    "tenure_days": "days from the first event observed to the cut (RFM)",
    "events": "number of events, returns left out: the frequency (RFM)",
    "active_days": "number of days with an event; in RFM, events of one day are one",
    "active_weeks": "number of weeks, counted back from the cut, with an event",
    "active_months": f"number of spans of {MONTH_DAYS} days, counted back from the cut, with an event",
    "events_per_week": "events divided by the weeks of tenure",
    **{f"events_{weeks}w": f"number of events in the last {weeks} weeks before the cut" for weeks in RECENT_WEEKS},
    "events_recent_share": "share, 0 to 1, of events in the last third of the tenure; steady customers have a third",
    "events_slope": "least-squares slope of events a week over the weeks of tenure, in events a week per week",
    "gap_mean_days": "mean days between successive active days; with one, its recency stands for it (Buckinx)",
    "gap_sd_days": "standard deviation of these gaps in days; 0 with fewer than two gaps (Buckinx)",
    "gap_max_days": "longest of these gaps in days; with one active day, its recency",
    "gap_ratio": "recency divided by the mean gap; 1 with one active day (Buckinx)",
    "weekend_share": "share, 0 to 1, of events on Saturday or Sunday",
}
VALUE: Final[Mapping[str, str]] = {
    "value_sum": "sum of all amounts, returns taken off: the monetary value (RFM)",
    "value_mean": "mean amount of an event, returns left out (RFM)",
    "value_median": "median amount of an event, returns left out",
    "value_max": "largest amount",
    "value_last": "sum of the amounts on the last active day",
    "value_recent_share": "share of the amounts, returns left out, in the last third of the tenure; 0 without any",
    "returns": "number of returns: events with a negative amount",
    "value_returned": "sum of the amounts returned, as a positive number",
}


@dataclass(frozen=True)
class Span:
    """The days that one table of features is made of: from `start`, if any, up to the day before `cut`."""

    cut: date
    observe: int | None = None

    @property
    def condition(self) -> str:
        """SQL that holds for the events observed."""
        start = "" if self.observe is None else f" AND day >= DATE '{self.cut - timedelta(days=self.observe)}'"
        return f"day < DATE '{self.cut}'{start}"


def frequent_types(connection: duckdb.DuckDBPyConnection, span: Span) -> list[str]:
    """Return the types of the events observed, the most frequent first, at most MOST_TYPES."""
    query = f"SELECT type FROM events WHERE type IS NOT NULL AND {span.condition} GROUP BY type"
    rows = connection.execute(f"{query} ORDER BY count(*) DESC, type LIMIT {MOST_TYPES}").fetchall()
    return [str(row[0]) for row in rows]


def type_names(types: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Return the types by the name of the feature that counts each, none of them `taken` or given twice."""
    names: dict[str, str] = {}
    for kind in types:
        names[free_name(f"events_{'_'.join(kind.split())}", {*names, *taken})] = kind
    return names


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name, lengthened until it is none of those `taken`."""
    while name in taken:
        name += "_"
    return name


def observed(connection: duckdb.DuckDBPyConnection, table: str, span: Span, types: Sequence[str] = ()) -> pd.DataFrame:
    """Return what the events of `table` observed in `span` add up to, a row for each customer who was active in it.

    Columns: customer, whole numbers and sums from which `features_of` computes, and type_0, type_1, ... by `types`.
    Everything is a whole number, a decimal sum or an extreme, so that the order of the events changes no bit of it.
    """
    counted = "".join(f", count(*) FILTER (type = {quoted(kind)}) AS type_{place}" for place, kind in enumerate(types))
    recent = "".join(f", sum(n) FILTER (age <= {7 * weeks}) AS last_{weeks}" for weeks in RECENT_WEEKS)
    query = f"""
    WITH seen AS NOT MATERIALIZED (
      SELECT customer, DATE '{span.cut}' - day AS age, amount, type, returned, active
      FROM {table} WHERE {span.condition}
    ), days AS (
      SELECT customer, age, count(*) AS n, sum(amount) AS bought FROM seen WHERE NOT returned GROUP BY customer, age
    ), spaced AS (
      SELECT *, max(age) OVER own AS tenure, lag(age) OVER (own ORDER BY age DESC) AS last, last - age AS gap,
        (age - 1) // 7 AS week, week IS DISTINCT FROM (last - 1) // 7 AS new_week,
        (age - 1) // {MONTH_DAYS} IS DISTINCT FROM (last - 1) // {MONTH_DAYS} AS new_month
      FROM days WINDOW own AS (PARTITION BY customer)
    ), timing AS (
      SELECT customer, min(age) AS recency, any_value(tenure) AS tenure, sum(n) AS events, count(*) AS days,
        count(*) FILTER (new_week) AS weeks, count(*) FILTER (new_month) AS months,
        sum(n * week) AS weighted, sum(n) FILTER (3 * age <= tenure) AS recent,
        sum(n) FILTER (isodow(DATE '{span.cut}' - CAST(age AS INTEGER)) >= 6) AS weekend,
        sum(gap) AS gaps, sum(gap * gap) AS gap_squares, max(gap) AS gap_max,
        sum(bought) AS bought, arg_min(bought, age) AS last,
        sum(bought) FILTER (3 * age <= tenure) AS bought_recent{recent}
      FROM spaced GROUP BY customer
    ), sums AS (
      SELECT customer, bool_or(active) AS active, sum(amount) AS total, max(amount) AS most,
        median(CAST(amount AS DOUBLE)) FILTER (NOT returned) AS middle, count(amount) FILTER (NOT returned) AS amounts,
        count(*) FILTER (returned) AS returns, -sum(amount) FILTER (returned) AS returned{counted}
      FROM seen GROUP BY customer
    )
    SELECT * FROM timing JOIN sums USING (customer) WHERE active
    """
    return connection.execute(query).df()


def features_of(sums: pd.DataFrame, *, valued: bool, types: Mapping[str, str]) -> dict[str, Floats]:
    """Return the features by name, each (customers,), computed from what `observed` returned.

    valued: whether the log has amounts. types: the names of the features that count types, in the order of `types`.
    """
    known = {str(name): _floats(sums[name]) for name in sums.columns if name not in {"customer", "active"}}
    counts = {name: known[f"type_{place}"] for place, name in enumerate(types)}
    return {**_timing(known), **_gaps(known), **(_value(known) if valued else {}), **counts}


def described(types: Mapping[str, str], *, valued: bool) -> dict[str, str]:
    """Return what each feature is, with its unit, in the order of the table."""
    counts = {name: f"number of events of the type {kind}" for name, kind in types.items()}
    return {**TIMING, **(VALUE if valued else {}), **counts}


def _floats(column: "pd.Series[Any]") -> Floats:
    values: Any = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return cast("Floats", values)


def _timing(known: Mapping[str, Floats]) -> dict[str, Floats]:
    events, tenure = known["events"], known["tenure"]
    return {
        "recency_days": known["recency"],
        "tenure_days": tenure,
        "events": events,
        "active_days": known["days"],
        "active_weeks": known["weeks"],
        "active_months": known["months"],
        "events_per_week": 7 * events / tenure,
        **{f"events_{weeks}w": np.nan_to_num(known[f"last_{weeks}"]) for weeks in RECENT_WEEKS},
        "events_recent_share": np.nan_to_num(known["recent"]) / events,
        "events_slope": _slope(known),
        "weekend_share": np.nan_to_num(known["weekend"]) / events,
    }


def _slope(known: Mapping[str, Floats]) -> Floats:
    """Return the slope of weekly counts over the weeks of tenure, 0 for a tenure of one week."""
    weeks = np.floor((known["tenure"] - 1) / 7) + 1
    places, squares = weeks * (weeks - 1) / 2, (weeks - 1) * weeks * (2 * weeks - 1) / 6
    spread = weeks * squares - places**2
    # Weeks are numbered back from the cut, so that the sign turns.
    back = weeks * known["weighted"] - places * known["events"]
    return np.nan_to_num(_over(-back, spread)) + 0.0


def _gaps(known: Mapping[str, Floats]) -> dict[str, Floats]:
    # A customer of one day has no gap but the running one. Left missing, they would say no more than active_days does.
    once, number, running = known["days"] == 1, known["days"] - 1, known["recency"]
    mean = np.where(once, running, _over(known["gaps"], number))
    spread = np.maximum(known["gap_squares"] - known["gaps"] * mean, 0.0)
    return {
        "gap_mean_days": mean,
        "gap_sd_days": np.nan_to_num(np.sqrt(_over(spread, number - 1))),
        "gap_max_days": np.where(once, running, known["gap_max"]),
        "gap_ratio": running / mean,
    }


def _value(known: Mapping[str, Floats]) -> dict[str, Floats]:
    return {
        "value_sum": known["total"],
        "value_mean": _over(known["bought"], known["amounts"]),
        "value_median": known["middle"],
        "value_max": known["most"],
        "value_last": known["last"],
        "value_recent_share": np.nan_to_num(_over(known["bought_recent"], known["bought"])),
        "returns": known["returns"],
        "value_returned": np.nan_to_num(known["returned"]),
    }


def _over(first: Floats, second: Floats) -> Floats:
    """Divide, with a missing value where the second is not positive."""
    quotient: Floats = np.divide(first, second, out=np.full_like(first, np.nan), where=second > 0)
    return quotient
