"""What became of the texts of one column when it was cast: their values, the ones that do not fit, and every change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.dates import iso, parse
from churnflow.modelling.labels import Labels
from churnflow.modelling.profile import Column
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

    def coerced(self, kept: Flags) -> dict[str, int]:
        """Return how many values of the rows kept were changed, by kind of change, without kinds that none was."""
        rows = np.bincount(self.values.codes[kept], minlength=len(self.values.texts))
        sums = {kind: int(rows[flags].sum()) for kind, flags in self.changed.items() if flags.any()}
        return {kind: count for kind, count in sums.items() if count}

    def keys(self) -> npt.NDArray[np.int64]:
        """Return a number for each row, (n,), the same for rows with the same value, -1 for a missing one."""
        codes, _ = pd.factorize(self.read)
        return np.asarray(codes[self.values.codes], dtype=np.int64)

    def classes(self) -> npt.NDArray[np.int64]:
        """Return the class of each row of a target, (n,), -1 for a missing label."""
        return np.asarray(np.nan_to_num(self.read, nan=-1.0)[self.values.codes], dtype=np.int64)


class _Reader:
    """The distinct texts of one column while they are read: which are missing, and what was changed."""

    def __init__(self, column: Column) -> None:
        """Take the column, and find what is missing in it."""
        self.reading, self.values = column.reading, column.values
        self.bare = column.values.bare
        self.missing: Flags = np.array(column.values.missing(self.reading.missing))
        bare, whole = (np.fromiter(map(len, texts), np.int64, len(texts)) for texts in (self.bare, self.values.texts))
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


def read_column(column: Column, found: Labels) -> Outcome:
    """Return what the texts of a column that is used mean."""
    reader = _Reader(column)
    if column.role == "target":
        return _labels(reader, found)
    if column.role == "time":
        return _times(reader)
    if column.reading.calendar is not None:
        return _days(reader)
    measured = column.role in {"feature", "protected"} and column.kind == "number"
    return _numbers(reader) if measured else _texts(reader)


def _labels(reader: _Reader, found: Labels) -> Outcome:
    texts = [reader.bare[place] for place in reader.present]
    read = reader.put(reader.floats(), [found.meaning[text] for text in texts])
    usual = [text in {found.positive, found.negative} for text in texts]
    reader.changed["label"] = reader.put(np.zeros(len(reader.bare), dtype=np.bool_), ~np.array(usual, dtype=np.bool_))
    rules = dict.fromkeys(np.flatnonzero(reader.missing).tolist(), "no_label")
    return reader.outcome(read, rules, integer=True)


def _times(reader: _Reader) -> Outcome:
    """Read the time of each row as a text of ISO 8601, so that it sorts as it is; a day alone stays without a time."""
    order = reader.reading.calendar.order if reader.reading.calendar else "ymd"
    moments = {place: parse(reader.bare[place], order) for place in reader.present.tolist()}
    read = np.full(len(reader.bare), None, dtype=object)
    days = all(moment is None or "T" not in iso(moment) for moment in moments.values())
    for place, moment in moments.items():
        read[place] = None if moment is None else iso(moment, time=not days)
    rules = {place: "no_time" for place, value in enumerate(read.tolist()) if value is None}
    return reader.outcome(read, rules)


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


def _texts(reader: _Reader) -> Outcome:
    read = np.full(len(reader.bare), None, dtype=object)
    levels = [reader.reading.level(reader.bare[place]) for place in reader.present]
    read = reader.put(read, np.array(levels, dtype=object))
    changed = np.zeros(len(reader.bare), dtype=np.bool_)
    different = [level != reader.bare[place] for level, place in zip(levels, reader.present, strict=True)]
    reader.changed["spelling"] = reader.put(changed, np.array(different, dtype=np.bool_))
    return reader.outcome(read, {})
