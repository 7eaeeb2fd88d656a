"""Rows of texts become columns: in memory as long as they are few, and on disk when they grow to be many."""

from array import array
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.read_options import Room
from churnflow.modelling.stored_batches import Batches, StoredLines
from churnflow.modelling.stored_values import StoredValues
from churnflow.modelling.values import Codes, TextColumn, Values


class Columns:
    """Columns that grow by rows; a text that a column holds already takes four more bytes, beyond the room on disk."""

    def __init__(self, width: int, room: Room = Room()) -> None:  # noqa: B008 - frozen
        """Begin with so many empty columns."""
        self._room = room
        self._known = [_numbering() for _ in range(width)]
        self._codes = [array("i") for _ in range(width)]
        self._lines = array("q")
        self._disk: _Disk | None = None

    def __len__(self) -> int:
        return len(self._lines) + (0 if self._disk is None else self._disk.batches.rows)

    def add(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
        """Add rows, each as wide as the table, and the line on which each ends."""
        if not rows:
            return
        if self._is_full():
            self._move()
        for known, codes, texts in zip(self._known, self._codes, zip(*rows, strict=True), strict=False):
            # Twice as fast as looking every text up: most of a few thousand are the same.
            places, distinct = pd.factorize(np.array(texts, dtype=object))
            numbers = np.fromiter(map(known.__getitem__, distinct), np.int32, len(distinct))
            codes.frombytes(numbers[places].tobytes())
        self._lines.extend(lines)

    def drop_last(self) -> int:
        """Take the last row away, and the texts that only it has brought; return its line."""
        for place, (known, codes) in enumerate(zip(self._known, self._codes, strict=True)):
            last = codes.pop()
            is_new = self._disk is None or self._disk.is_new(place, last)
            if last == len(known) - 1 and is_new and last not in codes:
                known.popitem()
        return self._lines.pop()

    def last(self) -> list[str]:
        """Return the last row."""
        return [list(known)[codes[-1]] for known, codes in zip(self._known, self._codes, strict=True)]

    def gathered(self) -> tuple[tuple[TextColumn, ...], Sequence[int]]:
        """Return the columns, and the line on which each row ends."""
        if self._disk is None:
            columns = zip(self._known, self._codes, strict=True)
            return tuple(Values(list(known), _as_codes(codes)) for known, codes in columns), self._lines
        self._move()
        return self._disk.columns(self._known), StoredLines(self._disk.batches)

    def _is_full(self) -> bool:
        """Tell whether what is in memory has to go to disk before more comes; the last row is always in memory."""
        cells = len(self._lines) * len(self._codes)
        if self._disk is not None:
            return cells >= self._room.batch
        return cells >= self._room.cells or sum(map(len, self._known)) > self._room.texts

    def _move(self) -> None:
        self._disk = self._disk or _Disk(len(self._codes), self._room)
        self._disk.take([_as_codes(codes) for codes in self._codes], _as_lines(self._lines), self._known)
        self._codes = [array("i") for _ in self._codes]
        self._lines = array("q")


class _Disk:
    """The part of the columns that is on disk."""

    def __init__(self, width: int, room: Room) -> None:
        self.batches = Batches(width)
        self._rows = max(1, room.batch // max(1, width))
        self._most = room.texts
        # How often each text occurs, for the columns whose texts are in memory; None for the others.
        self._sizes: list[npt.NDArray[np.intp] | None] = [np.zeros(0, np.intp) for _ in range(width)]

    def take(self, codes: Sequence[Codes], lines: npt.NDArray[np.int64], known: Sequence[dict[str, int]]) -> None:
        """Write rows, and the texts of columns that have too many of them; these begin anew."""
        first = len(self.batches)
        for start in range(0, len(lines), self._rows):
            some = slice(start, start + self._rows)
            self.batches.append([of_column[some] for of_column in codes], lines[some])
        for place, (of_column, texts) in enumerate(zip(codes, known, strict=True)):
            sizes = self._sizes[place]
            if sizes is None:
                self._write(place, first, texts)
            else:
                more = np.bincount(of_column, minlength=len(texts))
                more[: len(sizes)] += sizes
                self._sizes[place] = more
        self._write_most(known)

    def is_new(self, place: int, code: int) -> bool:
        """Tell whether no row on disk has this code of a column."""
        sizes = self._sizes[place]
        return sizes is None or code >= len(sizes) or not sizes[code]

    def columns(self, known: Sequence[dict[str, int]]) -> tuple[TextColumn, ...]:
        """Return the columns. known: the texts of those that have theirs in memory."""
        none = np.zeros(0, np.intp)
        return tuple(
            StoredValues(self.batches, place, None if sizes is None else list(texts), none if sizes is None else sizes)
            for place, (sizes, texts) in enumerate(zip(self._sizes, known, strict=True))
        )

    def _write_most(self, known: Sequence[dict[str, int]]) -> None:
        """Write the texts of the columns that have most, as long as all together are too many.

        Those that have as many as each other together, so that equal columns are stored in one way.
        """
        while sum(map(len, known)) > self._most:
            most = max(map(len, known))
            for place, texts in enumerate(known):
                if len(texts) == most:
                    self._sizes[place] = None
                    self._write(place, 0, texts)

    def _write(self, place: int, first: int, texts: dict[str, int]) -> None:
        if first < len(self.batches):
            self.batches.keep(place, first, list(texts))
        texts.clear()


def _numbering() -> defaultdict[str, int]:
    """Return a dictionary that numbers its keys in the order in which they are first asked for."""
    known: defaultdict[str, int] = defaultdict()
    known.default_factory = known.__len__
    return known


def _as_codes(codes: "array[int]") -> Codes:
    return np.frombuffer(codes, dtype=np.int32) if codes else np.empty(0, np.int32)


def _as_lines(lines: "array[int]") -> npt.NDArray[np.int64]:
    return np.frombuffer(lines, dtype=np.int64) if lines else np.empty(0, np.int64)
