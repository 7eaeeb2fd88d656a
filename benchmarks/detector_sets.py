"""The real customers on which the detectors are measured: half to set limits by, half to report."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from churnflow.steps.ingest import ingest
from plants import Customers

ROOT = Path(__file__).resolve().parents[1]
SETS = Path(os.environ.get("CHURNFLOW_DATA", ROOT.parent / "shared" / "data"))
BUNDLED = ROOT / "churnflow" / "data" / "telco.csv.gz"
CUT = pd.Timestamp("1997-10-01")

TUNED = {
    "telco (bundled)": (BUNDLED, "churn", "customer_id"),
    "ravenstack accounts": (SETS / "ravenstack" / "ravenstack_accounts.csv", "churn_flag", "account_id"),
    "cdnow": (SETS / "cdnow" / "CDNOW_master.txt", "", ""),
}
REPORTED = {
    "mlc": (SETS / "mlc_churn" / "mlc_churn.csv", "churn", None),
    "iranian": (SETS / "iranian_churn" / "Customer_Churn.csv", "Churn", None),
    "ravenstack subscriptions": (
        SETS / "ravenstack" / "ravenstack_subscriptions.csv",
        "churn_flag",
        "subscription_id",
    ),
}
# What gives the answer away in these sets by itself: it has to be found, and is left out where nothing may be.
REAL = {"ravenstack subscriptions": "end_date"}


def load(names: dict[str, tuple[Path, str, str | None]], *, leaks: bool = False) -> Iterator[tuple[str, Customers]]:
    """Return the sets that are at hand, as ingestion reads them; leaks: with what gives the answer away in them."""
    for name, (path, target, identifier) in names.items():
        if path.is_file():
            read = _from_log(path) if path.suffix == ".txt" else _from_table(path, target, identifier)
            yield name, read if leaks or name not in REAL else read.without(REAL[name])


def _from_table(path: Path, target: str, identifier: str | None) -> Customers:
    read = ingest(path, target, identifier)
    frame, schema = read.outputs["customers"], read.outputs["schema"]
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(schema, dict)
    kinds = {
        column["name"]: "number" if column["kind"] == "number" else "category"
        for column in schema["columns"]
        if column["role"] == "feature" and column["name"] in frame
    }
    return Customers(frame, kinds, frame[target].to_numpy(dtype=np.int64))


def _from_log(path: Path) -> Customers:
    """Make customers of a log of purchases: what they did before the cut, and whether they came again after it."""
    log = pd.read_csv(
        path, sep=r"\s+", names=["id", "day", "items", "amount"], header=0, dtype={"id": "str", "day": "str"}
    )
    log["day"] = pd.to_datetime(log["day"], format="%Y%m%d")
    before = log[log["day"] < CUT].groupby("id")
    frame = pd.DataFrame(
        {
            "recency": (CUT - before["day"].max()).dt.days.astype("float64"),
            "tenure": (CUT - before["day"].min()).dt.days.astype("float64"),
            "orders": before.size().astype("float64"),
            "items": before["items"].sum().astype("float64"),
            "amount": before["amount"].sum(),
            "largest": before["amount"].max(),
        }
    )
    gone = ~frame.index.isin(log.loc[log["day"] >= CUT, "id"].unique())
    return Customers(frame.reset_index(drop=True), dict.fromkeys(frame.columns, "number"), gone.astype(np.int64))
