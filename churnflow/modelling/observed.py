"""What was observed of a served release in a window: sums and counts alone, without a row, a value or an identifier."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from churnflow.modelling.calibration import log_losses
from churnflow.modelling.cells import Cells
from churnflow.modelling.columns import Floats
from churnflow.modelling.logged import INSIDE, OUTSIDE, Logged, Read
from churnflow.modelling.prediction_log import PREDICT, ServiceRow
from churnflow.modelling.reference import Reference
from churnflow.modelling.window import Window

SCHEMA: Final = "churnflow/observed@1"
# Edges of a latency's histogram in ms: each 5% above the one before, from 0.05 ms to a minute.
LATENCY_EDGES: Final = tuple(0.05 * 1.05**step for step in range(288))
_ERRORS: Final = 500
_REFUSED: Final = 400
_MINUTE: Final = 60


def observed(read: Read, service: Sequence[ServiceRow], window: Window, reference: Reference | None) -> dict[str, Any]:
    """Return the sums of a window, for the whole and by period.

    Of a customer the newest prediction counts, in the whole window and in each period. service: the counts of the
    window and of the day before it, which tells whether the service ran when it began.
    """
    periods = window.place(read.own.at)
    return {
        "schema": SCHEMA,
        "period": window.period,
        "predictions": len(read.own),
        "with_id": int((read.own.customer >= 0).sum()),
        "whole": _sums(read.own, reference) | {"service": _service(service, window.start, window.end)},
        "latency": _latencies(read.own),
        "periods": [
            {"period": name}
            | _sums(read.own.part(periods == place), reference)
            | {"service": _service(service, *window.spans[place])}
            for place, name in enumerate(window.names)
        ],
        "others": {version: _of_another(logged) for version, logged in read.others.items()},
    }


def _sums(logged: Logged, reference: Reference | None) -> dict[str, Any]:
    newest = logged.newest()
    return {
        "customers": len(newest),
        "binned": int(newest.binned.sum()),
        "features": [] if reference is None else list(_features(newest.part(newest.binned), reference)),
        "score": None if reference is None else _score(newest, reference),
        "labelled": _outcomes(logged.labelled().newest()),
        "unlabelled": _expected(logged.unlabelled().newest()),
    }


def _of_another(logged: Logged) -> dict[str, Any]:
    newest = logged.at.max() if len(logged) else 0.0
    return {"predictions": len(logged), "until": float(newest), "labelled": _outcomes(logged.labelled().newest())}


def _features(logged: Logged, reference: Reference) -> Iterator[dict[str, Any]]:
    for place, feature in enumerate(reference.features):
        counts = np.bincount(logged.codes[:, place], minlength=len(feature.counts)).tolist()
        found = {"name": feature.name, **Cells.of(counts).as_json()}
        # Shares of their own, which cells may have put together with others.
        found |= {"missing": counts[0], "unlisted": counts[1] if feature.kind == "category" else 0}
        ranges = logged.ranges[:, place]
        judged, outside = int((ranges >= INSIDE).sum()), int((ranges == OUTSIDE).sum())
        yield found | ({"ranged": judged, "outside": outside} if judged else {})


def _score(logged: Logged, reference: Reference) -> dict[str, Any]:
    bins = np.bincount(reference.score_codes(logged.probability), minlength=len(reference.score_counts))
    return Cells.of(bins.tolist()).as_json()


def _outcomes(logged: Logged) -> dict[str, Any]:
    """Return the confusion of decisions and outcomes, and the sums from which scores of probabilities follow."""
    positive, flagged, p = logged.label == 1, logged.flagged, logged.probability
    losses, squares = log_losses(p, logged.label), (p - positive) ** 2
    return {
        "n": len(logged),
        "tp": int((positive & flagged).sum()),
        "fp": int((~positive & flagged).sum()),
        "fn": int((positive & ~flagged).sum()),
        "tn": int((~positive & ~flagged).sum()),
        "probability": float(p.sum()),
        "variance": float((p * (1 - p)).sum()),
        "log_loss": [float(losses.sum()), float((losses**2).sum())],
        "brier": [float(squares.sum()), float((squares**2).sum())],
    }


def _expected(logged: Logged) -> dict[str, Any]:
    """Return the confusion that is expected if the probabilities are right (Garg et al. 2022 estimate accuracy so)."""
    p, flagged = logged.probability, logged.flagged
    return {
        "n": len(logged),
        "tp": float(p[flagged].sum()),
        "fp": float((1 - p[flagged]).sum()),
        "fn": float(p[~flagged].sum()),
        "tn": float((1 - p[~flagged]).sum()),
        "flagged_variance": float((p * (1 - p))[flagged].sum()),
        "passed_variance": float((p * (1 - p))[~flagged].sum()),
    }


def _latencies(logged: Logged) -> dict[str, Any]:
    found: Floats = logged.latency_ms[logged.first]
    bins = np.bincount(np.searchsorted(LATENCY_EDGES, found), minlength=len(LATENCY_EDGES) + 1)
    used = np.flatnonzero(bins)
    return {"n": len(found), "bins": used.tolist(), "counts": bins[used].tolist()}


def _service(rows: Sequence[ServiceRow], start: float, end: float) -> dict[str, Any]:
    """Return requests for predictions, errors and signs of life between two times.

    Before the first sign nothing was down.
    """
    inside = [row for row in rows if start <= row.minute * _MINUTE < end]
    asked = [row for row in inside if row.route == PREDICT]
    first = min((row.minute * _MINUTE for row in rows), default=end)
    began = max(start // _MINUTE, first // _MINUTE)
    # The minute of the end has only begun.
    minutes = max(0, int(end // _MINUTE - began))
    alive = {row.minute for row in inside if row.minute < end // _MINUTE}
    return {
        "requests": sum(row.requests for row in asked),
        "errors": sum(row.requests for row in asked if row.status >= _ERRORS),
        "refused": sum(row.requests for row in asked if _REFUSED <= row.status < _ERRORS),
        "latency_ms_sum": sum(row.latency_ms_sum for row in asked),
        "alive_minutes": len(alive),
        "minutes": minutes,
        "lost": sum(row.lost for row in inside),
    }
