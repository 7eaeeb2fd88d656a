"""Whether the model treats declared groups alike: rates per group, and the gap between the best and worst treated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from churnflow.modelling.columns import Floats
from churnflow.modelling.disclosure import FEW, hidden
from churnflow.modelling.metrics import DRAWS, Estimate, Scored, confusion, wilson

MIN_ROWS: Final = 10
MAX_LEVELS: Final = 10
QUARTERS: Final = 4
_Z: Final = 1.959963984540054
_SMALLEST: Final = 1e-12
OTHERS: Final = f"others (a group of {FEW} among them)"


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups in each respect; None where fewer than two groups can be compared.

    recall: of churners found (equal opportunity, Hardt, Price and Srebro 2016). selection: of those decided positive
    (demographic parity). fpr: of those who stay but are decided positive (with recall: equalised odds). calibration: of
    the observed rate less the predicted one. roc_auc: of how well each group is ranked.
    """

    recall: Estimate | None
    selection: Estimate | None
    fpr: Estimate | None = None
    calibration: Estimate | None = None
    roc_auc: Estimate | None = None


def group_labels(values: pd.Series) -> "pd.Series[str]":
    """Return a label for each row: the level, `missing`, or for a number of many values its quarter of the range.

    Where one value takes so many rows that no quarters are left, it is set against all others. Infinite is missing.
    """
    if pd.api.types.is_numeric_dtype(values):
        values = values.replace([np.inf, -np.inf], np.nan)
        values = _quarters(values) if values.nunique() > MAX_LEVELS else values.map(_written, na_action="ignore")
    return values.astype("str").fillna("missing")


def _quarters(values: pd.Series) -> pd.Series:
    quarters = pd.qcut(values, QUARTERS, duplicates="drop", precision=3)
    if len(quarters.cat.categories) > 1:
        return quarters
    most = values.mode().iloc[0]
    written = _written(most)
    return values.map(lambda value: written if value == most else f"not {written}", na_action="ignore")


def _written(value: float) -> str:
    """Return the shortest text that no other number has."""
    return repr(float(value)).removesuffix(".0")


def group_rates(column: str, labels: "pd.Series[str]", scored: Scored) -> list[dict[str, Any]]:
    """Return what the model does to each group of at least 10 rows, every rate with its interval.

    recall, precision, positive_rate, false_positive_rate; observed (the rate of the outcome) beside predicted (the mean
    probability); roc_auc where the group holds at least 10 rows of each class. Smaller groups are told together, with
    the next smallest where the total would tell them otherwise. Where fewer than 10 of a group stand in a cell of its
    confusion matrix, every rate that counts them, or from which they follow, is left out, and `suppressed` says so; so
    it is where another group's would follow from the whole test part's matrix.
    """
    parts = _told_parts(labels, scored)
    cells = [confusion(part) for _, part in parts]
    rates = []
    for (label, part), counts, told in zip(parts, cells, _told(cells), strict=True):
        line: dict[str, Any] = {"column": column, "group": label, "n": len(part.target)}
        if not (told.positives and told.negatives):
            line["suppressed"] = FEW
        if told.outcomes:
            line["positives"] = counts["tp"] + counts["fn"]
        for name, estimate in _rates(part, counts, told).items():
            line |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rates.append({**line, "predicted": float(part.probabilities.mean())})
    return rates


@dataclass(frozen=True)
class _Told:
    """What may be told of a group: how many are of each outcome, and how many of each of them are decided as what."""

    outcomes: bool
    positives: bool
    negatives: bool


def _told(cells: Sequence[Mapping[str, int]]) -> list[_Told]:
    """Return what may be told of each group, (k,).

    Decisions are told of one outcome at a time, each a table of groups by decision whose total over the groups is
    known. Of those decided positive, whatever their outcome, only where both are told: with one outcome and that sum
    the other would follow, and a sum over hidden cells of several groups can leave a single solution.
    """
    of_class = [(one["tp"] + one["fn"], one["fp"] + one["tn"]) for one in cells]
    outcomes = _shown(of_class)
    positives = _shown([(one["tp"], one["fn"]) for one in cells])
    negatives = _shown([(one["fp"], one["tn"]) for one in cells])
    return [
        _Told(outcome, outcome and positive, outcome and negative)
        for outcome, positive, negative in zip(outcomes, positives, negatives, strict=True)
    ]


def _shown(counts: Sequence[tuple[int, int]]) -> list[bool]:
    """Return which groups have no cell that is hidden, (k,). counts: two cells of each group."""
    by_cell = [hidden(cells) for cells in zip(*counts, strict=True)]
    return [not any(flags) for flags in zip(*by_cell, strict=True)]


def _rates(part: Scored, cells: Mapping[str, int], told: _Told) -> dict[str, Estimate]:
    """Return the rates of a group that may be told, by name."""
    rows, positives, marked = len(part.target), cells["tp"] + cells["fn"], cells["tp"] + cells["fp"]
    shown: dict[str, Estimate] = {}
    if told.positives:
        shown["recall"] = wilson(cells["tp"], positives)
    if told.negatives:
        shown["false_positive_rate"] = wilson(cells["fp"], rows - positives)
    if told.outcomes:
        shown["observed"] = wilson(positives, rows)
        shown["roc_auc"] = _interval(*_auc(part), rows)
    if told.positives and told.negatives:
        shown |= {"precision": wilson(cells["tp"], marked), "positive_rate": wilson(marked, rows)}
    return shown


def largest_gap(labels: "pd.Series[str]", scored: Scored, seed: int) -> Gap:
    """Return the gaps over groups of at least 10 rows, for rates of a class 10 of that class, with intervals.

    The largest of several noisy differences is above zero even when all groups are treated alike. The intervals hold
    for all pairs of groups at once, by a bootstrap within groups of the largest standardised difference (the max-T of
    Westfall and Young 1993), so that one above zero is chance in 5% of cases however many groups there are.
    """
    random = np.random.default_rng(seed)
    everyone = [part for _, part in _parts(labels, scored)]
    ranked = [part for part in everyone if _ranks(part)]
    sizes = [len(part.target) for part in everyone]
    return Gap(
        _share_gap([part.decisions[part.target == 1] for part in everyone], random),
        _share_gap([part.decisions for part in everyone], random),
        _share_gap([part.decisions[part.target == 0] for part in everyone], random),
        _mean_gap([_miss(part) for part in everyone], sizes, random),
        _mean_gap([_auc(part) for part in ranked], [len(part.target) for part in ranked], random),
    )


def _parts(labels: "pd.Series[str]", scored: Scored) -> list[tuple[str, Scored]]:
    masks = {str(label): (labels == label).to_numpy(dtype=np.bool_) for label in sorted(labels.unique())}
    return [(label, scored.part(mask)) for label, mask in masks.items() if mask.sum() >= MIN_ROWS]


def _told_parts(labels: "pd.Series[str]", scored: Scored) -> list[tuple[str, Scored]]:
    """Return the groups that may be told apart, and the others together."""
    counts = labels.value_counts().sort_index()
    unsaid = {str(label) for label, hide in zip(counts.index, hidden(counts.tolist()), strict=True) if hide}
    told = labels.where(~labels.isin(unsaid), OTHERS)
    return _parts(told, scored)


def _ranks(part: Scored) -> bool:
    """Tell whether a group has enough rows of each class for the area under its ROC curve."""
    return MIN_ROWS <= int(part.target.sum()) <= len(part.target) - MIN_ROWS


def _auc(part: Scored) -> tuple[float, float]:
    """Return the ROC AUC and its standard error (DeLong, DeLong and Clarke-Pearson 1988)."""
    ranks, positive = rankdata(part.probabilities), part.target == 1
    above = (ranks[positive] - rankdata(part.probabilities[positive])) / (~positive).sum()
    below = 1 - (ranks[~positive] - rankdata(part.probabilities[~positive])) / positive.sum()
    value, fewer = float(above.mean()), min(len(above), len(below))
    variance = float(above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below))
    # A hit and a miss more (Agresti and Caffo 2000): one ranked without a mistake, or not at all, is uncertain, too.
    share = (value * fewer + 1) / (fewer + 2)
    return value, (variance if variance > _SMALLEST else share * (1 - share) / fewer) ** 0.5


def _miss(part: Scored) -> tuple[float, float]:
    """Return the observed rate less the predicted one, and its standard error."""
    left = part.target - part.probabilities
    expected = float((part.probabilities * (1 - part.probabilities)).mean())
    return float(left.mean()), max(float(left.var(ddof=1)), expected, _SMALLEST) ** 0.5 / len(left) ** 0.5


def _interval(value: float, error: float, rows: int) -> Estimate:
    return Estimate(value, max(0.0, value - _Z * error), min(1.0, value + _Z * error), rows)


def _share_gap(groups: list[np.typing.NDArray[np.bool_]], random: np.random.Generator) -> Estimate | None:
    groups = [rows for rows in groups if len(rows) >= MIN_ROWS]
    if len(groups) < 2:  # noqa: PLR2004 - a gap needs two
        return None
    hits, sizes = (np.array([count(rows) for rows in groups]) for count in (np.sum, len))
    # A hit and a miss more (Agresti and Caffo 2000): a group in which all were found is still uncertain.
    shares = (hits + 1) / (sizes + 2)
    drawn = random.binomial(sizes, shares, size=(DRAWS, len(groups))) / sizes - shares
    return _largest(hits / sizes, np.sqrt(shares * (1 - shares) / sizes), drawn, int(sizes.sum()))


def _mean_gap(groups: list[tuple[float, float]], sizes: list[int], random: np.random.Generator) -> Estimate | None:
    if len(groups) < 2:  # noqa: PLR2004 - a gap needs two
        return None
    values, errors = (np.array(each) for each in zip(*groups, strict=True))
    return _largest(values, errors, random.normal(size=(DRAWS, len(groups))) * errors, sum(sizes))


def _largest(values: Floats, alone: Floats, drawn: Floats, rows: int) -> Estimate:
    """Return the largest difference of two `values`; alone: their errors, drawn: their noise, (draws, groups)."""
    first, second = np.triu_indices(len(values), 1)
    errors: Floats = np.sqrt(alone[first] ** 2 + alone[second] ** 2)
    largest = np.zeros(len(drawn))
    for one, other, error in zip(first, second, errors, strict=True):
        np.maximum(largest, np.abs(drawn[:, one] - drawn[:, other]) / error, out=largest)
    reach = float(np.percentile(largest, 95)) * errors
    gaps = np.abs(values[first] - values[second])
    return Estimate(float(gaps.max()), float((gaps - reach).max()), float((gaps + reach).max()), rows)
