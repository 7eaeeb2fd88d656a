"""How much better the best of many trials looks than it is, and rows weighed so that it no longer does."""

from typing import Final

import numpy as np
from scipy.optimize import brentq

from churnflow.modelling.columns import Floats
from churnflow.modelling.split import Ints

DRAWS: Final = 400
_CELLS: Final = 20_000_000
# Rows are tilted at most so far that each counts by how unlikely its outcome was thought.
_STEEPEST: Final = 1.0


def selection_optimism(losses: Floats, seed: int) -> float:
    """Return by how much the mean loss of the best of several candidates is too low for having been picked.

    losses: out-of-fold loss of each row by each candidate, (n, candidates). The bootstrap bias corrected
    cross-validation of Tsamardinos, Greasidou and Borboudakis (2018): rows are drawn with replacement, and the best on
    those drawn is judged on those that were not. What is returned is by how much that is above the loss of the best on
    all rows; never below nought.
    """
    rows, candidates = losses.shape
    if candidates < 2:  # noqa: PLR2004 - nothing was chosen
        return 0.0
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // rows)
    judged: list[float] = []
    for start in range(0, DRAWS, step):
        counts = random.multinomial(rows, np.full(rows, 1 / rows), size=min(step, DRAWS - start)).astype(np.float64)
        drawn = counts @ losses / rows
        # With few rows a draw may leave none out.
        whole = (counts == 0).any(axis=1)
        drawn, left = drawn[whole], (counts[whole] == 0).astype(np.float64)
        outside = left @ losses / left.sum(axis=1, keepdims=True)
        best = drawn.argmin(axis=1)
        pick = np.arange(len(best))
        judged += list(outside[pick, best])
    return max(0.0, float(np.mean(judged) - losses.mean(axis=0).min())) if judged else 0.0


def tilted(losses: Floats, target: Ints, optimism: float) -> Floats:
    """Return weights (n,), of mean one in each class, under which the mean of `losses` (n,) is higher by `optimism`.

    Rows by which the best of many trials was picked are kinder to it than others, in every metric and by one cause. The
    weights that are nearest to equal ones, by Kullback and Leibler, and show its loss without that grow exponentially
    with the loss (nonparametric tilting, Efron 1981; the biased bootstrap of Hall and Presnell 1999). The share of
    positives, `target` (n,) of 0 and 1, is none of what was picked by, and stays. An optimism out of reach is met as
    far as it can be.
    """
    wanted = float(losses.mean()) + optimism

    def missing(slope: float) -> float:
        return float((_tilted(losses, target, slope) * losses).mean()) - wanted

    if optimism <= 0:
        return np.ones(len(losses))
    steepest = missing(_STEEPEST) <= 0
    return _tilted(losses, target, _STEEPEST if steepest else float(brentq(missing, 0.0, _STEEPEST)))


def _tilted(losses: Floats, target: Ints, slope: float) -> Floats:
    weights: Floats = np.exp(slope * (losses - losses.max()))
    for of_class in (target == 0, target == 1):
        weights[of_class] /= weights[of_class].mean() if of_class.any() else 1.0
    return weights
