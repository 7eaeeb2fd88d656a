"""How well a release does on customers whose outcome is known, and how well it should do on the others.

Precision, recall and F1 follow from the four cells of the confusion matrix, whose uncertainty is a Dirichlet
distribution (Goutte and Gaussier, A probabilistic interpretation of precision, recall and F-score, 2005). Without
outcomes the cells are expected from calibrated probabilities (Garg et al., Leveraging unlabeled data to predict
out-of-distribution performance, 2022; known as confidence-based performance estimation).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import norm

from churnflow.modelling.metrics import Estimate, wilson

FEWEST_LABELS: Final = 50
FEWEST_OF_CLASS: Final = 10
# What is compared with the release's own test part, and whether more of it is better.
COMPARED: Final[Mapping[str, bool]] = {
    "f1": True,
    "precision": True,
    "recall": True,
    "log_loss": False,
    "brier": False,
}
_DRAWS: Final = 4000
_Z: Final = float(norm.ppf(0.975))
_HALF: Final = 0.5

Sums = Mapping[str, Any]


@dataclass(frozen=True)
class Drop:
    """A metric that was better on the release's test part, by more than the noise of both."""

    metric: str
    now: Estimate
    tested: Estimate
    by: float


def enough(labelled: Sums) -> bool:
    """Tell whether outcomes suffice to judge by: FEWEST_LABELS of them, and FEWEST_OF_CLASS of each class."""
    positives, negatives = labelled["tp"] + labelled["fn"], labelled["fp"] + labelled["tn"]
    return bool(labelled["n"] >= FEWEST_LABELS and min(positives, negatives) >= FEWEST_OF_CLASS)


def added(parts: Sequence[Sums]) -> dict[str, Any]:
    """Return the sums of labelled customers of several parts together."""
    names = ("n", "tp", "fp", "fn", "tn", "probability", "variance")
    whole: dict[str, Any] = {name: sum(part[name] for part in parts) for name in names}
    pairs = ("log_loss", "brier")
    return whole | {name: [sum(part[name][place] for part in parts) for place in (0, 1)] for name in pairs}


def measured(labelled: Sums) -> dict[str, Estimate]:
    """Return what outcomes tell: F1, precision, recall, log loss, Brier score, and observed / expected positives."""
    if not labelled["n"]:
        return {}
    return {
        "f1": f1_of(labelled),
        "precision": wilson(labelled["tp"], labelled["tp"] + labelled["fp"]),
        "recall": wilson(labelled["tp"], labelled["tp"] + labelled["fn"]),
        "log_loss": _mean(labelled["log_loss"], labelled["n"]),
        "brier": _mean(labelled["brier"], labelled["n"]),
        "observed_expected_ratio": _calibration(labelled),
    }


def f1_of(cells: Sums) -> Estimate:
    """Return F1 of a confusion matrix with its 95% interval, half a customer added to each cell for that."""
    random = np.random.default_rng(0)
    counts = np.array([cells["tp"], cells["fp"] + cells["fn"], cells["tn"]], dtype=np.float64)
    drawn = random.dirichlet(counts + _HALF * np.array([1, 2, 1]), _DRAWS)
    f1 = 2 * drawn[:, 0] / (2 * drawn[:, 0] + drawn[:, 1])
    low, high = np.percentile(f1, (2.5, 97.5))
    value = float(2 * counts[0] / max(1.0, 2 * counts[0] + counts[1]))
    return Estimate(value, min(value, float(low)), max(value, float(high)), int(cells["n"]))


def estimated(unlabelled: Sums) -> dict[str, Estimate]:
    """Return what is to be expected without outcomes, as long as the probabilities are calibrated.

    Intervals are those of outcomes drawn by these probabilities, by the delta method; they hold no doubt about the
    calibration itself.
    """
    tp, fp, fn, rows = (float(unlabelled[name]) for name in ("tp", "fp", "fn", "n"))
    flagged, positives = tp + fp, tp + fn
    if not rows or not flagged or not positives:
        return {}
    spread_tp, spread_fn = float(unlabelled["flagged_variance"]), float(unlabelled["passed_variance"])
    whole = flagged + positives
    f1 = 2 * tp / whole
    by_tp, by_fn = 2 * (flagged + fn) / whole**2, 2 * tp / whole**2
    recall_by_tp, recall_by_fn = fn / positives**2, tp / positives**2
    spreads = {
        "f1": (f1, by_tp**2 * spread_tp + by_fn**2 * spread_fn),
        "precision": (tp / flagged, spread_tp / flagged**2),
        "recall": (tp / positives, recall_by_tp**2 * spread_tp + recall_by_fn**2 * spread_fn),
    }
    return {name: _within(value, variance**0.5, int(rows)) for name, (value, variance) in spreads.items()}


def drops(now: Mapping[str, Estimate], tested: Mapping[str, Estimate], false_alarms: float) -> list[Drop]:
    """Return the metrics that are worse than on the test part, by more than the noise of both.

    At most the share `false_alarms` of windows has any where nothing has changed, by Bonferroni's bound.
    """
    found = []
    level = float(norm.ppf(1 - false_alarms / (len(COMPARED) + 1)))
    for metric, more_is_better in COMPARED.items():
        if metric not in now or metric not in tested:
            continue
        here, there = now[metric], tested[metric]
        worse = (there.value - here.value) * (1 if more_is_better else -1)
        if worse > level * (_error(here) ** 2 + _error(there) ** 2) ** 0.5:
            found.append(Drop(metric, here, there, worse))
    return found


def miscalibrated(labelled: Sums, tested_rows: int, false_alarms: float) -> bool:
    """Tell whether observed and expected positives differ by more than the noise of both parts."""
    expected, observed = labelled["probability"], labelled["tp"] + labelled["fn"]
    rate = expected / labelled["n"]
    # The calibration was learnt from rows, too: its own error is that of a rate over the tested ones.
    of_release = labelled["n"] ** 2 * rate * (1 - rate) / max(1, tested_rows)
    level = float(norm.ppf(1 - false_alarms / (2 * (len(COMPARED) + 1))))
    return bool(abs(observed - expected) > level * (labelled["variance"] + of_release) ** 0.5)


def selective(labelled: Sums, unlabelled: Sums) -> tuple[float, float] | None:
    """Return the mean probability of labelled and of other customers where they differ beyond chance, else None."""
    if min(labelled["n"], unlabelled["n"]) < FEWEST_LABELS:
        return None
    sums = [(labelled["probability"], labelled["variance"], labelled["n"])]
    spread = unlabelled["flagged_variance"] + unlabelled["passed_variance"]
    sums.append((unlabelled["tp"] + unlabelled["fn"], spread, unlabelled["n"]))
    means = [total / rows for total, _, rows in sums]
    # The sum of squares is that of probabilities less that of p (1 - p).
    errors = [max(0.0, (total - spread) / rows - (total / rows) ** 2) / rows for total, spread, rows in sums]
    apart = abs(means[0] - means[1]) > float(norm.ppf(0.9995)) * (sum(errors) + 1e-12) ** 0.5
    return (means[0], means[1]) if apart else None


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return one less the other, of different customers, with its interval."""
    half = _Z * (_error(one) ** 2 + _error(other) ** 2) ** 0.5
    value = one.value - other.value
    return Estimate(value, value - half, value + half, one.n + other.n)


def _mean(sums: list[float], rows: int) -> Estimate:
    mean = sums[0] / rows
    variance = max(0.0, sums[1] / rows - mean**2) / max(1, rows - 1)
    half = _Z * variance**0.5
    return Estimate(mean, mean - half, mean + half, rows)


def _calibration(labelled: Sums) -> Estimate:
    expected, observed = max(1e-9, labelled["probability"]), labelled["tp"] + labelled["fn"]
    half = _Z * labelled["variance"] ** 0.5 / expected
    ratio = observed / expected
    return Estimate(ratio, max(0.0, ratio - half), ratio + half, labelled["n"])


def _within(value: float, error: float, rows: int) -> Estimate:
    return Estimate(value, max(0.0, value - _Z * error), min(1.0, value + _Z * error), rows)


def _error(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / (2 * _Z)
