"""Two models on the same rows: the noise that they share cancels out, and equal ones are seldom told apart."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import log_loss, roc_auc_score

from churnflow.modelling.metrics import DRAWN, Scored, bootstrap
from churnflow.modelling.paired import difference, mean_difference

STATISTICS = {name: DRAWN[name] for name in ("roc_auc", "log_loss")}


def make_pair(rows: int, seed: int, better: float = 0.0) -> tuple[Scored, Scored]:
    """Make two models that see the same, each with a little noise of its own, the first a little less blind."""
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.3).astype(np.int64)
    shared = random.normal(size=rows) + 1.2 * target - 1.2
    margins = (
        shared + 0.3 * random.normal(size=rows) + better * target,
        shared + 0.3 * random.normal(size=rows),
    )
    first, second = (Scored.at(1 / (1 + np.exp(-margin)), target, 0.4) for margin in margins)
    return first, second


def test_a_difference_is_that_of_the_two_metrics() -> None:
    first, second = make_pair(400, 0)
    found = difference(first, second, STATISTICS, 0)
    aucs = [roc_auc_score(one.target, one.probabilities) for one in (first, second)]
    losses = [log_loss(one.target, one.probabilities) for one in (first, second)]
    assert found["roc_auc"].value == pytest.approx(aucs[0] - aucs[1])
    assert found["log_loss"].value == pytest.approx(losses[0] - losses[1])
    turned = difference(second, first, STATISTICS, 0)
    assert turned["roc_auc"].value == pytest.approx(-found["roc_auc"].value)
    assert (turned["roc_auc"].low, turned["roc_auc"].p) == pytest.approx((-found["roc_auc"].high, found["roc_auc"].p))


def test_pairing_makes_a_difference_surer_than_two_intervals_do() -> None:
    first, second = make_pair(400, 1)
    paired = difference(first, second, STATISTICS, 0)["roc_auc"]
    alone = bootstrap(first, STATISTICS, 0)["roc_auc"]
    assert paired.high - paired.low < 0.6 * (alone.high - alone.low)


def test_models_equally_good_are_told_apart_about_as_seldom_as_they_should() -> None:
    p = [difference(*make_pair(250, seed), STATISTICS, seed)["log_loss"].p for seed in range(40)]
    assert np.mean(np.array(p) < 0.05) <= 0.12


def test_a_better_model_is_found_so() -> None:
    found = difference(*make_pair(1500, 3, better=0.6), STATISTICS, 0)
    assert found["roc_auc"].low > 0
    assert found["log_loss"].high < 0
    assert found["roc_auc"].p < 0.01


def test_a_model_does_not_differ_from_itself() -> None:
    first, _ = make_pair(200, 0)
    same = difference(first, first, STATISTICS, 0)["roc_auc"]
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_a_mean_difference_is_tested_as_a_paired_t_test_does() -> None:
    random = np.random.default_rng(0)
    target = (np.arange(800) % 4 == 0).astype(np.int64)
    first, second = random.normal(0.07, 1, 800), random.normal(0.0, 0.3, 800)
    found = mean_difference(first, second, target, 0)
    assert found.value == pytest.approx((first - second).mean())
    assert found.p == pytest.approx(float(ttest_1samp(first - second, 0).pvalue), abs=0.03)
