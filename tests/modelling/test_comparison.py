"""Which model is chosen: the simplest within noise of the best."""

import numpy as np
import pytest
from scipy.stats import t as student

from churnflow.modelling.comparison import gap, interval, p_value, simplest_within_noise

ORDER = ("logistic_regression", "svm", "random_forest", "xgboost")


def test_the_corrected_t_test_is_that_of_nadeau_and_bengio() -> None:
    first, second = [0.85, 0.86, 0.84, 0.87, 0.85], [0.83, 0.85, 0.84, 0.85, 0.83]
    differences = np.array(first) - second
    statistic = differences.mean() / np.sqrt(differences.var(ddof=1) * (1 / 5 + 1 / 4))
    assert p_value(first, second) == pytest.approx(2 * student.sf(statistic, 4))
    assert p_value(first, second) > 2 * student.sf(differences.mean() / np.sqrt(differences.var(ddof=1) / 5), 4)


def test_equal_scores_are_tied_and_a_constant_gap_is_none() -> None:
    assert p_value([0.8, 0.9], [0.8, 0.9]) == 1.0
    assert p_value([1.0, 1.0], [0.5, 0.5]) == 0.0


def losses(mean: float, noise: float, seed: int, rows: int = 4000) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=rows)
    return mean + noise * (drawn - drawn.mean())


def test_the_simplest_of_those_within_one_standard_error_is_chosen() -> None:
    shared = losses(0.0, 0.5, 0)
    scores = {
        "xgboost": 0.400 + shared,
        "logistic_regression": shared + losses(0.4005, 0.1, 1),
        "random_forest": 0.43 + shared,
    }
    assert simplest_within_noise(scores, ORDER) == ("logistic_regression", ["xgboost", "logistic_regression"])


def test_a_small_gap_that_all_rows_share_is_no_noise() -> None:
    shared = losses(0.4, 0.5, 0)
    assert simplest_within_noise({"xgboost": shared, "svm": shared + losses(0.002, 0.01, 1)}, ORDER)[0] == "xgboost"


def test_a_gap_is_judged_on_pairs_of_rows() -> None:
    found = gap(np.array([0.5, 0.7, 0.6]), np.array([0.4, 0.4, 0.5]))
    assert found.mean == pytest.approx(0.5 / 3)
    assert found.error == pytest.approx(np.std([0.1, 0.3, 0.1], ddof=1) / 3**0.5)
    assert not found.is_noise


def test_models_as_good_as_each_other_are_told_apart_about_as_seldom_as_they_should() -> None:
    random = np.random.default_rng(0)
    found = sum(p_value(list(random.normal(size=5)), list(random.normal(size=5))) < 0.05 for _ in range(2000))
    assert found / 2000 < 0.06


def test_the_interval_holds_the_mean() -> None:
    mean, low, high = interval([0.8, 0.82, 0.84])
    assert mean == pytest.approx(0.82)
    assert low < mean < high
