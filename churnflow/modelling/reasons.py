"""Why a customer is at risk, from the model and its training reference alone, without a row of anyone; numpy only.

What a feature adds is the change of the log odds when its value is replaced by those that are typical in training,
averaged by how often each occurs: prediction difference analysis (Robnik-Sikonja and Kononenko 2008, "Explaining
classifications for individual instances"). For sums of functions of one feature each it is the Shapley value; where
features act together it is what the customer would lose without this one alone, so that the parts need not add up.
All columns that a feature was encoded into are replaced together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from churnflow.modelling.bending import STRAIGHT
from churnflow.modelling.columns import Column, Encoding, Floats
from churnflow.modelling.compiled import compile_model
from churnflow.modelling.margins import SPLINE_ORDER, Arrays, Family, Margin, ranks_of, spline_basis
from churnflow.modelling.reference import FeatureReference, Reference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.shapley import ADDITIVE, TREES, members
from churnflow.modelling.tree_tables import TreeTables, tables_of
from churnflow.modelling.trees import Trees

# Where each typical value costs a walk through the whole model, these many stand for all of a feature.
FEW: Final = 4
# Less than this of the log odds is no reason.
LEAST: Final = 0.01
Ints = npt.NDArray[np.intp]
# Adds to (features, n) what the features of encoded rows, (n, width), add to a margin.
_Part = Callable[[Floats, Floats], None]


@dataclass(frozen=True)
class Typical:
    """The values of one feature in training, encoded.

    places: the columns that it takes. rows: (k, width), of which these columns count. weights: (k,), which sum to 1.
    """

    places: list[int]
    rows: Floats
    weights: Floats

    def few(self) -> "Typical":
        """Return the same with at most `FEW` values, each standing for its neighbours, which are in order."""
        if len(self.weights) <= FEW:
            return self
        # Each value goes to the share of all rows in which its middle lies.
        group = np.minimum(((np.cumsum(self.weights) - self.weights / 2) * FEW).astype(np.intp), FEW - 1)
        chosen = [max(np.flatnonzero(group == each), key=lambda at: self.weights[at]) for each in np.unique(group)]
        return Typical(self.places, self.rows[chosen], np.bincount(group, self.weights)[np.unique(group)])


class Reasons:
    """What moves the customers of a model; made once, then asked about many, by several threads if need be."""

    def __init__(self, model: PortableModel, reference: Reference) -> None:
        """Take the model, and what its training rows were like. Raises ValueError where they do not fit each other."""
        reference.check_fit(model.encoding)
        self.features = tuple(column.name for column in model.encoding.columns)
        pairs = zip(model.encoding.columns, reference.features, strict=True)
        typical = [_typical(column, sketch, model.encoding) for column, sketch in pairs]
        self._slope = model.calibration[0]
        self._parts = [
            (weight, _part(_member(model, family, arrays), typical)) for weight, family, arrays in members(model)
        ]

    def added(self, matrix: Floats) -> Floats:
        """Return what each feature adds to the log odds of encoded customers, (n, features); before a curve bends."""
        total = np.zeros((len(self.features), len(matrix)))
        for weight, part in self._parts:
            own = np.zeros_like(total)
            part(matrix, own)
            total += weight * own
        return self._slope * total.T

    def strongest(self, matrix: Floats, most: int) -> Ints:
        """Return the features that raise the risk of each customer most, (n, most), the strongest first, -1 for none.

        matrix: (n, width), encoded.
        """
        added = self.added(matrix)
        order = np.argsort(-added, axis=1, kind="stable")[:, :most]
        chosen: Ints = np.where(np.take_along_axis(added, order, axis=1) >= LEAST, order, -1)
        return chosen


def _typical(column: Column, sketch: FeatureReference, encoding: Encoding) -> Typical:
    values = _levels(sketch) if column.kind == "category" else _middles(column, sketch)
    # Of no rows at all, where all counts are nought, every bin would be as good as another.
    found = [place for place, count in enumerate(sketch.counts) if count or not sum(sketch.counts)]
    table: dict[str, list[Any]] = {each.name: [None] * len(found) for each in encoding.columns}
    table[column.name] = [values[place] for place in found]
    counts = np.array([sketch.counts[place] for place in found], dtype=np.float64)
    weights = counts / counts.sum() if counts.any() else np.full(len(found), 1 / len(found))
    return Typical(encoding.slices()[column.name], encoding.encode(table).matrix, weights)


def _levels(sketch: FeatureReference) -> list[str | None]:
    # No level is called so, as a level is never blank; what the model makes of it is what it makes of any other.
    return [None, "", *sketch.levels]


def _middles(column: Column, sketch: FeatureReference) -> list[float | None]:
    """Return a value for each bin of a number: its middle, with the range seen in training around the outer bins."""
    edges = list(sketch.edges)
    if not edges:
        return [None, column.impute]
    low = edges[0] if sketch.low is None else min(sketch.low, edges[0])
    high = edges[-1] if sketch.high is None else max(sketch.high, edges[-1])
    around = [low, *edges, high]
    middles = [(first + second) / 2 for first, second in pairwise(around)]
    # Of whole numbers a bin ends with its upper edge and begins above its lower one: between 0 and 1 lies 1.
    whole = all(edge.is_integer() for edge in around)
    return [None, *(map(math.ceil, middles) if whole else middles)]


def _member(model: PortableModel, family: str, arrays: Arrays) -> PortableModel:
    """Return one of the models that a blend is the weighted sum of, without a calibration of its own."""
    return replace(model, family=cast("Family", family), arrays=arrays, calibration=(1.0, 0.0), curve=STRAIGHT)


def _part(member: PortableModel, typical: Sequence[Typical]) -> _Part:
    if member.family in ADDITIVE:
        return _additive(member.arrays, typical)
    tables = None
    if member.family in TREES:
        tables = tables_of(Trees.from_arrays(member.arrays, member.encoding.width))
    if tables is not None:
        return _of_tables(tables, typical)
    return _replaced(compile_model(member).margin, [each.few() for each in typical])


def _additive(arrays: Arrays, typical: Sequence[Typical]) -> _Part:
    means = [float(each.weights @ _alone(arrays, each.rows, each.places)) for each in typical]

    def add(matrix: Floats, into: Floats) -> None:
        for feature, (each, mean) in enumerate(zip(typical, means, strict=True)):
            into[feature] += _alone(arrays, matrix, each.places) - mean

    return add


def _alone(arrays: Arrays, matrix: Floats, places: Sequence[int]) -> Floats:
    """Return what some columns add to the margin of a linear or spline model, (n,)."""
    total = np.zeros(len(matrix))
    bent = {int(column): number for number, column in enumerate(arrays.get("place", ()))}
    for place in places:
        values = matrix[:, place]
        total += values * arrays["weights"][place]
        if place in bent:
            number = bent[place]
            table = arrays["table"][number]
            ranks = ranks_of(values, arrays["grid"][number], arrays["rank"][number])
            start, basis = spline_basis(ranks, len(table) - SPLINE_ORDER + 1)
            for step in range(SPLINE_ORDER):
                total += basis[:, step] * table.take(start + step)
    return total


def _of_tables(tables: TreeTables, typical: Sequence[Typical]) -> _Part:
    """Return the part of shallow trees, in which a leaf is worth to a feature what it differs from the typical one."""
    own: list[list[tuple[int, Floats]]] = [[] for _ in tables.leaves]
    for feature, each in enumerate(typical):
        uses, changed = tables.changed(each.places, each.rows, each.weights)
        for tree, table in zip(uses.tolist(), changed, strict=True):
            own[tree].append((feature, table))

    def add(matrix: Floats, into: Floats) -> None:
        for code, features in zip(tables.codes(tables.answers(matrix)), own, strict=True):
            for feature, table in features:
                into[feature] += table.take(code, mode="clip")

    return add


def _replaced(margin: Margin, typical: Sequence[Typical]) -> _Part:
    """Return the part of any model: asked once more for each typical value that a row does not have anyway."""

    def add(matrix: Floats, into: Floats) -> None:
        before = margin(matrix)
        for own, each in zip(into, typical, strict=True):
            for row, weight in zip(each.rows[:, each.places], each.weights, strict=True):
                others = np.flatnonzero((matrix[:, each.places] != row).any(axis=1))
                changed = matrix[others]
                changed[:, each.places] = row
                own[others] += weight * (before[others] - margin(changed))

    return add
