"""Whether the values that a release is asked with are worse than those it was trained on: missing, unseen, outside."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import fisher_exact

from churnflow.modelling.feature_drift import holm
from churnflow.modelling.metrics import Estimate, wilson
from churnflow.modelling.reference import MISSING, UNLISTED, Reference

# A rise of less than a percentage point is mentioned nowhere, however sure it is.
LEAST_RISE: Final = 0.01
KINDS: Final = ("missing", "unseen", "out of range")


@dataclass(frozen=True)
class Rise:
    """How often values of a feature are of a kind that was rarer in training.

    ratio: in the window, with Wilson's interval. before: in training. adjusted: p-value of Fisher's exact test, one
    sided, after Holm over all features and kinds. worse: beyond the rate of false alarms, and by at least LEAST_RISE.
    """

    feature: str
    kind: str
    ratio: Estimate
    before: float
    adjusted: float
    worse: bool


def rises(whole: Mapping[str, Any], reference: Reference, false_alarms: float) -> list[Rise]:
    """Return the share of each kind in each feature beside that in training."""
    counts = list(_counts(whole, reference))
    tests = [_p_value(found, rows, before, reference.rows) for _, _, found, rows, before in counts]
    lines = []
    for (name, kind, found, rows, before), adjusted in zip(counts, holm(tests), strict=True):
        ratio, past = wilson(found, rows), before / reference.rows
        worse = adjusted <= false_alarms and ratio.value - past >= LEAST_RISE
        lines.append(Rise(name, kind, ratio, past, adjusted, worse))
    return lines


def overall(lines: list[Rise], kind: str) -> Estimate | None:
    """Return the share of a kind among all values that can be of it, None where the log tells nothing of it."""
    own = [line.ratio for line in lines if line.kind == kind]
    rows = sum(ratio.n for ratio in own)
    return wilson(round(sum(ratio.value * ratio.n for ratio in own)), rows) if rows else None


def _counts(whole: Mapping[str, Any], reference: Reference) -> Iterator[tuple[str, str, int, int, int]]:
    rows = whole["binned"]
    for found, feature in zip(whole["features"], reference.features, strict=True):
        yield feature.name, "missing", found["missing"], rows, feature.counts[MISSING]
        if feature.kind == "category":
            yield feature.name, "unseen", found["unlisted"], rows, feature.counts[UNLISTED]
        elif "ranged" in found:
            yield feature.name, "out of range", found["outside"], found["ranged"], 0


def _p_value(found: int, rows: int, before: int, rows_before: int) -> float:
    if not found or not rows:
        return 1.0
    table = np.array([[found, rows - found], [before, rows_before - before]])
    return float(fisher_exact(table, alternative="greater").pvalue)
