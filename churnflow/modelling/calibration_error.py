"""Whether probabilities mean what they say: the calibration line, and the expected calibration error.

Slope and intercept are those of Cox (1958), "Two further applications of a model for binary regression", as Van Calster
et al. (2016), "A calibration hierarchy for risk models was defined", recommends to report them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from churnflow.modelling.columns import Floats
from churnflow.modelling.curves import equal_bins
from churnflow.modelling.margins import log_odds, sigmoid
from churnflow.modelling.metrics import DRAWS, Estimate
from churnflow.modelling.split import Ints

_Z: Final = 1.959963984540054
_ROUNDS: Final = 40
_DONE: Final = 1e-9
_STEEPEST: Final = 50.0
_TAIL: Final = 0.025
_HALVINGS: Final = 24


@dataclass(frozen=True)
class Line:
    """The calibration line of log odds; None where the rows do not determine it.

    slope: 1 when right, below 1 when probabilities are too extreme, above 1 when too timid. intercept: calibration in
    the large, the log odds to add to all probabilities so that they have the rate of the outcome; 0 when right.
    """

    slope: Estimate | None
    intercept: Estimate | None


def calibration_line(probabilities: Floats, target: Ints) -> Line:
    """Return slope and intercept with intervals that hold whatever the true curve (Huber 1967; White 1980).

    The slope is fitted with an intercept of its own; the intercept with the slope held at 1.
    """
    odds = log_odds(probabilities)
    spread = float(odds.std())
    ones = np.ones((len(odds), 1))
    whole = None
    if spread > _DONE * max(1.0, float(np.abs(odds).max())):
        whole = _fitted(np.hstack([ones, odds[:, None] / spread]), target, np.zeros(len(odds)))
    shift = _fitted(ones, target, odds)
    slope = None if whole is None else _estimate(whole[0][1] / spread, whole[1][1] / spread, len(odds))
    return Line(slope, None if shift is None else _estimate(shift[0][0], shift[1][0], len(odds)))


def _estimate(value: float, error: float, rows: int) -> Estimate:
    return Estimate(float(value), float(value - _Z * error), float(value + _Z * error), rows)


def _fitted(inputs: Floats, target: Ints, offset: Floats) -> tuple[Floats, Floats] | None:
    """Return the weights of a logistic regression and their robust errors, None where it has no finite solution."""
    weights = np.zeros(inputs.shape[1])
    for _ in range(_ROUNDS):
        probability = sigmoid(inputs @ weights + offset)
        left = target - probability
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs
        try:
            bread = np.linalg.inv(curvature)
        except np.linalg.LinAlgError:
            return None
        step = bread @ (inputs.T @ left)
        weights = weights + np.clip(step, -2.0, 2.0)
        if not np.isfinite(weights).all() or np.abs(weights).max() > _STEEPEST:
            return None
        if np.abs(step).max() <= _DONE:
            errors: Floats = np.sqrt(np.diag(bread @ ((inputs * left[:, None] ** 2).T @ inputs) @ bread))
            return weights, errors
    return None


def expected_calibration_error(probabilities: Floats, target: Ints, seed: int) -> Estimate:
    """Return the mean distance of predicted and observed rate over ten bins of about equally many rows.

    The error of few rows is above zero even for perfect probabilities. The interval therefore holds the true errors,
    in proportion to those observed, under which so large a value is neither among the 2.5% lowest nor the 2.5% highest
    (a test inverted by a parametric bootstrap, as in Carpenter 1999): it reaches down to 0 unless it is too large for
    chance.
    """
    bins = equal_bins(probabilities)
    sizes = np.array([len(rows) for rows in bins], dtype=np.float64)
    gaps = np.array([target[rows].mean() - probabilities[rows].mean() for rows in bins])
    expected = np.array([(probabilities[rows] * (1 - probabilities[rows])).mean() for rows in bins])
    observed = np.array([target[rows].mean() * (1 - target[rows].mean()) for rows in bins])
    noise = np.random.default_rng(seed).normal(size=(DRAWS, len(bins))) * np.sqrt(
        np.maximum(expected, observed) / sizes
    )
    shares = sizes / sizes.sum()
    value = float(shares @ np.abs(gaps))

    def above(scale: float) -> float:
        return float((np.abs(scale * gaps + noise) @ shares >= value).mean())

    low = 0.0 if above(0.0) >= _TAIL else _crossing(above, _TAIL, 1.0)
    return Estimate(value, low * value, max(1.0, _crossing(above, 1 - _TAIL, 4.0)) * value, len(target))


def _crossing(above: Callable[[float], float], share: float, end: float) -> float:
    """Return where a rising function reaches `share` between 0 and `end`, by halving."""
    low, high = 0.0, end
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) >= share else (middle, high)
    return (low + high) / 2
