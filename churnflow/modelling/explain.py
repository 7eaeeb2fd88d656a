"""What the model relies on: permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import rankdata

from churnflow.modelling.columns import Floats
from churnflow.modelling.effort import affordable
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.split import Ints

REPEATS: Final = 10
FEWEST: Final = 3
MAX_ROWS: Final = 2000
MIN_ROWS: Final = 200
_Z: Final = 1.959963984540054


@dataclass(frozen=True)
class Importance:
    """How much ROC AUC falls when a feature's values are shuffled: mean and 95% range over the repeats."""

    feature: str
    mean: float
    low: float
    high: float


def permutation_importance(model: PortableModel, matrix: Floats, target: Ints, seed: int) -> list[Importance]:
    """Return the importance of every feature, the largest first, on at most 2,000 encoded rows (n, width).

    All columns that a feature was encoded into are shuffled together, ten times. Of a model of many trees fewer rows
    are shuffled, and not as often. Correlated features share importance, so that each may seem to matter little.
    """
    random = np.random.default_rng(seed)
    slices = model.encoding.slices()
    shuffled_rows = affordable(model, REPEATS * MAX_ROWS * len(slices)) // len(slices)
    repeats = int(np.clip(shuffled_rows // min(len(matrix), MAX_ROWS), FEWEST, REPEATS))
    most = max(MIN_ROWS, min(MAX_ROWS, shuffled_rows // repeats))
    if len(matrix) > most:
        rows = _sampled(target, most, random)
        matrix, target = matrix[rows], target[rows]
    base = _auc(model.margin(matrix), target)
    found = []
    for name, places in slices.items():
        falls = []
        for _ in range(repeats):
            shuffled = matrix.copy()
            shuffled[:, places] = matrix[random.permutation(len(matrix))][:, places]
            falls.append(base - _auc(model.margin(shuffled), target))
        mean, half = float(np.mean(falls)), _Z * float(np.std(falls, ddof=1))
        found.append(Importance(name, mean, mean - half, mean + half))
    return sorted(found, key=lambda entry: (-entry.mean, entry.feature))


def _sampled(target: Ints, most: int, random: np.random.Generator) -> Ints:
    """Return the positions of about `most` rows, each class to its share and none left out."""
    kept = []
    for of_class in (0, 1):
        rows = np.flatnonzero(target == of_class)
        kept.append(random.choice(rows, max(1, round(most * len(rows) / len(target))), replace=False))
    return np.concatenate(kept).astype(np.int64)


def _auc(scores: Floats, target: Ints) -> float:
    """Return the ROC AUC as the Mann-Whitney statistic."""
    ranks = rankdata(scores)
    positives = int(target.sum())
    negatives = len(target) - positives
    return float((ranks[target == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))
