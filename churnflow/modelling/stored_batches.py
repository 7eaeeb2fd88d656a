"""Columns of texts on disk, a batch of rows at a time, for tables that memory should not hold."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from churnflow.modelling.scratch import Scratch
from churnflow.modelling.values import Codes


@dataclass(frozen=True)
class Segment:
    """Where the texts lie to which the codes of one column refer, from the batch `first` on; start, size: in bytes."""

    first: int
    start: int
    size: int


class Batches:
    """Rows as codes, and the texts that these stand for: of one batch, or of several that share them.

    The codes of a batch lie together, column by column; the lines of all rows in a file of their own.
    """

    def __init__(self, width: int) -> None:
        """Begin with so many columns and no row."""
        self._width = width
        self._scratch = Scratch()
        self._starts = [0]
        self._segments: list[list[Segment]] = [[] for _ in range(width)]

    def __len__(self) -> int:
        return len(self._starts) - 1

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._starts[-1]

    def append(self, codes: Sequence[Codes], lines: npt.NDArray[np.int64]) -> None:
        """Add a batch: the codes of every column, (rows,), and the line on which each row ends."""
        self._scratch.append("codes", np.concatenate(codes).astype(np.int32, copy=False))
        self._scratch.append("lines", lines)
        self._starts.append(self.rows + len(lines))

    def keep(self, place: int, first: int, texts: Sequence[str]) -> None:
        """Keep the texts to which the codes of a column refer, from the batch `first` to the last one so far."""
        data = json.dumps(texts).encode("ascii")
        self._segments[place].append(Segment(first, self._scratch.append("texts", data), len(data)))

    def codes(self, place: int, batch: int) -> Codes:
        """Return the codes of a column in a batch, (rows,)."""
        rows = self._starts[batch + 1] - self._starts[batch]
        return self._scratch.items("codes", np.int32, self._width * self._starts[batch] + place * rows, rows)

    def segments(self, place: int) -> Iterator[tuple[range, list[str]]]:
        """Yield the texts of a column, each time with the numbers of the batches whose codes refer to them."""
        segments = self._segments[place]
        ends = [*(segment.first for segment in segments[1:]), len(self)]
        for segment, end in zip(segments, ends, strict=True):
            yield range(segment.first, end), json.loads(self._scratch.read("texts", segment.start, segment.size))

    def lines(self, first: int, count: int) -> list[int]:
        """Return the lines on which some rows end."""
        lines: list[int] = self._scratch.items("lines", np.int64, first, count).tolist()
        return lines


class StoredLines(Sequence[int]):
    """The line on which each row of a table on disk ends."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return self._batches.rows

    @overload
    def __getitem__(self, row: int) -> int: ...
    @overload
    def __getitem__(self, row: slice) -> list[int]: ...
    def __getitem__(self, row: int | slice) -> int | list[int]:
        rows = range(len(self))[row]
        if isinstance(rows, int):
            return self._batches.lines(rows, 1)[0]
        if rows.step != 1:
            return [self[at] for at in rows]
        return self._batches.lines(rows.start, len(rows))
