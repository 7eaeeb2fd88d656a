"""A churn table from a log of 20 million events, or as many as named: time and memory beside pandas doing the same."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb

from measure import BUILD, Row, environment, table

EVENTS = 20_000_000
EVENTS_OF_EACH = 40
CUT = "2024-10-02"
OURS = """
import json, resource, sys, time
began = time.perf_counter()
from pathlib import Path
from churnflow.steps.from_events import from_events
given = {"customer": "customer", "time": "time", "amount": "amount", "event_type": "kind", "outcome": "90d"}
made = from_events(Path(sys.argv[1]), progress=lambda *_: None, **given).outputs["customers"].set_index("customer")
"""
PANDAS = """
import json, resource, sys, time
began = time.perf_counter()
import numpy as np
import pandas as pd
def table(log, cut):
    log = log.assign(age=(cut - log["time"].dt.normalize()).dt.days)[log["time"] < cut]
    log["weekend"] = log["time"].dt.dayofweek >= 5
    log["week"], log["month"] = (log["age"] - 1) // 7, (log["age"] - 1) // 30
    own = log.groupby("customer")
    made = own.agg(recency_days=("age", "min"), tenure_days=("age", "max"), events=("age", "size"),
        active_days=("age", "nunique"), active_weeks=("week", "nunique"), active_months=("month", "nunique"),
        weekend_share=("weekend", "mean"), value_sum=("amount", "sum"), value_mean=("amount", "mean"),
        value_median=("amount", "median"), value_max=("amount", "max"))
    made["events_per_week"] = made["events"] / (made["tenure_days"] / 7)
    for weeks in (4, 13, 26):
        counts = log["customer"][log["age"] <= 7 * weeks].value_counts()
        made[f"events_{weeks}w"] = counts.reindex(made.index).fillna(0)
    recent = log[3 * log["age"] <= log["customer"].map(made["tenure_days"])].groupby("customer")
    made["events_recent_share"] = recent.size().reindex(made.index).fillna(0) / made["events"]
    made["value_recent_share"] = recent["amount"].sum().reindex(made.index).fillna(0) / made["value_sum"]
    last = log[log["age"] == log["customer"].map(made["recency_days"])]
    made["value_last"] = last.groupby("customer")["amount"].sum()
    weeks = (made["tenure_days"] - 1) // 7 + 1
    places, squares = weeks * (weeks - 1) / 2, (weeks - 1) * weeks * (2 * weeks - 1) / 6
    back = weeks * own["week"].sum() - places * made["events"]
    made["events_slope"] = (-back / (weeks * squares - places**2)).fillna(0)
    days = log[["customer", "age"]].drop_duplicates().sort_values(["customer", "age"])
    days["gap"] = days.groupby("customer")["age"].diff()
    gaps = days.groupby("customer")["gap"].agg(["mean", "std", "max"])
    made["gap_mean_days"] = gaps["mean"].fillna(made["recency_days"])
    made["gap_sd_days"], made["gap_max_days"] = gaps["std"].fillna(0), gaps["max"].fillna(made["recency_days"])
    made["gap_ratio"] = made["recency_days"] / made["gap_mean_days"]
    kinds = log.groupby(["customer", "kind"], observed=False).size().unstack(fill_value=0)
    made[[f"events_{kind}" for kind in kinds.columns]] = kinds
    return made
log = pd.read_csv(sys.argv[1], dtype={"customer": "str", "kind": "category"}, parse_dates=["time"])
cut = pd.Timestamp("CUT")
made = table(log, cut)
stayed = set(log["customer"][(log["time"] >= cut) & (log["time"] < cut + pd.Timedelta(days=90))])
made["churn"] = (~made.index.isin(stayed)).astype("int64")
current = table(log, pd.Timestamp("2024-12-31"))
"""
TOLD = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
sums = {name: float(made[name].sum()) for name in sorted(made.columns)}
print(json.dumps({"seconds": time.perf_counter() - began, "mb": peak, "rows": len(made), "sums": sums}))
"""


def main(events: int = EVENTS) -> bool:
    """Make the log, let both make the table, and return whether the same came out within the targets."""
    customers = events // EVENTS_OF_EACH
    log = _log(events, customers)
    print(f"\n{events:,} events of {customers:,} customers, {log.stat().st_size / 1e6:,.0f} MB of CSV")
    ours, peer = _run(OURS, log), _run(PANDAS.replace("CUT", CUT), log)
    apart = _apart(ours["sums"], peer["sums"])
    print(f"rows: {ours['rows']:,} and {peer['rows']:,}; columns whose sums differ: {', '.join(apart) or 'none'}")
    rows = [Row("seconds", ours["seconds"], peer["seconds"], 0.75)]
    memory = [Row("peak memory", ours["mb"], peer["mb"], 0.40)]
    held = table("A log becomes customers", rows, peer="pandas")
    return table("", memory, peer="pandas", unit="MB") and held and not apart and ours["rows"] == peer["rows"]


def _log(events: int, customers: int) -> Path:
    path = BUILD / "bench" / f"events-{events}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute("SELECT setseed(0.5)")
            # Customers differ in how often they come, and stop at a day of their own.
            query = f"""
            SELECT printf('C%07d', CAST(pow(random(), 2) * {customers} AS INTEGER)) AS customer,
              TIMESTAMP '2023-01-01' + to_seconds(CAST(random() * random() * 730 * 86400 AS BIGINT)) AS time,
              round(random() * 100, 2) AS amount,
              ['view', 'buy', 'call'][1 + CAST(floor(random() * 3) AS INTEGER)] AS kind
            FROM range({events - 1}) UNION ALL SELECT 'C0000000', TIMESTAMP '2024-12-30 12:00:00', 1.0, 'buy'
            """  # noqa: S608 - the numbers are those above
            connection.execute(f"COPY ({query}) TO '{path}' (HEADER)")
    return path


def _run(code: str, log: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code + TOLD, str(log)], env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _apart(ours: dict[str, float], peer: dict[str, float]) -> list[str]:
    """Return the features whose sums over all customers differ; those of returns stand in ours alone."""
    return [
        name for name in peer if name not in ours or abs(ours[name] - peer[name]) > 1e-6 * max(1.0, abs(peer[name]))
    ]


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:2])) else 1)
