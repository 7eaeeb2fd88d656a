"""Logs of events for the tests of what is made of them, and the churn table computed again the plain way."""

import math
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import pandas as pd

from churnflow import StepResult
from churnflow.steps.from_events import from_events

FIRST = date(2024, 1, 1)
DAYS = 300


def make_events(customers: int = 60, seed: int = 0) -> pd.DataFrame:
    """Make purchases and visits of customers over 300 days, some of whom stop early; amounts have cents, some are 0."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        ends = DAYS if random.random() < 0.5 else int(random.integers(20, DAYS))
        begins = int(random.integers(0, min(ends, 120)))
        for offset in random.integers(begins, ends, int(random.integers(1, 14))):
            moment = pd.Timestamp(FIRST + timedelta(days=int(offset))) + pd.Timedelta(
                seconds=int(random.integers(86_400))
            )
            kind = str(random.choice(["purchase", "visit", "call"], p=[0.6, 0.3, 0.1]))
            rows.append((f"{customer:04d}", moment, round(float(random.integers(-300, 5000)) / 100, 2), kind))
    # The log ends on its last day for sure.
    rows.append(("0000", pd.Timestamp(FIRST + timedelta(days=DAYS - 1)), 5.0, "purchase"))
    frame = pd.DataFrame(rows, columns=["customer", "time", "amount", "kind"])
    return frame.astype({"customer": "str", "kind": "str"})


def write_events(folder: Path, frame: pd.DataFrame, name: str = "events.csv", **settings: Any) -> Path:
    """Write a log as CSV."""
    path = folder / name
    frame.to_csv(path, index=False, **settings)
    return path


def run(path: Path | pd.DataFrame, **given: Any) -> StepResult:
    """Make the churn table of a log with the columns of `make_events`."""
    settings = {"customer": "customer", "time": "time", "amount": "amount", "outcome": "60d", **given}
    return from_events(path, progress=lambda *_: None, **settings)


def features_again(events: pd.DataFrame, cut: date, observe: int | None = None) -> dict[str, dict[str, float]]:
    """Return the features of each customer at a cut by id, computed from the definitions with plain loops."""
    table: dict[str, dict[str, float]] = {}
    for customer, own in events.groupby("customer"):
        ages = [(cut - moment.date()).days for moment in own["time"]]
        told = [(age, amount) for age, amount in zip(ages, own["amount"], strict=True) if 0 < age <= (observe or 10**6)]
        bought = [(age, amount) for age, amount in told if amount >= 0]
        if bought:
            returned = [-amount for _, amount in told if amount < 0]
            table[str(customer)] = {**_timing(bought, cut), **_value(bought, returned)}
    return table


def _timing(bought: list[tuple[int, float]], cut: date) -> dict[str, float]:
    ages = [age for age, _ in bought]
    days = sorted(set(ages))
    gaps = [older - newer for newer, older in pairwise(days)] or [days[0]]
    tenure = max(ages)
    weeks = math.ceil(tenure / 7)
    counts = [sum((age - 1) // 7 == week for age in ages) for week in reversed(range(weeks))]
    return {
        "recency_days": min(ages),
        "tenure_days": tenure,
        "events": len(ages),
        "active_days": len(days),
        "active_weeks": len({(age - 1) // 7 for age in ages}),
        "active_months": len({(age - 1) // 30 for age in ages}),
        "events_per_week": len(ages) / (tenure / 7),
        "events_4w": sum(age <= 28 for age in ages),
        "events_13w": sum(age <= 91 for age in ages),
        "events_26w": sum(age <= 182 for age in ages),
        "events_recent_share": sum(age <= tenure / 3 for age in ages) / len(ages),
        "events_slope": float(np.polyfit(range(weeks), counts, 1)[0]) if weeks > 1 else 0.0,
        "gap_mean_days": mean(gaps),
        "gap_sd_days": stdev(gaps) if len(gaps) > 1 else 0.0,
        "gap_max_days": max(gaps),
        "gap_ratio": min(ages) / mean(gaps),
        "weekend_share": sum((cut - timedelta(days=age)).isoweekday() > 5 for age in ages) / len(ages),
    }


def _value(bought: list[tuple[int, float]], returned: list[float]) -> dict[str, float]:
    amounts = [amount for _, amount in bought]
    newest, oldest = min(age for age, _ in bought), max(age for age, _ in bought)
    recent = sum(amount for age, amount in bought if age <= oldest / 3)
    return {
        "value_sum": sum(amounts) - sum(returned),
        "value_mean": mean(amounts),
        "value_median": median(amounts),
        "value_max": max(amounts),
        "value_last": sum(amount for age, amount in bought if age == newest),
        "value_recent_share": recent / sum(amounts) if sum(amounts) else 0.0,
        "returns": len(returned),
        "value_returned": sum(returned),
    }
