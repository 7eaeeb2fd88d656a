"""The model to beat: a table of rates over the values of one feature (after Holte 1993, whose 1R decides so)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from churnflow.modelling.calibration import mean_log_loss
from churnflow.modelling.columns import Floats
from churnflow.modelling.split import Ints

BINS: Final = 10
# A level's rate counts as known from so many more rows of the base rate (the m-estimate of Cestnik 1990).
PRIOR: Final = 10.0


@dataclass(frozen=True)
class Rule:
    """The best single feature, and the probability that its rates give each row of another part, (n,)."""

    feature: str
    probabilities: Floats


def single_feature_rule(train: pd.DataFrame, target: Ints, test: pd.DataFrame, kinds: Mapping[str, str]) -> Rule:
    """Return the rule learned on `train` for the rows of `test`.

    Numbers are cut at the deciles of the training rows, a missing value is one of its own. The feature is the one with
    the lowest log loss on the training rows, each judged by the rates of the others. kinds: `number` or `category`.
    """
    rate = float(target.mean())
    coded = {name: _codes(train[name], test[name], kind) for name, kind in kinds.items()}
    best = min(coded, key=lambda name: mean_log_loss(_left_out(coded[name][0], target, rate), target))
    known, new = coded[best]
    counts, hits = _counted(known, target, 1 + max(int(known.max()), int(new.max(initial=0))))
    return Rule(best, ((hits + PRIOR * rate) / (counts + PRIOR))[new])


def _codes(train: pd.Series, test: pd.Series, kind: str) -> tuple[Ints, Ints]:
    """Return the bin of each row of both parts, from 0 on; what the training part does not hold is the last."""
    if kind != "number":
        codes, levels = pd.factorize(train, use_na_sentinel=False)
        found = pd.Index(levels).get_indexer(pd.Index(test))
        return codes.astype(np.int64), np.where(found < 0, len(levels), found).astype(np.int64)
    values, others = (part.to_numpy(dtype=np.float64, na_value=np.nan) for part in (train, test))
    known = values[np.isfinite(values)]
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    binned = [
        np.where(np.isfinite(part), np.searchsorted(cuts, part), len(cuts) + 1).astype(np.int64)
        for part in (values, others)
    ]
    return binned[0], binned[1]


def _counted(codes: Ints, target: Ints, bins: int) -> tuple[Floats, Floats]:
    counts, hits = np.bincount(codes, minlength=bins), np.bincount(codes, target, minlength=bins)
    return counts.astype(np.float64), hits.astype(np.float64)


def _left_out(codes: Ints, target: Ints, rate: float) -> Floats:
    """Return for each row the rate of its bin without it."""
    counts, hits = _counted(codes, target, int(codes.max()) + 1)
    result: Floats = (hits[codes] - target + PRIOR * rate) / (counts[codes] - 1 + PRIOR)
    return result
