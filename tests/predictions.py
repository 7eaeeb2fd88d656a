"""Rows of a predictions log, and a log that is closed at the end of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

from churnflow.modelling.prediction_log import OutcomeRow, PredictionLog, PredictionRow, ServiceRow

SERVICE = ServiceRow(1, "w", "predict", 200, 1, 1.0, 0)


def prediction(number: int, at: float = 1_000.0, customer: str | None = None, release: str = "r1") -> PredictionRow:
    return PredictionRow(f"{number:08x}-0", at, customer, None, "v1.0.0", release, 1.5, 0.25, 0, "0102", None)


def outcome(at: float, label: int, *, of: str | None = None, customer: str | None = None) -> OutcomeRow:
    return OutcomeRow(at, of, customer, label, None)


def read(log: PredictionLog, start: float = 0.0, end: float = 1e12, release: str | None = None) -> list[PredictionRow]:
    return [row for batch in log.predictions(start, end, release) for row in batch]


def labels(log: PredictionLog, release: str | None = None) -> dict[str, int]:
    return {one.prediction.id: one.label for batch in log.labelled(0.0, 1e12, release) for one in batch}


@contextmanager
def opened(url: str) -> Iterator[PredictionLog]:
    log = PredictionLog.open(url)
    try:
        yield log
    finally:
        log.close()
