"""The values of one column of a table on disk, gone through a batch at a time."""

from collections.abc import ItemsView, Iterator, Sequence, ValuesView
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.fingerprints import Equals, of_values
from churnflow.modelling.scratch import Scratch
from churnflow.modelling.stored_batches import Batches
from churnflow.modelling.values import Counts, Present, TextColumn, Values

_NONE: Final = np.empty(0, np.int32)
# A count of rows.
_COUNT: Final = np.int64


class StoredValues:
    """The values of a column whose codes lie on disk; its distinct texts are in memory, or, where many, on disk too."""

    def __init__(self, batches: Batches, place: int, texts: list[str] | None, sizes: npt.NDArray[np.intp]) -> None:
        """Take the batches, the column's place in them, and its texts with how often each occurs; None: on disk."""
        self._batches = batches
        self._place = place
        self._texts = texts
        self._sizes = sizes

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._batches.rows

    def pieces(self) -> Iterator[Values]:
        """Yield the values of one batch after the other."""
        for batches, texts in self._segments():
            for batch in batches:
                yield Values(texts, self._batches.codes(self._place, batch))

    def distinct(self) -> Iterator[Sequence[str]]:
        """Yield lists of texts, in which every text of the column stands at least once."""
        for _, texts in self._segments():
            yield texts

    def present(self, words: frozenset[str]) -> Present:
        """Return what the values are without those that stand for a missing one. words: folded."""
        if self._texts is not None:
            return Values(self._texts, _NONE).counted(words, self._sizes, self.rows)
        absent: dict[str, int] = {}
        for texts, totals in self.totals():
            missing = np.array(Values(texts, _NONE).missing(words)) & (totals > 0)
            absent |= {texts[place]: int(totals[place]) for place in np.flatnonzero(missing).tolist()}
        return Present(StoredCounts(self, frozenset(absent), self._merged[1] - len(absent)), absent, self.rows)

    @property
    def likeness(self) -> tuple[object, ...]:
        """What is the same for columns that are equal, and hardly ever for others."""
        first = next(self.pieces())
        return len(first.texts), tuple(first.texts[:3]), first.codes[:512].tobytes()

    def equal(self, other: TextColumn) -> bool:
        """Tell whether two columns of one table hold the same text in every row."""
        return all(
            one.texts == another.texts and np.array_equal(one.codes, another.codes)
            for one, another in zip(self.pieces(), other.pieces(), strict=True)
        )

    def totals(self) -> Iterator[tuple[list[str], npt.NDArray[np.int64]]]:
        """Yield the texts without the blanks around them, in the order in which they first occur, and their counts.

        The count is that of the whole column where a text stands for the first time, and 0 where it does so again.
        """
        start, (scratch, _) = 0, self._merged
        for _, texts in self._segments():
            yield [text.strip() for text in texts], scratch.items("totals", _COUNT, start, len(texts))
            start += len(texts)

    @cached_property
    def _merged(self) -> tuple[Scratch, int]:
        """Where the counts lie, and how many texts differ."""
        equals, length = Equals(), 0
        for batches, texts in self._segments():
            sizes = np.zeros(len(texts), _COUNT)
            for batch in batches:
                sizes += np.bincount(self._batches.codes(self._place, batch), minlength=len(texts))
            bare = np.array([text.strip() for text in texts], dtype=object)
            equals.add(of_values(bare), sizes)
            length += len(texts)
        scratch, distinct = Scratch(), 0
        totals = np.zeros(length, _COUNT)
        for groups in equals.groups():
            totals[groups.places[groups.starts]] = np.add.reduceat(groups.notes, groups.starts)
            distinct += len(groups.starts)
        scratch.append("totals", totals)
        return scratch, distinct

    def _segments(self) -> Iterator[tuple[range, list[str]]]:
        if self._texts is not None:
            yield range(len(self._batches)), self._texts
        else:
            yield from self._batches.segments(self._place)


class StoredCounts(Counts):
    """The distinct values of a column and how often each occurs, read from disk every time they are gone through.

    To look up single ones takes all of them into memory.
    """

    def __init__(self, column: StoredValues, gone: frozenset[str], length: int) -> None:
        """Take the column, those of its texts that are left out, and how many remain."""
        self._column = column
        self._gone = gone
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return (text for text, _ in self.pairs())

    def __getitem__(self, text: str) -> int:
        return self._index[text]

    def items(self) -> ItemsView[str, int]:
        """Return texts and counts."""
        return _Items(self)

    def values(self) -> ValuesView[int]:
        """Return the counts."""
        return _Sizes(self)

    def without(self, texts: frozenset[str]) -> "StoredCounts":
        """Return them without some of them, of which there are few."""
        return StoredCounts(self._column, self._gone | texts, self._length - len(texts))

    def pairs(self) -> Iterator[tuple[str, int]]:
        """Yield texts and counts."""
        for texts, totals in self._column.totals():
            for text, total in zip(texts, totals.tolist(), strict=True):
                if total and text not in self._gone:
                    yield text, total

    @cached_property
    def _index(self) -> dict[str, int]:
        return dict(self.pairs())


class _Items(ItemsView[str, int]):
    def __init__(self, counts: StoredCounts) -> None:
        super().__init__(counts)
        self._counts = counts

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return self._counts.pairs()


class _Sizes(ValuesView[int]):
    def __init__(self, counts: StoredCounts) -> None:
        super().__init__(counts)
        self._counts = counts

    def __iter__(self) -> Iterator[Any]:
        return (total for _, total in self._counts.pairs())
