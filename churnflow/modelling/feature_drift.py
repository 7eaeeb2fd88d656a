"""Whether what a release is asked, and what it answers, still looks like its training and test part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import chi2, norm

from churnflow.modelling.cells import Cells, Floats, chi_square_cells
from churnflow.modelling.reference import Reference
from churnflow.modelling.stability import population_stability, stability_by_chance

SCHEMA: Final = "churnflow/drift@1"
SCORE: Final = "the score"
# A shift that chance does not explain, but is smaller than this, is none that matters: a tenth of a deviation is 0.01.
LEAST_PSI: Final = 0.02
# Says since when, of what the window as a whole has shown to have drifted.
_CLEAR: Final = 0.001


@dataclass(frozen=True)
class Moved:
    """How one feature, or the score, differs from the reference.

    psi: population stability index. by_chance: its mean without any drift. statistic, degrees: of the chi-square test
    of homogeneity (Pearson 1911), small cells put together. p_value: its; of a number twice the smaller of this and
    that of the rank sum test (Wilcoxon 1945), which sees a small move up or down sooner. adjusted: p_value after Holm
    (1979) over all features and the score. drifted: adjusted is at most the rate of false alarms, and psi by LEAST_PSI
    above by_chance.
    """

    name: str
    psi: float
    by_chance: float
    statistic: float
    degrees: int
    p_value: float
    adjusted: float
    drifted: bool
    rows: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        """Return the line as plain JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def moved(whole: Mapping[str, Any], reference: Reference, false_alarms: float) -> list[Moved]:
    """Return how each feature and the score of a window differ from the reference, the score last.

    Where nothing has drifted, at most the share `false_alarms` of windows has any that is called so, for Holm's method
    holds however the features depend on each other.
    """
    pairs = _pairs(whole, reference)
    tests = [_tested(pair) for pair in pairs]
    adjusted = holm([test.p_value for test in tests])
    return [
        Moved(
            name=pair.name,
            psi=test.psi,
            by_chance=test.by_chance,
            statistic=test.statistic,
            degrees=test.degrees,
            p_value=test.p_value,
            adjusted=value,
            drifted=value <= false_alarms and test.psi >= LEAST_PSI + test.by_chance,
            rows=(sum(pair.reference), sum(pair.cells.counts)),
        )
        for pair, test, value in zip(pairs, tests, adjusted, strict=True)
    ]


def by_period(periods: Sequence[Mapping[str, Any]], reference: Reference, least: int) -> list[dict[str, Any]]:
    """Return for each period the index of each feature less what chance gives, None where there are too few.

    shifted: the names whose shift in that period alone is beyond chance.
    """
    lines = []
    for period in periods:
        enough = period["customers"] >= least
        tests = {pair.name: _tested(pair) for pair in _pairs(period, reference)} if enough else {}
        excess = {name: max(0.0, test.psi - test.by_chance) for name, test in tests.items()}
        shifted = [name for name, test in tests.items() if test.p_value <= _CLEAR and excess[name] >= LEAST_PSI]
        told = {"period": period["period"], "customers": period["customers"]}
        lines.append({**told, "psi": excess or None, "shifted": shifted})
    return lines


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, so that the rate holds for all together (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    reached = 0.0
    for rank, place in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = reached
    return adjusted


def rank_sum(theirs: Floats, ours: Floats) -> float:
    """Return the two-sided p-value of the rank sum test of binned values, rows of a bin being ties."""
    both = theirs + ours
    rows = both.sum()
    ranks = np.cumsum(both) - both / 2
    mean = (both * ranks).sum() / rows
    spread = (both * (ranks - mean) ** 2).sum() / rows
    variance = ours.sum() * theirs.sum() / max(1.0, rows - 1) * spread
    if not variance:
        return 1.0
    return float(2 * norm.sf(abs((ours * ranks).sum() - ours.sum() * mean) / variance**0.5))


@dataclass(frozen=True)
class _Test:
    psi: float
    by_chance: float
    statistic: float
    degrees: int
    p_value: float


@dataclass(frozen=True)
class _Pair:
    """Counts of a window beside those of the reference. is_ordered: whether the codes rise with the value."""

    name: str
    cells: Cells
    reference: tuple[int, ...]
    is_ordered: bool


def _pairs(sums: Mapping[str, Any], reference: Reference) -> list[_Pair]:
    features = zip(sums["features"], reference.features, strict=True)
    pairs = [
        _Pair(one["name"], Cells.from_json(one), feature.counts, feature.kind == "number")
        for one, feature in features
        if sums["binned"]
    ]
    return [*pairs, _Pair(SCORE, Cells.from_json(sums["score"]), reference.score_counts, is_ordered=True)]


def _tested(pair: _Pair) -> _Test:
    whole = pair.cells.beside(pair.reference)
    rows = (int(whole[0].sum()), int(whole[1].sum()))
    psi, by_chance = population_stability(*whole), stability_by_chance(len(whole[0]), *rows)
    theirs, ours = chi_square_cells(*whole)
    total = theirs.sum() + ours.sum()
    statistic = 0.0
    for counts in (theirs, ours):
        expected = (theirs + ours) * counts.sum() / total
        statistic += float(((counts - expected) ** 2 / expected).sum())
    degrees = len(theirs) - 1
    p_value = float(chi2.sf(statistic, degrees)) if degrees else 1.0
    if pair.is_ordered:
        p_value = min(1.0, 2 * min(p_value, rank_sum(*whole)))
    return _Test(psi, by_chance, statistic, degrees, p_value)
