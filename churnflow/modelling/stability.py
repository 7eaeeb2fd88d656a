"""The population stability index between two sets of counts, and what it comes to by chance alone."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_HALF_ROW: Final = 0.5


def population_stability(reference: Sequence[float] | Floats, newest: Sequence[float] | Floats) -> float:
    """Return the population stability index between two sets of counts over the same bins.

    The sum of (share - reference share) x log(share / reference share), half a row added to each bin so that an
    empty one has a logarithm; twice the symmetrised Kullback-Leibler divergence of Jeffreys (1946).
    """
    shares = []
    for counts in (reference, newest):
        smoothed = np.asarray(counts, dtype=np.float64) + _HALF_ROW
        shares.append(smoothed / smoothed.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def stability_by_chance(bins: int, reference_rows: int, newest_rows: int) -> float:
    """Return the index's mean over two samples of one source (Yurdakul and Naranjo 2020)."""
    return (bins - 1) * (1 / reference_rows + 1 / newest_rows)
