"""A stored model compiled for serving: the same bits as `PortableModel.margin`, several times faster; numpy alone.

The trees of all members of a blend are asked in one pass: those of one customer by `one_row`, of many by `bit_planes`.
What their leaves hold is added up in the order of `margins`, for that order makes the bits of a sum.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from churnflow.modelling.bending import STRAIGHT, bend
from churnflow.modelling.bit_planes import BitPlanes, room_of
from churnflow.modelling.columns import Floats
from churnflow.modelling.margins import Arrays, Margin, log_odds, margin_of, mean_value, sigmoid, sum_of_values
from churnflow.modelling.one_margin import ADDITIVE, OneMargin, one_bend, one_log_odds, one_sigmoid
from churnflow.modelling.one_row import OneRow, pays
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.shapley import members
from churnflow.modelling.trees import Trees

# Of bytes, for what is laid out beside the model; members that do not fit keep their plain margin.
ROOM: Final = 64 * 1024 * 1024
# Of leaves that rows end at, in memory at a time.
_CELLS: Final = 1 << 18
_FEWEST_ROWS: Final = 64
# What `OneRow` and the trees of a group hold of each node.
_NODE_BYTES: Final = 28 + 24


@dataclass(frozen=True)
class _Ensemble:
    """The trees of the member with a number, and what makes their values a margin.

    one: from the values of one customer's leaves, (trees,). many: from those of many, (trees, n), to (n,).
    """

    number: int
    trees: Trees
    one: Callable[[Floats], float]
    many: Callable[[Floats], Floats]


class Compiled:
    """The margins of a model, for one encoded customer and for many; immutable, so that several threads may ask."""

    def __init__(self, model: PortableModel) -> None:
        """Lay `model` out; a member that gains nothing by it, or takes too much room, is asked as the model asks it."""
        width, parts = model.encoding.width, members(model)
        self._blend, self._calibration, self._curve = model.family == "blend", model.calibration, model.curve
        self._bent = None if model.curve == STRAIGHT else one_bend(model.curve)
        self._weights = [weight for weight, _, _ in parts]
        ensembles = _fitting(
            _ensemble(number, family, arrays, width)
            for number, (_, family, arrays) in enumerate(parts)
            if family in _ENSEMBLES
        )
        self._groups = [_group(list(alike)) for _, alike in groupby(ensembles, lambda ensemble: ensemble.trees.depth)]
        together = [ensemble for ensemble in ensembles if pays(ensemble.trees)]
        self._row = OneRow.of([ensemble.trees for ensemble in together], width) if together else None
        self._adders = [(ensemble.number, place, ensemble.one) for place, ensemble in _placed(together)]
        own = {ensemble.number: ensemble for ensemble in ensembles}
        self._plain: dict[int, Margin] = {}
        self._alone: list[tuple[int, OneMargin]] = []
        for number, (_, family, arrays) in enumerate(parts):
            if number not in own:
                self._plain[number] = margin_of(family, arrays, width) if self._blend else model.margin
                one = ADDITIVE[family](arrays) if family in ADDITIVE else partial(_first, self._plain[number])
                self._alone.append((number, one))
            elif own[number] not in together:
                self._alone.append((number, partial(_walked, own[number])))

    def margin(self, matrix: Floats) -> Floats:
        """Return the log odds before calibration of encoded customers, (n, width), as (n,) float64."""
        if len(matrix) <= 1:
            return np.array([self.margin_one(row) for row in matrix])
        margins: Floats = np.empty((len(self._weights), len(matrix)))
        for number, plain in self._plain.items():
            margins[number] = plain(matrix)
        for planes, ensembles in self._groups:
            _fill(margins, matrix, planes, ensembles)
        if not self._blend:
            alone: Floats = margins[0]
            return alone
        total = np.zeros(len(matrix))
        for weight, margin in zip(self._weights, margins, strict=True):
            total += weight * margin
        return total

    def margin_one(self, row: Floats) -> float:
        """Return the log odds before calibration of one encoded customer, (width,)."""
        margins = [0.0] * len(self._weights)
        if self._row:
            values = self._row.values(row.astype(np.float32))
            for number, place, add in self._adders:
                margins[number] = add(values[place])
        for number, alone in self._alone:
            margins[number] = alone(row)
        if not self._blend:
            return margins[0]
        total = 0.0
        for weight, margin in zip(self._weights, margins, strict=True):
            total += weight * margin
        return total

    def probability(self, matrix: Floats) -> Floats:
        """Return the probability for encoded customers, (n, width), as (n,) float64."""
        slope, intercept = self._calibration
        return sigmoid(bend(self._curve, slope * self.margin(matrix) + intercept))

    def probability_one(self, row: Floats) -> float:
        """Return the probability for one encoded customer, (width,)."""
        slope, intercept = self._calibration
        scaled = slope * self.margin_one(row) + intercept
        return one_sigmoid(self._bent(scaled) if self._bent else scaled)


def is_proved(card: object) -> bool:
    """Tell whether the card of a release says that its model, compiled, was proved equal at the rehearsal."""
    scorer = card.get("scorer") if isinstance(card, dict) else None
    return isinstance(scorer, dict) and scorer.get("compiled") is True


def compile_model(model: PortableModel) -> Compiled:
    """Return `model` laid out for speed: what it answers is the same, bit for bit."""
    return Compiled(model)


def _first(margin: Margin, row: Floats) -> float:
    return float(margin(row[None])[0])


def _walked(ensemble: _Ensemble, row: Floats) -> float:
    return float(ensemble.trees.total(row[None], lambda values: np.array([ensemble.one(values[0])]))[0])


def _fill(margins: Floats, matrix: Floats, planes: BitPlanes, ensembles: Sequence[tuple[slice, _Ensemble]]) -> None:
    """Write the margins of ensembles into their rows of `margins` (members, n)."""
    step = max(_FEWEST_ROWS, _CELLS // len(planes.trees.roots))
    # Of nearly equal parts none is a single row, whose sum numpy would make in another order.
    ends = np.linspace(0, len(matrix), max(1, len(matrix) // step) + 1).astype(np.intp).tolist()
    for start, end in pairwise(ends):
        values = planes.values(np.ascontiguousarray(matrix[start:end].T, dtype=np.float32))
        for place, ensemble in ensembles:
            margins[ensemble.number, start:end] = ensemble.many(values[place])


def _forest(trees: Trees, arrays: Arrays) -> tuple[Trees, Callable[[Floats], float], Callable[[Floats], Floats]]:
    del arrays
    count = len(trees.roots)
    return (
        trees,
        lambda values: one_log_odds(float(np.add.reduce(values)) / count),
        lambda values: log_odds(mean_value(np.ascontiguousarray(values.T))),
    )


def _summed(trees: Trees, arrays: Arrays) -> tuple[Trees, Callable[[Floats], float], Callable[[Floats], Floats]]:
    bias = float(arrays["bias"][0])
    return (
        trees,
        lambda values: float(np.add.reduce(values)) + bias,
        lambda values: sum_of_values(np.ascontiguousarray(values.T), bias),
    )


def _boosted(trees: Trees, arrays: Arrays) -> tuple[Trees, Callable[[Floats], float], Callable[[Floats], Floats]]:
    # The bias is what is added to first, as if it were the value of a tree without conditions.
    first = Trees.constant(float(arrays["bias"].astype(np.float32)[0]))
    return Trees.joined([first, trees]), _in_singles, _many_in_singles


def _in_singles(values: Floats) -> float:
    return float(np.add.accumulate(values.astype(np.float32))[-1])


def _many_in_singles(values: Floats) -> Floats:
    # Over the first axis numpy adds one tree after the other; over the last, pair by pair.
    total: Floats = np.add.reduce(values.astype(np.float32), axis=0).astype(np.float64)
    return total


_ENSEMBLES: Final = {"forest": _forest, "boosted": _boosted, "summed": _summed}


def _ensemble(number: int, family: str, arrays: Arrays, width: int) -> _Ensemble:
    return _Ensemble(number, *_ENSEMBLES[family](Trees.from_arrays(arrays, width), arrays))


def _fitting(ensembles: Iterable[_Ensemble]) -> list[_Ensemble]:
    """Return those that fit into ROOM, the deepest first, of equally deep ones in their order."""
    chosen, room = [], 0
    for ensemble in sorted(ensembles, key=lambda ensemble: len(ensemble.trees.feature)):
        room += _NODE_BYTES * len(ensemble.trees.feature) + room_of(ensemble.trees)
        if room <= ROOM:
            chosen.append(ensemble)
    return sorted(chosen, key=lambda ensemble: (-ensemble.trees.depth, ensemble.number))


def _placed(ensembles: Sequence[_Ensemble]) -> list[tuple[slice, _Ensemble]]:
    """Return each ensemble with the place of its trees, where those of all stand one after the other."""
    ends = np.cumsum([0, *(len(ensemble.trees.roots) for ensemble in ensembles)]).tolist()
    places = [slice(first, last) for first, last in pairwise(ends)]
    return list(zip(places, ensembles, strict=True))


def _group(ensembles: Sequence[_Ensemble]) -> tuple[BitPlanes, list[tuple[slice, _Ensemble]]]:
    return BitPlanes.of(Trees.joined([ensemble.trees for ensemble in ensembles])), _placed(ensembles)
