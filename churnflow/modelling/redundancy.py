"""Columns that say what others say already, and why: copies, other units, codes of a name, functions, formulas."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.arithmetic import relations, standardised

Codes = npt.NDArray[np.int64]

MOST_LEVELS: Final = 200
MOST_ROWS: Final = 5_000
ROWS_PER_LEVEL: Final = 10
HOLDS: Final = 0.999
LINEAR: Final = 0.99999
HALF: Final = 0.5
MOSTLY: Final = 0.99
UNEXPLAINED: Final = 0.02
_FEWEST: Final = 30
_ROUNDED: Final = 1e-6


@dataclass(frozen=True)
class Redundancy:
    """A feature that others make superfluous: which ones, and the cause in words."""

    feature: str
    of: tuple[str, ...]
    cause: str


def redundancies(frame: pd.DataFrame, kinds: Mapping[str, str], seed: int) -> list[Redundancy]:
    """Return the features of `frame` that are another one in other units or words, a function of one, or a formula.

    A feature is a function of another if 99.9% of the rows have, for the other's level, the most frequent of its own
    values, where at most 99% would have the most frequent of all. Levels of fewer than ten rows on average prove
    nothing.
    """
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    found: dict[str, Redundancy] = {}
    for redundant in (*_units(frame, numbers), *_functions(frame, list(kinds))):
        if not _told(found, redundant):
            found[redundant.feature] = redundant
    rest = [name for name in numbers if name not in found]
    for relation in relations(frame, rest, seed):
        cause = f"{relation.column} is {relation.words} (r = {relation.r:.4f})"
        found[relation.column] = Redundancy(relation.column, relation.of, cause)
    return list(found.values())


def linear_cause(frame: pd.DataFrame, first: str, second: str) -> str:
    """Return in words how `second` is a multiple of `first`, plus a constant; empty where it is not."""
    pair = frame[[first, second]].dropna().to_numpy(dtype=np.float64)
    if len(pair) < _FEWEST or not np.ptp(pair, axis=0).all() or abs(np.corrcoef(pair.T)[0, 1]) < LINEAR:
        return ""
    slope, shift = np.polyfit(pair[:, 0], pair[:, 1], 1)
    spread = float(np.ptp(pair[:, 1]))
    factor = "" if abs(slope - 1) < _ROUNDED else f"{slope:.4g} x "
    constant = "" if abs(shift) < 1e-3 * spread else f" {'+' if shift > 0 else '-'} {abs(shift):.4g}"
    return f"{second} is {factor}{first}{constant}"


def _told(found: Mapping[str, Redundancy], new: Redundancy) -> bool:
    """Tell whether a feature, or what it would be superfluous beside, has been named already."""
    return new.feature in found or any(name in found for name in new.of)


def _units(frame: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Redundancy]:
    sample = frame[list(numbers)].iloc[:: max(1, len(frame) // MOST_ROWS)]
    scaled = standardised(sample.to_numpy(dtype=np.float64, na_value=np.nan))
    table = np.abs(scaled.T @ scaled) / max(len(scaled), 1)
    for first, second in combinations(range(len(numbers)), 2):
        # Only a first look: the pairs are looked at again over all rows where both are known.
        if table[first, second] >= HALF and (cause := linear_cause(frame, numbers[first], numbers[second])):
            yield Redundancy(numbers[second], (numbers[first],), cause)


def _functions(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[Redundancy]:
    coded = {name: codes for name in names if (codes := _levels(frame[name])) is not None}
    for first, second in combinations(coded, 2):
        forth, back = _decides(coded[first], coded[second]), _decides(coded[second], coded[first])
        if forth and back:
            yield Redundancy(second, (first,), f"{second} is {first} in other words, one to one")
        elif forth:
            yield Redundancy(second, (first,), f"{second} follows from {first}")
        elif back:
            yield Redundancy(first, (second,), f"{first} follows from {second}")


def _levels(values: pd.Series) -> Codes | None:
    codes, levels = pd.factorize(values, use_na_sentinel=False)
    if not 2 <= len(levels) <= min(MOST_LEVELS, len(values) // ROWS_PER_LEVEL):  # noqa: PLR2004
        return None
    return np.asarray(codes, dtype=np.int64)


def _decides(cause: Codes, effect: Codes) -> bool:
    width = int(effect.max()) + 1
    cells = np.bincount(cause * width + effect, minlength=(int(cause.max()) + 1) * width).reshape(-1, width)
    kept, most = float(cells.max(axis=1).sum()) / len(cause), float(cells.sum(axis=0).max()) / len(cause)
    return kept >= HOLDS and most <= MOSTLY and (1 - kept) <= UNEXPLAINED * (1 - most)
