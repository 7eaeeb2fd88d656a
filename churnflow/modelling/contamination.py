"""Whether the test part knows the training part: shared customers, equal and nearly equal rows, fits on all rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

from churnflow.modelling.columns import Floats
from churnflow.modelling.split import COARSE, Ints, equal_rows, repeated_rows

Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

CHANCE: Final = 1e-6
FEWEST: Final = 5
NEARLY_UNIQUE: Final = 0.5
_FEWEST_COLUMNS: Final = 4
_ROWS_PER_LEVEL: Final = 2
_SHARPEST: Final = 1e-6
_PROBED: Final = 200


@dataclass(frozen=True)
class Contamination:
    """What the parts share, counted in rows of the test part.

    same_id: the id stands in the training part. equal: all features equal those of a training row; 0 where most rows
    equal another anyway (`coarse`). near: all features but one do, and the equal ones hold a nearly unique value.
    expected_near: about how many of these there would be if the pairs of such rows had been dealt by chance.
    copied: the pairs stand across the parts more often than chance deals them, so rows were copied after the split.
    """

    same_id: int
    equal: int
    near: int
    expected_near: float
    coarse: bool
    copied: bool
    test_rows: int

    @property
    def rows(self) -> int:
        """The test rows that the training part knows for certain: by id or, unless coarse, by all features."""
        return max(self.same_id, self.equal)


@dataclass(frozen=True)
class Trace:
    """A column that was computed from all rows, the test part among them: the evidence in words."""

    column: str
    reason: str
    of_target: bool


def contamination(
    train: pd.DataFrame, test: pd.DataFrame, features: Sequence[str], identifier: str | None, *, alike: bool = True
) -> Contamination:
    """Return which rows of `test` stand in `train` too, wholly or but for one feature, or under the same id.

    features: the columns that are equal in equal rows. alike: whether rows were dealt to the parts by chance; where
    customers are seen at several times they are not, and rows nearly equal say nothing.
    """
    both = pd.concat([train[list(features)], test[list(features)]], ignore_index=True)
    held = np.arange(len(both)) >= len(train)
    groups = equal_rows(both, features)
    coarse = repeated_rows(groups) > COARSE * len(both)
    same_id = 0
    if identifier and identifier in train and identifier in test:
        same_id = int(test[identifier].isin(train[identifier].dropna()).sum())
    equal = 0 if coarse else int(np.isin(groups[held], groups[~held]).sum())
    if coarse or not alike:
        return Contamination(same_id, equal, 0, 0.0, coarse, copied=False, test_rows=len(test))
    twins = _Twins(both, groups, held)
    near, expected = twins.counted()
    return Contamination(same_id, equal, near, expected, coarse, twins.copied(), len(test))


def traces(train: pd.DataFrame, test: pd.DataFrame, kinds: Mapping[str, str], target: str) -> list[Trace]:
    """Return the features that carry a fit on all rows, the test part included.

    Two traces: a number with mean 0 and deviation 1 over both parts though not over the training part; and a number
    that gives for each level of a category the mean of the target over both parts.
    """
    both = pd.concat([train, test], ignore_index=True)
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    found = [trace for name in numbers if (trace := _scaled(train[name], both[name]))]
    return [*found, *_target_means(train, both, kinds, target)]


class _Twins:
    """Pairs of rows that are equal in all features but exactly one, found by sums of hashes of the values."""

    def __init__(self, both: pd.DataFrame, groups: Ints, held: Bools) -> None:
        self._held = held
        # One of several equal rows stands for them, so that copies do not multiply the pairs.
        self._first = np.zeros(len(both), dtype=np.bool_)
        self._first[np.unique(groups, return_index=True)[1]] = True
        self._near = np.zeros(len(both), dtype=np.bool_)
        self._pairs = self._across = 0
        if both.shape[1] >= _FEWEST_COLUMNS:
            self._search(both)

    def counted(self) -> tuple[int, float]:
        """Return the test rows with such a twin in the training part, and about how many chance would give."""
        near = int(self._near.sum())
        if not self._across:
            return near, 0.0
        return near, near * self._share() * self._pairs / self._across

    def copied(self) -> bool:
        """Tell whether more pairs stand across the parts than chance deals (one-sided binomial test, 1e-6)."""
        many = self._across >= FEWEST
        return many and float(binom.sf(self._across - 1, self._pairs, self._share())) < CHANCE

    def _share(self) -> float:
        part = float(self._held.mean())
        return 2 * part * (1 - part)

    def _search(self, both: pd.DataFrame) -> None:
        hashes = [_hashed(both[name], place) for place, name in enumerate(both.columns)]
        unique = [name for name in both.columns if both[name].nunique() >= NEARLY_UNIQUE * len(both)]
        telling = both[unique].notna().sum(axis=1).to_numpy()
        total = np.sum(hashes, axis=0, dtype=np.uint64)
        for name, own in zip(both.columns, hashes, strict=True):
            others = telling - both[name].notna().to_numpy() if name in unique else telling
            # Without a nearly unique value among what is equal, such rows are two customers who are alike.
            rows = np.flatnonzero(self._first & (others > 0))
            if len(rows):
                self._match(total - own, rows)

    def _match(self, rest: Hashes, rows: Ints) -> None:
        groups, sizes = np.unique(rest[rows], return_inverse=True, return_counts=True)[1:]
        held = np.bincount(groups, weights=self._held[rows], minlength=len(sizes))
        self._pairs += int((sizes * (sizes - 1) // 2).sum())
        self._across += int((held * (sizes - held)).sum())
        beside = (sizes - held)[groups] > 0
        self._near[rows[beside & self._held[rows]]] = True


def _hashed(values: pd.Series, place: int) -> Hashes:
    hashes = pd.util.hash_pandas_object(values, index=False).to_numpy(dtype=np.uint64)
    # Multiplied by an odd number of its own, so that two columns with exchanged values differ in the sum.
    return np.multiply(hashes, np.uint64(2 * place + 0x9E3779B97F4A7C15), dtype=np.uint64)


def _scaled(train: pd.Series, both: pd.Series) -> Trace | None:
    name = str(both.name)
    known, learned = both.dropna(), train.dropna()
    if len(learned) < FEWEST or known.nunique() <= _ROWS_PER_LEVEL:
        return None
    mean, spreads = float(known.mean()), [float(known.std(ddof=ddof)) for ddof in (0, 1)]
    standard = abs(mean) < _SHARPEST and any(abs(spread - 1) < _SHARPEST for spread in spreads)
    if not standard or abs(float(learned.mean())) < _SHARPEST:
        return None
    return Trace(name, "it has mean 0 and deviation 1 over the training and the test rows together", of_target=False)


def _target_means(train: pd.DataFrame, both: pd.DataFrame, kinds: Mapping[str, str], target: str) -> Iterator[Trace]:
    categories = [name for name, kind in kinds.items() if kind == "category"]
    probe = _means(both, categories, target)
    for number in (name for name, kind in kinds.items() if kind == "number"):
        values = both[number]
        if not values.dropna().between(0, 1).all() or not 2 < values.nunique() < len(both) / _ROWS_PER_LEVEL:  # noqa: PLR2004
            continue
        # Most pairs differ in the first rows already; of thousands of columns all pairs would take hours.
        differ = np.abs(values.to_numpy(dtype=np.float64, na_value=np.nan)[:_PROBED] - probe) >= _SHARPEST
        for place in np.flatnonzero(~differ.any(axis=1)):
            category = categories[place]
            if _gives_means(both, number, category, target) and not _gives_means(train, number, category, target):
                text = f"it is the mean of {target} for each {category} over the training and the test rows together"
                yield Trace(number, text, of_target=True)


def _means(both: pd.DataFrame, categories: Sequence[str], target: str) -> Floats:
    """Return for each category the mean of the target among the rows of the level, of each of the first rows."""
    found = [both.groupby(name, observed=True)[target].transform("mean").iloc[:_PROBED] for name in categories]
    return np.array(found, dtype=np.float64).reshape(len(categories), -1 if found else min(len(both), _PROBED))


def _gives_means(frame: pd.DataFrame, number: str, category: str, target: str) -> bool:
    grouped = frame.groupby(category, observed=True)
    lows, highs, means = grouped[number].min(), grouped[number].max(), grouped[target].mean()
    return bool(((highs - means).abs() < _SHARPEST).all() and ((lows - means).abs() < _SHARPEST).all())
