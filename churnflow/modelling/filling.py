"""The rows that are kept become a typed frame, and are summed up on the way, a batch at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.fingerprints import Equals, Remembered, joined
from churnflow.modelling.outcomes import Flags, Outcome, Outcomes, is_measured
from churnflow.modelling.profile import Column
from churnflow.modelling.recorded import Kept
from churnflow.modelling.stored_frame import StoredFrame
from churnflow.modelling.table import Table
from churnflow.modelling.values import Floats

Used = Sequence[tuple[int, Column]]


class Tally:
    """How many rows hold each value of one column, and how many values were changed in which way."""

    def __init__(self, *, levels: bool) -> None:
        """Begin without rows. levels: the values are those of a category or target, to be counted."""
        self._counts_levels = levels
        self._coerced: dict[str, int] = {}
        self._read: npt.NDArray[np.float64] | npt.NDArray[np.object_] | None = None
        self._rows = np.zeros(0, np.intp)
        self._levels: Counter[Any] = Counter()
        self.is_whole = True

    def add(self, outcome: Outcome, kept: Flags) -> None:
        """Add the rows kept of a batch."""
        rows = outcome.rows(kept)
        for kind, flags in outcome.changed.items():
            self._coerced[kind] = self._coerced.get(kind, 0) + int(rows[flags].sum())
        if self._read is outcome.read:
            self._rows += rows
            return
        self._settle()
        self._read, self._rows = outcome.read, rows

    def coerced(self) -> dict[str, int]:
        """Return how many values were changed, by kind of change, without kinds that none was."""
        return {kind: count for kind, count in self._coerced.items() if count}

    def numbers(self) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Return the numbers that distinct texts mean, (k,), and how many rows hold each; only where `is_whole`."""
        return np.asarray(self._read, dtype=np.float64), self._rows

    def levels(self) -> Counter[Any]:
        """Return how many rows have each value of a category or target."""
        self._settle()
        return self._levels

    def classes(self) -> Counter[int]:
        """Return how many rows are of each class of a target."""
        return Counter({label: self.levels()[label] for label in (0, 1)})

    def _settle(self) -> None:
        """Add the rows of the texts so far to those of their levels; numbers and ids are too many to be kept so."""
        if self._read is None:
            return
        self.is_whole = False
        if self._counts_levels:
            for level, count in zip(self._read.tolist(), self._rows.tolist(), strict=True):
                if level is not None and count:
                    self._levels[level] += count
        self._read, self._rows = None, np.zeros(0, np.intp)


@dataclass(frozen=True)
class Filled:
    """The frame of the rows kept, the tally of each of its columns, and how many of its rows repeat an earlier one."""

    frame: pd.DataFrame | StoredFrame
    tallies: Mapping[str, Tally]
    repeated: int

    def kept(self, column: Column) -> Kept | None:
        """Return what the rows kept hold of a column, None for one that is left out."""
        tally = self.tallies.get(column.name)
        if tally is None or column.role != "feature":
            return None if tally is None else Kept()
        if _is_category(column):
            return Kept(levels=tally.levels())
        if tally.is_whole or not isinstance(self.frame, StoredFrame):
            return Kept.of_numbers(*tally.numbers())
        return Kept.of_numbers(self.frame.numbers(column.name))


def _is_category(column: Column) -> bool:
    return column.role == "feature" and not is_measured(column)


def fill(table: Table, used: Used, outcomes: Outcomes, kept: Flags) -> Filled:
    """Return the rows kept, (n,), of the columns used, as a frame that is in memory where the table is."""
    names = [column.name for _, column in used]
    tallies = {column.name: Tally(levels=_is_category(column) or column.role == "target") for _, column in used}
    features = [column.name for _, column in used if column.role == "feature"]
    stored, rows = StoredFrame(pd.Index(names)), _Rows(features)
    for first, pieces in table.batches([place for place, _ in used]):
        some = kept[first : first + pieces[0].rows]
        read = {column.name: outcomes.of(column, piece) for (_, column), piece in zip(used, pieces, strict=True)}
        for name, outcome in read.items():
            tallies[name].add(outcome, some)
        frame = pd.DataFrame({name: outcome.series(some) for name, outcome in read.items()})
        if table.in_memory:
            return Filled(frame, tallies, int(frame[features].duplicated().sum()))
        stored.append(frame)
        rows.add(read, some)
    return Filled(stored, tallies, rows.repeated())


class _Rows:
    """Rows by the fingerprints of their features."""

    def __init__(self, features: Sequence[str]) -> None:
        self._features = features
        self._prints = Remembered()
        self._equals = Equals()
        self._count = 0

    def add(self, read: Mapping[str, Outcome], kept: Flags) -> None:
        """Add the rows kept of a batch."""
        rows = np.flatnonzero(kept)
        prints = np.zeros((len(rows), 2), np.uint64)
        for place, name in enumerate(self._features):
            prints = joined(prints, self._prints.of(place, read[name].read)[read[name].values.codes[rows]])
        self._equals.add(prints, np.zeros(len(rows)))
        self._count += len(rows)

    def repeated(self) -> int:
        """Count the rows that equal an earlier one."""
        return self._count - self._equals.distinct()
