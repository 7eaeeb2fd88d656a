"""The step `audit`: what a step of the user's own has done to the parts after the split is found."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow import InputError, Measure, Released, StepResult
from churnflow.steps.audit import audit
from churnflow.steps.features import features
from tests.customers import make_customers, schema_of

FRAME = make_customers(1000).assign(fee=lambda frame: frame["churn"] * 30.0)
SCHEMA = schema_of(FRAME, "churn", "customer_id")
SPLIT: Any = features(FRAME, SCHEMA).outputs


def run(**changed: Any) -> StepResult:
    given = {"train": SPLIT["train"], "test": SPLIT["test"], "schema": SCHEMA, "features": SPLIT["features"]}
    return audit(**{**given, **changed})


def critical(result: StepResult) -> list[str]:
    return [issue.text for issue in result.issues if issue.severity == "critical"]


def test_unchanged_parts_raise_nothing_that_features_has_not_raised() -> None:
    result = run()
    assert result.issues == []
    assert result.metrics["leaking_features"] == 0
    assert result.metrics["contaminated_rows"] == 0
    drift = result.metrics["drift_auc"]
    assert isinstance(drift, Measure)
    assert drift.low is not None
    assert drift.low <= 0.5


def test_test_rows_that_a_step_has_copied_into_the_training_part_are_critical() -> None:
    result = run(train=pd.concat([SPLIT["train"], SPLIT["test"].head(20)], ignore_index=True))
    assert result.metrics["contaminated_rows"] == 20
    assert any("20 test rows have the id of a training row" in text for text in critical(result))


def test_a_column_that_a_step_has_filled_from_the_outcome_is_critical() -> None:
    parts = {
        part: SPLIT[part].assign(noise=SPLIT[part]["churn"] + 0.01 * SPLIT[part]["noise"]) for part in ("train", "test")
    }
    result = run(**parts)
    assert result.metrics["leaking_features"] == 1
    assert [text.split()[0] for text in critical(result)] == ["noise"]


def test_a_column_that_a_step_has_fitted_on_all_rows_is_seen() -> None:
    both = pd.concat([SPLIT["train"]["noise"], SPLIT["test"]["noise"]])
    parts = {
        part: SPLIT[part].assign(noise=(SPLIT[part]["noise"] - both.mean()) / both.std()) for part in ("train", "test")
    }
    assert any("scaled before the split" in issue.text for issue in run(**parts).issues)


@pytest.mark.parametrize("step", ["features", "audit"])
def test_customers_who_have_changed_since_the_release_are_named_by_column_and_change_no_output(step: str) -> None:
    moved = FRAME.assign(bill=FRAME["bill"] + 20).drop(columns="fee")
    schema = schema_of(moved, "churn", "customer_id")
    before, since = Released("", {}), Released("v1.0.0", {}, {name: SPLIT[name] for name in ("train", "test")})
    first, again = (features(moved, schema, against=against) for against in (before, since))
    for name in ("train", "test"):
        pd.testing.assert_frame_equal(first.outputs[name], again.outputs[name])  # type: ignore[arg-type]
    assert first.outputs["features"] == again.outputs["features"]
    if step == "audit":
        parts: Any = first.outputs
        first, again = (run(**parts, against=against) for against in (before, since))
    assert not [issue for issue in first.issues if "since the release" in issue.text]
    (issue,) = [issue for issue in again.issues if "since the release" in issue.text]
    assert ", in bill (PSI " in issue.text
    assert again.metrics["vs_released_drifted_features"] == Measure(value=1)
    assert "1,000 customers beside 1,000 then" in again.facts["since the release"]


def test_parts_that_a_step_has_scaled_are_no_drift_against_a_release_whose_parts_were_not() -> None:
    scaled = {part: SPLIT[part].assign(bill=SPLIT[part]["bill"] / 100) for part in ("train", "test")}
    plain, alike = (Released("v1.0.0", {}, {**SPLIT, **made}) for made in ({}, scaled))
    apart, same = (run(**scaled, against=released) for released in (plain, alike))
    assert "a step has changed these parts after the split" in apart.facts["since the release"]
    assert "vs_released_drift_auc" not in apart.metrics
    assert same.metrics["vs_released_drifted_features"] == Measure(value=0)


def test_customers_who_may_stand_in_both_parts_by_declaration_are_no_contamination() -> None:
    declared = {**SPLIT["features"], "split": {**SPLIT["features"]["split"], "kind": "time", "shares_customers": True}}
    train = pd.concat([SPLIT["train"], SPLIT["test"].head(20).assign(noise=np.arange(20.0))], ignore_index=True)
    assert run(train=train).metrics["contaminated_rows"] == 20
    assert run(train=train, features=declared).metrics["contaminated_rows"] == 0


def test_a_split_by_time_whose_customers_do_not_overlap_excuses_no_copied_customers() -> None:
    dealt = {**SPLIT["features"]["split"], "kind": "time", "shares_customers": False}
    train = pd.concat([SPLIT["train"], SPLIT["test"].head(20).assign(noise=np.arange(20.0))], ignore_index=True)
    result = run(train=train, features={**SPLIT["features"], "split": dealt})
    assert any("20 test rows have the id of a training row" in text for text in critical(result))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"train": SPLIT["train"].drop(columns="bill")}, "the training part has no column 'bill'"),
        ({"test": SPLIT["test"].drop(columns="churn")}, "the test part has no column 'churn'"),
        ({"test": SPLIT["test"].assign(churn=1)}, "the test part holds one class only"),
    ],
)
def test_parts_that_can_not_be_looked_at_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        run(**changed)
    assert raised.value.hint
