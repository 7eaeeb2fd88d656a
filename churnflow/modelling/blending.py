"""A blend: the margins of several models, weighed so that their sum is calibrated log odds."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from churnflow.modelling.columns import Floats
from churnflow.modelling.margins import sigmoid
from churnflow.modelling.split import Ints

# How many rows' worth of evidence stand against weights other than equal ones.
_PULL: Final = 10.0
# A member of less weight than this costs more to serve than it gives.
_LEAST: Final = 0.03
_MIN_MEMBERS: Final = 2


@dataclass(frozen=True)
class Mix:
    """Weights of the members, (k,), none negative, and an intercept, both in log odds."""

    weights: Floats
    intercept: float

    def apply(self, margins: Floats) -> Floats:
        """Return the margins (n,) of the blend from those of its members (n, k)."""
        mixed: Floats = margins @ self.weights + self.intercept
        return mixed


def fit_mix(margins: Floats, target: Ints) -> Mix:
    """Return the weights under which the sum of `margins` (n, k) has the lowest log loss against `target` (n,).

    Stacked generalization with non-negative weights (Wolpert 1992; Breiman 1996), drawn towards the equal average,
    which is hard to beat where the members are alike. A member of little weight gets none, down to two members.
    """
    kept = list(range(margins.shape[1]))
    mix = _weigh(margins, target)
    while len(kept) > _MIN_MEMBERS and mix.weights.min() < _LEAST * mix.weights.sum():
        del kept[int(np.argmin(mix.weights))]
        mix = _weigh(margins[:, kept], target)
    weights = np.zeros(margins.shape[1])
    weights[kept] = mix.weights
    return Mix(weights, mix.intercept)


def _weigh(margins: Floats, target: Ints) -> Mix:
    members = margins.shape[1]
    equal = 1 / members

    def loss(given: Floats) -> tuple[float, Floats]:
        weights, mixed = given[:-1], margins @ given[:-1] + given[-1]
        excess = sigmoid(mixed) - target
        value = float((np.logaddexp(0, mixed) - target * mixed).sum()) + _PULL * float(((weights - equal) ** 2).sum())
        slope = margins.T @ excess + 2 * _PULL * (weights - equal)
        return value / len(target), np.append(slope, excess.sum()) / len(target)

    bounds = [(0.0, None)] * members + [(None, None)]
    start = np.append(np.full(members, equal), 0.0)
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return Mix(found.x[:-1], float(found.x[-1]))


def cross_fit_mix(margins: Floats, target: Ints, folds: Ints) -> Floats:
    """Return the blend's margins (n,), those of each fold with members and weights found on the others."""
    mixed = np.zeros(len(target))
    for fold in np.unique(folds):
        inside = folds != fold
        mixed[~inside] = fit_mix(margins[inside], target[inside]).apply(margins[~inside])
    return mixed
