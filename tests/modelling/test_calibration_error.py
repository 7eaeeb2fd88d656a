"""Whether probabilities mean what they say: lines and errors with intervals that hold the truth, and no false alarm."""

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LogisticRegression

from churnflow.modelling.calibration_error import calibration_line, expected_calibration_error
from churnflow.modelling.curves import equal_bins
from churnflow.modelling.margins import log_odds, sigmoid

SAMPLES = 80
Floats = npt.NDArray[np.float64]


def make_scored(rows: int, slope: float, shift: float, seed: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Make probabilities whose log odds have to be stretched by `slope` and moved by `shift` to be right."""
    random = np.random.default_rng(seed)
    odds = 1.2 * random.normal(size=rows) - 1.2
    return sigmoid(odds), (random.random(rows) < sigmoid(slope * odds + shift)).astype(np.int64)


def test_slope_and_intercept_are_those_of_a_logistic_regression_on_the_log_odds() -> None:
    probabilities, target = make_scored(600, 0.6, 0.4, 0)
    found = calibration_line(probabilities, target)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(log_odds(probabilities)[:, None], target)
    assert found.slope is not None
    assert found.slope.value == pytest.approx(oracle.coef_[0, 0], abs=1e-4)
    assert found.intercept is not None
    moved = sigmoid(log_odds(probabilities) + found.intercept.value)
    assert moved.mean() == pytest.approx(target.mean(), abs=1e-9)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.4), (1.5, 0.0)])
def test_the_interval_of_the_slope_holds_the_truth_as_often_as_it_says(slope: float, shift: float) -> None:
    held = 0
    for seed in range(SAMPLES):
        line = calibration_line(*make_scored(400, slope, shift, seed))
        assert line.slope is not None
        held += line.slope.low <= slope <= line.slope.high
    assert held >= 0.88 * SAMPLES


@pytest.mark.parametrize(
    ("probabilities", "target"),
    [
        (np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])),
        (np.full(40, 0.3), np.arange(40) % 3 == 0),
    ],
)
def test_a_slope_that_the_rows_do_not_determine_is_none(probabilities: Floats, target: npt.NDArray[np.int64]) -> None:
    found = calibration_line(probabilities, target.astype(np.int64))
    assert found.slope is None
    assert found.intercept is not None


def test_an_intercept_that_would_be_without_end_is_none() -> None:
    assert calibration_line(np.array([0.2, 0.4, 0.3]), np.array([0, 0, 0])).intercept is None


@pytest.mark.parametrize("rows", [250, 1500])
@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.4), (1.0, 0.8)])
def test_the_interval_of_the_expected_calibration_error_holds_the_truth(rows: int, slope: float, shift: float) -> None:
    whole, _ = make_scored(200_000, slope, shift, 999)
    right = sigmoid(slope * log_odds(whole) + shift)
    truth = sum(len(part) * abs(right[part].mean() - whole[part].mean()) for part in equal_bins(whole)) / len(whole)
    held = false = 0
    for seed in range(SAMPLES):
        found = expected_calibration_error(*make_scored(rows, slope, shift, seed), seed)
        assert found.low <= found.value <= found.high
        held += found.low <= truth <= found.high
        false += found.low > 0
    assert held >= 0.85 * SAMPLES
    if (slope, shift) == (1.0, 0.0):
        assert false <= 0.08 * SAMPLES


def test_the_error_is_the_mean_distance_over_the_bins() -> None:
    target = np.array([1] * 10 + [0] * 10 + [1] * 5 + [0] * 15)
    probabilities = np.repeat([0.6, 0.2], 20)
    assert expected_calibration_error(probabilities, target, 0).value == pytest.approx((0.1 + 0.05) / 2)
