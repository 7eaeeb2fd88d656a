"""The data sets on which releases are simulated: real ones at hand, and one generated, labelled as such."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification

from churnflow.steps.ingest import ingest
from measure import BUILD

ROOT = Path(__file__).resolve().parents[1]
SETS = Path(os.environ.get("CHURNFLOW_DATA", ROOT.parent / "shared" / "data"))
CUT = pd.Timestamp("1997-10-01")


@dataclass(frozen=True)
class Source:
    """A data set: its table, what to tell `ingest` of it, and a column whose groups are to be treated alike."""

    name: str
    table: Callable[[], pd.DataFrame]
    given: Mapping[str, Any]
    group: str


@dataclass(frozen=True)
class Customers:
    """A data set as `ingest` gives it, without its id and without the rows that equal an earlier one in all features.

    Twins would make the future batch known in part, which is no property of the score.
    """

    name: str
    frame: pd.DataFrame
    schema: dict[str, Any]
    group: str


def at_hand() -> list[Customers]:
    """Return the data sets that are there; those that are not are named."""
    found = []
    for source in SOURCES:
        try:
            found.append(_ingested(source, source.table()))
        except FileNotFoundError as missing:
            print(f"{source.name:24} not at hand: {missing.filename}")
    return found


def _ingested(source: Source, table: pd.DataFrame) -> Customers:
    path = BUILD / "bench" / "confidence" / f"{source.name.split()[0]}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    outputs = ingest(path, **source.given).outputs
    frame, schema = outputs["customers"], outputs["schema"]
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(schema, dict)
    names = [column["name"] for column in schema["columns"] if column["role"] == "feature"]
    kept = frame.drop_duplicates(names, ignore_index=True)[[*names, schema["target"]]]
    return Customers(source.name, kept, {**schema, "id": None}, source.group)


def _telco() -> pd.DataFrame:
    return pd.read_csv(ROOT / "churnflow" / "data" / "telco.csv.gz")


def _mlc() -> pd.DataFrame:
    return pd.read_csv(SETS / "mlc_churn" / "mlc_churn.csv")


def _iranian() -> pd.DataFrame:
    return pd.read_csv(SETS / "iranian_churn" / "Customer_Churn.csv").rename(
        columns=lambda name: " ".join(name.split())
    )


def _subscriptions() -> pd.DataFrame:
    """Return the subscriptions of an invented company, without what is known after they end: there is no signal."""
    path = SETS / "ravenstack" / "ravenstack_subscriptions.csv"
    table = pd.read_csv(path, encoding="utf-8-sig").drop(columns=["subscription_id", "account_id", "end_date"])
    started = pd.to_datetime(table.pop("start_date"), format="%d-%m-%Y")
    return table.assign(age_days=(started.max() - started).dt.days)


def _cdnow() -> pd.DataFrame:
    """Return what each customer bought before the cut, and whether they bought nothing in the 39 weeks after it."""
    names = ("customer", "date", "cds", "dollars")
    path = SETS / "cdnow" / "CDNOW_master.txt"
    log = pd.read_csv(path, sep=r"\s+", names=names, skiprows=1, dtype={"customer": "str", "date": "str"})
    log["date"] = pd.to_datetime(log["date"], format="%Y%m%d")
    before = log[log["date"] < CUT].sort_values("date")
    bought = before.groupby("customer")
    table = pd.DataFrame(
        {
            "recency": (CUT - bought["date"].max()).dt.days,
            "tenure": (CUT - bought["date"].min()).dt.days,
            "orders": bought.size(),
            "cds": bought["cds"].sum(),
            "dollars": bought["dollars"].sum().round(2),
            "largest": bought["dollars"].max(),
            "last": bought["dollars"].last(),
        }
    )
    table["repeat"] = np.where(table["orders"] > 1, "yes", "no")
    table["churn"] = np.where(table.index.isin(log.loc[log["date"] >= CUT, "customer"]), "no", "yes")
    return table.reset_index(drop=True)


def _generated() -> pd.DataFrame:
    values, target = make_classification(
        8000, 12, n_informative=5, n_redundant=3, weights=[0.8], flip_y=0.15, class_sep=0.8, random_state=0
    )
    table = pd.DataFrame(values.round(4), columns=[f"x{number:02d}" for number in range(values.shape[1])])
    side = np.where(np.random.default_rng(0).random(len(table)) < 0.4, "left", "right")
    return table.assign(side=side, churn=np.where(target == 1, "yes", "no"))


SOURCES: Sequence[Source] = (
    Source("telco", _telco, {"target": "churn", "positive": "Yes", "id": "customer_id"}, "senior_citizen"),
    Source("mlc", _mlc, {"target": "churn", "positive": "yes"}, "international_plan"),
    Source("iranian", _iranian, {"target": "Churn", "positive": "1"}, "Complains"),
    Source("cdnow", _cdnow, {"target": "churn", "positive": "yes"}, "repeat"),
    Source("ravenstack", _subscriptions, {"target": "churn_flag", "positive": "True"}, "plan_tier"),
    Source("generated (scikit-learn)", _generated, {"target": "churn", "positive": "yes"}, "side"),
)
