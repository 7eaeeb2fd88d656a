"""What the values of a feature mean, by the very rules of the API's fields; each distinct text is read once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.columns import MISSING, UNSEEN, Column, Floats
from churnflow.modelling.reason_words import Wording
from churnflow.modelling.texts import as_number
from churnflow.modelling.values import Values
from churnflow.serving.fields import Field, NumberField

# Lines of refused rows that are named.
MOST_LINES: Final = 5
Places = npt.NDArray[np.intp]


@dataclass
class Tally:
    """What was out of the ordinary about the values of one feature, in rows.

    missing: where training had no missing one. unseen: levels that training did not have. outside: numbers out of the
    range of training. refused: by problem, with the first lines.
    """

    missing: int = 0
    unseen: int = 0
    outside: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def refuse(self, problem: str, lines: npt.NDArray[np.int64]) -> None:
        """Count rows that a problem keeps from being scored."""
        if len(lines):
            self.refused[problem] = self.refused.get(problem, 0) + len(lines)
            first = self.lines.setdefault(problem, [])
            first += lines[: MOST_LINES - len(first)].tolist()


@dataclass(frozen=True)
class Read:
    """One feature of some rows.

    values: (n,), numbers with NaN for a missing one, or places of levels as `Encoding.assemble` takes them. wrong:
    (n,), the number of a problem in `problems`, -1 for none; None where there is none at all. meaning: what each text
    means, of which `codes` (n,) say whose it is; None where numbers came as numbers.
    """

    name: str
    values: npt.NDArray[Any]
    wrong: Places | None
    problems: Sequence[str]
    meaning: Sequence[str | float | None] | None
    codes: npt.NDArray[np.int32] | None

    def refused(self) -> tuple[list[int], list[int]]:
        """Return the rows with a problem, and its number in each."""
        if self.wrong is None:
            return [], []
        rows = np.flatnonzero(self.wrong >= 0)
        return rows.tolist(), self.wrong[rows].tolist()

    def said(self, rows: Places, wording: Wording) -> npt.NDArray[Any]:
        """Return the values of some rows in words, (k,) of objects."""
        if self.meaning is None or self.codes is None:
            values, codes = np.unique(self.values[rows], return_inverse=True)
            words = [wording.said(value) for value in values.tolist()]
        else:
            used, codes = np.unique(self.codes[rows], return_inverse=True)
            words = [wording.said(self.meaning[code]) for code in used.tolist()]
        said = np.empty(len(words), dtype=object)
        said[:] = words
        found: npt.NDArray[Any] = said[codes]
        return found


@dataclass(frozen=True)
class _Meaning:
    """Of each distinct text of a list, (k,): its value, its problem, and whether it is missing or unlike training."""

    texts: Sequence[str]
    values: npt.NDArray[Any]
    wrong: Places
    missing: npt.NDArray[np.bool_]
    unusual: npt.NDArray[np.bool_]
    meaning: Sequence[str | float | None]


class FeatureReader:
    """The reader of one feature; it is given the rows in order, and remembers the texts that it has read last."""

    def __init__(self, feature: Field, column: Column, *, typed: bool) -> None:
        """Take the field of the API, the column of the model, and whether the source has numbers there."""
        self._field = feature
        self._places = {level: place for place, level in enumerate(column.levels)}
        self._typed = typed and isinstance(feature, NumberField)
        self._last: _Meaning | None = None
        self._problems: list[str] = []
        self.name = feature.name
        self.tally = Tally()

    @property
    def measured(self) -> bool:
        """Whether numbers of the source may come as such."""
        return isinstance(self._field, NumberField)

    def read(self, column: Values | Floats, lines: npt.NDArray[np.int64]) -> Read:
        """Return what the values of some rows mean, and count what is out of the ordinary."""
        return self._read_texts(column, lines) if isinstance(column, Values) else self._read_numbers(column, lines)

    def _read_texts(self, column: Values, lines: npt.NDArray[np.int64]) -> Read:
        last = self._last
        if last is None or last.texts is not column.texts:
            last = self._last = self._meaning(column.texts)
        codes = column.codes
        rows = np.bincount(codes, minlength=len(last.texts))
        self._count(int(rows[last.missing].sum()), int(rows[last.unusual].sum()))
        wrong = last.wrong[codes] if rows[last.wrong >= 0].any() else None
        self._refuse(wrong, lines)
        return Read(self.name, last.values[codes], wrong, self._problems, last.meaning, codes)

    def _read_numbers(self, numbers: Floats, lines: npt.NDArray[np.int64]) -> Read:
        """Read numbers that are some already, as `NumberField.read` does one by one."""
        feature = self._field
        assert isinstance(feature, NumberField)  # noqa: S101 - only such a column comes as numbers
        gone = np.isnan(numbers) | np.isin(numbers, sorted(feature.reading.sentinels))
        values = np.where(gone, np.nan, numbers)
        endless = np.isinf(values)
        broken = (values != np.floor(values)) & ~gone & ~endless if feature.integer else np.zeros_like(gone)
        low, high = (limit if limit is not None else end for limit, end in _limits(feature))
        self._count(int(gone.sum()), int((((values < low) | (values > high)) & ~endless & ~broken).sum()))
        wrong = None
        if endless.any() or broken.any():
            wrong = np.full(len(values), -1, dtype=np.intp)
            for rows in (endless, broken):
                if rows.any():
                    problem = feature.read(float(values[rows][0]))[1]
                    wrong[rows] = self._number_of(problem or "")
        self._refuse(wrong, lines)
        return Read(self.name, values, wrong, self._problems, None, None)

    def _meaning(self, texts: Sequence[str]) -> _Meaning:
        """Read every distinct text once."""
        read = [self._field.read(self._given(text)) for text in texts]
        found = [value for value, _ in read]
        wrong = np.array([-1 if problem is None else self._number_of(problem) for _, problem in read], dtype=np.intp)
        unusual = [value is not None and self._field.warning(value) is not None for value in found]
        missing = np.array([value is None for value in found], dtype=np.bool_) & (wrong < 0)
        return _Meaning(texts, self._encoded(found), wrong, missing, np.array(unusual, dtype=np.bool_), found)

    def _given(self, text: str) -> str | float:
        """Return what a client of the API would send: a number where the source has it as one."""
        number = as_number(text) if self._typed else None
        return text if number is None else number

    def _encoded(self, found: Sequence[str | float | None]) -> npt.NDArray[Any]:
        if self._field.kind == "number":
            return np.array([np.nan if value is None else float(value) for value in found], dtype=np.float64)
        places = (MISSING if value is None else self._places.get(str(value), UNSEEN) for value in found)
        return np.fromiter(places, np.intp, len(found))

    def _number_of(self, problem: str) -> int:
        if problem not in self._problems:
            self._problems.append(problem)
        return self._problems.index(problem)

    def _count(self, missing: int, unusual: int) -> None:
        self.tally.missing += missing if self._field.required else 0
        if self._field.kind == "number":
            self.tally.outside += unusual
        else:
            self.tally.unseen += unusual

    def _refuse(self, wrong: Places | None, lines: npt.NDArray[np.int64]) -> None:
        for number in np.unique(wrong[wrong >= 0]).tolist() if wrong is not None else ():
            self.tally.refuse(self._problems[number], lines[wrong == number])


def _limits(feature: NumberField) -> tuple[tuple[float | None, float], tuple[float | None, float]]:
    return (feature.low, -np.inf), (feature.high, np.inf)
