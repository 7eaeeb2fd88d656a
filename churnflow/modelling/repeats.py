"""Rows that share their id, or their id and time: told exactly in memory, by fingerprint for a table on disk."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from churnflow.modelling.fingerprints import Equals, Remembered, joined
from churnflow.modelling.outcomes import Outcome

Group = tuple[list[int], list[int]]


class Repeats:
    """The ids, times and classes of rows that come in batches; one without an id repeats none."""

    def __init__(self, *, exact: bool) -> None:
        """Begin without rows. exact: all of them come at once, and are compared in memory."""
        self._exact = exact
        self._groups: Iterator[Group] = iter(())
        self._equals = Equals()
        self._prints = Remembered()
        self._times: set[str | None] = set()
        self._rows = 0

    @property
    def timed(self) -> bool:
        """Whether the rows are of several times."""
        return len(self._times) > 1 or None in self._times

    def add(self, ids: Outcome, times: Outcome | None, target: Outcome) -> None:
        """Add rows; times: None where the table has none."""
        if times is not None and not self.timed:
            self._times.update(times.read.tolist())
        if self._exact:
            self._groups = _exact(ids, times, target)
            return
        named = np.flatnonzero(pd.notna(ids.read)[ids.values.codes])
        prints = self._prints.of(0, ids.read)[ids.values.codes[named]]
        if times is not None:
            prints = joined(prints, self._prints.of(1, times.read)[times.values.codes[named]])
        self._equals.add(prints, target.classes()[named], named + self._rows)
        self._rows += ids.values.rows

    def groups(self) -> Iterator[Group]:
        """Yield the rows of each id (and time) that several have, in order, and their classes, -1 for a missing one."""
        yield from self._groups
        for groups in self._equals.groups():
            for group in np.flatnonzero(groups.sizes > 1).tolist():
                some = slice(groups.starts[group], groups.starts[group] + groups.sizes[group])
                yield groups.places[some].tolist(), groups.notes[some].tolist()


def _exact(ids: Outcome, times: Outcome | None, target: Outcome) -> Iterator[Group]:
    keys, classes = ids.keys(), target.classes()
    frame = pd.DataFrame({"id": keys, "time": np.zeros_like(keys) if times is None else times.keys()})[keys >= 0]
    twice = frame[frame.duplicated(keep=False)]
    for places in twice.groupby(["id", "time"], sort=False).indices.values():
        rows = twice.index[places].to_numpy()
        yield rows.tolist(), classes[rows].tolist()
