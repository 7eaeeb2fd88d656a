"""The step `evaluate`: the stored model on rows it has not seen, with groups, importance and honest issues."""

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from churnflow import InputError, Measure, Released, StepResult
from churnflow.modelling.card import candidate_files
from churnflow.modelling.fairness import OTHERS
from churnflow.modelling.profit import Campaign
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
    made = {"schema": schema, **outputs, **trained.outputs}
    return {name: made[name] for name in ("model", "train", "test", "schema", "features", "leaderboard")}


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
    # So few have no plan that they are told with the smallest plan: else the total would tell how many they are.
    told = {line["group"]: line["n"] for line in evaluation["groups"] if line["column"] == "plan"}
    plans = given["test"]["plan"].value_counts(dropna=False)
    assert 0 < plans.iloc[-1] < 10
    assert told == {plans.index[0]: plans.iloc[0], plans.index[1]: plans.iloc[1], OTHERS: plans.iloc[2:].sum()}
    assert {"recall_gap_plan", "selection_gap_plan", "selection_gap_tenure"} <= set(result.metrics)
    assert evaluation["cross_validated"]["mean"] > 0.7
    assert evaluation["baseline"]["probability"] == pytest.approx(given["train"]["churn"].mean())
    assert (evaluation["n_train"], evaluation["n_test"]) == (480, 120)


def test_columns_whose_names_look_alike_as_metrics_are_all_measured(given: dict[str, Any]) -> None:
    test = given["test"].assign(**{"a b": given["test"]["plan"], "a/b": given["test"]["tenure"]})
    found = evaluate(**{**given, "test": test}, groups=("a b", "a/b", "plan", "a b"))
    named: Any = found.outputs["evaluation"]
    gaps = ("recall_gap", "selection_gap", "fpr_gap", "calibration_gap", "roc_auc_gap")
    assert named["group_metrics"] == {
        f"{gap}_{suffix}": column
        for suffix, column in (("a_b", "a b"), ("a_b_2", "a/b"), ("plan", "plan"))
        for gap in gaps
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
    assert [issue.severity for issue in found.issues].count("critical") == 1
    assert "no better than the base rate" in found.issues[0].text
    assert any("alone predicts as well" in issue.text for issue in found.issues)


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
    assert [issue.severity for issue in worse.issues].count("critical") == 1
    assert {issue.severity for issue in better.issues} == {"warning"}
    assert "within noise of guessing" in better.issues[0].text


def test_a_good_model_on_enough_customers_raises_no_issue(given: dict[str, Any], result: StepResult) -> None:
    assert given["test"]["churn"].sum() >= 30
    assert not result.issues


def test_probabilities_are_judged_and_compared_to_simpler_ways(result: StepResult) -> None:
    evaluation: Any = result.outputs["evaluation"]
    wanted = {"ece", "calibration_slope", "calibration_intercept", "brier_skill", "ks", "mcc", "balanced_accuracy"}
    assert wanted | {"cv_optimism", "cv_optimism_log_loss", "rule_log_loss_gain"} <= set(result.metrics)
    assert evaluation["single_feature"]["feature"] == "tenure"
    assert result.facts["single feature"].startswith("tenure alone has ROC AUC 0.")
    apart = evaluation["cross_validated"]["mean"] - result.metrics["roc_auc"].value
    assert result.metrics["cv_optimism"].value == pytest.approx(apart)


def test_every_explained_customer_adds_up_and_has_its_reasons(given: dict[str, Any], result: StepResult) -> None:
    evaluation: Any = result.outputs["evaluation"]
    shap = evaluation["shap"]
    assert shap["additivity_max_abs_diff"] < 1e-5
    assert shap["features"][0]["feature"] == "tenure"
    assert shap["features"][0]["direction"] == "lowers"
    assert all(len(line["values"]) == len(line["ranks"]) == shap["n"] == 120 for line in shap["features"])
    assert next(line["ranks"][0] for line in shap["features"] if line["feature"] == "plan") is None
    reasons: Any = result.outputs["reasons"]
    assert list(reasons.columns) == ["row", "feature", "log_odds"]
    assert set(reasons["row"]) <= set(range(1, len(given["test"]) + 1))
    assert reasons.groupby("row").size().max() == 3


def test_a_campaign_is_measured_in_money_per_customer(given: dict[str, Any]) -> None:
    campaign = Campaign(value=200.0, offer=10.0, contact=1.0)
    found = evaluate(**given, campaign=campaign)
    shown, truth = found.outputs["predictions"], given["test"]["churn"].to_numpy()
    marked = (shown["decision"] == "yes").to_numpy()  # type: ignore[index]
    earned = np.where(truth == 1, 0.3 * 190 - 1, -11.0)[marked].sum() / len(truth)
    assert found.metrics["profit"].value == pytest.approx(earned)
    assert found.metrics["mpc"].value >= found.metrics["profit"].value
    assert {"mpc", "empc"} <= set(found.metrics)
    told: Any = found.outputs["evaluation"]
    assert told["profit"]["campaign"] == {"value": 200.0, "offer": 10.0, "contact": 1.0, "accepted": 0.3}
    assert max(told["profit"]["curve"]["profit"]) == pytest.approx(found.metrics["mpc"].value, abs=1e-6)
    declared = {**given, "leaderboard": {**given["leaderboard"], "objective": campaign.as_json()}}
    assert evaluate(**declared).metrics["profit"] == found.metrics["profit"]
    assert "most profit" in evaluate(**declared).facts["threshold"]
    assert "profit" not in evaluate(**given).metrics


def test_a_campaign_in_which_nobody_is_worth_a_contact_is_told(given: dict[str, Any]) -> None:
    nobody = dataclasses.replace(given["model"], threshold=1.0)
    found = evaluate(**{**given, "model": nobody}, campaign=Campaign(value="bill", offer=40.0))
    assert found.metrics["profit"].value == 0.0
    assert any("contacts nobody" in issue.text for issue in found.issues)
    lost = evaluate(**{**given, "model": dataclasses.replace(nobody, threshold=0.0)}, campaign=Campaign(30.0, 10.0))
    assert lost.metrics["profit"].value < 0
    assert any("within noise of none" in issue.text for issue in lost.issues)


def test_the_released_model_is_compared_on_customers_that_neither_was_trained_on(given: dict[str, Any]) -> None:
    first = evaluate(**given)
    files = candidate_files(given["model"], given["schema"], first.outputs["evaluation"], given["leaderboard"])  # type: ignore[arg-type]
    released = Released("v1.0.0", files, {"evaluation": first.outputs["evaluation"]})
    again = evaluate(**given, against=released)
    assert again.metrics["vs_released_log_loss"].value == 0.0
    told: Any = again.outputs["evaluation"]
    assert told["released"]["version"] == "v1.0.0"
    assert (told["released"]["rows"], told["released"]["left_out"], told["released"]["caveat"]) == (120, 0, "")
    assert "neither was trained on" in again.facts["released"]
    overlapping = pd.concat([given["test"], given["train"].iloc[:200]], ignore_index=True)
    part = evaluate(**{**given, "test": overlapping}, against=released)
    left_out: Any = part.outputs["evaluation"]
    assert (left_out["released"]["rows"], left_out["released"]["left_out"]) == (120, 200)


def test_whom_a_release_was_trained_on_is_in_the_store_and_not_in_the_release(given: dict[str, Any]) -> None:
    first: Any = evaluate(**given).outputs["evaluation"]
    assert first["known_rows"]
    files = candidate_files(given["model"], given["schema"], first, given["leaderboard"])
    assert set(files) == {"model.bin", "schema.json", "card.json"}
    elsewhere: Any = evaluate(**given, against=Released("v1.0.0", files)).outputs["evaluation"]
    assert "not known which of them" in elsewhere["released"]["caveat"]


def test_a_model_worse_than_the_released_one_is_a_warning(given: dict[str, Any]) -> None:
    files = {"model.bin": given["model"].to_bytes()}
    blunt = dataclasses.replace(given["model"], calibration=(0.2, 0.0))
    found = evaluate(**{**given, "model": blunt}, against=Released("v1.2.0", files))
    assert found.metrics["vs_released_log_loss"].low > 0  # type: ignore[union-attr, operator]
    texts = [issue.text for issue in found.issues if issue.severity == "warning"]
    assert any("the released model v1.2.0 predicts better" in text for text in texts)
    assert any("not known which of them" in issue.text for issue in found.issues if issue.severity == "note")


def test_before_the_first_release_the_base_rate_is_compared_with(given: dict[str, Any], result: StepResult) -> None:
    found = evaluate(**given, against=Released("", {}))
    gain = result.metrics["log_loss_gain"].value
    assert found.metrics["vs_released_log_loss"].value == pytest.approx(-gain)
    assert "than of no model" in found.facts["released"]
    assert not any(name.startswith("vs_released") for name in result.metrics)


def test_a_release_that_cannot_be_compared_is_a_warning_and_no_metric(given: dict[str, Any]) -> None:
    files = {"model.bin": given["model"].to_bytes()}
    other = dataclasses.replace(given["model"], positive="stays", negative="leaves")
    found = evaluate(**{**given, "model": other}, against=Released("v1.0.0", files))
    assert not any(name.startswith("vs_released") for name in found.metrics)
    assert any("could not be compared: it predicts 'yes'" in issue.text for issue in found.issues)


def test_groups_may_be_columns_that_are_no_features(given: dict[str, Any]) -> None:
    region = pd.Series(np.where(np.arange(len(given["test"])) % 2, "east", "west"), dtype="str")
    found = evaluate(**{**given, "test": given["test"].assign(region=region)}, groups=("region",))
    assert "recall_gap_region" in found.metrics
    told: Any = found.outputs["evaluation"]
    assert "region" not in {line["feature"] for line in told["importance"]}


@pytest.mark.parametrize("positives", [1, 2])
def test_a_test_part_of_one_positive_is_measured_with_wide_intervals(given: dict[str, Any], positives: int) -> None:
    churned = given["test"][given["test"]["churn"] == 1].head(positives)
    few = pd.concat([given["test"][given["test"]["churn"] == 0], churned], ignore_index=True)
    found = evaluate(**{**given, "test": few}, groups=("plan",), campaign=Campaign(200.0, 10.0))
    for measure in found.metrics.values():
        assert np.isfinite([measure.value, measure.low, measure.high]).all()  # type: ignore[union-attr]
    assert any(f"only {positives} positives" in issue.text for issue in found.issues)


def test_a_model_that_says_one_probability_of_all_is_measured(given: dict[str, Any]) -> None:
    flat = {**given["model"].arrays, "weights": 0 * given["model"].arrays["weights"]}
    flat |= {"table": 0 * flat["table"]} if "table" in flat else {}
    found = evaluate(**{**given, "model": dataclasses.replace(given["model"], arrays=flat)}, groups=("plan",))
    assert found.metrics["roc_auc"].value == 0.5
    assert "calibration_slope" not in found.metrics
    assert "slope not determined" in found.facts["calibration"]


def test_a_wanted_recall_that_is_missed_is_a_warning(given: dict[str, Any]) -> None:
    board = {**given["leaderboard"], "objective": "recall_0.9"}
    strict = dataclasses.replace(given["model"], threshold=0.95)
    found = evaluate(**{**given, "leaderboard": board, "model": strict})
    assert any("chosen for a recall of 0.9" in issue.text for issue in found.issues)
    assert "fewest alarms at a recall of 0.9" in found.facts["threshold"]


def test_the_curve_before_calibration_is_kept_beside_the_one_after(given: dict[str, Any], result: StepResult) -> None:
    slope, intercept = given["model"].calibration
    bent = dataclasses.replace(given["model"], calibration=(2 * slope, intercept))
    found: Any = evaluate(**{**given, "model": bent}).outputs["evaluation"]
    plain: Any = evaluate(**{**given, "model": dataclasses.replace(bent, calibration=(1.0, 0.0))}).outputs["evaluation"]
    assert found["calibration_before"] == plain["calibration"]
    assert "calibration_before" not in plain


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
