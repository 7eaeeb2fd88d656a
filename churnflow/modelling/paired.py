"""Two models on the same rows: the difference of any metric, paired, with its interval and p-value.

The same rows are drawn for both (Efron and Tibshirani 1993, section 10.3), so that what makes a draw hard makes it hard
for both and cancels out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from churnflow.modelling.columns import Floats
from churnflow.modelling.metrics import DRAWS, Estimate, Ranked, Scored, Statistic, draw_weights

_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class Difference(Estimate):
    """A value of one model less that of another, and the two-sided p-value that they are equal."""

    p: float


def difference(first: Scored, second: Scored, statistics: Mapping[str, Statistic], seed: int) -> dict[str, Difference]:
    """Return each statistic of `first` less that of `second`, which hold the same rows; both classes must occur."""
    sides = [(Ranked.of(scored), np.argsort(-scored.probabilities, kind="stable")) for scored in (first, second)]
    drawn: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in draw_weights(first.target, seed, DRAWS):
        parts = [(ranked, weights[:, order]) for ranked, order in sides]
        for name, statistic in statistics.items():
            drawn[name].append(statistic(*parts[0]) - statistic(*parts[1]))
    ones = np.ones((1, len(first.target)))
    found = {}
    for name, statistic in statistics.items():
        ours, theirs = (float(statistic(ranked, ones)[0]) for ranked, _ in sides)
        found[name] = _estimate(ours - theirs, np.concatenate(drawn[name]), len(first.target))
    return found


def mean_difference(first: Floats, second: Floats, target: np.typing.NDArray[np.int64], seed: int) -> Difference:
    """Return the mean of `first` less that of `second`, both (n,), of rows with outcomes `target` (n,)."""
    apart = first - second
    drawn = [(weights @ apart) / weights.sum(axis=1) for weights in draw_weights(target, seed, DRAWS)]
    return _estimate(float(apart.mean()), np.concatenate(drawn), len(target))


def _estimate(value: float, drawn: Floats, rows: int) -> Difference:
    low, high = np.percentile(drawn, _PERCENT)
    below, above = (int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1))
    return Difference(value, min(float(low), value), max(float(high), value), rows, p)
