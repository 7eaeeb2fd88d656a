"""Which pairs of numbers say nearly the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

LIMIT = 0.9
_MIN_ROWS = 10


@dataclass(frozen=True)
class Pair:
    """Two features and their Pearson correlation over the rows where both are known; cause: why, where it is known."""

    first: str
    second: str
    r: float
    cause: str = ""


def correlated_pairs(frame: pd.DataFrame, numbers: Sequence[str], limit: float = LIMIT) -> list[Pair]:
    """Return the pairs of `numbers` with |r| > `limit`, the strongest first.

    Rows where either is missing are left out; a constant column correlates with nothing.
    """
    table = frame[list(numbers)].corr(min_periods=_MIN_ROWS).to_numpy(dtype=np.float64)
    found = [
        Pair(numbers[i], numbers[j], float(table[i, j]))
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if abs(table[i, j]) > limit
    ]
    return sorted(found, key=lambda pair: (-abs(pair.r), pair.first, pair.second))
