"""When one model is better than another by more than the noise of cross-validation.

The folds of a cross-validation share training rows, so that the usual t-test finds differences that are not there. The
variance is corrected as in Nadeau and Bengio, "Inference for the Generalization Error" (2003): 1/k + n_test/n_train.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.stats import t as student

SIGNIFICANCE: Final = 0.05


def corrected_variance(values: Sequence[float]) -> float:
    """Return the variance of the mean of one value per fold of a k-fold cross-validation."""
    folds = len(values)
    return float(np.var(values, ddof=1)) * (1 / folds + 1 / (folds - 1))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return mean, and low and high end of its 95% interval, of one value per fold."""
    mean = float(np.mean(values))
    half = float(student.ppf(1 - SIGNIFICANCE / 2, len(values) - 1)) * corrected_variance(values) ** 0.5
    return mean, mean - half, mean + half


def p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the two-sided p-value that two models, scored on the same folds, are equally good."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    variance = corrected_variance(differences)
    if variance == 0:
        return 1.0 if not any(differences) else 0.0
    statistic = float(np.mean(differences)) / variance**0.5
    return float(2 * student.sf(abs(statistic), len(differences) - 1))


def simplest_within_noise(scores: dict[str, Sequence[float]], simplest_first: Sequence[str]) -> tuple[str, list[str]]:
    """Return the model to choose, and all that are within noise of the best: best mean score first.

    Chosen is the simplest of those; scores: one per fold, higher is better, for each model.
    """
    ranked = sorted(scores, key=lambda name: -float(np.mean(scores[name])))
    best = ranked[0]
    tied = [name for name in ranked if name == best or p_value(scores[best], scores[name]) >= SIGNIFICANCE]
    return min(tied, key=list(simplest_first).index), tied
