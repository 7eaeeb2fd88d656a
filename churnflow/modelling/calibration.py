"""How a margin becomes a probability: a line or a curve, fitted and judged on margins of rows not trained on."""

from typing import Final

import numpy as np
from scipy.optimize import minimize

from churnflow.modelling.bending import STEEPEST, STRAIGHT, Curve, bend
from churnflow.modelling.columns import Floats
from churnflow.modelling.margins import SMALLEST_PROBABILITY, sigmoid
from churnflow.modelling.split import Ints

Calibration = tuple[float, float]
NONE: Final[Calibration] = (1.0, 0.0)

# In units of the margins' deviation. A slope of 0 or below would make all customers equal or turn their order round;
# margins without signal come near it.
SMALLEST_SLOPE: Final = 1e-3
_ROUNDS: Final = 50
_RIDGE: Final = 1e-9
# Knots of a curve lie at so many quantiles, evenly apart, with a hundredth of the rows beyond them at either end.
_PARTS: Final = 10
_BEYOND: Final = 0.01
# How many rows' worth of evidence stand against a bend of one from part to part.
_STIFF: Final = 5.0


def fit_platt(margins: Floats, target: Ints) -> Calibration:
    """Return slope and intercept of Platt's scaling of `margins` (n,) to `target` (n,); the slope is positive.

    Targets are smoothed as in Platt (1999), so that separable margins stay finite; Newton's method with halved steps as
    in Lin, Lin and Weng (2007).
    """
    positives, aims = target.sum(), _smoothed(target)
    spread = float(margins.std())
    # Equal margins differ by the rounding of their mean; divided by that they would be noise.
    spread = spread if spread > _RIDGE * max(1.0, abs(float(margins.mean()))) else 1.0
    inputs = np.stack([margins / spread, np.ones(len(margins))], axis=1)
    weights = np.array([0.0, float(np.log((positives + 1) / (len(target) - positives + 1)))])
    loss = _loss(inputs @ weights, aims)
    for _ in range(_ROUNDS):
        probability = sigmoid(inputs @ weights)
        gradient = inputs.T @ (probability - aims)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while _loss(inputs @ (weights - step), aims) > loss and np.abs(step).max() > _RIDGE:
            step /= 2
        weights -= step
        loss = _loss(inputs @ weights, aims)
        if np.abs(step).max() <= _RIDGE:
            break
    if weights[0] < SMALLEST_SLOPE:
        # The intercept belonged to the slope that was given up: this one gives the rate of the target again.
        rate = float(aims.mean())
        weights = np.array([SMALLEST_SLOPE, np.log(rate / (1 - rate)) - SMALLEST_SLOPE * float(inputs[:, 0].mean())])
    return float(weights[0]) / spread, float(weights[1])


def apply(calibration: Calibration, margins: Floats) -> Floats:
    """Return the probabilities of `margins` (n,)."""
    slope, intercept = calibration
    return sigmoid(slope * margins + intercept)


def cross_fit_platt(margins: Floats, target: Ints, folds: Ints) -> Floats:
    """Return probabilities (n,): those of each fold calibrated on the out-of-fold margins of the others."""
    probabilities = np.zeros(len(margins))
    for fold in np.unique(folds):
        inside = folds != fold
        probabilities[~inside] = apply(fit_platt(margins[inside], target[inside]), margins[~inside])
    return probabilities


def fit_curve(margins: Floats, target: Ints) -> Curve:
    """Return the rising curve of `margins` (n,), log odds, that has the lowest log loss against `target` (n,).

    Straight between knots at quantiles, so that what a line can not calibrate is: models that are sure of most and
    know nothing of a few. As the spline calibration of Lucena (2018), with slopes kept above nought and drawn towards
    their neighbours', and targets smoothed as Platt's are: few rows that happen to be separable are not certain.
    STRAIGHT where the margins are too much alike for three knots.
    """
    inner = np.quantile(margins, np.linspace(_BEYOND, 1 - _BEYOND, _PARTS))
    knots = np.unique(np.concatenate([[margins.min()], inner, [margins.max()]]))
    knots = knots[np.append(True, np.diff(knots) > _RIDGE * max(1.0, float(np.abs(knots).max())))]
    if len(knots) <= 2:  # noqa: PLR2004 - a line
        return STRAIGHT
    widths = np.diff(knots)
    steps = np.clip(margins[:, None] - knots[:-1], 0.0, widths)
    aims = _smoothed(target)

    def loss(given: Floats) -> tuple[float, Floats]:
        slopes, margin = given[:-1], steps @ given[:-1] + given[-1]
        excess, turns = sigmoid(margin) - aims, np.diff(slopes)
        pull = 2 * _STIFF * (np.append(0.0, turns) - np.append(turns, 0.0))
        value = _loss(margin, aims) + _STIFF * float((turns**2).sum())
        return value / len(target), np.append(steps.T @ excess + pull, excess.sum()) / len(target)

    start = np.append(np.ones(len(widths)), knots[0])
    bounds = [(SMALLEST_SLOPE, STEEPEST)] * len(widths) + [(None, None)]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    heights = found[-1] + np.append(0.0, np.cumsum(found[:-1] * widths))
    return tuple(map(float, knots)), tuple(map(float, heights))


def cross_fit_curve(margins: Floats, target: Ints, folds: Ints) -> Floats:
    """Return log odds (n,): those of each fold bent as the out-of-fold margins of the others ask for."""
    bent = np.zeros(len(margins))
    for fold in np.unique(folds):
        inside = folds != fold
        bent[~inside] = bend(fit_curve(margins[inside], target[inside]), margins[~inside])
    return bent


def mean_log_loss(probabilities: Floats, target: Ints) -> float:
    """Return the mean log loss in nats, probabilities kept 1e-12 away from 0 and 1."""
    return float(log_losses(probabilities, target).mean())


def log_losses(probabilities: Floats, target: Ints) -> Floats:
    """Return the log loss of each row in nats, (n,), probabilities kept 1e-12 away from 0 and 1."""
    of_outcome = np.where(target == 1, probabilities, 1 - probabilities)
    losses: Floats = -np.log(np.clip(of_outcome, SMALLEST_PROBABILITY, 1.0))
    return losses


def _smoothed(target: Ints) -> Floats:
    positives = target.sum()
    aims: Floats = np.where(target == 1, (positives + 1) / (positives + 2), 1 / (len(target) - positives + 2))
    return aims


def _loss(margins: Floats, aims: Floats) -> float:
    return float((np.logaddexp(0, margins) - aims * margins).sum())
