"""Quantiles of a sample with intervals that assume no distribution (David & Nagaraja, Order Statistics, 2003, 7.1)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from churnflow.modelling.columns import Floats

LEVEL: Final = 0.95


@dataclass(frozen=True)
class Quantile:
    """A quantile, the ends of its 95% interval (None where the sample is too small for one), and the sample's size."""

    value: float
    low: float | None
    high: float | None
    n: int


def quantile(ordered: Floats, share: float) -> Quantile:
    """Return the `share` quantile of sorted values, (n,).

    The number of values below the quantile is binomial, so that two of the values themselves bound it.
    """
    count = len(ordered)
    low = int(stats.binom.ppf((1 - LEVEL) / 2, count, share))
    high = int(stats.binom.ppf((1 + LEVEL) / 2, count, share)) + 1
    return Quantile(
        value=float(np.quantile(ordered, share, method="higher")),
        low=float(ordered[low - 1]) if low >= 1 else None,
        high=float(ordered[high - 1]) if high <= count else None,
        n=count,
    )
