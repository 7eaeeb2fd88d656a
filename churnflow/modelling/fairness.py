"""Whether the model treats declared groups alike: rates per group, and the gap between the best and worst treated."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from churnflow.modelling.columns import Floats
from churnflow.modelling.metrics import DRAWS, Estimate, Scored, confusion, wilson

MIN_ROWS: Final = 10
MAX_LEVELS: Final = 10
QUARTERS: Final = 4


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups, in recall and in the rate decided positive; None with one group."""

    recall: Estimate | None
    selection: Estimate | None


def group_labels(values: pd.Series) -> "pd.Series[str]":
    """Return a label for each row: the level, `missing`, or for a number of many values its quarter of the range."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MAX_LEVELS:
        values = pd.qcut(values, QUARTERS, duplicates="drop", precision=3)
    elif pd.api.types.is_numeric_dtype(values):
        return values.map(lambda value: f"{value:g}", na_action="ignore").astype("str").fillna("missing")
    return values.astype("str").fillna("missing")


def group_rates(column: str, labels: "pd.Series[str]", scored: Scored) -> list[dict[str, Any]]:
    """Return recall, precision and rate decided positive, with intervals, of each group of at least 10 rows."""
    rates = []
    for label in sorted(labels.unique()):
        part = scored.part((labels == label).to_numpy(dtype=np.bool_))
        if len(part.target) < MIN_ROWS:
            continue
        cells = confusion(part)
        marked, positives = cells["tp"] + cells["fp"], cells["tp"] + cells["fn"]
        line: dict[str, Any] = {"column": column, "group": str(label), "n": len(part.target), "positives": positives}
        for name, estimate in {
            "recall": wilson(cells["tp"], positives),
            "precision": wilson(cells["tp"], marked),
            "positive_rate": wilson(marked, len(part.target)),
        }.items():
            line |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rates.append(line)
    return rates


def largest_gap(labels: "pd.Series[str]", scored: Scored, seed: int) -> Gap:
    """Return the gaps over groups of at least 10 rows (for recall: 10 positives), with intervals.

    The largest of several noisy differences is above zero even when all groups are treated alike. The intervals hold
    for all pairs of groups at once, by a bootstrap within groups of the largest standardised difference (the max-T of
    Westfall and Young 1993), so that one above zero is chance in 5% of cases however many groups there are.
    """
    random = np.random.default_rng(seed)
    masks = [(labels == label).to_numpy(dtype=np.bool_) for label in sorted(labels.unique())]
    everyone = [scored.part(mask) for mask in masks if mask.sum() >= MIN_ROWS]
    found = [part.decisions[part.target == 1] for part in everyone]
    recall = _gap([rows for rows in found if len(rows) >= MIN_ROWS], random)
    return Gap(recall, _gap([part.decisions for part in everyone], random))


def _gap(groups: list[np.typing.NDArray[np.bool_]], random: np.random.Generator) -> Estimate | None:
    if len(groups) < 2:  # noqa: PLR2004 - a gap needs two
        return None
    hits, sizes = (np.array([count(rows) for rows in groups]) for count in (np.sum, len))
    rates = hits / sizes
    # A hit and a miss more (Agresti and Caffo 2000): a group in which all were found is still uncertain.
    shares = (hits + 1) / (sizes + 2)
    first, second = np.triu_indices(len(groups), 1)
    variances = shares * (1 - shares) / sizes
    errors: Floats = np.sqrt(variances[first] + variances[second])
    drawn = random.binomial(sizes, shares, size=(DRAWS, len(groups))) / sizes - shares
    largest = np.zeros(DRAWS)
    for one, other, error in zip(first, second, errors, strict=True):
        np.maximum(largest, np.abs(drawn[:, one] - drawn[:, other]) / error, out=largest)
    reach = float(np.percentile(largest, 95)) * errors
    gaps = np.abs(rates[first] - rates[second])
    return Estimate(float(gaps.max()), float((gaps - reach).max()), float((gaps + reach).max()), int(sizes.sum()))
