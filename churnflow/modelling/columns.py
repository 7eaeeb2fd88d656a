"""The encoding of a table as plain values, and the one code that turns customers into numbers.

Training and serving both call `Encoding.encode`, so that they cannot differ. numpy and the standard library only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "category"]

# Beyond this a number is as good as infinite; within it no product below leaves the range of a double or, for trees,
# of a single.
LARGEST = 1e30
SMALLEST_SCALE = 1e-12

_MISSING = -2
_UNSEEN = -1


@dataclass(frozen=True)
class Column:
    """What one column becomes.

    A number: missing becomes `impute`, then (value - mean) / scale. A category: one column of 0 and 1 per level, all 0
    for a missing or unseen value. indicator: a further 0/1 column says where the value was missing. low, high: the
    range of the numbers that it was learned from, None if that is not known; it changes no encoded value.
    """

    name: str
    kind: Kind
    impute: float = 0.0
    mean: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] = ()
    indicator: bool = False
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the column as plain JSON values."""
        common = {"name": self.name, "kind": self.kind, "indicator": self.indicator}
        if self.kind == "category":
            return {**common, "levels": list(self.levels)}
        range_ = {} if self.low is None or self.high is None else {"low": self.low, "high": self.high}
        return {**common, "impute": self.impute, "mean": self.mean, "scale": self.scale, **range_}

    @classmethod
    def from_json(cls, value: object) -> "Column":
        """Return the column that `as_json` described. Raises ValueError when anything is missing or out of range."""
        if not isinstance(value, dict):
            message = "a column of the model is not an object"
            raise ValueError(message)  # noqa: TRY004 - wrong content of a file, not of a call
        name, kind, indicator = value.get("name"), value.get("kind"), value.get("indicator")
        if not isinstance(name, str) or not isinstance(indicator, bool):
            message = "a column of the model has no name or no indicator"
            raise ValueError(message)  # noqa: TRY004
        if kind == "category":
            return cls(name, "category", levels=_levels(value.get("levels")), indicator=indicator)
        if kind != "number":
            message = "a column of the model is of an unknown kind"
            raise ValueError(message)
        impute, mean, scale = (_number(value.get(key)) for key in ("impute", "mean", "scale"))
        if scale < SMALLEST_SCALE:
            message = "a column of the model has no positive scale"
            raise ValueError(message)
        low, high = (_number(value[key]) if key in value else None for key in ("low", "high"))
        return cls(name, "number", impute, mean, scale, indicator=indicator, low=low, high=high)


@dataclass(frozen=True)
class Encoded:
    """Encoded customers: matrix (n, width) float64, and how many values were missing and of a level never seen."""

    matrix: Floats
    missing: int
    unseen: int


@dataclass(frozen=True)
class Encoding:
    """The columns of a table; encoded: all numbers, their indicators, then each category with its indicator."""

    columns: tuple[Column, ...]
    width: int = field(init=False)
    _numbers: tuple[Column, ...] = field(init=False, repr=False, compare=False)
    _scaling: tuple[Floats, Floats, Floats] = field(init=False, repr=False, compare=False)
    _flagged: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _categories: tuple[tuple[Column, dict[str, int], int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay the columns out. Raises ValueError for a name given twice, or no column at all."""
        names = [column.name for column in self.columns]
        if not names or len(set(names)) != len(names):
            message = "an encoding needs columns, each with a name of its own"
            raise ValueError(message)
        put = partial(object.__setattr__, self)
        numbers = tuple(column for column in self.columns if column.kind == "number")
        flagged = [position for position, column in enumerate(numbers) if column.indicator]
        categories = []
        start = len(numbers) + len(flagged)
        for column in self.columns:
            if column.kind == "category":
                categories.append((column, {level: start + place for place, level in enumerate(column.levels)}, start))
                start += len(column.levels) + column.indicator
        put("width", start)
        put("_numbers", numbers)
        put("_scaling", tuple(np.array([getattr(c, key) for c in numbers]) for key in ("impute", "mean", "scale")))
        put("_flagged", np.array(flagged, dtype=np.intp))
        put("_categories", tuple(categories))

    def slices(self) -> dict[str, list[int]]:
        """Return, for each column, the positions that it takes in the encoded matrix."""
        places: dict[str, list[int]] = {column.name: [place] for place, column in enumerate(self._numbers)}
        for place, number in enumerate(self._flagged, start=len(self._numbers)):
            places[self._numbers[number].name].append(place)
        for column, _, start in self._categories:
            places[column.name] = list(range(start, start + len(column.levels) + column.indicator))
        return places

    def encode(self, table: Mapping[str, Sequence[Any]]) -> Encoded:
        """Return the customers of `table` (equally long columns; missing is None or NaN) as numbers.

        Infinite numbers count as missing. Columns that the encoding does not name are ignored. Raises ValueError when a
        column is absent, of another length, or holds something that is no number where one is needed.
        """
        rows = self._count(table)
        matrix = np.zeros((rows, self.width))
        missing = self._encode_numbers(table, matrix)
        unseen = 0
        for column, places, start in self._categories:
            codes = [places.get(value, _UNSEEN) if isinstance(value, str) else _MISSING for value in table[column.name]]
            for row, code in enumerate(codes):
                if code >= 0:
                    matrix[row, code] = 1.0
            missing_here = codes.count(_MISSING)
            if missing_here and column.indicator:
                matrix[np.array(codes) == _MISSING, start + len(column.levels)] = 1.0
            missing += missing_here
            unseen += codes.count(_UNSEEN)
        return Encoded(matrix, missing, unseen)

    def _count(self, table: Mapping[str, Sequence[Any]]) -> int:
        absent = [column.name for column in self.columns if column.name not in table]
        if absent:
            message = f"the column {absent[0]!r} is missing"
            raise ValueError(message)
        lengths = {len(table[column.name]) for column in self.columns}
        if len(lengths) > 1:
            message = "the columns are of different lengths"
            raise ValueError(message)
        return lengths.pop()

    def _encode_numbers(self, table: Mapping[str, Sequence[Any]], matrix: Floats) -> int:
        if not self._numbers:
            return 0
        try:
            values = np.array([table[column.name] for column in self._numbers], dtype=np.float64).T
        except (TypeError, ValueError, OverflowError):
            values = np.empty(0)
        if values.ndim != matrix.ndim:
            message = "a column of numbers holds something else"
            raise ValueError(message)
        impute, mean, scale = self._scaling
        absent = ~np.isfinite(values)
        values = np.where(absent, impute, np.clip(values, -LARGEST, LARGEST))
        count = len(self._numbers)
        matrix[:, :count] = (values - mean) / scale
        matrix[:, count : count + len(self._flagged)] = absent[:, self._flagged]
        return int(absent.sum())


def _levels(value: object) -> tuple[str, ...]:
    texts = [level for level in value if isinstance(level, str)] if isinstance(value, list) else []
    if not isinstance(value, list) or len(set(texts)) < len(value):
        message = "a category of the model has no list of distinct levels"
        raise ValueError(message)
    return tuple(texts)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        message = "a number of the model is missing or out of range"
        raise ValueError(message)
    return float(value)
