"""The step `evaluate`: the stored model on rows it has not seen, with groups, importance and honest issues."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from churnflow import InputError, Measure, StepResult
from churnflow.steps.evaluate import evaluate
from churnflow.steps.features import features
from churnflow.steps.train import train
from tests.customers import make_customers, schema_of


def quiet(done: int, total: int, text: str = "") -> None:
    """Say nothing."""


def build(frame: pd.DataFrame) -> dict[str, Any]:
    """Return everything that evaluate takes, from the steps before it."""
    schema = schema_of(frame, "churn", "customer_id")
    prepared = features(frame, schema)
    outputs = prepared.outputs
    settings: dict[str, Any] = {"models": ("logistic_regression",), "trials": 1, "folds": 3}
    trained = train(outputs["train"], schema, outputs["features"], quiet, **settings)
    return {"schema": schema, **outputs, **trained.outputs}


@pytest.fixture(scope="module")
def given() -> dict[str, Any]:
    return build(make_customers(600))


@pytest.fixture(scope="module")
def result(given: dict[str, Any]) -> StepResult:
    return evaluate(**given, groups=("plan", "tenure"))


def test_the_metrics_are_those_of_the_stored_model_at_its_threshold(given: dict[str, Any], result: StepResult) -> None:
    shown: Any = result.outputs["predictions"]
    truth = given["test"]["churn"].to_numpy()
    assert result.metrics["roc_auc"].value == pytest.approx(roc_auc_score(truth, shown["probability"]))
    decided = (shown["probability"] >= given["model"].threshold).to_numpy()
    assert (np.where(decided, "yes", "no") == shown["decision"]).all()
    assert result.metrics["recall"].value == pytest.approx(recall_score(truth, decided))
    cells = result.outputs["evaluation"]["confusion"]
    assert sum(cells.values()) == len(truth)


def test_every_metric_has_a_count_and_an_interval(result: StepResult) -> None:
    for measure in result.metrics.values():
        assert isinstance(measure, Measure)
        assert measure.n
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low <= measure.value <= measure.high


def test_predictions_hold_no_customer(given: dict[str, Any], result: StepResult) -> None:
    shown: Any = result.outputs["predictions"]
    assert list(shown.columns) == ["row", "label", "probability", "decision"]
    assert shown["row"].tolist() == list(range(1, len(given["test"]) + 1))
    text = json.dumps([result.outputs["evaluation"], dict(result.facts), [issue.text for issue in result.issues]])
    assert "C00" not in text


def test_importance_is_complete_and_groups_are_measured(given: dict[str, Any], result: StepResult) -> None:
    evaluation: Any = result.outputs["evaluation"]
    names = {feature["name"] for feature in given["features"]["features"]}
    assert {entry["feature"] for entry in evaluation["importance"]} == names
    assert {line["group"] for line in evaluation["groups"] if line["column"] == "plan"} >= {"basic", "plus", "family"}
    assert {"recall_gap_plan", "selection_gap_plan", "selection_gap_tenure"} <= set(result.metrics)
    assert evaluation["cross_validated"]["mean"] > 0.7
    assert evaluation["baseline"]["probability"] == pytest.approx(given["train"]["churn"].mean())
    assert (evaluation["n_train"], evaluation["n_test"]) == (480, 120)


def test_columns_whose_names_look_alike_as_metrics_are_all_measured(given: dict[str, Any]) -> None:
    test = given["test"].assign(**{"a b": given["test"]["plan"], "a/b": given["test"]["tenure"]})
    found = evaluate(**{**given, "test": test}, groups=("a b", "a/b", "plan", "a b"))
    named: Any = found.outputs["evaluation"]
    assert named["group_metrics"] == {
        "recall_gap_a_b": "a b",
        "selection_gap_a_b": "a b",
        "recall_gap_a_b_2": "a/b",
        "selection_gap_a_b_2": "a/b",
        "recall_gap_plan": "plan",
        "selection_gap_plan": "plan",
    }
    alone = evaluate(**{**given, "test": test}, groups=("a/b",)).metrics
    assert found.metrics["selection_gap_a_b"] == found.metrics["selection_gap_plan"]
    assert found.metrics["selection_gap_a_b_2"] == alone["selection_gap_a_b"]
    assert [line["column"] for line in named["groups"]].count("a b") == given["test"]["plan"].nunique()


def test_the_same_inputs_give_the_same_evaluation(given: dict[str, Any], result: StepResult) -> None:
    again = evaluate(**given, groups=("plan", "tenure"))
    assert again.outputs["evaluation"] == result.outputs["evaluation"]
    assert again.metrics == result.metrics


def test_a_model_no_better_than_the_base_rate_is_said_to_be_so() -> None:
    frame = make_customers(300)
    frame["churn"] = (np.random.default_rng(3).random(300) < 0.3).astype(np.int64)
    found = evaluate(**build(frame))
    texts = [issue.text for issue in found.issues if issue.severity in {"critical", "warning"}]
    assert any("no better than the base rate" in text or "within noise of guessing" in text for text in texts)
    assert any("positives in the test part" in text for text in texts)


def test_a_model_worse_than_the_base_rate_is_a_critical_issue(given: dict[str, Any]) -> None:
    slope, intercept = given["model"].calibration
    backwards = dataclasses.replace(given["model"], calibration=(-slope, -intercept))
    found = evaluate(**{**given, "model": backwards})
    assert found.metrics["log_loss_gain"].value < 0
    assert [issue.severity for issue in found.issues] == ["critical"]
    assert "no better than the base rate" in found.issues[0].text


def test_a_log_loss_that_is_hardly_higher_is_told_with_its_digits(given: dict[str, Any]) -> None:
    rate = given["train"]["churn"].mean()
    flat = dataclasses.replace(given["model"], calibration=(-1e-5, np.log(rate / (1 - rate))))
    found = evaluate(**{**given, "model": flat})
    gain = found.metrics["log_loss_gain"]
    assert isinstance(gain, Measure)
    assert -1e-4 < gain.value < 0
    assert f"its log loss is {-gain.value:.2g} higher" in found.issues[0].text


def test_a_model_whose_gain_may_be_chance_is_a_warning(given: dict[str, Any]) -> None:
    mixed = given["test"].assign(churn=np.random.default_rng(5).permutation(given["test"]["churn"].to_numpy()))
    rate = mixed["churn"].mean()
    worse, better = sorted(
        (
            evaluate(**{**given, "test": mixed, "model": dataclasses.replace(given["model"], calibration=calibration)})
            for calibration in ((0.01, np.log(rate / (1 - rate))), (-0.01, np.log(rate / (1 - rate))))
        ),
        key=lambda found: found.metrics["log_loss_gain"].value,
    )
    assert worse.metrics["log_loss_gain"].value < 0 < better.metrics["log_loss_gain"].value
    assert [issue.severity for issue in worse.issues] == ["critical"]
    assert [issue.severity for issue in better.issues] == ["warning"]
    assert "within noise of guessing" in better.issues[0].text


def test_a_good_model_on_enough_customers_raises_no_issue(given: dict[str, Any], result: StepResult) -> None:
    assert given["test"]["churn"].sum() >= 30
    assert not result.issues


def test_an_unknown_group_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'region'") as raised:
        evaluate(**given, groups=("region",))
    assert "plan" in raised.value.hint


def test_a_test_part_of_one_class_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="one class only"):
        evaluate(**{**given, "test": given["test"][given["test"]["churn"] == 1]})


def test_a_model_of_other_features_is_refused(given: dict[str, Any]) -> None:
    other = {**given["features"], "features": given["features"]["features"][1:]}
    with pytest.raises(InputError, match="other features"):
        evaluate(**{**given, "features": other})
