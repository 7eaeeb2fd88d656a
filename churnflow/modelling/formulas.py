"""Leaks by arithmetic: two columns that decide the target together, and formulas that break for those who left only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from churnflow.modelling.alone import Floats, Power, power
from churnflow.modelling.arithmetic import Bools, computed, relations
from churnflow.modelling.purity import Rows, Severity, judge_rows
from churnflow.modelling.split import Ints

MOST_ROWS: Final = 2_000
BLOCKS: Final = 20
LIKELY: Final = 0.95
DECIDES: Final = 0.98
ADDED: Final = 0.02
MOST_HOLD: Final = 0.98
BAND: Final = 12.0
_SHARPEST: Final = 1e-6
_FEWEST: Final = 200


@dataclass(frozen=True)
class Formula:
    """Columns that give the answer away by what is computed from them: the reason in words, and how grave it is."""

    columns: tuple[str, ...]
    reason: str
    severity: Severity


def deciding_pairs(
    frame: pd.DataFrame, alone: Mapping[str, Power], target: Ints, folds: Ints, seed: int
) -> list[Formula]:
    """Return the pairs of numbers whose sum, difference or product decides the target though neither does alone.

    Such as an end and a start of which the difference says whether the contract ran out. alone: the power of the
    numbers to look at. A pair is a leak if what is computed from it has a cross-validated ROC AUC of at least 0.98, and
    more than 0.02 above each of the two. Pairs are looked for in at most 2,000 rows and confirmed in all.
    """
    names = [name for name in alone if alone[name].auc < DECIDES]
    if len(target) < _FEWEST or len(names) < 2:  # noqa: PLR2004 - a pair
        return []
    rows = np.random.default_rng(seed).permutation(len(target))[:MOST_ROWS]
    matrix = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    found = []
    for first, second, sign in _likely(matrix[rows], target[rows]):
        values = pd.Series(_joined(matrix[:, first], matrix[:, second], sign))
        auc = power(values, "number", target, folds).auc
        pair = (names[first], names[second])
        if auc >= max(DECIDES, ADDED + max(alone[name].auc for name in pair)):
            reason = f"{pair[0]} {sign} {pair[1]} orders the classes with a cross-validated ROC AUC of {auc:.3f}"
            found.append((auc, Formula(pair, reason, "critical")))
    # One column in many such pairs is one leak, named by its best pair.
    return _apart([formula for _, formula in sorted(found, key=lambda item: (-item[0], item[1].columns))])


def broken_formulas(frame: pd.DataFrame, numbers: Sequence[str], target: Ints, seed: int) -> list[Formula]:
    """Return the formulas that hold for nearly everybody who stayed, and where not, the customer has left.

    Formulas are learned from those who stayed: copies, products and sums. Where one does not hold, by far more than
    it scatters among them, are rows judged as in `judge_rows`.
    """
    stayed = frame.loc[target == 0, list(numbers)]
    found = []
    for relation in relations(stayed, numbers, seed):
        if len(relation.of) != 2:  # noqa: PLR2004 - sums of more were fitted, and a fit follows its rows
            continue
        value = frame[relation.column].to_numpy(dtype=np.float64, na_value=np.nan)
        broken = _broken(value, computed(frame, relation), target == 0)
        words = f"{relation.column} is {relation.words}, but breaks with that"
        sign = judge_rows(Rows(broken, words), target) if broken.sum() else None
        if sign:
            found.append(Formula((relation.column, *relation.of), sign.reason, sign.severity))
    return [*found, *_broken_copies(frame, numbers, target)]


def _broken_copies(frame: pd.DataFrame, numbers: Sequence[str], target: Ints) -> Iterator[Formula]:
    matrix = frame[list(numbers)].to_numpy(dtype=np.float64, na_value=np.nan)
    stayed = np.flatnonzero(target == 0)[:MOST_ROWS]
    for first in range(len(numbers) - 1):
        for second in _copies(matrix[stayed], first):
            pair = (numbers[first], numbers[second])
            broken = ~_same(matrix[:, first], matrix[:, second]) & np.isfinite(matrix[:, [first, second]]).all(axis=1)
            sign = judge_rows(Rows(broken, f"it equals {pair[0]}, but not"), target)
            if sign:
                yield Formula((pair[1], pair[0]), sign.reason, sign.severity)


def _copies(stayed: Floats, first: int) -> list[int]:
    """Return the later columns that equal column `first` in nearly all rows, and are not one value throughout."""
    same = _same(stayed[:, [first]], stayed[:, first + 1 :]).mean(axis=0)
    most = np.unique(stayed[:, first], return_counts=True)[1].max() / len(stayed)
    return [first + 1 + int(place) for place in np.flatnonzero((same >= MOST_HOLD) & (most < MOST_HOLD))]


def _same(first: Floats, second: Floats) -> Bools:
    with np.errstate(invalid="ignore"):
        same: Bools = np.abs(first - second) <= _SHARPEST * np.maximum(np.abs(first), np.abs(second))
    return same


def _broken(value: Floats, formula: Floats, stayed: Bools) -> Bools:
    """Return the rows where `value` is off `formula` by far more than it scatters among those who stayed."""
    known = np.isfinite(value) & np.isfinite(formula)
    off = np.where(known, np.abs(value - formula), 0.0)
    size = np.maximum(np.abs(formula), np.nanmedian(np.abs(formula)))
    share = off / np.where(size > 0, size, 1.0)
    typical = float(np.median(share[stayed & known])) if (stayed & known).any() else 0.0
    broken: Bools = known & (share > max(_SHARPEST, BAND * typical))
    return broken


def _likely(matrix: Floats, target: Ints) -> Iterator[tuple[int, int, str]]:
    """Return the pairs, with the sign between them, whose blocks of equally many rows are nearly of one class."""
    for first in range(matrix.shape[1] - 1):
        others = matrix[:, first + 1 :]
        for sign in ("-", "+", "x"):
            order = np.argsort(_joined(matrix[:, [first]], others, sign), axis=0, kind="stable")
            for place in np.flatnonzero(_block_auc(target[order]) >= LIKELY):
                yield first, first + 1 + int(place), sign


def _joined(first: Floats, second: Floats, sign: str) -> Floats:
    match sign:
        case "-":
            result = first - second
        case "+":
            result = first + second
        case _:
            result = first * second
    return result


def _block_auc(ordered: Ints) -> Floats:
    """Return for each column of targets, in the order of a score, the ROC AUC of the rates of its blocks, (p,)."""
    rows = len(ordered) // BLOCKS * BLOCKS
    hits = np.sort(ordered[:rows].reshape(BLOCKS, -1, ordered.shape[1]).sum(axis=1), axis=0).astype(np.float64)
    misses = rows / BLOCKS - hits
    below = np.cumsum(misses, axis=0) - misses
    pairs = hits.sum(axis=0) * misses.sum(axis=0)
    auc: Floats = (hits * (below + misses / 2)).sum(axis=0) / np.maximum(pairs, 1.0)
    return auc


def _apart(formulas: Sequence[Formula]) -> list[Formula]:
    kept: list[Formula] = []
    for formula in formulas:
        if not any(set(formula.columns) & set(other.columns) for other in kept):
            kept.append(formula)
    return kept
