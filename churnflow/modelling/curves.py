"""The curves of an evaluation as short lists of numbers, ready to be drawn."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from churnflow.modelling.columns import Floats
from churnflow.modelling.metrics import Ranked, Scored, wilson
from churnflow.modelling.profit import profit_curve
from churnflow.modelling.split import Ints

MAX_POINTS: Final = 200
BINS: Final = 10
MIN_ROWS: Final = 10


def roc_curve(scored: Scored) -> dict[str, list[float]]:
    """Return at most 200 points of the ROC curve, from (0, 0) to (1, 1)."""
    hits, alarms = _counts(scored)
    places = _thinned(len(hits) + 1)
    fpr = np.append(0.0, alarms / alarms[-1])[places]
    tpr = np.append(0.0, hits / hits[-1])[places]
    return {"fpr": _rounded(fpr), "tpr": _rounded(tpr)}


def precision_recall_curve(scored: Scored) -> dict[str, list[float]]:
    """Return at most 200 points of precision against recall, recall rising."""
    hits, alarms = _counts(scored)
    places = _thinned(len(hits))
    return {"recall": _rounded((hits / hits[-1])[places]), "precision": _rounded((hits / (hits + alarms))[places])}


def calibration_curve(scored: Scored) -> list[dict[str, float | int]]:
    """Return predicted and observed rate, with Wilson's interval, in at most ten bins of about equally many rows."""
    points: list[dict[str, float | int]] = []
    for rows in equal_bins(scored.probabilities):
        observed = wilson(float(scored.target[rows].sum()), len(rows))
        points.append(
            {
                "predicted": round(float(scored.probabilities[rows].mean()), 6),
                "observed": round(observed.value, 6),
                "low": round(observed.low, 6),
                "high": round(observed.high, 6),
                "n": len(rows),
            }
        )
    return points


def equal_bins(probabilities: Floats) -> list[Ints]:
    """Return the positions of the rows of each bin, lowest first: at most ten, of about equally many rows each."""
    order = np.argsort(probabilities, kind="stable").astype(np.int64)
    bins = max(1, min(BINS, len(order) // MIN_ROWS))
    # Rows of one probability stand in one bin, so that their order in the file does not matter.
    ranks = np.searchsorted(probabilities[order], probabilities[order])
    starts = np.flatnonzero(np.diff(ranks * bins // len(order), prepend=-1))
    return np.split(order, starts[1:])


def lift_table(scored: Scored) -> list[dict[str, float]]:
    """Return, for each tenth of the rows by falling probability, the lift and the share of positives captured.

    Inside a run of equal probabilities the positives count as evenly spread, as drawing among them at random does.
    """
    ranked = Ranked.of(scored)
    rows = len(ranked.target)
    ends = np.maximum(1, np.round(rows * np.arange(1, 11) / 10))
    found = np.append(0.0, np.cumsum(ranked.target)[ranked.last])
    captured = np.interp(ends, np.append(0.0, ranked.last + 1.0), found) / found[-1]
    return [
        {"share": round(end / rows, 6), "lift": round(share * rows / end, 6), "captured": round(share, 6)}
        for end, share in zip(ends.tolist(), captured.tolist(), strict=True)
    ]


def threshold_curve(scored: Scored) -> dict[str, list[float]]:
    """Return at most 200 thresholds, falling, with the precision, recall and share decided positive at each."""
    ranked = Ranked.of(scored)
    hits, alarms = _counts(scored)
    places = _thinned(len(hits))
    return {
        "threshold": _rounded(ranked.probabilities[ranked.last][places]),
        "precision": _rounded((hits / (hits + alarms))[places]),
        "recall": _rounded((hits / hits[-1])[places]),
        "share": _rounded(((hits + alarms) / len(ranked.target))[places]),
    }


def profit_points(scored: Scored, gains: Floats) -> dict[str, list[float]]:
    """Return at most 200 points of the profit per customer against the share contacted, and the best of all.

    gains: the profit of contacting each row, (n,).
    """
    thresholds, shares, profits = profit_curve(scored.probabilities, gains)
    places = sorted({*_thinned(len(profits)), int(np.argmax(profits))})
    return {
        "threshold": _rounded(thresholds[places]),
        "share": _rounded(shares[places]),
        "profit": _rounded(profits[places]),
    }


def all_curves(scored: Scored) -> Mapping[str, Any]:
    """Return roc, pr, calibration, lift and thresholds of rows that hold both classes."""
    return {
        "roc": roc_curve(scored),
        "pr": precision_recall_curve(scored),
        "calibration": calibration_curve(scored),
        "lift": lift_table(scored),
        "thresholds": threshold_curve(scored),
    }


def _counts(scored: Scored) -> tuple[Floats, Floats]:
    ranked = Ranked.of(scored)
    hits = np.cumsum(ranked.target)[ranked.last].astype(np.float64)
    return hits, ranked.last + 1 - hits


def _thinned(points: int) -> list[int]:
    """Return at most 200 positions, evenly apart, first and last included."""
    return sorted({round(place) for place in np.linspace(0, points - 1, min(points, MAX_POINTS)).tolist()})


def _rounded(values: Floats) -> list[float]:
    return [round(value, 6) for value in values.tolist()]
