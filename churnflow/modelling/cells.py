"""Counts by code, with codes put together where there are too few: for a person's sake, and for a test's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Fewer customers than this are never told by themselves.
FEWEST: Final = 10
# A chi-square test holds where this many are expected in each cell (Cochran 1954).
EXPECTED: Final = 5.0


@dataclass(frozen=True)
class Cells:
    """How many customers there are in each cell; a cell is one or more codes that lie side by side."""

    codes: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, counts: Sequence[int]) -> "Cells":
        """Put codes together until none has between one and FEWEST - 1 customers.

        Neighbours in tenths of a number are near each other, and those among levels are alike in frequency.
        """
        groups = _joined([[count, FEWEST if count else 0.0] for count in counts])
        return cls(tuple(groups), tuple(sum(counts[code] for code in group) for group in groups))

    @classmethod
    def from_json(cls, value: Any) -> "Cells":
        """Return what `as_json` described."""
        return cls(tuple(tuple(group) for group in value["codes"]), tuple(value["counts"]))

    def as_json(self) -> dict[str, Any]:
        """Return the cells as plain JSON values."""
        return {"codes": [list(group) for group in self.codes], "counts": list(self.counts)}

    def beside(self, reference: Sequence[int]) -> tuple[Floats, Floats]:
        """Return the counts of a reference and of these in the same cells."""
        theirs = [sum(reference[code] for code in group) for group in self.codes]
        return np.array(theirs, dtype=np.float64), np.array(self.counts, dtype=np.float64)


def chi_square_cells(theirs: Floats, ours: Floats) -> tuple[Floats, Floats]:
    """Return two rows of counts with cells put together until a chi-square test of them holds."""
    smaller = min(theirs.sum(), ours.sum()) / max(1.0, theirs.sum() + ours.sum())
    groups = _joined([(float(value), EXPECTED) for value in smaller * (theirs + ours)])
    first, second = (np.array([counts[list(group)].sum() for group in groups]) for counts in (theirs, ours))
    return first, second


def _joined(values: Sequence[Sequence[float]]) -> list[tuple[int, ...]]:
    """Return groups of neighbours that each hold what their members ask for; the rest joins those before it."""
    groups: list[tuple[int, ...]] = []
    group: tuple[int, ...] = ()
    held = asked = 0.0
    for place, (value, least) in enumerate(values):
        group, held, asked = (*group, place), held + value, max(asked, least)
        if held >= asked:
            groups.append(group)
            group, held, asked = (), 0.0, 0.0
    while group and held < asked and groups:
        before = groups.pop()
        group, held = (*before, *group), held + sum(values[place][0] for place in before)
    return [*groups, group] if group else groups
