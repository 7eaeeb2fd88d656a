"""What became of the texts of one column when it was cast: their values, the ones that do not fit, and every change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.dates import Order, iso, parse
from churnflow.modelling.labels import Labels
from churnflow.modelling.profile import Column
from churnflow.modelling.readings import Reading
from churnflow.modelling.values import Floats, Values, figures

LARGEST: Final = 1e15
# What may be done to a value when it is cast.
COERCIONS: Final[Mapping[str, str]] = {
    "blank": "without the blanks around them",
    "missing": "words read as missing",
    "sentinel": "numbers read as missing",
    "spelling": "in another spelling",
    "numeral": "numbers in other marks or signs",
    "date": "dates as days",
    "label": "labels in another spelling",
}

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """The values of a column by distinct text, (k,): numbers as float64, texts as objects with None for missing.

    rules: the rule that a text breaks, by its place. changed: which texts were changed, by kind of change.
    """

    values: Values
    read: npt.NDArray[Any]
    rules: dict[int, str]
    changed: dict[str, Flags]
    integer: bool = False

    def series(self, kept: Flags) -> "pd.Series[Any]":
        """Return the values of the rows kept, typed as the frame has them."""
        taken = self.read[self.values.codes[kept]]
        if self.integer:
            return pd.Series(taken.astype(np.int64))
        return pd.Series(taken, dtype="float64" if self.read.dtype == np.float64 else "str")

    def broken(self) -> Iterator[tuple[int, str]]:
        """Yield the rows with a text that does not fit, and the rule that it breaks."""
        if not self.rules:
            return
        for place in np.flatnonzero(np.isin(self.values.codes, list(self.rules))).tolist():
            yield place, self.rules[int(self.values.codes[place])]

    def rows(self, kept: Flags) -> npt.NDArray[np.intp]:
        """Return how many of the rows kept hold each text, (k,)."""
        return np.bincount(self.values.codes[kept], minlength=len(self.values.texts))

    def keys(self) -> npt.NDArray[np.int64]:
        """Return a number for each row, (n,), the same for rows with the same value, -1 for a missing one."""
        codes, _ = pd.factorize(self.read)
        return np.asarray(codes[self.values.codes], dtype=np.int64)

    def classes(self) -> npt.NDArray[np.int64]:
        """Return the class of each row of a target, (n,), -1 for a missing label."""
        return np.asarray(np.nan_to_num(self.read, nan=-1.0)[self.values.codes], dtype=np.int64)


class _Reader:
    """The distinct texts of one column while they are read: which are missing, and what was changed."""

    def __init__(self, column: Column, values: Values) -> None:
        """Take the column with the values of some of its rows, and find what is missing among them."""
        self.reading, self.values = column.reading, values
        self.bare = values.bare
        self.missing: Flags = np.array(values.missing(self.reading.missing), dtype=np.bool_)
        bare, whole = (np.fromiter(map(len, texts), np.int64, len(texts)) for texts in (self.bare, values.texts))
        self.changed: dict[str, Flags] = {"blank": (bare < whole) & ~self.missing, "missing": self.missing & (bare > 0)}

    @cached_property
    def present(self) -> npt.NDArray[np.intp]:
        """The places of the texts that are values."""
        return np.asarray(np.flatnonzero(~self.missing), dtype=np.intp)

    def put(self, into: npt.NDArray[Any], values: Any) -> npt.NDArray[Any]:
        """Return `into` with the values of the present texts."""
        into[self.present] = values
        return into

    def floats(self) -> Floats:
        """Return room for the numbers of all texts, (k,), NaN."""
        return np.full(len(self.bare), np.nan)

    def outcome(self, read: npt.NDArray[Any], rules: dict[int, str], *, integer: bool = False) -> Outcome:
        """Return what was read."""
        return Outcome(self.values, read, rules, self.changed, integer)


class Outcomes:
    """What became of the columns that are used, some rows at a time; each list of texts is read once."""

    def __init__(self, columns: Sequence[Column], found: Labels, pseudonym: Callable[[str], str]) -> None:
        """Take the columns, the meaning of the labels, and what stands for an identifier that is not kept."""
        self._found = found
        self._pseudonym = pseudonym
        self._days = {column.name: _are_days(column) for column in columns if column.role == "time"}
        self._last: dict[str, Outcome] = {}

    def of(self, column: Column, values: Values) -> Outcome:
        """Return what the texts of a column mean in some of its rows."""
        last = self._last.get(column.name)
        if last is None or last.values.texts is not values.texts:
            last = self._last[column.name] = self._read(column, values)
        return last if last.values is values else replace(last, values=values)

    def _read(self, column: Column, values: Values) -> Outcome:
        reader = _Reader(column, values)
        if column.role == "target":
            return _labels(reader, self._found)
        if column.role == "time":
            return _times(reader, days=self._days[column.name])
        if column.reading.calendar is not None:
            return _days(reader)
        if column.hashed:
            return _pseudonyms(reader, self._pseudonym)
        return _numbers(reader) if is_measured(column) else _texts(reader)


def is_measured(column: Column) -> bool:
    """Tell whether a column is cast to numbers, of days where it holds dates."""
    if column.role in {"target", "time"}:
        return False
    measured = column.role in {"feature", "protected"} and column.kind == "number"
    return measured or column.reading.calendar is not None


def infinite_rows(column: Column) -> int:
    """Return how many rows hold an infinite number in a column that is cast to numbers, by which they are set apart."""
    return column.verdict.infinite if is_measured(column) else 0


def may_break(column: Column) -> bool:
    """Tell whether a column may hold texts that set their rows apart."""
    return column.role in {"target", "time"} or is_measured(column)


def _labels(reader: _Reader, found: Labels) -> Outcome:
    texts = [reader.bare[place] for place in reader.present]
    read = reader.put(reader.floats(), [found.meaning[text] for text in texts])
    usual = [text in {found.positive, found.negative} for text in texts]
    reader.changed["label"] = reader.put(np.zeros(len(reader.bare), dtype=np.bool_), ~np.array(usual, dtype=np.bool_))
    rules = dict.fromkeys(np.flatnonzero(reader.missing).tolist(), "no_label")
    return reader.outcome(read, rules, integer=True)


def _times(reader: _Reader, *, days: bool) -> Outcome:
    """Read the time of each row as a text of ISO 8601, so that it sorts as it is; a day alone stays without a time."""
    order = _order(reader.reading)
    read = np.full(len(reader.bare), None, dtype=object)
    for place in reader.present.tolist():
        moment = parse(reader.bare[place], order)
        read[place] = None if moment is None else iso(moment, time=not days)
    rules = {place: "no_time" for place, value in enumerate(read.tolist()) if value is None}
    return reader.outcome(read, rules)


def _are_days(column: Column) -> bool:
    """Tell whether no time of the whole column has a time of day."""
    order = _order(column.reading)
    values = (Values(list(texts), np.empty(0, np.int32)) for texts in column.values.distinct())
    bare = (
        text
        for some in values
        for text, missing in zip(some.bare, some.missing(column.reading.missing), strict=True)
        if not missing
    )
    return all(moment is None or "T" not in iso(moment) for moment in (parse(text, order) for text in bare))


def _order(reading: Reading) -> Order:
    return reading.calendar.order if reading.calendar else "ymd"


def _days(reader: _Reader) -> Outcome:
    read, rules = reader.floats(), {}
    for place in reader.present.tolist():
        try:
            read[place] = reader.reading.read(reader.bare[place])
        except ValueError:
            rules[place] = "not_a_date"
    reader.changed["date"] = ~np.isnan(read)
    return reader.outcome(read, rules)


def _numbers(reader: _Reader) -> Outcome:
    texts = [reader.bare[place] for place in reader.present]
    way = reader.reading.numerals
    plain = texts if way is None else [way.plain(text) for text in texts]
    numbers = figures(plain)
    read = reader.put(reader.floats(), numbers)
    none = np.zeros(len(reader.bare), dtype=np.bool_)
    reader.changed["numeral"] = reader.put(none.copy(), [one != other for one, other in zip(plain, texts, strict=True)])
    sentinel = np.isin(read, sorted(reader.reading.sentinels))
    reader.changed["sentinel"] = sentinel
    wrong = ((~reader.missing & np.isnan(read), "not_a_number"), (np.abs(read) > LARGEST, "out_of_range"))
    rules = {
        int(place): rule for flags, rule in (*wrong, (np.isinf(read), "infinite")) for place in np.flatnonzero(flags)
    }
    read[sentinel] = np.nan
    return reader.outcome(read, rules)


def _pseudonyms(reader: _Reader, pseudonym: Callable[[str], str]) -> Outcome:
    read = np.full(len(reader.bare), None, dtype=object)
    hashed = [pseudonym(reader.bare[place]) for place in reader.present]
    return reader.outcome(reader.put(read, np.array(hashed, dtype=object)), {})


def _texts(reader: _Reader) -> Outcome:
    read = np.full(len(reader.bare), None, dtype=object)
    levels = [reader.reading.level(reader.bare[place]) for place in reader.present]
    read = reader.put(read, np.array(levels, dtype=object))
    changed = np.zeros(len(reader.bare), dtype=np.bool_)
    different = [level != reader.bare[place] for level, place in zip(levels, reader.present, strict=True)]
    reader.changed["spelling"] = reader.put(changed, np.array(different, dtype=np.bool_))
    return reader.outcome(read, {})
