"""How much better the best of many trials looks than it is."""

from typing import Final

import numpy as np

from churnflow.modelling.columns import Floats

DRAWS: Final = 400
_CELLS: Final = 20_000_000


def selection_optimism(losses: Floats, seed: int) -> float:
    """Return by how much the mean loss of the best of several candidates is too low for having been picked.

    losses: out-of-fold loss of each row by each candidate, (n, candidates). The bootstrap bias corrected
    cross-validation of Tsamardinos, Greasidou and Borboudakis (2018): rows are drawn with replacement, and the best on
    those drawn is judged on those that were not. What is returned is by how much that is above the loss of the best on
    all rows; never below nought.
    """
    rows, candidates = losses.shape
    if candidates < 2:  # noqa: PLR2004 - nothing was chosen
        return 0.0
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // rows)
    judged: list[float] = []
    for start in range(0, DRAWS, step):
        counts = random.multinomial(rows, np.full(rows, 1 / rows), size=min(step, DRAWS - start)).astype(np.float64)
        drawn = counts @ losses / rows
        # With few rows a draw may leave none out.
        whole = (counts == 0).any(axis=1)
        drawn, left = drawn[whole], (counts[whole] == 0).astype(np.float64)
        outside = left @ losses / left.sum(axis=1, keepdims=True)
        best = drawn.argmin(axis=1)
        pick = np.arange(len(best))
        judged += list(outside[pick, best])
    return max(0.0, float(np.mean(judged) - losses.mean(axis=0).min())) if judged else 0.0
