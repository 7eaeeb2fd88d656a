"""The step `train`: chooses, says what is tied, and never sees the test part."""

from typing import Any

import pandas as pd
import pytest

from churnflow import InputError, Measure, StepResult
from churnflow.modelling.encoding import as_columns
from churnflow.steps.features import features
from churnflow.steps.train import train
from tests.customers import make_customers, schema_of


def quiet(done: int, total: int, text: str = "") -> None:
    """Say nothing."""


def run(frame: pd.DataFrame, **given: Any) -> tuple[StepResult, StepResult]:
    schema = schema_of(frame, "churn", "customer_id")
    prepared = features(frame, schema)
    settings = {"models": ("logistic_regression", "svm", "xgboost"), "trials": 4, "folds": 3, **given}
    trained = train(prepared.outputs["train"], schema, prepared.outputs["features"], quiet, **settings)
    return prepared, trained


@pytest.fixture(scope="module")
def trained() -> tuple[StepResult, StepResult]:
    return run(make_customers(400))


def number(result: StepResult, name: str) -> float:
    value = result.metrics[name]
    return value.value if isinstance(value, Measure) else value


def test_the_leaderboard_names_every_model_with_its_spread(trained: tuple[StepResult, StepResult]) -> None:
    board: Any = trained[1].outputs["leaderboard"]
    assert {line["model"] for line in board["models"]} == {"logistic_regression", "svm", "xgboost"}
    means = [line["mean"] for line in board["models"]]
    assert means == sorted(means, reverse=True)
    for line in board["models"]:
        assert len(line["scores"]) == 3
        assert line["low"] <= line["mean"] <= line["high"]
        assert line["sd"] > 0
    assert sum(line["trials"] for line in board["models"]) == board["trials"] == 4


def test_the_chosen_model_is_measured_and_equals_its_library(trained: tuple[StepResult, StepResult]) -> None:
    result = trained[1]
    assert number(result, "parity_max_abs_diff") <= 1e-6
    score = result.metrics["cv_roc_auc"]
    assert isinstance(score, Measure)
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high
    assert score.value > 0.7
    assert score.n == 320


def test_a_tie_is_said_and_the_simplest_is_chosen(trained: tuple[StepResult, StepResult]) -> None:
    result = trained[1]
    board: Any = result.outputs["leaderboard"]
    assert len(board["tied"]) > 1
    assert board["chosen"] == "logistic_regression"
    assert any(issue.text.startswith("tied: logistic_regression and") for issue in result.issues)
    assert "logistic_regression" in result.facts["chosen"]


def test_the_test_part_changes_nothing_that_is_learned() -> None:
    frame = make_customers(400)
    prepared, first = run(frame, trials=2)
    test: Any = prepared.outputs["test"]
    held = frame["customer_id"].isin(test["customer_id"])
    frame.loc[held, "bill"] += 1000
    frame.loc[held, "plan"] = "gold"
    again_prepared, again = run(frame, trials=2)
    pd.testing.assert_frame_equal(again_prepared.outputs["train"], prepared.outputs["train"])
    first_model: Any = first.outputs["model"]
    again_model: Any = again.outputs["model"]
    assert first_model.to_bytes() == again_model.to_bytes()


def test_a_wanted_recall_moves_the_threshold(trained: tuple[StepResult, StepResult]) -> None:
    prepared, eager = run(make_customers(400), models=("logistic_regression",), trials=1, objective="recall_0.9")
    model: Any = eager.outputs["model"]
    part: Any = prepared.outputs["train"]
    marked = model.score(as_columns(part, model.encoding)) >= model.threshold
    assert marked[part["churn"] == 1].mean() >= 0.85
    assert model.threshold < number(trained[1], "threshold")


def test_a_budget_that_bites_is_said() -> None:
    _, result = run(make_customers(300), trials=500, budget="1s")
    assert number(result, "trials") < 500
    assert any("stopped at its budget" in issue.text for issue in result.issues)
    assert result.outputs["leaderboard"]["stopped_at_budget"]


def test_a_model_that_no_trial_reached_is_named() -> None:
    _, result = run(make_customers(300), trials=1)
    assert any("no trial was completed for svm, xgboost" in issue.text for issue in result.issues)


@pytest.mark.parametrize(("given", "said"), [({"folds": 200}, "too few for 200 folds"), ({"models": ()}, "no model")])
def test_what_can_not_be_trained_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        run(make_customers(200), **given)
    assert raised.value.hint


def test_nothing_recorded_names_a_customer(trained: tuple[StepResult, StepResult]) -> None:
    result = trained[1]
    text = str([result.facts, result.issues, result.outputs["leaderboard"]])
    assert "C00" not in text
