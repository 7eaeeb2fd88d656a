"""When one model is better than another by more than the noise of cross-validation.

The folds of a cross-validation share training rows, so that the usual t-test finds differences that are not there. The
variance is corrected as in Nadeau and Bengio, "Inference for the Generalization Error" (2003): 1/k + n_test/n_train.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Scores:
    """One model over the folds: the score that ranks it (higher is better), and its loss (lower is better)."""

    ranking: Sequence[float]
    loss: Sequence[float]


def simplest_within_noise(scores: Mapping[str, Scores], simplest_first: Sequence[str]) -> tuple[str, list[str]]:
    """Return the model to choose, and all that are within noise of the best: best mean score first.

    Within noise is what is neither ranked lower nor has a higher loss than the best by more than noise; chosen is the
    simplest of those.
    """
    ranked = sorted(scores, key=lambda name: -float(np.mean(scores[name].ranking)))
    best = scores[ranked[0]]
    tied = [name for name in ranked if not _is_worse(scores[name], best)]
    return min(tied, key=list(simplest_first).index), tied


def _is_worse(scores: Scores, best: Scores) -> bool:
    loses_more = float(np.mean(scores.loss)) > float(np.mean(best.loss))
    return p_value(best.ranking, scores.ranking) < SIGNIFICANCE or (
        loses_more and p_value(best.loss, scores.loss) < SIGNIFICANCE
    )
