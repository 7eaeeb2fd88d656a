"""The metrics of a binary classifier, each with its count and 95% interval.

Proportions of rows (accuracy, precision, recall, prevalence) get Wilson's interval (Wilson 1927). The others get the
percentiles of a bootstrap (Efron 1979): rows are drawn with replacement, as weights, all draws at once. How many of
them are positive is drawn too, for log loss, Brier score, F1, average precision and lift depend on it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.calibration import log_losses
from churnflow.modelling.columns import Floats
from churnflow.modelling.split import Ints

DRAWS: Final = 1000
_Z: Final = 1.959963984540054
_CELLS: Final = 2_000_000
_PERCENT: Final = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A value, the ends of its 95% interval, and the rows that it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Scored:
    """Rows with their outcome: probabilities (n,) of the positive class, target (n,) of 0 and 1, decisions (n,)."""

    probabilities: Floats
    target: Ints
    decisions: npt.NDArray[np.bool_]

    @classmethod
    def at(cls, probabilities: Floats, target: Ints, threshold: float) -> "Scored":
        """Decide positive at and above `threshold`."""
        return cls(probabilities, target, probabilities >= threshold)

    def part(self, rows: npt.NDArray[np.bool_]) -> "Scored":
        """Return the rows chosen by a mask."""
        return Scored(self.probabilities[rows], self.target[rows], self.decisions[rows])


def wilson(hits: float, rows: float) -> Estimate:
    """Return the share hits / rows with Wilson's interval; 0 with the interval 0 to 1 when there is no row."""
    if not rows:
        return Estimate(0.0, 0.0, 1.0, 0)
    share = hits / rows
    centre = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * float(np.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)))
    # Rounding must not leave the share itself outside, as it would at 0 and 1.
    return Estimate(float(share), min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), int(rows))


def confusion(scored: Scored) -> dict[str, int]:
    """Return the counts tp, fp, fn and tn of the decisions."""
    positive = scored.target == 1
    return {
        "tp": int((positive & scored.decisions).sum()),
        "fp": int((~positive & scored.decisions).sum()),
        "fn": int((positive & ~scored.decisions).sum()),
        "tn": int((~positive & ~scored.decisions).sum()),
    }


def measure(scored: Scored, seed: int) -> dict[str, Estimate]:
    """Return accuracy, precision, recall, prevalence, and all of `DRAWN`, with intervals. Both classes must occur."""
    cells = confusion(scored)
    rows = len(scored.target)
    shares = {
        "accuracy": wilson(cells["tp"] + cells["tn"], rows),
        "precision": wilson(cells["tp"], cells["tp"] + cells["fp"]),
        "recall": wilson(cells["tp"], cells["tp"] + cells["fn"]),
        "prevalence": wilson(cells["tp"] + cells["fn"], rows),
    }
    return {**shares, **bootstrap(scored, DRAWN, seed)}


def bootstrap(
    scored: Scored, statistics: Mapping[str, "Statistic"], seed: int, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Return each statistic with the percentile interval of a bootstrap. Both classes must occur."""
    ranked = Ranked.of(scored)
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in draw_weights(ranked.target, seed, draws):
        for name, statistic in statistics.items():
            found[name].append(statistic(ranked, weights))
    ones = np.ones((1, len(ranked.target)))
    result = {}
    for name, statistic in statistics.items():
        low, high = np.percentile(np.concatenate(found[name]), _PERCENT)
        result[name] = Estimate(float(statistic(ranked, ones)[0]), float(low), float(high), len(ranked.target))
    return result


def kolmogorov_smirnov(scored: Scored, seed: int, draws: int = DRAWS) -> Estimate:
    """Return `ks` with its interval. Both classes must occur."""
    ranked = Ranked.of(scored)
    drawn = np.concatenate([ks(ranked, weights) for weights in draw_weights(ranked.target, seed, draws)])
    value = float(ks(ranked, np.ones((1, len(ranked.target))))[0])
    return of_maximum(value, drawn, len(ranked.target))


def of_maximum(value: float, drawn: Floats, rows: int) -> Estimate:
    """Return a maximum, at least 0, with its interval, from what it is in drawn samples (draws,).

    A maximum over noise is too high, in a drawn sample once more than in the rows themselves: the percentiles are moved
    down by both excesses (Efron and Tibshirani 1993, chapter 10), but not past the value itself.
    """
    low, high = np.percentile(drawn, _PERCENT) - 2 * max(0.0, float(drawn.mean()) - value)
    return Estimate(value, max(0.0, min(value, float(low))), max(value, float(high)), rows)


@dataclass(frozen=True)
class Ranked:
    """Rows by falling probability; last: the position of the last row of each run of equal probabilities."""

    probabilities: Floats
    target: Ints
    decisions: npt.NDArray[np.bool_]
    last: npt.NDArray[np.int64]

    @classmethod
    def of(cls, scored: Scored) -> "Ranked":
        """Rank rows."""
        order = np.argsort(-scored.probabilities, kind="stable")
        values = scored.probabilities[order]
        last = np.flatnonzero(np.append(values[1:] != values[:-1], np.ones(1, dtype=np.bool_))).astype(np.int64)
        return cls(values, scored.target[order], scored.decisions[order], last)


# Takes ranked rows and their weights (draws, n), returns (draws,).
Statistic = Callable[[Ranked, Floats], Floats]


def roc_auc(ranked: Ranked, weights: Floats) -> Floats:
    """Return the area under the ROC curve, ties counted half (the trapezoidal rule)."""
    hits, alarms = _cumulated(ranked, weights)
    before = np.concatenate([np.zeros((len(hits), 1)), hits[:, :-1]], axis=1)
    steps = np.diff(alarms, axis=1, prepend=0.0)
    area: Floats = (steps * (before + hits) / 2).sum(axis=1)
    return area / (hits[:, -1] * alarms[:, -1])


def average_precision(ranked: Ranked, weights: Floats) -> Floats:
    """Return the mean of the precision at each threshold, weighted by the rise in recall."""
    hits, alarms = _cumulated(ranked, weights)
    precision = hits / np.maximum(hits + alarms, 1e-300)
    total: Floats = (np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1)
    return total / hits[:, -1]


def log_loss(ranked: Ranked, weights: Floats) -> Floats:
    """Return the mean log loss in nats."""
    return _mean(weights, log_losses(ranked.probabilities, ranked.target))


def brier(ranked: Ranked, weights: Floats) -> Floats:
    """Return the mean squared difference of probability and outcome."""
    return _mean(weights, (ranked.probabilities - ranked.target) ** 2)


def f1(ranked: Ranked, weights: Floats) -> Floats:
    """Return the harmonic mean of precision and recall; 0 when nothing positive is decided or found."""
    hits = weights @ (ranked.decisions & (ranked.target == 1))
    marked = weights @ ranked.decisions.astype(np.float64)
    positives = weights @ (ranked.target == 1)
    result: Floats = 2 * hits / np.maximum(marked + positives, 1e-300)
    return result


def balanced_accuracy(ranked: Ranked, weights: Floats) -> Floats:
    """Return the mean of recall and specificity."""
    positive = (ranked.target == 1).astype(np.float64)
    recall = (weights @ (positive * ranked.decisions)) / (weights @ positive)
    specificity = (weights @ ((1 - positive) * ~ranked.decisions)) / (weights @ (1 - positive))
    result: Floats = (recall + specificity) / 2
    return result


def mcc(ranked: Ranked, weights: Floats) -> Floats:
    """Return the correlation of decision and outcome (Matthews 1975); 0 when all are decided alike."""
    positive, marked = (ranked.target == 1).astype(np.float64), ranked.decisions.astype(np.float64)
    rows = weights.sum(axis=1)
    both, positives, decided = (weights @ each / rows for each in (positive * marked, positive, marked))
    spread = positives * (1 - positives) * decided * (1 - decided)
    result: Floats = (both - positives * decided) / np.sqrt(np.maximum(spread, 1e-300))
    return result


def ks(ranked: Ranked, weights: Floats) -> Floats:
    """Return the largest distance between the shares of positives and of negatives above any probability."""
    hits, alarms = _cumulated(ranked, weights)
    result: Floats = (hits / hits[:, -1:] - alarms / alarms[:, -1:]).max(axis=1)
    return result


def lift_top_decile(ranked: Ranked, weights: Floats) -> Floats:
    """Return how many times more often the top tenth by probability is positive than all are; a tied row in part."""
    hits, alarms = _cumulated(ranked, weights)
    reached = hits + alarms
    total = reached[:, -1:]
    wanted = total / 10
    place = (reached < wanted).sum(axis=1, keepdims=True)
    at = np.take_along_axis
    here, found = at(reached, place, 1), at(hits, place, 1)
    previous = np.maximum(place - 1, 0)
    start = np.where(place > 0, at(reached, previous, 1), 0.0)
    found_before = np.where(place > 0, at(hits, previous, 1), 0.0)
    captured = found_before + (found - found_before) * (wanted - start) / (here - start)
    result: Floats = ((captured / wanted) / (hits[:, -1:] / total))[:, 0]
    return result


DRAWN: Final[Mapping[str, Statistic]] = {
    "f1": f1,
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "lift_top_decile": lift_top_decile,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
}


def brier_skill(rate: float) -> Statistic:
    """Return the statistic 1 - Brier score / that of always predicting `rate`: 1 is perfect, 0 no better than that."""

    def statistic(ranked: Ranked, weights: Floats) -> Floats:
        skill: Floats = 1 - brier(ranked, weights) / _mean(weights, (rate - ranked.target.astype(np.float64)) ** 2)
        return skill

    return statistic


def mean_gain(gains: Floats, seed: int, target: Ints) -> Estimate:
    """Return the mean of `gains` (n,) of rows with outcomes `target` (n,), with the interval of a bootstrap."""
    drawn = np.concatenate([_mean(weights, gains) for weights in draw_weights(target, seed, DRAWS)])
    low, high = np.percentile(drawn, _PERCENT)
    return Estimate(float(gains.mean()), float(low), float(high), len(target))


def loss_gain(target: Ints, probabilities: Floats, reference: Floats, seed: int) -> Estimate:
    """Return how much lower the log loss is than that of `reference` probabilities on the same rows, paired."""
    return mean_gain(log_losses(reference, target) - log_losses(probabilities, target), seed, target)


def _mean(weights: Floats, values: Floats) -> Floats:
    result: Floats = (weights @ values) / weights.sum(axis=1)
    return result


def draw_weights(target: Ints, seed: int, draws: int) -> Iterator[Floats]:
    """Yield weights (some draws, n): how often each row was drawn, with replacement, each class at least once."""
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // len(target))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        weights = np.zeros((count, len(target)))
        positives = random.binomial(len(target), target.mean(), size=count).clip(1, len(target) - 1)
        for of_class, drawn in ((0, len(target) - positives), (1, positives)):
            rows = np.flatnonzero(target == of_class)
            weights[:, rows] = random.multinomial(drawn, np.full(len(rows), 1 / len(rows)))
        yield weights


def _cumulated(ranked: Ranked, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weight of positives and negatives at or above each distinct probability, each (draws, distinct)."""
    positive = weights * (ranked.target == 1)
    hits = np.cumsum(positive, axis=1)[:, ranked.last]
    return hits, np.cumsum(weights - positive, axis=1)[:, ranked.last]
