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
    """Return the gaps over groups of at least 10 rows (for recall: 10 positives), intervals by bootstrap within groups.

    The largest of several noisy differences is above zero even when all groups are treated alike; an interval that
    reaches down to the gap of equal treatment says so.
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
    rates = np.array([rows.mean() for rows in groups])
    # The gap of two groups named beforehand: the best and worst as observed, so that a draw may turn it round.
    best, worst = int(rates.argmax()), int(rates.argmin())
    drawn: Floats = _drawn(groups[best], random) - _drawn(groups[worst], random)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Estimate(float(rates[best] - rates[worst]), float(low), float(high), sum(map(len, groups)))


def _drawn(rows: np.typing.NDArray[np.bool_], random: np.random.Generator) -> Floats:
    # Half a hit and half a miss more: a group in which all were found is still uncertain.
    share = (rows.sum() + 0.5) / (len(rows) + 1)
    result: Floats = random.binomial(len(rows), share, size=DRAWS) / len(rows)
    return result
