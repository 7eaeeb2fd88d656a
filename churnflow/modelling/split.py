"""How rows are dealt into parts: stratified by target, and rows that are equal never in two parts.

A part is dealt by groups of rows: equal rows form one, and so do several rows of one customer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]

# Where most rows equal another, the features are coarse: equal rows are different customers, and to bind them would
# make the parts as unlike as a handful of big groups are. Measured on 3 columns of 4 levels, 2,000 rows, 60 seeds: a
# 95% interval of the ROC AUC held in 73% of the splits with equal rows bound, in 92% without.
COARSE = 0.5


@dataclass(frozen=True)
class Dealt:
    """Rows as dealt into folds: the fold of each, (n,), the group of each, (n,), which no fold parts, and the seed."""

    folds: Ints
    groups: Ints
    seed: int

    @classmethod
    def of(cls, groups: Ints, target: Ints, folds: int, seed: int) -> "Dealt":
        """Deal rows into folds as `deal_folds` does."""
        return cls(deal_folds(groups, target, folds, seed), groups, seed)


def equal_rows(frame: pd.DataFrame, features: Sequence[str]) -> Ints:
    """Return a group number for each row, (n,), the same for rows whose `features` are equal; missing equals missing.

    Numbers run from 0 in order of first appearance.
    """
    codes = frame[list(features)].groupby(list(features), dropna=False, sort=False).ngroup()
    return np.asarray(codes, dtype=np.int64)


def bound_rows(frame: pd.DataFrame, features: Sequence[str], identifier: str | None, time: str | None = None) -> Ints:
    """Return a group number for each row, (n,), of what must not be parted: rows of one id, and equal rows.

    Equal rows are left apart where more than half of the rows equal an earlier one. Rows of different `time` are never
    equal: each is an observation of its own, whose outcome lies in a window of its own.
    """
    equal = equal_rows(frame, features if time is None else [*features, time])
    groups = np.arange(len(frame), dtype=np.int64) if repeated_rows(equal) > COARSE * len(frame) else equal
    return groups if identifier is None else join_customers(groups, frame[identifier])


def repeated_rows(groups: Ints) -> int:
    """Count the rows that equal an earlier one."""
    return len(groups) - len(np.unique(groups))


def join_customers(groups: Ints, ids: "pd.Series[str]") -> Ints:
    """Return `groups` (n,) joined wherever two of them hold rows of one id; a missing id is nobody else's."""
    codes, known = pd.factorize(ids)
    named = codes >= 0
    first = int(groups.max()) + 1
    nodes = first + len(known)
    edges = (groups[named], first + codes[named])
    graph = coo_array((np.ones(named.sum()), edges), shape=(nodes, nodes))
    _, joined = connected_components(graph, directed=False)
    return np.asarray(joined[groups], dtype=np.int64)


def hold_out(groups: Ints, target: Ints, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Return which rows, (n,), are held out: about `share` of each class, whole groups only.

    A group that holds both classes counts to its more frequent one.
    """
    held = np.zeros(int(groups.max()) + 1, dtype=np.bool_)
    for members, sizes in _strata(groups, target, seed):
        # Taken while at least half of a group still fits, so that big groups err to either side equally.
        held[members[np.cumsum(sizes) - sizes / 2 <= share * sizes.sum()]] = True
    return held[groups]


def deal_folds(groups: Ints, target: Ints, folds: int, seed: int) -> Ints:
    """Return the fold, 0 to `folds` - 1, of each row, (n,): equal shares of each class, whole groups only."""
    fold = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    for members, sizes in _strata(groups, target, seed):
        fold[members] = np.minimum((np.cumsum(sizes) - sizes / 2) * folds / sizes.sum(), folds - 1).astype(np.int64)
    return fold[groups]


def folds_for(frame: pd.DataFrame, schema: Mapping[str, Any], target: Ints, folds: int, seed: int) -> Dealt:
    """Deal the training rows into folds 0 to `folds` - 1, for a choice between models.

    frame: the training part as `churn.features` hands it on; schema: as recorded, of which `id`, `time` and `target`
    are read. Rows of one customer share a fold, whatever their times, and so do equal rows of one time.

    Why not forward chaining, where the rows have times: rows of a panel depend on each other through the customer, and
    folds that keep together what depends are the remedy (Roberts and others, Cross-validation strategies for data with
    temporal, spatial, hierarchical, or phylogenetic structure, Ecography 40, 2017); with errors that are otherwise
    uncorrelated, folds at random are valid for data in time as well (Bergmeir, Hyndman and Koo, A note on the validity
    of cross-validation for evaluating autoregressive time series prediction, Computational Statistics and Data Analysis
    120, 2018). Chaining forward over a handful of cuts would score few rows, those of the first cut never, so that the
    choice rests on noise and no threshold can be set on out-of-fold predictions of every row. What it is better at,
    the loss from a change over time (Cerqueira, Torgo and Mozetic, Evaluating time series forecasting models, Machine
    Learning 109, 2020), is measured once and on rows that chose nothing: by the out-of-time test part.
    """
    protected = {column["name"] for column in schema.get("columns", ()) if column["role"] == "protected"}
    roles = {schema["target"], schema.get("id"), schema.get("time"), *protected}
    features = [name for name in frame.columns if name not in roles]
    time = schema.get("time")
    groups = bound_rows(frame, features, schema.get("id"), time if time in frame.columns else None)
    return Dealt.of(groups, target, folds, seed)


def digest_rows(frame: pd.DataFrame) -> str:
    """Return a sha256 over all values of a frame in order, to say whether two parts are the same."""
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy(dtype=np.uint64)
    return hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()


def _strata(groups: Ints, target: Ints, seed: int) -> list[tuple[Ints, npt.NDArray[np.float64]]]:
    """Return, for each class, its groups in random order and their sizes in rows."""
    random = np.random.default_rng(seed)
    sizes = np.bincount(groups).astype(np.float64)
    positive = np.bincount(groups, weights=target) * 2 >= sizes
    strata = []
    for of_class in (positive, ~positive):
        members = random.permutation(np.flatnonzero(of_class)).astype(np.int64)
        if len(members):
            strata.append((members, sizes[members]))
    return strata
