"""Columns that are computed from others: products, sums and weighted sums, found and put into words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Operation = Literal["+", "x"]

CLOSE: Final = 0.995
NEARLY: Final = 0.98
GAIN: Final = 0.1
MOST_ROWS: Final = 1_000
MOST_TERMS: Final = 4
EXPLAINED: Final = 0.9999
ROUNDING: Final = 0.005
_FEWEST: Final = 30
_WHOLE: Final = 0.01
_ROUNDED: Final = 1e-9


@dataclass(frozen=True)
class Relation:
    """A column that is computed from others: `scale` times their sum or product, or a weighted sum of them.

    r: Pearson correlation with what it is computed to be. words: the formula as a reader writes it.
    """

    column: str
    of: tuple[str, ...]
    operation: Operation
    r: float
    words: str


def relations(frame: pd.DataFrame, numbers: Sequence[str], seed: int) -> list[Relation]:
    """Return which of `numbers` are a product or sum of two others, or else a weighted sum of up to four.

    A pair counts if the correlation is at least 0.995 and what it leaves unexplained is a tenth of what the better of
    the two leaves alone. A weighted sum counts if it explains 0.9999 of the variance and none of its terms does so
    alone. Of more than 1,000 rows that many are drawn: what holds in nearly all rows holds in them too.
    """
    sample = frame[list(numbers)].sample(min(len(frame), MOST_ROWS), random_state=seed)
    drawn = sample.to_numpy(dtype=np.float64, na_value=np.nan)
    varied = [place for place in range(len(numbers)) if _varies(drawn[:, place])]
    names, drawn = [numbers[place] for place in varied], drawn[:, varied]
    if len(names) < 3 or len(drawn) < _FEWEST:  # noqa: PLR2004 - a result and two terms
        return []
    whole = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    best: dict[str, Relation] = {}
    for places, operation in _likely(drawn):
        found = _confirmed(whole, names, places, operation)
        if found and (found.column not in best or found.r > best[found.column].r):
            best[found.column] = found
    sums = [found for found in _weighted(drawn, names) if found.column not in best]
    return [*best.values(), *_without_circles(sums, best)]


def computed(frame: pd.DataFrame, relation: Relation) -> Floats:
    """Return what the terms of a sum or product of two give in each row, (n,); NaN where one is missing."""
    first, second = (frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in relation.of)
    return combine(relation.operation, first, second)


def combine(operation: Operation, first: Floats, second: Floats) -> Floats:
    """Return the sum or product."""
    result: Floats = first + second if operation == "+" else first * second
    return result


def standardised(matrix: Floats) -> Floats:
    """Return the columns with mean 0 and deviation 1, missing values and constant columns as 0."""
    known = np.isfinite(matrix)
    counts = np.maximum(known.sum(axis=0), 1)
    with np.errstate(invalid="ignore", over="ignore"):
        # Left as 0, a missing value takes no part in the sums.
        centred = np.where(known, matrix - np.where(known, matrix, 0.0).sum(axis=0) / counts, 0.0)
        deviation = np.sqrt((centred**2).sum(axis=0) / counts)
    return centred / np.where((deviation > 0) & np.isfinite(deviation), deviation, np.inf)


def _plainly(matrix: Floats) -> Floats:
    """Standardise columns without missing values, many times faster."""
    centred = matrix - matrix.mean(axis=0)
    deviation = centred.std(axis=0)
    scaled: Floats = centred / np.where(deviation > 0, deviation, np.inf)
    return scaled


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    # Half of the values must be known: of fewer, what fits them may be chance.
    return 2 * len(known) >= len(values) and len(known) > 0 and bool(np.ptp(known) > 0)


def _likely(matrix: Floats) -> Iterator[tuple[tuple[int, int, int], Operation]]:
    """Return the places of result and terms for which the correlation of a sample is high enough to look closer."""
    scaled, known = standardised(matrix), np.isfinite(matrix).astype(np.float64)
    alone = _correlations(matrix, scaled, known) ** 2
    operations: tuple[Operation, ...] = ("x", "+")
    for first in range(matrix.shape[1] - 1):
        others = np.arange(first + 1, matrix.shape[1])
        better = np.maximum(alone[first], alone[others])
        for operation in operations:
            fit = _correlations(combine(operation, matrix[:, [first]], matrix[:, others]), scaled, known)
            close = (fit >= NEARLY) & (1 - fit**2 <= 2 * GAIN * (1 - better) + _ROUNDED)
            close[:, first] = False
            close[np.arange(len(others)), others] = False
            for other, column in np.argwhere(close):
                yield (int(column), first, int(others[other])), operation


def _correlations(values: Floats, scaled: Floats, known: Floats) -> Floats:
    """Return the correlation of each column of `values` with each of `scaled`, over the rows where both are known."""
    if np.isfinite(values).all() and known.all():
        return _plainly(values).T @ scaled / len(scaled)
    own = standardised(values)
    sizes = np.sqrt((own**2).T @ known) * np.sqrt(np.isfinite(values).astype(np.float64).T @ scaled**2)
    result: Floats = own.T @ scaled / np.maximum(sizes, _ROUNDED)
    return result


def _confirmed(
    matrix: Floats, names: Sequence[str], places: tuple[int, int, int], operation: Operation
) -> Relation | None:
    """Return the relation if it holds over the rows where all three are known, with its scale in words."""
    known = np.isfinite(matrix[:, places]).all(axis=1)
    if known.sum() < _FEWEST:
        return None
    result, first, second = (matrix[known, place] for place in places)
    value = combine(operation, first, second)
    if not np.ptp(value) or not np.ptp(result):
        return None
    r = float(np.corrcoef(value, result)[0, 1])
    alone = max(abs(float(np.corrcoef(term, result)[0, 1])) for term in (first, second) if np.ptp(term))
    if not r >= CLOSE or 1 - r**2 > GAIN * (1 - alone**2):
        return None
    scale = float(value @ result / (value @ value))
    column, *terms = (names[place] for place in places)
    formula = f" {operation} ".join(terms)
    if abs(scale - 1) > _WHOLE:
        formula = f"{scale:.3g} x ({formula})"
    exact = bool((np.abs(result - scale * value) <= ROUNDING * np.abs(result).max()).all())
    return Relation(column, tuple(terms), operation, r, f"{'' if exact else 'about '}{formula}")


def _weighted(matrix: Floats, names: Sequence[str]) -> Iterator[Relation]:
    scaled = standardised(matrix)
    if len(scaled) <= 2 * len(names):
        return
    gram = scaled.T @ scaled / len(scaled)
    # The diagonal of the inverse is each column's variance inflation (Marquardt 1970); a ridge keeps exact sums finite.
    inflation = np.diag(np.linalg.inv(gram + 1e-9 * np.eye(len(names))))
    # From the last column on: of an equation that can be solved for each, what was computed mostly stands last.
    for column in np.flatnonzero(inflation * (1 - EXPLAINED) >= 1)[::-1]:
        terms = _terms(gram, int(column))
        if len(terms) > 1:
            yield _as_sum(matrix, names, int(column), sorted(terms))


def _terms(gram: Floats, column: int) -> list[int]:
    """Return the few columns whose weighted sum the column is, found greedily (orthogonal matching pursuit)."""
    chosen: list[int] = []
    residual = gram[column].copy()
    while len(chosen) < MOST_TERMS:
        ahead = np.abs(residual)
        ahead[[column, *chosen]] = -1.0
        chosen.append(int(ahead.argmax()))
        weights = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], gram[chosen, column], rcond=None)[0]
        if weights @ gram[chosen, column] >= EXPLAINED * gram[column, column]:
            return chosen
        residual = gram[column] - weights @ gram[chosen]
    return []


def _as_sum(matrix: Floats, names: Sequence[str], column: int, terms: list[int]) -> Relation:
    known = np.isfinite(matrix[:, [column, *terms]]).all(axis=1)
    inputs = np.column_stack([matrix[known][:, terms], np.ones(known.sum())])
    weights = np.linalg.lstsq(inputs, matrix[known, column], rcond=None)[0]
    r = float(np.corrcoef(inputs @ weights, matrix[known, column])[0, 1])
    signs = ["- " if weight < 0 else "+ " for weight in weights]
    parts = [
        f"{sign}{'' if abs(abs(weight) - 1) <= _WHOLE else f'{abs(weight):.3g} x '}{names[term]}"
        for sign, weight, term in zip(signs, weights, terms, strict=False)
    ]
    words = " ".join(parts).removeprefix("+ ")
    return Relation(names[column], tuple(names[term] for term in terms), "+", r, words)


def _without_circles(sums: Sequence[Relation], known: dict[str, Relation]) -> Iterator[Relation]:
    """Keep one of the sums that are the same equation, solved for another column."""
    seen = {frozenset((relation.column, *relation.of)) for relation in known.values()}
    for relation in sums:
        equation = frozenset((relation.column, *relation.of))
        if equation not in seen:
            seen.add(equation)
            yield relation
