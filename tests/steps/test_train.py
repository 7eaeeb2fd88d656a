"""The step `train`: chooses, says what is tied, and never sees the test part."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churnflow import InputError, Measure, StepResult
from churnflow.errors import UsageError
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.families import RECIPES
from churnflow.modelling.margins import sigmoid
from churnflow.modelling.search import deal
from churnflow.modelling.split import Dealt, equal_rows
from churnflow.modelling.thresholds import choose_threshold, parse_objective
from churnflow.steps.features import features
from churnflow.steps.train import _parity_issues, train
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
    assert {line["model"] for line in board["models"]} == {"logistic_regression", "svm", "xgboost", "blend"}
    losses = [line["log_loss"] for line in board["models"]]
    assert losses == sorted(losses)
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


def test_every_training_row_is_scored_by_a_model_that_has_not_seen_it(trained: tuple[StepResult, StepResult]) -> None:
    part: Any = trained[0].outputs["train"]
    rows: Any = trained[1].outputs["out_of_fold"]
    model: Any = trained[1].outputs["model"]
    assert list(rows.columns) == ["row", "label", "probability", "decision"]
    assert (rows["label"] == np.where(part["churn"] == 1, "yes", "no")).all()
    assert (rows["decision"] == np.where(rows["probability"] >= model.threshold, "yes", "no")).all()
    assert (rows["probability"] != model.score(as_columns(part, model.encoding))).all()
    assert roc_auc_score(part["churn"], rows["probability"]) == pytest.approx(
        number(trained[1], "cv_roc_auc"), abs=0.02
    )


def test_a_tie_is_said_and_the_simplest_is_chosen(trained: tuple[StepResult, StepResult]) -> None:
    result = trained[1]
    board: Any = result.outputs["leaderboard"]
    assert len(board["tied"]) > 1
    assert board["chosen"] == "logistic_regression"
    assert any(issue.text.startswith("tied: logistic_regression and") for issue in result.issues)
    assert "logistic_regression" in result.facts["chosen"]


@pytest.mark.parametrize(
    ("model", "said"),
    [("svm", "Platt's line"), ("logistic_regression", "nothing: no calibration was better")],
)
def test_it_is_said_by_what_the_model_is_calibrated(model: str, said: str) -> None:
    _, result = run(make_customers(400), models=(model,), trials=1)
    assert result.facts["calibrated by"] == said
    served: Any = result.outputs["model"]
    assert (served.calibration == (1.0, 0.0)) == said.startswith("nothing")


def test_who_prefers_the_best_gets_the_blend_where_it_ties(trained: tuple[StepResult, StepResult]) -> None:
    schema, prepared = schema_of(make_customers(400), "churn", "customer_id"), trained[0]
    given = {"models": ("logistic_regression", "svm", "xgboost"), "trials": 4, "folds": 3}
    outputs = prepared.outputs
    board: Any = train(outputs["train"], schema, outputs["features"], quiet, prefer="best", **given).outputs[
        "leaderboard"
    ]
    simplest: Any = trained[1].outputs["leaderboard"]
    assert board["tied"] == simplest["tied"]
    assert (board["chosen"], simplest["chosen"]) == ("blend", "logistic_regression")


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


def test_folds_are_refused_where_equal_rows_leave_one_without_a_class() -> None:
    frame = make_customers(300)
    prepared = features(frame, schema_of(frame, "churn", "customer_id"))
    train_rows: Any = prepared.outputs["train"]
    columns = ["tenure", "bill", "plan", "noise"]
    left = train_rows["churn"] == 1
    train_rows.loc[left, columns] = train_rows.loc[left, columns].iloc[0].to_numpy()
    described: Any = prepared.outputs["features"]
    with pytest.raises(InputError, match="only 1 of 3 folds hold both classes") as raised:
        train(train_rows, schema_of(frame, "churn", "customer_id"), described, quiet, trials=1, folds=3)
    assert "fewer folds" in raised.value.hint


def test_rows_of_one_customer_never_straddle_the_folds() -> None:
    frame = make_customers(400)
    random = np.random.default_rng(0)
    frame["churn"] = (random.random(400) < 0.4).astype(np.int64)
    frame["tenure"], frame["bill"], frame["noise"] = (random.normal(size=400) for _ in range(3))
    twins = frame.assign(noise=frame["noise"] + 1e-9)
    both = pd.concat([frame, twins], ignore_index=True)
    settings: dict[str, Any] = {"models": ("random_forest",), "trials": 2, "folds": 3}
    _, honest = run(both, **settings)
    both["customer_id"] = pd.Series([f"X{row}" for row in range(800)], dtype="str")
    _, fooled = run(both, **settings)
    assert number(honest, "cv_roc_auc") < 0.6
    assert number(fooled, "cv_roc_auc") > number(honest, "cv_roc_auc") + 0.1


def test_customers_without_an_id_or_without_a_number_are_learned_from() -> None:
    frame = make_customers(400)[["plan", "churn"]]
    frame["usage"] = pd.Series(np.where(frame["churn"] + frame.index % 3 > 1, "high", "low"), dtype="str")
    frame["region"] = pd.Series([f"region {row % 40}" for row in range(400)], dtype="str")
    schema = schema_of(frame, "churn")
    prepared = features(frame, schema)
    described: Any = prepared.outputs["features"]
    part: Any = prepared.outputs["train"]
    result = train(part, schema, described, quiet, trials=6, folds=3)
    assert number(result, "models") == 5
    assert number(result, "cv_roc_auc") > 0.6
    assert number(result, "parity_max_abs_diff") <= 1e-6


def test_the_threshold_is_chosen_on_rows_that_the_judging_model_had_not_seen(
    trained: tuple[StepResult, StepResult],
) -> None:
    prepared, result = trained
    schema = schema_of(make_customers(400), "churn", "customer_id")
    part: Any = prepared.outputs["train"]
    kinds = {column["name"]: column["kind"] for column in prepared.outputs["features"]["features"]}  # type: ignore[index]
    target = part[schema["target"]].to_numpy()
    folded = deal(part, kinds, target, Dealt.of(equal_rows(part, list(kinds)), target, 3, 0))
    line: Any = next(line for line in result.outputs["leaderboard"]["models"] if line["model"] == "logistic_regression")  # type: ignore[index]
    chosen = RECIPES["logistic_regression"]
    probabilities = np.zeros(len(target))
    for number_of_fold, fold in enumerate(folded.parts):
        fitted = chosen.fit(fold.train, line["params"], number_of_fold, None)
        probabilities[fold.rows] = sigmoid(fitted.margin(fold.valid.matrix))
    assert not line["calibrated"]
    assert number(result, "threshold") == pytest.approx(choose_threshold(probabilities, target), abs=1e-6)


def test_catboost_joins_in_when_it_is_named() -> None:
    _, result = run(make_customers(400), models=("catboost", "logistic_regression"), trials=2, prefer="best")
    assert {line["model"] for line in result.outputs["leaderboard"]["models"]} == {  # type: ignore[index]
        "catboost",
        "logistic_regression",
        "blend",
    }
    assert number(result, "parity_max_abs_diff") <= 1e-6


def test_what_picking_the_best_is_worth_is_added_to_the_claimed_log_loss() -> None:
    frame = make_customers(300)
    frame["churn"] = (np.random.default_rng(0).random(300) < 0.4).astype(np.int64)
    _, result = run(frame, models=("logistic_regression", "xgboost", "extra_trees"), trials=12, prefer="best")
    board: Any = result.outputs["leaderboard"]
    chosen = next(line for line in board["models"] if line["model"] == board["chosen"])
    assert number(result, "cv_log_loss") == pytest.approx(chosen["log_loss"] + board["optimism"])
    assert number(result, "selection_optimism") > 0.0005


def test_a_campaign_whose_amounts_are_in_no_column_is_refused_before_anything_is_tried() -> None:
    told: list[int] = []
    frame = make_customers(200)
    schema = schema_of(frame, "churn", "customer_id")
    prepared = features(frame, schema)
    given: Any = {"objective": parse_objective({"value": "clv", "offer": 10}), "trials": 1}
    part: Any = prepared.outputs["train"]
    described: Any = prepared.outputs["features"]
    with pytest.raises(UsageError, match="no column of numbers"):
        train(part, schema, described, lambda done, *_: told.append(done), **given)
    assert not told


def test_the_share_that_a_campaign_takes_for_granted_is_a_fact_with_where_to_set_it() -> None:
    objective: Any = parse_objective({"value": 200, "offer": 10, "contact": 1})
    _, result = run(make_customers(200), models=("logistic_regression",), trials=1, objective=objective)
    said = result.facts["offers accepted"]
    assert said.startswith("by 30% of the churners contacted (the default is 0.3; set accepted in the objective")


def test_the_first_metrics_of_the_training_are_those_of_the_fit(trained: tuple[StepResult, StepResult]) -> None:
    assert list(trained[1].metrics)[:2] == ["cv_roc_auc", "cv_log_loss"]


def test_catboost_survives_rows_that_are_all_alike_in_a_fold() -> None:
    frame = make_customers(300)[["customer_id", "churn"]]
    frame["flag"] = np.where(frame.index < 2, 1.0, 0.0)
    _, result = run(frame, models=("catboost", "logistic_regression"), trials=2)
    assert number(result, "parity_max_abs_diff") <= 1e-6


def test_a_cluster_nobody_answers_for_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        run(make_customers(200), cluster="tcp://127.0.0.1:9")


def test_a_stored_model_that_differs_from_its_library_is_a_critical_issue() -> None:
    assert _parity_issues(1e-7) == []
    (issue,) = _parity_issues(1e-3)
    assert issue.severity == "critical"
    assert "do not serve it" in issue.text


def test_nothing_recorded_names_a_customer(trained: tuple[StepResult, StepResult]) -> None:
    result = trained[1]
    text = str([result.facts, result.issues, result.outputs["leaderboard"]])
    assert "C00" not in text
