"""How much too good the best of many looks: nothing where nothing was chosen, else as much as luck gives."""

import numpy as np

from churnflow.modelling.optimism import selection_optimism


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


def test_ten_rows_of_which_a_draw_may_leave_none_out_give_a_number() -> None:
    assert selection_optimism(np.random.default_rng(0).normal(0.4, 0.5, size=(3, 12)), 0) > 0.01
