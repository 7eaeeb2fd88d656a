"""The choice of the probability at which a customer is decided positive; made on training rows only."""

from typing import Literal

import numpy as np

from churnflow.modelling.columns import Floats
from churnflow.modelling.split import Ints

Objective = Literal["f1", "recall_0.7", "recall_0.8", "recall_0.9"]


def choose_threshold(probabilities: Floats, target: Ints, objective: Objective = "f1") -> float:
    """Return the threshold, half-way between two probabilities that occur, at which `objective` is best.

    f1: the largest F1. recall_x: the highest threshold that reaches that recall, so the fewest false alarms. Of equal
    ones the higher.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(1, dtype=np.bool_)))
    hits = np.cumsum(target[order])[last]
    positives = int(target.sum())
    if objective == "f1":
        best = int(np.argmax(2 * hits / (last + 1 + positives)))
    else:
        wanted = float(objective.removeprefix("recall_"))
        best = int(np.argmax(hits >= wanted * positives - 1e-9))
    here = float(ranked[last[best]])
    below = float(ranked[last[best + 1]]) if best + 1 < len(last) else here
    middle = (here + below) / 2
    # Between two neighbouring doubles the middle is the lower one, which would let it in.
    return middle if below < middle <= here else here
