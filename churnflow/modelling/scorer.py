"""The stored model: columns, arrays and a threshold, scored with numpy alone; what is evaluated is what is served.

Training libraries write into it (`families`), and the parity measured by `train` says how far it is from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from churnflow.modelling.bending import STRAIGHT, Curve, bend, is_curve
from churnflow.modelling.columns import Column, Encoding, Floats
from churnflow.modelling.margins import FAMILIES, LARGEST_WEIGHT, Arrays, Family, Margin, margin_of, refuse, sigmoid
from churnflow.modelling.model_file import pack, unpack

SCHEMA: Final = "churnflow/model@2"
# Written before there were curves: everything else is the same.
_WITHOUT_CURVE: Final = "churnflow/model@1"


@dataclass(frozen=True, eq=False)
class PortableModel:
    """A trained binary classifier as plain values; immutable, and equal bytes for equal content.

    family: how `arrays` become a margin (log odds before calibration). calibration: slope and intercept of the Platt
    scaling of the margin, (1, 0) for none. curve: what bends the scaled margin before it becomes a probability, empty
    for none. threshold: a probability at or above it is decided `positive`.
    """

    name: str
    family: Family
    encoding: Encoding
    arrays: Arrays
    calibration: tuple[float, float]
    threshold: float
    positive: str
    negative: str
    curve: Curve = STRAIGHT
    _margin: Margin = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every array against the family and the encoding. Raises ValueError when anything does not fit."""
        margin = margin_of(self.family, self.arrays, self.encoding.width)
        _check_values(self)
        for array in self.arrays.values():
            array.setflags(write=False)
        object.__setattr__(self, "_margin", margin)

    def score(self, columns: Mapping[str, Sequence[Any]]) -> Floats:
        """Return the probability of the positive class for each customer, (n,) float64.

        `columns` holds equally long sequences by feature name, missing as None or NaN. Raises ValueError when a feature
        is absent or is not of the kind that the model was trained on.
        """
        return self.probability(self.encoding.encode(columns).matrix)

    def probability(self, matrix: Floats) -> Floats:
        """Return the probability for customers already encoded, (n, width), as (n,) float64."""
        slope, intercept = self.calibration
        return sigmoid(bend(self.curve, slope * self._margin(matrix) + intercept))

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
            "curve": [list(side) for side in self.curve],
            "threshold": self.threshold,
            "positive": self.positive,
            "negative": self.negative,
        }
        return pack(header, self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PortableModel":
        """Return the model that `to_bytes` wrote. Raises ValueError for bytes that are corrupt or hostile."""
        header, arrays = unpack(data)
        if str(header.get("schema")) not in {SCHEMA, _WITHOUT_CURVE} or str(header.get("family")) not in FAMILIES:
            refuse(f"it is not of the form {SCHEMA}")
        texts = [header.get(key) for key in ("name", "positive", "negative")]
        columns, calibration = header.get("columns"), header.get("calibration")
        if not all(isinstance(text, str) for text in texts) or not isinstance(columns, list):
            refuse("its header is incomplete")
        if not isinstance(calibration, list) or len(calibration) != 2:  # noqa: PLR2004
            refuse("it has no calibration")
        name, positive, negative = map(str, texts)
        encoding = Encoding(tuple(map(Column.from_json, columns or [])))
        slope, intercept = map(_finite, calibration or [])
        threshold = _finite(header.get("threshold"))
        curve = _curve(header.get("curve")) if header["schema"] == SCHEMA else STRAIGHT
        return cls(name, header["family"], encoding, arrays, (slope, intercept), threshold, positive, negative, curve)


def _check_values(model: PortableModel) -> None:
    if not all(abs(number) <= LARGEST_WEIGHT for number in model.calibration):
        refuse("its calibration is out of range")
    if not is_curve(model.curve):
        refuse("its curve does not rise")
    if not 0 <= model.threshold <= 1:
        refuse("its threshold is not a probability")
    if model.positive == model.negative:
        refuse("its two classes have one name")


def _curve(value: object) -> Curve:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(side, list) for side in value):  # noqa: PLR2004
        refuse("it has no curve")
    x, y = (tuple(map(_finite, side)) for side in value)
    return x, y


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_WEIGHT:
        refuse("a number of its header is missing or out of range")
    return float(value)
