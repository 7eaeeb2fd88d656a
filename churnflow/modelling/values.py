"""The values of one column, each distinct text once, so that what is decided about a text is decided once."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from churnflow.modelling.texts import as_number, fold

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
# So many texts at a time are put together, of columns that hold very many.
_AT_ONCE: Final = 1 << 18
_NUMERIC_STARTS: Final = frozenset("0123456789+-.iI")


class Counts(Mapping[str, int]):
    """Texts and how often each occurs, too many for a dictionary: gone through as one, from the start every time."""

    @abstractmethod
    def without(self, texts: frozenset[str]) -> "Counts":
        """Return them without some, of which there are few."""


class TextColumn(Protocol):
    """The values of one column, in memory or on disk."""

    @property
    def rows(self) -> int:
        """How many rows there are."""

    def pieces(self) -> Iterator["Values"]:
        """Yield the values of all rows, some rows at a time; pieces of one column may share the list of their texts."""

    def distinct(self) -> Iterator[Sequence[str]]:
        """Yield lists of texts, in which every text of the column stands at least once."""

    def present(self, words: frozenset[str]) -> "Present":
        """Return what the values are without those that stand for a missing one. words: folded."""

    @property
    def likeness(self) -> tuple[object, ...]:
        """What is the same for columns that are equal, and hardly ever for others."""

    def equal(self, other: "TextColumn") -> bool:
        """Tell whether two columns of one table hold the same text in every row."""


@dataclass(frozen=True)
class Values:
    """texts: every distinct text as it stands, in order of first appearance; codes (n,): the place of each row's."""

    texts: list[str]
    codes: Codes
    _missing: dict[frozenset[str], list[bool]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.codes)

    @cached_property
    def counts(self) -> npt.NDArray[np.intp]:
        """How many rows hold each text, (k,)."""
        return np.bincount(self.codes, minlength=len(self.texts))

    @cached_property
    def bare(self) -> list[str]:
        """Each distinct text without the blanks around it."""
        return [text.strip() for text in self.texts]

    def missing(self, words: frozenset[str]) -> list[bool]:
        """Return for each distinct text whether it stands for a missing value. words: folded."""
        if words not in self._missing:
            # Whether a text may be one of the words is seen at its first letter; to fold every text takes longer.
            heads = {letter for word in words for letter in (word[:1], word[:1].upper())}
            self._missing[words] = [
                not bare or ((bare[0] in heads or bare[0] > "\x7f") and fold(bare) in words) for bare in self.bare
            ]
        return self._missing[words]

    def pieces(self) -> Iterator["Values"]:
        """Yield all rows at once."""
        yield self

    def distinct(self) -> Iterator[Sequence[str]]:
        """Yield the distinct texts."""
        yield self.texts

    def present(self, words: frozenset[str]) -> "Present":
        """Return what the values are without those that stand for a missing one. words: folded."""
        return self.counted(words, self.counts, len(self.codes))

    def counted(self, words: frozenset[str], sizes: npt.NDArray[np.intp], rows: int) -> "Present":
        """Return the present values where each text, (k,), occurs as often as `sizes` says among so many rows."""
        counts: dict[str, int] = {}
        absent: dict[str, int] = {}
        for bare, count, missing in zip(self.bare, sizes.tolist(), self.missing(words), strict=True):
            into = absent if missing else counts
            into[bare] = into.get(bare, 0) + count
        return Present(counts, absent, rows)

    @property
    def likeness(self) -> tuple[object, ...]:
        """What is the same for columns that are equal, and hardly ever for others."""
        return len(self.texts), tuple(self.texts[:3]), self.codes[:512].tobytes()

    def equal(self, other: TextColumn) -> bool:
        """Tell whether two columns of one table hold the same text in every row."""
        return all(
            one.texts == another.texts and np.array_equal(one.codes, another.codes)
            for one, another in zip(self.pieces(), other.pieces(), strict=True)
        )


@dataclass(frozen=True)
class Present:
    """The distinct bare texts of a column and how often each occurs: `counts` as values, `absent` as missing ones."""

    counts: "dict[str, int] | Counts"
    absent: dict[str, int]
    rows: int

    @cached_property
    def total(self) -> int:
        """How many rows have a value."""
        return sum(self.counts.values())

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How often each distinct value occurs, (k,)."""
        return np.fromiter(self.counts.values(), dtype=np.int64, count=len(self.counts))

    @cached_property
    def figures(self) -> Floats:
        """The number that each distinct value reads as, (k,), NaN for what is none."""
        return figures(self.counts)

    @cached_property
    def share_numbers(self) -> float:
        """The share of the values that are numbers, by rows."""
        return float(self.sizes[~np.isnan(self.figures)].sum()) / self.total if self.total else 0.0

    def sample(self, most: int = 500) -> list[str]:
        """Return at most so many distinct values, spread evenly over the column."""
        return list(islice(islice(self.counts, 0, None, max(1, len(self.counts) // most)), most))

    def without(self, texts: Iterable[str]) -> "Present":
        """Return the values that remain when `texts` stand for missing ones."""
        gone = frozenset(texts)
        if not gone:
            return self
        absent = {text: count for text, count in self.counts.items() if text in gone}
        if isinstance(self.counts, dict):
            kept: dict[str, int] | Counts = {text: count for text, count in self.counts.items() if text not in gone}
        else:
            kept = self.counts.without(gone)
        return Present(kept, {**self.absent, **absent}, self.rows)


def figures(texts: Iterable[str]) -> Floats:
    """Return the numbers that texts read as, by the rule of `as_number`, (n,), NaN for what is none."""
    left = iter(texts)
    parts = [_figures(some) for some in iter(lambda: list(islice(left, _AT_ONCE)), [])]
    return np.concatenate(parts) if parts else np.empty(0)


def _figures(texts: list[str]) -> Floats:
    try:
        if "_" not in "".join(texts):
            return np.array(texts, dtype=object).astype(np.float64)
    except ValueError:
        pass
    read = (as_number(text) if _may_be_number(text) else None for text in texts)
    return np.array([np.nan if number is None else number for number in read], dtype=np.float64)


def _may_be_number(text: str) -> bool:
    # To fail at reading a text as a number takes ten times as long as to look at its first letter.
    return text[:1] in _NUMERIC_STARTS or not text.isascii()
