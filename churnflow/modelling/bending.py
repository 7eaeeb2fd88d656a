"""A curve that bends log odds where a straight line does not calibrate them; numpy only, as serving needs it."""

from typing import Final

import numpy as np

from churnflow.modelling.columns import Floats

# Log odds at the knots, and what they become: as many of each, both rising.
Curve = tuple[tuple[float, ...], tuple[float, ...]]
STRAIGHT: Final[Curve] = ((), ())
MOST_KNOTS: Final = 64
STEEPEST: Final = 100.0


def bend(curve: Curve, margins: Floats) -> Floats:
    """Return log odds (n,) on the curve: straight between its knots, and on beyond them as at its ends."""
    if curve == STRAIGHT:
        return margins
    x, y = (np.array(side, dtype=np.float64) for side in curve)
    low, high = ((y[place + 1] - y[place]) / (x[place + 1] - x[place]) for place in (0, -2))
    inside: Floats = np.interp(margins, x, y)
    bent: Floats = inside + low * np.minimum(margins - x[0], 0.0) + high * np.maximum(margins - x[-1], 0.0)
    return bent


def is_curve(curve: Curve) -> bool:
    """Tell whether `curve` is none, or has two to 64 knots that rise, and values that do not fall nor leap."""
    x, y = (np.array(side, dtype=np.float64) for side in curve)
    if len(x) != len(y) or len(x) == 1 or len(x) > MOST_KNOTS:
        return False
    run, rise = np.diff(x), np.diff(y)
    return bool((run > 0).all() and (rise >= 0).all() and (rise <= 2 * STEEPEST * run).all())
