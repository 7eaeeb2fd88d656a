"""The margin of each family for one customer: the operations of `margins` on plain numbers, so the same bits."""

from collections.abc import Callable
from typing import Final

import numpy as np

from churnflow.modelling.bending import Curve
from churnflow.modelling.columns import Floats
from churnflow.modelling.margins import SMALLEST_PROBABILITY, SPLINE_ORDER, Arrays

# From an encoded customer, (width,), to the margin.
OneMargin = Callable[[Floats], float]


def linear_margin(arrays: Arrays) -> OneMargin:
    """Return the margin of a linear model."""
    weights, bias = arrays["weights"], float(arrays["bias"][0])
    # One row of a matrix, as in `margins`: a product of two vectors may be added up in another order.
    return lambda row: float(np.einsum("ij,j->i", row[None], weights)[0]) + bias


def spline_margin(arrays: Arrays) -> OneMargin:
    """Return the margin of a linear model with splines."""
    straight, place = linear_margin(arrays), arrays["place"].astype(np.intp)
    bends = list(zip(arrays["grid"], arrays["rank"], arrays["table"], strict=True))
    intervals = arrays["table"].shape[1] - SPLINE_ORDER + 1

    def margin(row: Floats) -> float:
        total = straight(row)
        for value, (grid, rank, table) in zip(row.take(place).tolist(), bends, strict=True):
            share = float(np.interp(value, grid, rank))
            scaled = (0.0 if share != share else min(max(share, 0.0), 1.0)) * intervals  # noqa: PLR0124 - NaN
            start = min(int(scaled), intervals - 1)
            part = scaled - start
            first, second, third = table[start : start + SPLINE_ORDER].tolist()
            total += (1 - part) * (1 - part) / 2 * first
            total += (0.5 + part - part * part) * second
            total += part * part / 2 * third
        return total

    return margin


def one_log_odds(probability: float) -> float:
    """Return `margins.log_odds` of one probability."""
    inside = min(max(probability, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY)
    return float(np.log(inside)) - float(np.log1p(-inside))


def one_sigmoid(margin: float) -> float:
    """Return `margins.sigmoid` of one margin; numpy's exponential, as the one of C differs in the last bit."""
    small = float(np.exp(-abs(margin)))
    return (1.0 if margin >= 0 else small) / (1.0 + small)


def one_bend(curve: Curve) -> Callable[[float], float]:
    """Return `bending.bend` along `curve`, which has knots, for one margin."""
    x, y = (np.array(side, dtype=np.float64) for side in curve)
    low, high = (float((y[place + 1] - y[place]) / (x[place + 1] - x[place])) for place in (0, -2))
    first, last = float(x[0]), float(x[-1])

    def bent(margin: float) -> float:
        inside = float(np.interp(margin, x, y))
        return inside + low * min(margin - first, 0.0) + high * max(margin - last, 0.0)

    return bent


# The families whose margin for one customer is worth a form of its own.
ADDITIVE: Final = {"linear": linear_margin, "spline": spline_margin}
