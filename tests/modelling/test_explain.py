"""Importance and groups: what matters is found, and equal treatment is not called a gap."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from churnflow.modelling import explain
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.explain import permutation_importance
from churnflow.modelling.fairness import group_labels, group_rates, largest_gap
from churnflow.modelling.metrics import Scored
from churnflow.modelling.scorer import PortableModel
from tests.customers import encoding_of, make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def fitted() -> tuple[PortableModel, np.ndarray, np.ndarray]:
    frame = make_customers(800)
    encoding = encoding_of(frame, KINDS)
    matrix, target = encoding.encode(as_columns(frame, encoding)).matrix, frame["churn"].to_numpy()
    learned = LogisticRegression().fit(matrix, target)
    arrays = {"weights": learned.coef_[0], "bias": learned.intercept_}
    return PortableModel("lr", "linear", encoding, arrays, (1.0, 0.0), 0.5, "yes", "no"), matrix, target


def test_what_decides_is_important_and_noise_is_not() -> None:
    model, matrix, target = fitted()
    found = permutation_importance(model, matrix, target, 0)
    assert {entry.feature for entry in found} == set(KINDS)
    assert found[0].feature == "tenure"
    noise = next(entry for entry in found if entry.feature == "noise")
    assert abs(noise.mean) < 0.01
    assert all(entry.low <= entry.mean <= entry.high for entry in found)
    assert found == permutation_importance(model, matrix, target, 0)


def test_importance_of_many_rows_is_measured_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    model, matrix, target = fitted()
    whole = permutation_importance(model, matrix, target, 0)
    monkeypatch.setattr(explain, "MAX_ROWS", 400)
    part = permutation_importance(model, matrix, target, 0)
    assert part[0].feature == whole[0].feature
    assert part[0].mean == pytest.approx(whole[0].mean, abs=0.06)
    assert roc_auc_score(target, model.margin(matrix)) - 0.5 >= whole[0].mean


def test_a_class_of_very_few_rows_is_in_the_sample() -> None:
    model, matrix, _ = fitted()
    many = np.tile(matrix, (10, 1))
    target = np.zeros(len(many), dtype=np.int64)
    target[17] = 1
    for seed in range(5):
        found = permutation_importance(model, many, target, seed)
        assert all(np.isfinite([entry.mean, entry.low, entry.high]).all() for entry in found)


def make_scored(found: dict[str, float], rows: int = 400) -> tuple["pd.Series[str]", Scored]:
    """Return groups in which a share of the positives is found, and a tenth of the others marked."""
    random = np.random.default_rng(0)
    names = np.repeat(list(found), rows)
    target = (random.random(len(names)) < 0.5).astype(np.int64)
    rate = np.where(target == 1, [found[name] for name in names], 0.1)
    decisions = random.random(len(names)) < rate
    return pd.Series(names, dtype="str"), Scored(decisions.astype(float), target, decisions)


def test_a_gap_is_found_with_an_interval_above_nought() -> None:
    labels, scored = make_scored({"east": 0.9, "west": 0.6})
    gap = largest_gap(labels, scored, 0)
    assert gap.recall is not None
    assert gap.selection is not None
    assert gap.recall.low > 0.15
    assert gap.recall.value == pytest.approx(0.3, abs=0.1)
    assert gap.selection.n == 800


def test_a_model_that_is_wrong_about_one_group_shows_in_every_respect() -> None:
    random = np.random.default_rng(0)
    labels = pd.Series(np.repeat(["east", "west"], 800), dtype="str")
    target = (random.random(1600) < 0.3).astype(np.int64)
    margins = (
        random.normal(size=1600) + np.where(labels == "east", 2.5, 0.2) * target - np.where(labels == "east", 2, 0)
    )
    scored = Scored.at(1 / (1 + np.exp(-margins)), target, 0.4)
    gap = largest_gap(labels, scored, 0)
    for estimate in (gap.fpr, gap.calibration, gap.roc_auc):
        assert estimate is not None
        assert 0 < estimate.low <= estimate.value <= estimate.high
    east, west = group_rates("region", labels, scored)
    assert gap.fpr is not None
    assert gap.fpr.value == pytest.approx(abs(east["false_positive_rate"] - west["false_positive_rate"]))
    part = target[:800] == 1
    assert east["roc_auc"] == pytest.approx(roc_auc_score(target[:800], scored.probabilities[:800]))
    assert east["roc_auc_low"] < east["roc_auc"] < east["roc_auc_high"]
    assert (east["observed"], east["predicted"]) == pytest.approx((part.mean(), scored.probabilities[:800].mean()))


def test_groups_ranked_without_a_mistake_and_certain_ones_still_have_an_interval() -> None:
    labels = pd.Series(np.repeat(["east", "west"], 40), dtype="str")
    target = np.tile([1, 0], 40)
    gap = largest_gap(labels, Scored.at(target.astype(float), target, 0.5), 0)
    for estimate in (gap.recall, gap.fpr, gap.calibration, gap.roc_auc):
        assert estimate is not None
        assert estimate.low <= 0 == estimate.value < estimate.high


def test_a_group_of_one_class_is_not_ranked_and_one_member_is_no_group() -> None:
    labels = pd.Series(["east"] * 40 + ["west"] * 40 + ["north"] * 12 + ["alone"], dtype="str")
    target = np.array([1, 0] * 20 + [0] * 53)
    scored = Scored.at(np.linspace(0.9, 0.1, 93), target, 0.5)
    ranked = {line["group"]: "roc_auc" in line for line in group_rates("region", labels, scored)}
    assert ranked["west"] is False
    # Beside the total, the next smallest group would tell of the one.
    assert not {"north", "alone"} & set(ranked)
    gap = largest_gap(labels, scored, 0)
    assert (gap.recall, gap.roc_auc) == (None, None)
    assert gap.selection is not None


def test_equal_treatment_reaches_down_to_nought() -> None:
    gap = largest_gap(*make_scored({"east": 0.8, "west": 0.8}), 0)
    assert gap.recall is not None
    assert gap.recall.low <= 0.01


def test_groups_under_ten_rows_are_not_shown() -> None:
    labels, scored = make_scored({"east": 0.8, "west": 0.8}, 200)
    labels.iloc[:6] = "few"
    shown = group_rates("region", labels, scored)
    assert not {"few", "east"} & {line["group"] for line in shown}
    assert "west" in {line["group"] for line in shown}
    assert all(line["recall_low"] <= line["recall"] <= line["recall_high"] for line in shown)
    assert largest_gap(pd.Series(["one"] * len(labels), dtype="str"), scored, 0).recall is None


def test_numbers_of_many_values_are_grouped_by_quarters_and_missing_is_a_group() -> None:
    labels = group_labels(pd.Series([*map(float, range(100)), np.nan]))
    assert labels.nunique() == 5
    assert "missing" in set(labels)
    assert set(group_labels(pd.Series([0.0, 1.0, np.nan]))) == {"0", "1", "missing"}
    assert set(group_labels(pd.Series(["a", None], dtype="str"))) == {"a", "missing"}
