"""The search for features that give the answer away: known only because the outcome is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

from churnflow.modelling.split import Ints, deal_folds

AUC_LIMIT = 0.98
CHANCE_LIMIT = 1e-6
BINS = 30
FOLDS = 5
_PRIOR_ROWS = 1.0


@dataclass(frozen=True)
class Leak:
    """A feature that nearly decides the target, and how that was seen."""

    feature: str
    reason: str


def leaking_features(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, seed: int) -> list[Leak]:
    """Return the features of the training rows `frame` that nearly decide `target` (n, 0 or 1) alone.

    Two signs: the cross-validated ROC AUC of the feature alone is at least 0.98; or the feature is missing, or known,
    only for one class, in a way that chance gives less than once in a million.
    """
    folds = deal_folds(np.arange(len(target)), target, FOLDS, seed)
    leaks = []
    for name, kind in kinds.items():
        reason = _one_sided(frame[name].isna().to_numpy(), target)
        auc = single_feature_auc(frame[name], kind, target, folds)
        if auc >= AUC_LIMIT:
            reason = f"alone it orders the classes with a cross-validated ROC AUC of {auc:.3f}"
        if reason:
            leaks.append(Leak(name, reason))
    return leaks


def single_feature_auc(values: pd.Series, kind: str, target: Ints, folds: Ints) -> float:
    """Return the cross-validated ROC AUC of one feature, its bins or levels scored by their rate in other folds."""
    codes = _bins(values, kind)
    scores = np.zeros(len(target))
    for fold in np.unique(folds):
        inside, outside = folds != fold, folds == fold
        rows = np.bincount(codes[inside], minlength=codes.max() + 1)
        hits = np.bincount(codes[inside], weights=target[inside], minlength=codes.max() + 1)
        base = target[inside].mean()
        scores[outside] = ((hits + _PRIOR_ROWS * base) / (rows + _PRIOR_ROWS))[codes[outside]]
    return float(roc_auc_score(target, scores))


def _bins(values: pd.Series, kind: str) -> npt.NDArray[np.int64]:
    if kind == "number" and values.nunique() > BINS:
        values = pd.qcut(values, BINS, labels=False, duplicates="drop")
    codes, _ = pd.factorize(values)
    numbers: npt.NDArray[np.int64] = codes.astype(np.int64) + 1
    return numbers


def _one_sided(missing: npt.NDArray[np.bool_], target: Ints) -> str:
    """Return why the pattern of missing values gives the class away, empty if it does not."""
    rate = float(target.mean())
    for rows, word in ((missing, "missing"), (~missing, "known")):
        count = int(rows.sum())
        if not count or count == len(target):
            continue
        share = float(target[rows].mean())
        if share in {0.0, 1.0} and (rate if share else 1 - rate) ** count < CHANCE_LIMIT:
            return f"it is {word} in {count} rows, all of one class"
    return ""
