"""What `/metrics` tells Prometheus: requests, latencies, predictions, refusals, the log, and what is served.

With several worker processes the library sums over them; it is told by PROMETHEUS_MULTIPROC_DIR before it is imported.
"""

import os
from functools import cache
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as written
from prometheus_client.multiprocess import MultiProcessCollector

from churnflow.serving.current import Current

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
MEDIA: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

_requests = Counter("churnflow_requests_total", "Requests answered, by route and status.", ("route", "status"))
_seconds = Histogram(
    "churnflow_request_seconds", "From the head of a request to the end of its answer.", ("route",), buckets=_SECONDS
)
_predictions = Counter("churnflow_predictions_total", "Customers predicted, by decision.", ("decision",))
_lost = Counter("churnflow_log_lost_total", "Predictions that the log could not take.")
_failures = Counter("churnflow_log_failures_total", "Writes to the log that failed.")
_up = Gauge("churnflow_log_up", "Whether the last write to the log went well.", multiprocess_mode="livemin")
_served = Gauge("churnflow_release_info", "What is served.", ("version", "sha256"), multiprocess_mode="livemostrecent")


_shown: set[tuple[str, str]] = set()


def answered(route: str, status: int, seconds: float) -> None:
    """Count an answer and how long it took."""
    count, time = _of(route, status)
    count.inc()
    time.observe(seconds)


def predicted(positive: int, negative: int) -> None:
    """Count customers by decision."""
    if positive:
        _decided("positive").inc(positive)
    if negative:
        _decided("negative").inc(negative)


def lost(count: int) -> None:
    """Count predictions that are not in the log."""
    _lost.inc(count)


def log_written(*, well: bool) -> None:
    """Note how a write to the log went."""
    _up.set(1 if well else 0)
    if not well:
        _failures.inc()


def exposition(current: Current) -> bytes:
    """Return all of it in Prometheus' text format."""
    served = current.served
    if served is not None:
        _shown.add((served.release.version if served.release else "", served.sha256))
    for labels in _shown:
        # What was served before stays with a 0: worker processes can not take a series back.
        _served.labels(*labels).set(int(served is not None and labels[1] == served.sha256))
    if MULTIPROCESS not in os.environ:
        return written(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return written(registry)


@cache
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    return _requests.labels(route, str(status)), _seconds.labels(route)


@cache
def _decided(decision: str) -> Counter:
    return _predictions.labels(decision)
