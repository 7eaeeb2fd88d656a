"""How the arrays of each family become a margin, the log odds before calibration; numpy only, and the same for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import LARGEST, Floats
from churnflow.modelling.trees import Trees

Family = Literal["linear", "spline", "fourier", "forest", "boosted", "summed", "blend"]
Arrays = Mapping[str, npt.NDArray[Any]]
Margin = Callable[[Floats], Floats]

LARGEST_WEIGHT: Final = 1e60
SMALLEST_PROBABILITY: Final = 1e-12
# Beyond it the cosine of a double is noise: two ways of adding up the same numbers would score a customer differently.
FARTHEST: Final = 1e6
MOST_MEMBERS: Final = 32
MOST_WAVES: Final = 4_096
# For each customer, in moves from node to node of a tree: a blend of 26,400 trees of depth 20 takes half of it, and a
# request of 1,000 customers some ten seconds for all of it.
MOST_WORK: Final = 1_000_000
_SPLINE_WORK: Final = 20
# A quadratic B-spline: over each interval three basis functions are not nought.
SPLINE_ORDER: Final = 3

_TREE: Final = {"roots": ("<i4", 1), "feature": ("<i4", 1), "threshold": ("<f4", 1), "left": ("<i4", 1)}
_TREES: Final = {**_TREE, "right": ("<i4", 1), "value": ("<f8", 1), "bias": ("<f8", 1)}
_LINEAR: Final = {"weights": ("<f8", 1), "bias": ("<f8", 1)}
_SHAPES: Final[Mapping[str, Mapping[str, tuple[str, int]]]] = {
    "linear": _LINEAR,
    "spline": {**_LINEAR, "place": ("<i4", 1), "grid": ("<f8", 2), "rank": ("<f8", 2), "table": ("<f8", 2)},
    "fourier": {**_LINEAR, "omega": ("<f8", 2), "offset": ("<f8", 1)},
    "forest": _TREES,
    "boosted": _TREES,
    "summed": _TREES,
}
# How a blend writes the family of each member.
MEMBERS: Final = tuple(sorted(_SHAPES))
_OF_BLEND: Final = frozenset({"mix", "families"})
FAMILIES: Final = frozenset({*_SHAPES, "blend"})


def sigmoid(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)) without overflow, (n,) float64."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def log_odds(probability: Floats) -> Floats:
    """Return the logarithm of p / (1 - p), with p kept 1e-12 away from 0 and 1."""
    inside = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(inside) - np.log1p(-inside)


def margin_of(family: str, arrays: Arrays, width: int) -> Margin:
    """Return the function from encoded customers, (n, `width`), to their margins, (n,).

    A blend is the weighted sum of its members' margins: `mix` (members,) holds the weights, `families` (members,) the
    place of each family in `MEMBERS`, and the arrays of member number i are named `i.<name>`. Raises ValueError when
    the arrays are not those of the family, lead outside the model, or take too long to score a customer with.
    """
    found = _blend(arrays, width) if family == "blend" else _single(family, arrays, width)
    if found.work > MOST_WORK:
        refuse("it takes too long to score a customer")
    return found.margin


def spline_basis(ranks: Floats, intervals: int) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return where each of `ranks`, in 0 to 1, lies, and its three quadratic B-spline values, shape + (3,).

    The knots are `intervals` + 1, evenly apart. Basis functions place, place + 1 and place + 2 are those that are not
    nought (de Boor, A Practical Guide to Splines, 1978).
    """
    scaled = ranks * intervals
    place = np.minimum(scaled.astype(np.intp), intervals - 1)
    part = scaled - place
    values = np.stack([(1 - part) ** 2 / 2, 0.5 + part - part**2, part**2 / 2], axis=-1)
    return place, values


def ranks_of(values: Floats, grid: Floats, rank: Floats) -> Floats:
    """Return the share of the training rows at or below each value, (n,), by interpolation between quantiles.

    Between quantiles that are nearly equal the slope may leave the range of a double; the share is in 0 to 1 still.
    """
    ranks: Floats = np.clip(np.nan_to_num(np.interp(values, grid, rank)), 0.0, 1.0)
    return ranks


@dataclass(frozen=True)
class _Built:
    """A margin, and how much work it is for a customer, in moves from node to node of a tree."""

    margin: Margin
    work: int = 0


def _single(family: str, arrays: Arrays, width: int) -> _Built:
    _check_arrays(family, arrays)
    return _BUILDERS[family](arrays, width)


def _linear(arrays: Arrays, width: int) -> _Built:
    return _Built(_straight(arrays, width))


def _straight(arrays: Arrays, width: int) -> Margin:
    if len(arrays["weights"]) != width:
        refuse("it has not one weight per encoded column")
    return partial(_dot, weights=arrays["weights"], bias=float(arrays["bias"][0]))


def _dot(matrix: Floats, weights: Floats, bias: float) -> Floats:
    # Not `matrix @ weights`: BLAS sums a single row in another order than many, and a customer's score must not depend
    # on who else is in the request.
    margins: Floats = np.einsum("ij,j->i", matrix, weights) + bias
    return margins


def _spline(arrays: Arrays, width: int) -> _Built:
    place, grid, rank, table = (arrays[name] for name in ("place", "grid", "rank", "table"))
    intervals = table.shape[1] - SPLINE_ORDER + 1
    if len(arrays["weights"]) != width or not len(place) == len(grid) == len(rank) == len(table):
        refuse("its splines do not fit its weights")
    if place.min() < 0 or place.max() >= width or intervals < 1 or (np.diff(place) <= 0).any():
        refuse("its splines are not one for each of some encoded columns, in their order")
    _check_quantiles(grid, rank)
    straight = _straight({name: arrays[name] for name in _LINEAR}, width)

    def margin(matrix: Floats) -> Floats:
        total = straight(matrix)
        for number, column in enumerate(place):
            start, values = spline_basis(ranks_of(matrix[:, column], grid[number], rank[number]), intervals)
            for step in range(SPLINE_ORDER):
                total += values[:, step] * table[number].take(start + step)
        return total

    return _Built(margin, _SPLINE_WORK * len(place))


def _check_quantiles(grid: Floats, rank: Floats) -> None:
    if grid.shape != rank.shape:
        refuse("a spline has not one rank per quantile")
    if (np.diff(grid, axis=1) < 0).any() or (np.diff(rank, axis=1) < 0).any() or rank.min() < 0 or rank.max() > 1:
        refuse("the quantiles of a spline do not rise")


def _fourier(arrays: Arrays, width: int) -> _Built:
    inputs, outputs = arrays["omega"].shape
    if inputs != width or len(arrays["offset"]) != outputs or len(arrays["weights"]) != outputs or not outputs:
        refuse("its Fourier features do not fit the encoded columns")
    if outputs > MOST_WAVES:
        refuse(f"it has more than {MOST_WAVES:,} Fourier features")

    def margin(matrix: Floats) -> Floats:
        near = np.clip(matrix, -FARTHEST, FARTHEST)
        waves = np.cos(np.einsum("ij,jk->ik", near, arrays["omega"]) + arrays["offset"]) * np.sqrt(2.0 / outputs)
        return _dot(waves, arrays["weights"], float(arrays["bias"][0]))

    return _Built(margin)


def _forest(arrays: Arrays, width: int) -> _Built:
    trees = Trees.from_arrays(arrays, width)
    if trees.value.min() < 0 or trees.value.max() > 1:
        refuse("a leaf of its forest is not a probability")
    return _Built(lambda matrix: log_odds(trees.total(matrix, mean_value)), trees.moves)


def mean_value(values: Floats) -> Floats:
    """Return what a forest makes of the values of its trees, (n, trees): the mean for each row, (n,)."""
    mean: Floats = values.mean(axis=1)
    return mean


def _boosted(arrays: Arrays, width: int) -> _Built:
    trees = _bounded_trees(arrays, width)
    bias = arrays["bias"].astype(np.float32)

    def add(values: Floats) -> Floats:
        # XGBoost adds up singles, tree after tree; in doubles 300 trees would differ from it by up to 5e-6.
        first = np.broadcast_to(bias, (len(values), 1))
        running = np.cumsum(np.concatenate([first, values.astype(np.float32)], axis=1), axis=1, dtype=np.float32)
        return running[:, -1].astype(np.float64)

    return _Built(lambda matrix: trees.total(matrix, add), trees.moves)


def _summed(arrays: Arrays, width: int) -> _Built:
    trees = _bounded_trees(arrays, width)
    add = partial(sum_of_values, bias=float(arrays["bias"][0]))
    return _Built(lambda matrix: trees.total(matrix, add), trees.moves)


def sum_of_values(values: Floats, bias: float) -> Floats:
    """Return the values of all trees, (n, trees), added up in doubles, (n,)."""
    total: Floats = values.sum(axis=1) + bias
    return total


def _bounded_trees(arrays: Arrays, width: int) -> Trees:
    trees = Trees.from_arrays(arrays, width)
    if max(np.abs(trees.value).max(), abs(arrays["bias"][0])) > LARGEST:
        refuse("a leaf of its trees is out of range")
    return trees


def _blend(arrays: Arrays, width: int) -> _Built:
    mix, families = arrays.get("mix"), arrays.get("families")
    if mix is None or families is None or mix.dtype.str != "<f8" or families.dtype.str != "<i4":
        refuse("its blend does not say what it is made of")
    if mix.shape != families.shape or mix.ndim != 1 or not 0 < len(mix) <= MOST_MEMBERS:
        refuse("its blend has not one weight per member")
    if families.min() < 0 or families.max() >= len(MEMBERS) or not (np.abs(mix) <= LARGEST_WEIGHT).all():
        refuse("its blend names a member of no kind")
    parts = _by_member({name: array for name, array in arrays.items() if name not in _OF_BLEND}, len(mix))
    members = [_single(MEMBERS[kind], part, width) for kind, part in zip(families, parts, strict=True)]

    def margin(matrix: Floats) -> Floats:
        total = np.zeros(len(matrix))
        for weight, member in zip(mix, members, strict=True):
            total += weight * member.margin(matrix)
        return total

    return _Built(margin, sum(member.work for member in members))


def _by_member(arrays: Arrays, members: int) -> list[dict[str, npt.NDArray[Any]]]:
    """Return the arrays of each member, by their own names."""
    numbers = {str(number): number for number in range(members)}
    parts: list[dict[str, npt.NDArray[Any]]] = [{} for _ in range(members)]
    for name, array in arrays.items():
        number, _, plain = name.partition(".")
        if number not in numbers:
            refuse("its blend holds an array of no member")
        parts[numbers[number]][plain] = array
    return parts


_BUILDERS: Final[Mapping[str, Callable[[Arrays, int], _Built]]] = {
    "linear": _linear,
    "spline": _spline,
    "fourier": _fourier,
    "forest": _forest,
    "boosted": _boosted,
    "summed": _summed,
}


def _check_arrays(family: str, arrays: Arrays) -> None:
    expected = _SHAPES[family]
    if set(arrays) != set(expected):
        refuse("it has not the arrays of its family")
    for name, (dtype, dimensions) in expected.items():
        array = arrays[name]
        if array.dtype.str != dtype or array.ndim != dimensions or not array.size:
            refuse(f"its array {name} is of another type or shape")
        if not (np.abs(array.astype(np.float64)) <= LARGEST_WEIGHT).all():
            refuse(f"its array {name} holds a number out of range")
    if len(arrays["bias"]) != 1:
        refuse("it has more than one bias")


def refuse(reason: str) -> NoReturn:
    """Raise ValueError: what was read is no model."""
    message = f"not a usable model: {reason}"
    raise ValueError(message)
