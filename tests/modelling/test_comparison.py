"""Which model is chosen: the simplest within noise of the best."""

import numpy as np
import pytest
from scipy.stats import t as student

from churnflow.modelling.comparison import Scores, interval, p_value, simplest_within_noise

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


LEVEL = [0.40, 0.41, 0.42, 0.40, 0.41]


def test_the_simplest_of_those_within_noise_is_chosen() -> None:
    scores = {
        "xgboost": Scores([0.86, 0.84, 0.87, 0.85, 0.86], LEVEL),
        "logistic_regression": Scores([0.85, 0.85, 0.86, 0.85, 0.86], [0.41, 0.40, 0.42, 0.41, 0.41]),
        "random_forest": Scores([0.80, 0.78, 0.80, 0.79, 0.79], LEVEL),
    }
    assert simplest_within_noise(scores, ORDER) == ("logistic_regression", ["xgboost", "logistic_regression"])


def test_a_better_model_is_chosen_when_the_difference_is_no_noise() -> None:
    ranking = [0.92, 0.91, 0.93, 0.92, 0.91]
    scores = {
        "xgboost": Scores(ranking, LEVEL),
        "logistic_regression": Scores([0.82, 0.81, 0.82, 0.81, 0.81], LEVEL),
        "random_forest": Scores(ranking, [value + 0.05 for value in LEVEL]),
    }
    assert simplest_within_noise(scores, ORDER) == ("xgboost", ["xgboost"])


def test_a_lower_loss_does_not_exclude() -> None:
    ranking = [0.92, 0.91, 0.93, 0.92, 0.91]
    scores = {"xgboost": Scores(ranking, LEVEL), "svm": Scores(ranking, [value - 0.05 for value in LEVEL])}
    assert simplest_within_noise(scores, ORDER)[0] == "svm"


def test_models_as_good_as_each_other_are_told_apart_about_as_seldom_as_they_should() -> None:
    random = np.random.default_rng(0)
    found = sum(p_value(list(random.normal(size=5)), list(random.normal(size=5))) < 0.05 for _ in range(2000))
    assert found / 2000 < 0.06


def test_the_interval_holds_the_mean() -> None:
    mean, low, high = interval([0.8, 0.82, 0.84])
    assert mean == pytest.approx(0.82)
    assert low < mean < high
