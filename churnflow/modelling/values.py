"""The values of one column, each distinct text once, so that what is decided about a text is decided once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.texts import as_number, fold

Floats = npt.NDArray[np.float64]
_NUMERIC_STARTS: Final = frozenset("0123456789+-.iI")


@dataclass(frozen=True)
class Values:
    """texts: every distinct text as it stands, in order of first appearance; codes (n,): the place of each row's text.

    counts: how many rows hold each text.
    """

    texts: list[str]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.intp]
    _missing: dict[frozenset[str], list[bool]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, texts: list[str], codes: npt.NDArray[np.int32]) -> "Values":
        """Return the values of a column of a table, which holds each distinct text once already."""
        return cls(texts, codes, np.bincount(codes, minlength=len(texts)))

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

    def present(self, words: frozenset[str]) -> "Present":
        """Return what the values are without those that stand for a missing one. words: folded."""
        counts: dict[str, int] = {}
        absent: dict[str, int] = {}
        for bare, count, missing in zip(self.bare, self.counts.tolist(), self.missing(words), strict=True):
            into = absent if missing else counts
            into[bare] = into.get(bare, 0) + count
        return Present(counts, absent, len(self.codes))

    @property
    def likeness(self) -> tuple[object, ...]:
        """What is the same for columns that are equal, and hardly ever for others."""
        return len(self.texts), tuple(self.texts[:3]), self.codes[:512].tobytes()

    def equal(self, other: "Values") -> bool:
        """Tell whether two columns hold the same text in every row."""
        return self.texts == other.texts and np.array_equal(self.codes, other.codes)


@dataclass(frozen=True)
class Present:
    """The distinct bare texts of a column and how often each occurs: `counts` as values, `absent` as missing ones."""

    counts: dict[str, int]
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
        return figures(list(self.counts))

    @cached_property
    def share_numbers(self) -> float:
        """The share of the values that are numbers, by rows."""
        return float(self.sizes[~np.isnan(self.figures)].sum()) / self.total if self.total else 0.0

    def sample(self, most: int = 500) -> list[str]:
        """Return at most so many distinct values, spread evenly over the column."""
        texts = list(self.counts)
        return texts[:: max(1, len(texts) // most)][:most]

    def without(self, texts: Iterable[str]) -> "Present":
        """Return the values that remain when `texts` stand for missing ones."""
        gone = set(texts)
        if not gone:
            return self
        kept = {text: count for text, count in self.counts.items() if text not in gone}
        absent = {text: count for text, count in self.counts.items() if text in gone}
        return Present(kept, {**self.absent, **absent}, self.rows)


def figures(texts: Sequence[str]) -> Floats:
    """Return the numbers that texts read as, by the rule of `as_number`, (n,), NaN for what is none."""
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
