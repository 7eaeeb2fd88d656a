"""Real sets of customers through scope, ingest and features: what is odd in each is found, and nothing breaks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churnflow import Measure, StepResult
from churnflow.codecs import frame as codec
from churnflow.steps.features import features
from churnflow.steps.ingest import ingest
from churnflow.steps.scope import scope

Find = Callable[[str], Path]


@dataclass(frozen=True)
class Source:
    """A data set: where it lies, how it is named in a workflow, and what must be found in it."""

    path: str
    target: str
    id: str | None
    records: int
    positives: int
    metrics: dict[str, float] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)


SOURCES = {
    "telco_ibm": Source(
        "telco_ibm/Telco-Customer-Churn.csv",
        "Churn",
        "customerID",
        7043,
        1869,
        {"correlated_pairs": 0},
        {"TotalCharges": 11},
    ),
    "mlc_churn": Source("mlc_churn/mlc_churn.csv", "churn", None, 5000, 707, {"correlated_pairs": 4}),
    "iranian_churn": Source(
        "iranian_churn/Customer_Churn.csv", "Churn", None, 3150, 495, {"repeated_rows": 314, "correlated_pairs": 3}
    ),
    "ravenstack": Source("ravenstack/ravenstack_accounts.csv", "churn_flag", "account_id", 500, 110, {"features": 7}),
}


def number(result: StepResult, name: str) -> float:
    value = result.metrics[name]
    return value.value if isinstance(value, Measure) else value


@pytest.mark.parametrize("name", SOURCES)
def test_a_real_source_is_read_and_split_as_it_is(shared_data: Find, tmp_path: Path, name: str) -> None:
    source = SOURCES[name]
    path = shared_data(source.path)
    seen = scope(path, source.target, source.id)
    read = ingest(path, source.target, source.id)
    assert number(seen, "target_ratio") == pytest.approx(source.positives / source.records)
    assert number(read, "records") == source.records
    assert number(read, "invalid_rows") == 0
    customers: Any = read.outputs["customers"]
    assert customers[source.target].sum() == source.positives
    missing = customers.isna().sum()
    assert missing[missing > 0].to_dict() == source.missing
    codec.dump(customers, tmp_path / "customers.parquet")
    stored = codec.load(tmp_path / "customers.parquet")
    pd.testing.assert_frame_equal(stored, customers)
    schema: Any = read.outputs["schema"]
    split = features(stored, schema)
    assert {metric: number(split, metric) for metric in source.metrics} == source.metrics
    assert number(split, "shared_rows") == 0
    assert number(split, "leaking_features") == 0
    assert number(split, "train_positive_ratio") == pytest.approx(number(split, "test_positive_ratio"), abs=0.01)


def test_charges_that_are_minutes_are_named_as_pairs(shared_data: Find) -> None:
    read = ingest(shared_data(SOURCES["mlc_churn"].path), "churn")
    customers: Any = read.outputs["customers"]
    schema: Any = read.outputs["schema"]
    described: Any = features(customers, schema).outputs["features"]
    assert {(pair["first"], pair["second"]) for pair in described["correlated_pairs"]} == {
        (f"total_{time}_minutes", f"total_{time}_charge") for time in ("day", "eve", "night", "intl")
    }


def test_blanks_in_headers_are_folded_and_said(shared_data: Find) -> None:
    read = ingest(shared_data(SOURCES["iranian_churn"].path), "Churn")
    assert any("Call Failure" in issue.text for issue in read.issues)
    assert "Call Failure" in pd.DataFrame(read.outputs["customers"]).columns


def test_what_speaks_against_a_source_without_signal_lowers_its_confidence(shared_data: Find) -> None:
    seen = scope(shared_data(SOURCES["ravenstack"].path), "churn_flag", "account_id")
    assert seen.confidence is not None
    assert seen.confidence.score < 80
    assert "500 rows are few" in seen.confidence.because
