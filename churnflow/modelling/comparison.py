"""When one model is better than another by more than noise: over folds, and over the rows that both have scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import t as student

from churnflow.modelling.columns import Floats

SIGNIFICANCE: Final = 0.05


def corrected_variance(values: Sequence[float]) -> float:
    """Return the variance of the mean of one value per fold of a k-fold cross-validation.

    The folds share training rows, so that the plain variance is too small. It is corrected as in Nadeau and Bengio,
    "Inference for the Generalization Error" (2003): 1/k + n_test/n_train.
    """
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
class Gap:
    """How much higher the mean loss of one model is than that of another on the same rows, and its standard error."""

    mean: float
    error: float

    @property
    def is_noise(self) -> bool:
        """Tell whether it is within one standard error (the rule of Breiman et al. 1984, paired)."""
        return self.mean <= self.error


def gap(losses: Floats, best: Floats) -> Gap:
    """Return the paired gap between two models' losses, (n,) each."""
    differences = losses - best
    return Gap(float(differences.mean()), float(differences.std(ddof=1)) / len(differences) ** 0.5)


def simplest_within_noise(losses: Mapping[str, Floats], simplest_first: Sequence[str]) -> tuple[str, list[str]]:
    """Return the model to choose, and all that are within noise of the best, the best first.

    losses: the loss of each row, (n,), by each model, of rows that it was not trained on.
    """
    ranked = sorted(losses, key=lambda name: float(losses[name].mean()))
    tied = [name for name in ranked if gap(losses[name], losses[ranked[0]]).is_noise]
    return min(tied, key=list(simplest_first).index), tied
