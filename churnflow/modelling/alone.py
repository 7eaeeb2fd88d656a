"""How much one feature alone tells of the target, cross-validated, beside what other features tell together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata
from xgboost import XGBClassifier

from churnflow.modelling.split import Ints

Floats = npt.NDArray[np.float64]

BINS: Final = 30
FOLDS: Final = 5
# What compares features in pairs or threes takes hours for thousands of them.
MOST_COMPARED: Final = 200
_PRIOR_ROWS: Final = 1.0
_ROUNDS: Final = 40
_SURE: Final = 1e-6


@dataclass(frozen=True)
class Power:
    """What a score tells of the target in rows that it has not seen.

    auc: ROC AUC. explained: share of the deviance (twice the log loss of always giving the base rate) that the score
    takes away; 1 decides the target, 0 tells nothing, below 0 misleads (McFadden 1974).
    """

    auc: float
    explained: float


def power(values: pd.Series, kind: str, target: Ints, folds: Ints) -> Power:
    """Return the cross-validated power of one feature, its bins or levels scored by their rate in the other folds.

    kind: `number` or `category`. target: 0 and 1, (n,). folds: the fold of each row, (n,). No order is assumed, so a
    number that decides by its middle or its edges counts as much as one that rises with the target.
    """
    return _power(_rates(level_codes(values, kind), target, folds), target)


def powers(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, folds: Ints) -> dict[str, Power]:
    """Return the cross-validated power of each feature in `kinds`."""
    return {name: power(frame[name], kind, target, folds) for name, kind in kinds.items()}


def strongest(alone: Mapping[str, Power]) -> list[str]:
    """Return the features to compare with each other, in their order: the 200 of the highest ROC AUC alone."""
    ranked = sorted(alone, key=lambda name: -alone[name].auc)
    kept = frozenset(ranked[:MOST_COMPARED])
    return [name for name in alone if name in kept]


def together(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, folds: Ints, seed: int) -> Power:
    """Return the cross-validated power of all features in `kinds` in one gradient boosting of shallow trees."""
    scores = np.full(len(target), target.mean())
    matrix = as_matrix(frame, kinds)
    for fold in np.unique(folds) if matrix.shape[1] else ():
        inside, outside = folds != fold, folds == fold
        scores[outside] = booster(seed).fit(matrix[inside], target[inside]).predict_proba(matrix[outside])[:, 1]
    return _power(scores, target)


def booster(seed: int) -> XGBClassifier:
    """Return a classifier that is quick rather than tuned: it is to see a difference, not to ship.

    One thread: on a busy machine the threads of a small fit wait for each other many times longer than they work.
    """
    return XGBClassifier(
        n_estimators=_ROUNDS,
        learning_rate=0.2,
        max_depth=4,
        min_child_weight=5,
        max_bin=64,
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )


def as_matrix(frame: pd.DataFrame, kinds: Mapping[str, str]) -> Floats:
    """Return the features as numbers, (n, p): NaN where missing, categories by frequency rank, the first 0."""
    columns = [_as_floats(frame[name], kind) for name, kind in kinds.items()]
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def level_codes(values: pd.Series, kind: str) -> npt.NDArray[np.int64]:
    """Return a code from 0 for each row, (n,): 0 for missing, then levels, frequent numbers, and bins of the others."""
    if kind == "number" and values.nunique() > BINS:
        counts = values.value_counts()
        frequent = values.isin(counts.index[counts * BINS >= len(values)])
        # A frequent number is a level of its own: mixed with its neighbours it would hide what only it says.
        bins = pd.qcut(values.mask(frequent), BINS, labels=False, duplicates="drop")
        values = bins.where(~frequent, -1.0 - pd.Series(pd.factorize(values)[0], index=values.index))
    codes, _ = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64) + 1


def roc_auc(scores: npt.NDArray[np.generic], target: Ints) -> float:
    """Return the ROC AUC by ranks, ties counted half (Hanley and McNeil 1982). Both classes must occur."""
    positives = int(target.sum())
    ranks = float(rankdata(scores)[target == 1].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * (len(target) - positives))


def known_features(kinds: Mapping[str, str], left_out: Sequence[str]) -> dict[str, str]:
    """Return the kinds without the features named."""
    return {name: kind for name, kind in kinds.items() if name not in left_out}


def _as_floats(values: pd.Series, kind: str) -> Floats:
    if kind == "number":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    # By count, then by name: in the order of rows, ties would tell which rows of the table stand first.
    counts = sorted(values.value_counts().items(), key=lambda item: (-int(item[1]), str(item[0])))
    order = {level: rank for rank, (level, _) in enumerate(counts)}
    return np.asarray(values.map(order), dtype=np.float64)


def _rates(codes: npt.NDArray[np.int64], target: Ints, folds: Ints) -> Floats:
    width, places = int(codes.max()) + 1, np.unique(folds, return_inverse=True)[1]
    cells = places * width + codes
    shape = (int(places.max()) + 1, width)
    rows = np.bincount(cells, minlength=shape[0] * width).reshape(shape)
    hits = np.bincount(cells, weights=target, minlength=shape[0] * width).reshape(shape)
    others, found = rows.sum(0) - rows, hits.sum(0) - hits
    base = found.sum(1, keepdims=True) / others.sum(1, keepdims=True)
    rates: Floats = ((found + _PRIOR_ROWS * base) / (others + _PRIOR_ROWS))[places, codes]
    return rates


def _power(scores: Floats, target: Ints) -> Power:
    sure = np.clip(scores, _SURE, 1 - _SURE)
    base = float(target.mean())
    loss = -float(np.where(target == 1, np.log(sure), np.log1p(-sure)).mean())
    trivial = -(base * np.log(base) + (1 - base) * np.log1p(-base))
    return Power(roc_auc(scores, target), float(1 - loss / trivial))
