"""What may be told of a few customers beside a model: no count, value or extreme that fewer than ten of them share.

The threshold rule of statistical disclosure control, with secondary suppression where a total would give a hidden cell
away (Hundepool et al., Statistical Disclosure Control, 2012, chapters 4 and 5). numpy and the standard library only.
"""

from collections.abc import Sequence
from math import floor, log10
from typing import Final

import numpy as np

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.columns import LARGEST, Floats

# What is said in the place of a count that is not told.
FEW: Final = f"fewer than {FEWEST}"
# Tukey's outer fence: what lies farther from the quartiles than this many times their distance is far out.
_FAR_OUT: Final = 3.0
# As many decimals as the least of all floats has.
_ALL_DIGITS: Final = 323
_PARTS_OF_RANGE: Final = 100
_PARTS_OF_VALUE: Final = 1000


def is_few(count: int) -> bool:
    """Tell whether so many customers are too few to be told of."""
    return 0 < count < FEWEST


def hidden(counts: Sequence[int]) -> list[bool]:
    """Return which of the parts of a known total are not to be told, (k,).

    Those below ten, none at all among them; and the next smallest, until what is hidden together is ten or more and of
    several parts, for the total less what is told would be a hidden count otherwise.
    """
    order = sorted(range(len(counts)), key=lambda place: counts[place])
    hide = [place for place in order if counts[place] < FEWEST]
    rest = order[len(hide) :]
    while hide and rest and (len(hide) < 2 or sum(counts[place] for place in hide) < FEWEST):  # noqa: PLR2004
        hide.append(rest.pop(0))
    return [place in hide for place in range(len(counts))]


def usual_range(ordered: Floats) -> tuple[float, float]:
    """Return the range of sorted finite numbers, (n,) with n > 0, as it may be published.

    Fewer than ten customers far out at an end (Tukey, Exploratory Data Analysis, 1977) are left out, and the ends are
    moved outward to round numbers, a hundredth of the range apart at most: the extreme is one customer's own value.
    """
    last = len(ordered) - 1
    first, third = (float(ordered[round(share * last)]) for share in (0.25, 0.75))
    reach = _FAR_OUT * (third - first)
    below = int(np.searchsorted(ordered, first - reach))
    above = last + 1 - int(np.searchsorted(ordered, third + reach, side="right"))
    low = float(ordered[below if is_few(below) else 0])
    high = float(ordered[last - (above if is_few(above) else 0)])
    digits = _digits(high - low, _PARTS_OF_RANGE)
    return max(-LARGEST, 0.0 - _raised(-low, digits)), min(LARGEST, _raised(high, digits))


def coarse(value: float, low: float, high: float, parts: int = _PARTS_OF_VALUE) -> float:
    """Return a value as a round number, of which there are so many in the range, so that others may share it."""
    return round(value, _digits(high - low, parts)) + 0.0


def _digits(span: float, parts: int) -> int:
    """Return how many decimals tell numbers apart that lie a part of the span from each other."""
    return -floor(log10(span / parts)) if span / parts > 0 else _ALL_DIGITS


def _raised(value: float, digits: int) -> float:
    """Return the least number of so many decimals that is not below a value."""
    near = round(value, digits)
    return (near if near >= value else round(near + 10.0**-digits, digits)) + 0.0
