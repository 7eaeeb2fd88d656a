"""The blend: never worse than its members on the rows it was weighed on, blind to a fold's own outcome, and sparse."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from churnflow.modelling.blending import cross_fit_mix, fit_mix
from churnflow.modelling.calibration import mean_log_loss
from churnflow.modelling.margins import sigmoid


def members(rows: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return margins of two models that each see half of the signal, and of one that sees none; and the outcome."""
    random = np.random.default_rng(seed)
    first, second = random.normal(size=(2, rows))
    target = (random.random(rows) < sigmoid(1.2 * first + 0.8 * second - 1)).astype(np.int64)
    return np.stack([1.1 * first - 1, 0.7 * second - 1, random.normal(size=rows)], axis=1), target


def test_a_blend_of_models_that_see_different_things_beats_each() -> None:
    margins, target = members()
    mixed = mean_log_loss(sigmoid(fit_mix(margins, target).apply(margins)), target)
    assert mixed < min(mean_log_loss(sigmoid(column), target) for column in margins.T) - 0.02


def test_with_rows_enough_the_weights_are_those_of_a_logistic_regression() -> None:
    margins, target = members(60_000)
    mix = fit_mix(margins[:, :2], target)
    oracle = LogisticRegression(C=1e6).fit(margins[:, :2], target)
    np.testing.assert_allclose(mix.weights, oracle.coef_[0], atol=0.01)
    assert mix.intercept == pytest.approx(oracle.intercept_[0], abs=0.02)


def test_no_weight_is_negative_however_wrong_a_member() -> None:
    margins, target = members()
    mix = fit_mix(np.stack([margins[:, 0], -margins[:, 0]], axis=1), target)
    assert (mix.weights >= 0).all()
    assert mix.weights[1] < 0.05


def test_few_rows_leave_the_members_equal() -> None:
    margins, target = members(12)
    assert fit_mix(margins, target).weights == pytest.approx([1 / 3] * 3, abs=0.15)


def test_a_fold_is_blended_without_its_own_outcome() -> None:
    margins, target = members(400)
    folds = np.arange(400) % 4
    before = cross_fit_mix(margins, target, folds)
    changed = target.copy()
    changed[folds == 2] = 1 - changed[folds == 2]
    after = cross_fit_mix(margins, changed, folds)
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert not np.allclose(before[folds != 2], after[folds != 2])


def test_a_member_that_adds_nothing_is_left_out_but_two_are_kept() -> None:
    margins, target = members(20_000)
    assert (fit_mix(margins, target).weights > 0).tolist() == [True, True, False]
    assert (fit_mix(margins[:, 2:].repeat(2, axis=1), target).weights >= 0).all()
    assert len(fit_mix(margins[:, 1:], target).weights) == 2
