"""The stored model: columns, arrays and a threshold, scored with numpy alone; what is evaluated is what is served.

Training libraries write into it (`families`), and the parity measured by `train` says how far it is from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import LARGEST, Column, Encoding, Floats
from churnflow.modelling.model_file import pack, unpack
from churnflow.modelling.trees import Trees

SCHEMA: Final = "churnflow/model@1"
LARGEST_WEIGHT: Final = 1e60
SMALLEST_PROBABILITY: Final = 1e-12
# Beyond it the cosine of a double is noise: two ways of adding up the same numbers would score a customer differently.
FARTHEST: Final = 1e6

Family = Literal["linear", "hinged", "fourier", "forest", "boosted"]
Arrays = Mapping[str, npt.NDArray[Any]]

_TREE: Final = {"roots": ("<i4", 1), "feature": ("<i4", 1), "threshold": ("<f4", 1), "left": ("<i4", 1)}
_TREES: Final = {**_TREE, "right": ("<i4", 1), "value": ("<f8", 1), "bias": ("<f8", 1)}
_SHAPES: Final[Mapping[str, Mapping[str, tuple[str, int]]]] = {
    "linear": {"weights": ("<f8", 1), "bias": ("<f8", 1)},
    "hinged": {"place": ("<i4", 1), "knot": ("<f8", 1), "weights": ("<f8", 1), "bias": ("<f8", 1)},
    "fourier": {"omega": ("<f8", 2), "offset": ("<f8", 1), "weights": ("<f8", 1), "bias": ("<f8", 1)},
    "forest": _TREES,
    "boosted": _TREES,
}


@dataclass(frozen=True, eq=False)
class PortableModel:
    """A trained binary classifier as plain values; immutable, and equal bytes for equal content.

    family: how `arrays` become a margin (log odds before calibration). calibration: slope and intercept of the Platt
    scaling of the margin, (1, 0) for none. threshold: a probability at or above it is decided `positive`.
    """

    name: str
    family: Family
    encoding: Encoding
    arrays: Arrays
    calibration: tuple[float, float]
    threshold: float
    positive: str
    negative: str
    _margin: Callable[[Floats], Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every array against the family and the encoding. Raises ValueError when anything does not fit."""
        _check_arrays(self.family, self.arrays)
        _check_values(self)
        for array in self.arrays.values():
            array.setflags(write=False)
        object.__setattr__(self, "_margin", _BUILDERS[self.family](self.arrays, self.encoding.width))

    def score(self, columns: Mapping[str, Sequence[Any]]) -> Floats:
        """Return the probability of the positive class for each customer, (n,) float64.

        `columns` holds equally long sequences by feature name, missing as None or NaN. Raises ValueError when a feature
        is absent or is not of the kind that the model was trained on.
        """
        return self.probability(self.encoding.encode(columns).matrix)

    def probability(self, matrix: Floats) -> Floats:
        """Return the probability for customers already encoded, (n, width), as (n,) float64."""
        slope, intercept = self.calibration
        return sigmoid(slope * self._margin(matrix) + intercept)

    def margin(self, matrix: Floats) -> Floats:
        """Return the log odds before calibration for customers already encoded, (n, width), as (n,) float64."""
        return self._margin(matrix)

    def to_bytes(self) -> bytes:
        """Return the model as a deterministic zip of `model.json` and `.npy` arrays."""
        header = {
            "schema": SCHEMA,
            "name": self.name,
            "family": self.family,
            "columns": [column.as_json() for column in self.encoding.columns],
            "calibration": list(self.calibration),
            "threshold": self.threshold,
            "positive": self.positive,
            "negative": self.negative,
        }
        return pack(header, self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PortableModel":
        """Return the model that `to_bytes` wrote. Raises ValueError for bytes that are corrupt or hostile."""
        header, arrays = unpack(data)
        if header.get("schema") != SCHEMA or str(header.get("family")) not in _SHAPES:
            _refuse(f"it is not of the form {SCHEMA}")
        texts = [header.get(key) for key in ("name", "positive", "negative")]
        columns, calibration = header.get("columns"), header.get("calibration")
        if not all(isinstance(text, str) for text in texts) or not isinstance(columns, list):
            _refuse("its header is incomplete")
        if not isinstance(calibration, list) or len(calibration) != 2:  # noqa: PLR2004
            _refuse("it has no calibration")
        name, positive, negative = map(str, texts)
        encoding = Encoding(tuple(map(Column.from_json, columns or [])))
        slope, intercept = map(_finite, calibration or [])
        threshold = _finite(header.get("threshold"))
        return cls(name, header["family"], encoding, arrays, (slope, intercept), threshold, positive, negative)


def sigmoid(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)) without overflow, (n,) float64."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def log_odds(probability: Floats) -> Floats:
    """Return the logarithm of p / (1 - p), with p kept 1e-12 away from 0 and 1."""
    inside = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.log(inside) - np.log1p(-inside)


def _linear(arrays: Arrays, width: int) -> Callable[[Floats], Floats]:
    if len(arrays["weights"]) != width:
        _refuse("it has not one weight per encoded column")
    return partial(_dot, weights=arrays["weights"], bias=float(arrays["bias"][0]))


def _dot(matrix: Floats, weights: Floats, bias: float) -> Floats:
    # Not `matrix @ weights`: BLAS sums a single row in another order than many, and a customer's score must not depend
    # on who else is in the request.
    margins: Floats = np.einsum("ij,j->i", matrix, weights) + bias
    return margins


def _hinged(arrays: Arrays, width: int) -> Callable[[Floats], Floats]:
    place, knot = arrays["place"], arrays["knot"]
    if len(knot) != len(place) or len(arrays["weights"]) != width + len(place):
        _refuse("its hinges do not fit its weights")
    if place.min() < 0 or place.max() >= width:
        _refuse("a hinge points outside the encoded columns")

    def margin(matrix: Floats) -> Floats:
        return _dot(add_hinges(matrix, place, knot), arrays["weights"], float(arrays["bias"][0]))

    return margin


def add_hinges(matrix: Floats, place: npt.NDArray[Any], knot: Floats) -> Floats:
    """Return the matrix (n, width) with a column max(0, x - knot) more for each hinge, x its column at `place`."""
    return np.concatenate([matrix, np.maximum(matrix[:, place] - knot, 0.0)], axis=1)


def _fourier(arrays: Arrays, width: int) -> Callable[[Floats], Floats]:
    inputs, outputs = arrays["omega"].shape
    if inputs != width or len(arrays["offset"]) != outputs or len(arrays["weights"]) != outputs or not outputs:
        _refuse("its Fourier features do not fit the encoded columns")

    def margin(matrix: Floats) -> Floats:
        near = np.clip(matrix, -FARTHEST, FARTHEST)
        waves = np.cos(np.einsum("ij,jk->ik", near, arrays["omega"]) + arrays["offset"]) * np.sqrt(2.0 / outputs)
        return _dot(waves, arrays["weights"], float(arrays["bias"][0]))

    return margin


def _forest(arrays: Arrays, width: int) -> Callable[[Floats], Floats]:
    trees = Trees.from_arrays(arrays, width)
    if trees.value.min() < 0 or trees.value.max() > 1:
        _refuse("a leaf of its forest is not a probability")
    return lambda matrix: log_odds(trees.total(matrix, _mean_value))


def _boosted(arrays: Arrays, width: int) -> Callable[[Floats], Floats]:
    trees = Trees.from_arrays(arrays, width)
    if max(np.abs(trees.value).max(), abs(arrays["bias"][0])) > LARGEST:
        _refuse("a leaf of its trees is out of range")
    bias = arrays["bias"].astype(np.float32)

    def add(values: Floats) -> Floats:
        # XGBoost adds up singles, tree after tree; in doubles 300 trees would differ from it by up to 5e-6.
        first = np.broadcast_to(bias, (len(values), 1))
        running = np.cumsum(np.concatenate([first, values.astype(np.float32)], axis=1), axis=1, dtype=np.float32)
        return running[:, -1].astype(np.float64)

    return lambda matrix: trees.total(matrix, add)


def _mean_value(values: Floats) -> Floats:
    mean: Floats = values.mean(axis=1)
    return mean


_BUILDERS: Final = {"linear": _linear, "hinged": _hinged, "fourier": _fourier, "forest": _forest, "boosted": _boosted}


def _check_arrays(family: str, arrays: Arrays) -> None:
    expected = _SHAPES[family]
    if set(arrays) != set(expected):
        _refuse("it has not the arrays of its family")
    for name, (dtype, dimensions) in expected.items():
        array = arrays[name]
        if array.dtype.str != dtype or array.ndim != dimensions or not array.size:
            _refuse(f"its array {name} is of another type or shape")
        if not (np.abs(array.astype(np.float64)) <= LARGEST_WEIGHT).all():
            _refuse(f"its array {name} holds a number out of range")
    if len(arrays["bias"]) != 1:
        _refuse("it has more than one bias")


def _check_values(model: PortableModel) -> None:
    if not all(abs(number) <= LARGEST_WEIGHT for number in model.calibration):
        _refuse("its calibration is out of range")
    if not 0 <= model.threshold <= 1:
        _refuse("its threshold is not a probability")
    if model.positive == model.negative:
        _refuse("its two classes have one name")


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_WEIGHT:
        _refuse("a number of its header is missing or out of range")
    return float(value)  # type: ignore[arg-type]


def _refuse(reason: str) -> None:
    message = f"not a usable model: {reason}"
    raise ValueError(message)
