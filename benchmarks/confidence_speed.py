"""Seconds for one score, beside a plain loop that draws the same batches and measures each by scikit-learn."""

import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import brier_score_loss, f1_score, log_loss, recall_score, roc_auc_score

from churnflow.modelling.assurance import (
    DRAWS,
    PREDICTED,
    Drawing,
    Labelled,
    Predicted,
    Requirement,
    pooled,
    probability,
)
from churnflow.modelling.metrics import Scored
from measure import Row

SIZES = (10_000, 100_000)
NAMES = ("roc_auc", "recall", "f1", "log_loss", "brier")
ROUNDS = 3
LOOPED = 10
OPTIMISM = 0.004


def timed() -> list[Row]:
    """Return a comparison for each number of rows, four fifths of them out of fold; both sides on one processor."""
    return [
        Row(f"{rows:,} rows, {len(NAMES)} requirements, {DRAWS:,} batches", _score(rows), _loop(rows), 0.1)
        for rows in SIZES
    ]


def _score(rows: int) -> float:
    seen, tested = _rows(rows * 4 // 5, 0), _rows(rows // 5, 1)
    asked = [Requirement(">=", 0.5, Predicted(PREDICTED[name])) for name in NAMES]
    return _best(lambda: probability(asked, pooled(seen, tested, OPTIMISM), Drawing(rows // 5)))


def _loop(rows: int) -> float:
    """Return the seconds of as many batches as a score draws, from those that fewer take."""
    made = _rows(rows, 2).scored
    random = np.random.default_rng(3)

    def draw() -> None:
        often = random.poisson(rows / 5 * random.dirichlet(np.ones(rows))).astype(np.float64)
        for measure in (recall_score, f1_score):
            measure(made.target, made.decisions, sample_weight=often)
        for measure in (roc_auc_score, log_loss, brier_score_loss):
            measure(made.target, made.probabilities, sample_weight=often)

    return _best(lambda: [draw() for _ in range(LOOPED)]) * DRAWS / LOOPED


def _rows(rows: int, seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.25).astype(np.int64)
    margin = random.normal(size=rows) + 1.5 * target - 1.5
    return Labelled(Scored.at(1 / (1 + np.exp(-margin)), target, 0.4), {})


def _best(call: Callable[[], object]) -> float:
    """Return the least processor seconds of several calls: what else the machine does only adds to them."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)
