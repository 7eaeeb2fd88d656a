"""How two tables of customers differ: a classifier told to tell them apart, and each feature's own distance.

The tables may be the training and the test part, the oldest and the newest rows, or what a model was trained on and
what it is asked now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, norm, rankdata

from churnflow.modelling.alone import as_matrix, booster, roc_auc
from churnflow.modelling.split import Ints, deal_folds, equal_rows
from churnflow.modelling.stability import population_stability, stability_by_chance

Floats = npt.NDArray[np.float64]

FOLDS: Final = 5
MOST_ROWS: Final = 10_000
FEWEST: Final = 30
BINS: Final = 10
PSI_LIMIT: Final = 0.1
FALSE_DISCOVERIES: Final = 0.01
AUC_LIMIT: Final = 0.55
LEVEL: Final = 0.999
MOST_LEVELS: Final = 30
_SHUFFLES: Final = 3


@dataclass(frozen=True)
class Shift:
    """How one feature differs between two tables.

    psi: population stability index over tenths of the reference, or levels, missing being one (0.1 to 0.25 is a shift,
    above a large one by the credit scorers' rule). statistic: two-sample Kolmogorov-Smirnov of a number, missing values
    below all others; chi-square of a category. p_value is of that test, q_value after Benjamini and Hochberg (1995)
    over all features. drifted: q_value at most 0.01, and psi at least 0.1 above what it has on average without a shift.
    contribution: fall of the classifier's ROC AUC when the feature is shuffled, 0 where the classifier sees no drift.
    """

    feature: str
    psi: float
    test: Literal["ks", "chi2"]
    statistic: float
    p_value: float
    q_value: float
    drifted: bool
    contribution: float = 0.0


@dataclass(frozen=True)
class Drift:
    """How far two tables can be told apart.

    auc: ROC AUC of a classifier between them on rows that it has not seen, 0.5 being no drift, with the ends of its
    99.9% interval (DeLong et al. 1988). rows: of the reference and of the newest. drifted: the interval lies above 0.5
    and the AUC reaches 0.55. shifts: of every feature, the one that contributes most first.
    """

    auc: float
    low: float
    high: float
    rows: tuple[int, int]
    drifted: bool
    shifts: tuple[Shift, ...]

    @property
    def drifted_features(self) -> list[str]:
        """The features that drifted by themselves."""
        return [shift.feature for shift in self.shifts if shift.drifted]


def measure_drift(reference: pd.DataFrame, newest: pd.DataFrame, kinds: Mapping[str, str], seed: int) -> Drift:
    """Return how two tables differ in the features of `kinds` (name to `number` or `category`).

    Of more than 10,000 rows of a table that many are drawn. Raises ValueError when a table has fewer than 30 rows, a
    feature is absent, or there is no feature.
    """
    if min(len(reference), len(newest)) < FEWEST or not kinds:
        message = f"drift needs a feature and at least {FEWEST} rows in each table"
        raise ValueError(message)
    tables = [_drawn(table, kinds, seed) for table in (reference, newest)]
    joined = pd.concat(tables, ignore_index=True)
    domain = np.repeat(np.arange(2, dtype=np.int64), [len(table) for table in tables])
    matrix = as_matrix(joined, kinds)
    # Equal rows stay in one fold: a row seen in training would tell its table, not the table's difference.
    told = _Apart(matrix, domain, deal_folds(equal_rows(joined, list(kinds)), domain, FOLDS, seed), seed)
    low, high = told.interval()
    drifted = low > 0.5 and told.auc >= AUC_LIMIT  # noqa: PLR2004 - a half is what chance reaches
    shares = told.contributions() if drifted else np.zeros(len(kinds))
    shifts = _shifts(tables[0], tables[1], kinds, shares)
    return Drift(told.auc, low, high, (len(reference), len(newest)), drifted, shifts)


def delong(scores: Floats, target: Ints) -> tuple[float, float]:
    """Return the ROC AUC of scores and its variance (DeLong et al. 1988, by midranks as in Sun and Xu 2014)."""
    positive, negative = scores[target == 1], scores[target == 0]
    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    return float(above.mean()), float(np.var(above, ddof=1) / m + np.var(below, ddof=1) / n)


class _Apart:
    """The classifier between two tables, fitted once without each fold.

    Its ROC AUC is the mean over the folds, for the scores of different fits have no common scale.
    """

    def __init__(self, matrix: Floats, domain: Ints, folds: Ints, seed: int) -> None:
        self._seed = seed
        self._parts = []
        for fold in np.unique(folds):
            inside, outside = folds != fold, folds == fold
            if len(np.unique(domain[outside])) < 2 or len(np.unique(domain[inside])) < 2:  # noqa: PLR2004 - two tables
                continue
            model = booster(seed).fit(matrix[inside], domain[inside])
            self._parts.append((model, matrix[outside], domain[outside]))
        found = [delong(model.predict_proba(rows)[:, 1], labels) for model, rows, labels in self._parts]
        # Rows so alike that no fold holds both tables tell nothing.
        self.auc = float(np.mean([auc for auc, _ in found])) if found else 0.5
        self._error = float(np.sum([variance for _, variance in found])) ** 0.5 / max(1, len(found))

    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval, within 0 and 1."""
        half = float(norm.ppf((1 + LEVEL) / 2)) * self._error
        return max(0.0, self.auc - half), min(1.0, self.auc + half)

    def contributions(self) -> Floats:
        """Return for each feature the fall of the AUC when its values are shuffled among the rows left out."""
        width = self._parts[0][1].shape[1]
        return np.array([self.auc - self._shuffled(column) for column in range(width)])

    def _shuffled(self, column: int) -> float:
        random = np.random.default_rng(self._seed)
        aucs = []
        for model, rows, labels in self._parts[:_SHUFFLES]:
            changed = rows.copy()
            changed[:, column] = random.permutation(changed[:, column])
            aucs.append(roc_auc(model.predict_proba(changed)[:, 1], labels))
        return float(np.mean(aucs))


def _drawn(table: pd.DataFrame, kinds: Mapping[str, str], seed: int) -> pd.DataFrame:
    absent = [name for name in kinds if name not in table.columns]
    if absent:
        message = f"the column {absent[0]!r} is missing"
        raise ValueError(message)
    return table[list(kinds)].sample(min(len(table), MOST_ROWS), random_state=seed)


def _shifts(
    reference: pd.DataFrame, newest: pd.DataFrame, kinds: Mapping[str, str], contributions: Floats
) -> tuple[Shift, ...]:
    tests = [_tested(reference[name], newest[name], kind) for name, kind in kinds.items()]
    q_values = false_discovery_control([p for _, _, p in tests], method="bh")
    shifts = []
    for place, (name, kind) in enumerate(kinds.items()):
        test, statistic, p_value = tests[place]
        counts = _counts(reference[name], newest[name], kind)
        psi = population_stability(*counts)
        by_chance = stability_by_chance(len(counts[0]), len(reference), len(newest))
        drifted = bool(q_values[place] <= FALSE_DISCOVERIES and psi >= PSI_LIMIT + by_chance)
        share = float(contributions[place])
        shifts.append(Shift(name, psi, test, statistic, p_value, float(q_values[place]), drifted, share))
    return tuple(sorted(shifts, key=lambda shift: (-shift.contribution, -shift.psi, shift.feature)))


def _tested(reference: pd.Series, newest: pd.Series, kind: str) -> tuple[Literal["ks", "chi2"], float, float]:
    if kind == "number":
        values = [_numbers(part, -np.inf) for part in (reference, newest)]
        found = ks_2samp(values[0], values[1], method="asymp")
        return "ks", float(found.statistic), float(found.pvalue)
    cells = np.array(_counts(reference, newest, kind))
    cells = cells[:, cells.sum(axis=0) > 0]
    if cells.shape[1] < 2:  # noqa: PLR2004 - one level everywhere is no shift
        return "chi2", 0.0, 1.0
    table = chi2_contingency(cells, correction=False)
    return "chi2", float(table.statistic), float(table.pvalue)


def _counts(reference: pd.Series, newest: pd.Series, kind: str) -> tuple[Floats, Floats]:
    """Return how many rows of each table fall into each bin: missing first, then tenths of the reference, or levels."""
    if kind == "number":
        known = _numbers(reference, np.nan)
        known = known[np.isfinite(known)]
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.empty(0)
        places = [_places(_numbers(part, np.nan), edges) for part in (reference, newest)]
        width = len(edges) + 2
    else:
        levels = {level: rank for rank, level in enumerate(_frequent(reference, newest), start=2)}
        places = [_ranks(part, levels) for part in (reference, newest)]
        width = len(levels) + 2
    first, second = (np.bincount(codes, minlength=width).astype(np.float64) for codes in places)
    used = first + second > 0
    return first[used], second[used]


def _places(values: Floats, edges: Floats) -> Ints:
    places = np.where(np.isfinite(values), np.searchsorted(edges, values, side="left") + 1, 0)
    return np.asarray(places, dtype=np.int64)


def _ranks(values: pd.Series, levels: Mapping[object, int]) -> Ints:
    """Return the rank of each value's level, 1 for a level without rank, 0 for missing."""
    ranks = values.map(levels).where(values.notna(), 0).fillna(1)
    return np.asarray(ranks, dtype=np.int64)


def _frequent(reference: pd.Series, newest: pd.Series) -> list[object]:
    """Return the levels that the two tables hold most often together; the others count as one."""
    counts = pd.concat([reference, newest]).value_counts()
    order = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return [level for level, count in order[:MOST_LEVELS] if count >= 2 * BINS]


def _numbers(values: pd.Series, missing: float) -> Floats:
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, missing)
