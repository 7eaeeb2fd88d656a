"""Metrics and intervals: equal to scikit-learn's, and covering as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp
from sklearn import metrics as oracle

from churnflow.modelling import metrics
from churnflow.modelling.curves import all_curves, profit_points
from churnflow.modelling.metrics import Scored, bootstrap, confusion, loss_gain, measure, wilson
from churnflow.modelling.profit import maximum_profit


def make_scored(rows: int = 500, seed: int = 0, *, ties: bool = False) -> Scored:
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.int64)
    probabilities = 1 / (1 + np.exp(-(random.normal(size=rows) + 1.5 * target - 1)))
    return Scored.at(np.round(probabilities, 1) if ties else probabilities, target, 0.4)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_metric_equals_scikit_learns(seed: int, ties: bool) -> None:
    scored = make_scored(seed=seed, ties=ties)
    y, p, d = scored.target, scored.probabilities, scored.decisions.astype(int)
    ours = {name: estimate.value for name, estimate in measure(scored, 0).items()}
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    theirs = {
        "accuracy": oracle.accuracy_score(y, d),
        "precision": oracle.precision_score(y, d),
        "recall": oracle.recall_score(y, d),
        "f1": oracle.f1_score(y, d),
        "roc_auc": oracle.roc_auc_score(y, p),
        "average_precision": oracle.average_precision_score(y, p),
        "log_loss": oracle.log_loss(y, clipped),
        "brier": oracle.brier_score_loss(y, p),
        "prevalence": y.mean(),
        "balanced_accuracy": oracle.balanced_accuracy_score(y, d),
        "mcc": oracle.matthews_corrcoef(y, d),
    }
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def test_the_largest_distance_equals_scipys_and_the_skill_is_of_the_brier_score() -> None:
    scored = make_scored()
    positive = scored.target == 1
    two = ks_2samp(scored.probabilities[positive], scored.probabilities[~positive], alternative="less")
    assert metrics.kolmogorov_smirnov(scored, 0).value == pytest.approx(two.statistic)
    reference = oracle.brier_score_loss(scored.target, np.full(500, 0.25))
    skill = bootstrap(scored, {"skill": metrics.brier_skill(0.25)}, 0)["skill"]
    assert skill.value == pytest.approx(1 - oracle.brier_score_loss(scored.target, scored.probabilities) / reference)
    assert skill.low < skill.value < skill.high


def test_weighted_draws_equal_scikit_learns_on_the_drawn_rows() -> None:
    scored = make_scored(80, ties=True)
    ranked = metrics.Ranked.of(scored)
    random = np.random.default_rng(4)
    for _ in range(5):
        rows = random.integers(0, 80, 80)
        weights = np.bincount(rows, minlength=80)[None, :].astype(float)
        y, p = ranked.target[rows], ranked.probabilities[rows]
        assert metrics.roc_auc(ranked, weights)[0] == pytest.approx(oracle.roc_auc_score(y, p))
        assert metrics.average_precision(ranked, weights)[0] == pytest.approx(oracle.average_precision_score(y, p))
        assert metrics.f1(ranked, weights)[0] == pytest.approx(oracle.f1_score(y, ranked.decisions[rows]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(1, 300))
def test_wilsons_interval_equals_scipys(hits: int, rows: int) -> None:
    hits = min(hits, rows)
    ours, theirs = wilson(hits, rows), binomtest(hits, rows).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert ours.low <= ours.value <= ours.high


def test_a_share_of_nothing_may_be_anything() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).n) == (0.0, 1.0, 0)


def test_the_interval_of_roc_auc_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = make_scored(200_000, seed=99)
    value = oracle.roc_auc_score(truth.target, truth.probabilities)
    covered = 0
    for seed in range(120):
        found = bootstrap(make_scored(300, seed=seed), {"auc": metrics.roc_auc}, seed, 300)["auc"]
        covered += found.low <= value <= found.high
    assert covered >= 0.88 * 120


def test_intervals_are_repeatable_and_hold_the_value() -> None:
    first, again = measure(make_scored(), 3), measure(make_scored(), 3)
    assert first == again
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in first.values())
    assert all(estimate.n for estimate in first.values())


def test_lift_counts_the_top_tenth_and_ties_in_part() -> None:
    target = np.array([1] * 10 + [0] * 90)
    perfect = Scored.at(np.linspace(1, 0, 100), target, 0.5)
    assert measure(perfect, 0)["lift_top_decile"].value == pytest.approx(10)
    flat = Scored.at(np.full(100, 0.1), target, 0.5)
    assert measure(flat, 0)["lift_top_decile"].value == pytest.approx(1)
    assert measure(flat, 0)["roc_auc"].value == pytest.approx(0.5)


def test_the_order_of_rows_does_not_show_in_curves_of_tied_probabilities() -> None:
    target = np.repeat([1, 0], [20, 80])
    probabilities = np.repeat([0.7, 0.2, 0.7, 0.2], [10, 10, 20, 60])
    drawn = [
        all_curves(
            Scored(probabilities=probabilities[order], target=target[order], decisions=probabilities[order] > 0.5)
        )
        for order in (np.arange(100), np.arange(100)[::-1], np.random.default_rng(0).permutation(100))
    ]
    assert drawn[0] == drawn[1] == drawn[2]
    assert [(point["predicted"], point["observed"], point["n"]) for point in drawn[0]["calibration"]] == [
        (0.2, round(10 / 70, 6), 70),
        (0.7, round(10 / 30, 6), 30),
    ]
    assert drawn[0]["lift"][0] == {"share": 0.1, "lift": round(10 / 30 / 0.2, 6), "captured": round(10 / 3 / 20, 6)}


def test_a_model_with_nothing_positive_has_no_f1_and_does_not_divide_by_nought() -> None:
    scored = Scored.at(np.full(50, 0.2), np.array([1] * 10 + [0] * 40), 0.9)
    found = measure(scored, 0)
    assert (found["f1"].value, found["precision"].value, found["precision"].n) == (0.0, 0.0, 0)
    assert confusion(scored) == {"tp": 0, "fp": 0, "fn": 10, "tn": 40}


def test_the_gain_over_a_reference_is_paired() -> None:
    scored = make_scored()
    base = np.full(500, scored.target.mean())
    gain = loss_gain(scored.target, scored.probabilities, base, 0)
    theirs = oracle.log_loss(scored.target, base) - oracle.log_loss(scored.target, scored.probabilities)
    assert gain.value == pytest.approx(theirs)
    assert 0 < gain.low < gain.value < gain.high
    same = loss_gain(scored.target, base, base, 0)
    assert (same.low, same.value, same.high) == (0.0, 0.0, 0.0)


def test_curves_are_short_and_equal_scikit_learns_areas() -> None:
    scored = make_scored(3000)
    drawn = all_curves(scored)
    fpr, tpr = drawn["roc"]["fpr"], drawn["roc"]["tpr"]
    assert len(fpr) <= 200
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert oracle.auc(fpr, tpr) == pytest.approx(oracle.roc_auc_score(scored.target, scored.probabilities), abs=2e-3)
    assert drawn["pr"]["recall"] == sorted(drawn["pr"]["recall"])
    assert drawn["lift"][-1] == {"share": 1.0, "lift": 1.0, "captured": 1.0}
    assert sum(point["n"] for point in drawn["calibration"]) == 3000
    assert all(point["low"] <= point["observed"] <= point["high"] for point in drawn["calibration"])


def test_curves_of_few_rows_are_drawn_too() -> None:
    drawn = all_curves(Scored.at(np.array([0.2, 0.9, 0.9]), np.array([0, 1, 0]), 0.5))
    assert drawn["roc"] == {"fpr": [0.0, 0.5, 1.0], "tpr": [0.0, 1.0, 1.0]}
    assert len(drawn["calibration"]) == 1
    assert drawn["thresholds"] == {
        "threshold": [0.9, 0.2],
        "precision": [0.5, round(1 / 3, 6)],
        "recall": [1.0, 1.0],
        "share": [round(2 / 3, 6), 1.0],
    }


def test_the_profit_by_share_contacted_has_its_best_point_and_few_others() -> None:
    scored = make_scored(3000)
    gains = np.where(scored.target == 1, 3.0, -1.0)
    points = profit_points(scored, gains)
    assert len(points["profit"]) <= 201
    assert max(points["profit"]) == pytest.approx(maximum_profit(scored.probabilities, gains), abs=1e-6)
    assert (points["share"][0], points["share"][-1]) == (0.0, 1.0)
