"""The encoding of a table as plain values, and the one code that turns customers into numbers.

Training and serving both call `Encoding.encode`, so that they cannot differ. numpy and the standard library only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["number", "category"]

# Beyond this a number is as good as infinite; within it no product below leaves the range of a double or, for trees,
# of a single.
LARGEST = 1e30
SMALLEST_SCALE = 1e-12
# A row of so many doubles takes 1.6 MB.
WIDEST = 200_000

MISSING = -2
UNSEEN = -1


@dataclass(frozen=True)
class Column:
    """What one column becomes.

    A number: missing becomes `impute`, then (value - mean) / scale. A category: one column of 0 and 1 per level, all 0
    for a missing or unseen value. A category of many levels has `rates` instead: one column with the rate of the
    target among the customers of its level, shrunk to that of all, then centred and scaled as a number; `impute` stands
    for an unseen value, `absent` for a missing one. indicator: a further 0/1 column says where the value was missing.
    low, high: the range of the numbers that it was learned from, None if that is not known; it changes no encoded
    value.
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
    rates: tuple[float, ...] = ()
    absent: float = 0.0

    @property
    def places(self) -> int:
        """How many columns it is encoded into, its indicator left out."""
        return 1 if self.kind == "number" or self.rates else len(self.levels)

    def as_json(self) -> dict[str, Any]:
        """Return the column as plain JSON values."""
        common = {"name": self.name, "kind": self.kind, "indicator": self.indicator}
        scaling = {"impute": self.impute, "mean": self.mean, "scale": self.scale}
        if self.rates:
            return {**common, "levels": list(self.levels), "rates": list(self.rates), "absent": self.absent, **scaling}
        if self.kind == "category":
            return {**common, "levels": list(self.levels)}
        range_ = {} if self.low is None or self.high is None else {"low": self.low, "high": self.high}
        return {**common, **scaling, **range_}

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
        if kind == "number":
            low, high = (_number(value[key]) if key in value else None for key in ("low", "high"))
            return cls(name, "number", *_scaling(value), indicator=indicator, low=low, high=high)
        if kind != "category":
            message = "a column of the model is of an unknown kind"
            raise ValueError(message)
        levels = _levels(value.get("levels"))
        if "rates" not in value:
            return cls(name, "category", levels=levels, indicator=indicator)
        rates, absent = _rates(value["rates"], len(levels)), _number(value.get("absent"))
        return cls(name, "category", *_scaling(value), levels, indicator, rates=rates, absent=absent)


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
        """Lay the columns out. Raises ValueError for a name given twice, no column at all, or more than WIDEST."""
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
                categories.append((column, {level: place for place, level in enumerate(column.levels)}, start))
                start += column.places + column.indicator
        if start > WIDEST:
            message = (
                f"an encoding has at most {WIDEST:,} columns, and this one {start:,}: a category has too many levels"
            )
            raise ValueError(message)
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
            places[column.name] = list(range(start, start + column.places + column.indicator))
        return places

    def encode(self, table: Mapping[str, Sequence[Any]]) -> Encoded:
        """Return the customers of `table` (equally long columns; missing is None or NaN) as numbers.

        Infinite numbers count as missing. Columns that the encoding does not name are ignored. Raises ValueError when a
        column is absent, of another length, or holds something that is no number where one is needed.
        """
        rows = self._count(table)
        if rows == 1 and (one := self._encode_one({column.name: table[column.name][0] for column in self.columns})):
            return one
        matrix = np.zeros((rows, self.width))
        missing = self._encode_numbers(table, matrix)
        unseen = 0
        for column, places, start in self._categories:
            values = table[column.name]
            known = {value: places.get(value, UNSEEN) if isinstance(value, str) else MISSING for value in set(values)}
            codes = np.array([known[value] for value in values], dtype=np.intp)
            _write_category(matrix[:, start:], codes, column)
            missing += int((codes == MISSING).sum())
            unseen += int((codes == UNSEEN).sum())
        return Encoded(matrix, missing, unseen)

    def _encode_one(self, customer: Mapping[str, Any]) -> Encoded | None:
        """Return one customer encoded, None where a number is of another type than float or int.

        The same values as for many, 5 times faster: most of what one row costs is the calls, not the arithmetic.
        """
        row = np.zeros(self.width)
        numbers: list[float] = []
        absent: list[int] = []
        for place, column in enumerate(self._numbers):
            value = customer[column.name]
            if value is None or (type(value) is float and not isfinite(value)):
                absent.append(place)
                value = column.impute
            elif type(value) is not float and (type(value) is not int or abs(value) > LARGEST):
                return None
            numbers.append(value)
        if numbers:
            _, mean, scale = self._scaling
            values = np.minimum(np.maximum(np.array(numbers, dtype=np.float64), -LARGEST), LARGEST)
            row[: len(numbers)] = np.minimum(np.maximum((values - mean) / scale, -LARGEST), LARGEST)
            for flag, place in enumerate(self._flagged.tolist() if absent else ()):
                row[len(numbers) + flag] = place in absent
        unknown = [self._encode_category(customer, row, place) for place in range(len(self._categories))]
        return Encoded(row[None], len(absent) + unknown.count(MISSING), unknown.count(UNSEEN))

    def _encode_category(self, customer: Mapping[str, Any], row: Floats, place: int) -> int:
        """Write a category into an encoded row; return the number of its level, or that it has none."""
        column, places, start = self._categories[place]
        value = customer[column.name]
        code = places.get(value, UNSEEN) if isinstance(value, str) else MISSING
        if column.rates:
            rate = column.rates[code] if code >= 0 else column.absent if code == MISSING else column.impute
            row[start] = (rate - column.mean) / column.scale
        elif code >= 0:
            row[start + code] = 1.0
        if column.indicator:
            row[start + column.places] = code == MISSING
        return code

    def assemble(self, numbers: Floats, codes: Sequence[npt.NDArray[np.intp]]) -> Floats:
        """Return customers whose values were looked up already, as `encode` would, (n, width).

        numbers: (n, k) for the k columns of numbers in their order, NaN where missing. codes: (n,) for each category in
        its order, the place of the level, `UNSEEN` or `MISSING`.
        """
        matrix = np.zeros((len(numbers), self.width))
        self._write_numbers(numbers, matrix)
        for (column, _, start), places in zip(self._categories, codes, strict=True):
            _write_category(matrix[:, start:], places, column)
        return matrix

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
        return self._write_numbers(values, matrix)

    def _write_numbers(self, values: Floats, matrix: Floats) -> int:
        """Write numbers, (n, numbers), into the first columns; return how many are missing."""
        impute, mean, scale = self._scaling
        absent = ~np.isfinite(values)
        values = np.where(absent, impute, np.clip(values, -LARGEST, LARGEST))
        count = len(self._numbers)
        matrix[:, :count] = np.clip((values - mean) / scale, -LARGEST, LARGEST)
        matrix[:, count : count + len(self._flagged)] = absent[:, self._flagged]
        return int(absent.sum())


def _write_category(block: Floats, codes: npt.NDArray[np.intp], column: Column) -> None:
    """Write a category, its level numbers in `codes` (n,), into the columns of `block` from its first on."""
    if column.rates:
        # Codes -2 and -1 take the last two: missing and unseen.
        rates = np.array([*column.rates, column.absent, column.impute])
        block[:, 0] = (rates[codes] - column.mean) / column.scale
    else:
        rows = np.flatnonzero(codes >= 0)
        block[rows, codes[rows]] = 1.0
    if column.indicator:
        block[:, column.places] = codes == MISSING


def _scaling(value: Mapping[str, Any]) -> tuple[float, float, float]:
    impute, mean, scale = (_number(value.get(key)) for key in ("impute", "mean", "scale"))
    if scale < SMALLEST_SCALE:
        message = "a column of the model has no positive scale"
        raise ValueError(message)
    return impute, mean, scale


def _rates(value: object, levels: int) -> tuple[float, ...]:
    if not isinstance(value, list) or not value or len(value) != levels:
        message = "a category of the model has not one rate per level"
        raise ValueError(message)
    return tuple(map(_number, value))


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
