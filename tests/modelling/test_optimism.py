"""How much too good the best of many looks, which is nothing where nothing was chosen; and how it is undone."""

import numpy as np
import pytest

from churnflow.modelling.optimism import selection_optimism, tilted


def test_one_candidate_was_not_chosen_from_anything() -> None:
    assert selection_optimism(np.random.default_rng(0).random((100, 1)), 0) == 0.0


def test_a_clear_winner_owes_nothing_to_luck() -> None:
    losses = np.random.default_rng(0).random((2000, 3)) * 0.1
    assert selection_optimism(losses + np.array([0.0, 1.0, 1.0]), 0) < 0.001


def test_among_equals_it_is_about_what_the_best_was_lucky_by() -> None:
    random = np.random.default_rng(0)
    found, lucky = [], []
    for seed in range(40):
        losses = random.normal(0.4, 0.5, size=(800, 12))
        found.append(selection_optimism(losses, seed))
        lucky.append(0.4 - losses.mean(axis=0).min())
    assert abs(np.mean(found) - np.mean(lucky)) < 0.35 * np.mean(lucky)


def test_the_seed_decides_and_rows_may_be_many() -> None:
    losses = np.random.default_rng(1).normal(0.4, 0.5, size=(60_000, 3))
    assert selection_optimism(losses, 3) == selection_optimism(losses, 3)


def test_few_rows_of_which_a_draw_may_leave_none_out_give_a_number() -> None:
    assert selection_optimism(np.random.default_rng(0).normal(0.4, 0.5, size=(3, 12)), 0) > 0.01


def kept(losses: np.ndarray, target: np.ndarray, optimism: float) -> np.ndarray:
    """Return the weights, once they are seen to keep the share of positives."""
    weights = tilted(losses, target, optimism)
    assert (weights > 0).all()
    for of_class in (target == 0, target == 1):
        assert weights[of_class].mean() == pytest.approx(1)
    return weights


def test_rows_are_weighed_so_that_the_loss_is_as_much_higher_as_the_optimism() -> None:
    random = np.random.default_rng(2)
    target = (random.random(1000) < 0.3).astype(np.int64)
    losses = random.exponential(0.4, 1000) + 0.3 * target
    for optimism in (0.001, 0.02, 0.1):
        weights = kept(losses, target, optimism)
        assert (weights * losses).mean() == pytest.approx(losses.mean() + optimism)
        of_class = target == 1
        order = np.argsort(losses[of_class])
        assert (np.diff(weights[of_class][order]) >= 0).all()


def test_no_other_weights_of_that_loss_are_nearer_to_equal_ones() -> None:
    random = np.random.default_rng(3)
    target = np.arange(60) % 2
    losses = random.exponential(0.4, 60)
    weights = kept(losses, target, 0.05)
    distance = (weights * np.log(weights)).sum()
    fixed = np.stack([losses, target, 1 - target])
    for _ in range(20):
        # A step that changes neither the loss nor the classes.
        step = random.normal(size=60)
        step -= fixed.T @ np.linalg.lstsq(fixed.T, step, rcond=None)[0]
        other = weights + 0.05 * step * weights.min() / np.abs(step).max()
        assert (other * np.log(other)).sum() > distance


@pytest.mark.parametrize("optimism", [0.0, -0.1])
def test_nothing_to_correct_leaves_all_rows_alike(optimism: float) -> None:
    assert (tilted(np.array([0.1, 2.0]), np.array([0, 1]), optimism) == 1).all()


@pytest.mark.parametrize("target", [[0, 1] * 10, [0] * 20])
def test_an_optimism_out_of_reach_is_met_as_far_as_it_can_be(target: list[int]) -> None:
    classes = np.array(target)
    assert (tilted(np.full(20, 0.5), classes, 0.3) == 1).all()
    losses = np.linspace(0.01, 8.0, 20)
    assert tilted(losses, classes, 100.0).max() < 20
