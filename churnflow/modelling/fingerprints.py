"""Which of very many things are equal: told by fingerprints of 128 bits on disk, a part of them in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.scratch import Scratch

Prints = npt.NDArray[np.uint64]

_PARTS: Final = 64
# Two keys of SipHash make two hashes of 64 bits that know nothing of each other (Aumasson and Bernstein, SipHash: a
# fast short-input PRF, INDOCRYPT 2012): among 10^9 texts the odds of one false pair are below 10^-20.
_KEYS: Final = ("churnflow equals", "at second glance")
_MISSING: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
# An odd factor, so that no column's share of a row's fingerprint is lost.
_FACTOR: Final = np.uint64(0xBF58476D1CE4E5B9)
_RECORD: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("place", "<i8"), ("note", "<i8")])


def of_values(values: npt.NDArray[Any]) -> Prints:
    """Return the fingerprint of each text or number, (n, 2); a missing one has one of its own, and -0.0 is 0.0."""
    if values.dtype == object:
        gone = pd.isna(values)
        texts = np.where(gone, "", values)
        halves = [pd.util.hash_array(texts, hash_key=key, categorize=False) for key in _KEYS]
    else:
        gone = np.isnan(values)
        first = pd.util.hash_array(np.where(gone, 0.0, values + 0.0))
        halves = [first, pd.util.hash_array(first ^ np.uint64(_MISSING[0]))]
    return np.column_stack([np.where(gone, np.uint64(word), half) for half, word in zip(halves, _MISSING, strict=True)])


class Remembered:
    """Fingerprints of the values of several columns, made anew only where a column has other values than before."""

    def __init__(self) -> None:
        """Begin without any."""
        self._last: dict[int, tuple[object, Prints]] = {}

    def of(self, column: int, values: "Sequence[str] | npt.NDArray[Any]") -> Prints:
        """Return the fingerprint of each value of a column, (k, 2)."""
        known = self._last.get(column)
        if known is not None and known[0] is values:
            return known[1]
        made = of_values(values if isinstance(values, np.ndarray) else np.array(values, dtype=object))
        self._last[column] = (values, made)
        return made


def joined(first: Prints, second: Prints) -> Prints:
    """Return the fingerprint of each pair, (n, 2), whose order counts."""
    return first * _FACTOR + second


@dataclass(frozen=True)
class Groups:
    """Things sorted so that equal ones stand together in the order of their places.

    places, notes (n,): of each; starts (k,): where each group of equal ones begins.
    """

    places: npt.NDArray[np.int64]
    notes: npt.NDArray[np.int64]
    starts: npt.NDArray[np.intp]

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """How many things each group has, (k,)."""
        return np.diff(self.starts, append=len(self.places))


class Equals:
    """Things by their fingerprints, on disk, numbered as they come."""

    def __init__(self) -> None:
        """Begin without any."""
        self._scratch = Scratch()
        self._added = 0
        self._used: set[int] = set()

    def add(self, prints: Prints, notes: npt.NDArray[Any], places: npt.NDArray[np.int64] | None = None) -> None:
        """Add things by their fingerprints, (n, 2), each with a number to note; places: other than in turn."""
        records = np.empty(len(prints), _RECORD)
        records["high"], records["low"], records["note"] = prints[:, 0], prints[:, 1], notes
        records["place"] = np.arange(self._added, self._added + len(prints)) if places is None else places
        self._added += len(prints)
        parts = prints[:, 0] % np.uint64(_PARTS)
        order = np.argsort(parts, kind="stable")
        ends = np.searchsorted(parts[order], np.arange(_PARTS + 1, dtype=np.uint64))
        for part in range(_PARTS):
            if ends[part] < ends[part + 1]:
                self._scratch.append(str(part), records[order[ends[part] : ends[part + 1]]])
                self._used.add(part)

    def groups(self) -> Iterator[Groups]:
        """Yield all things in groups of equal ones, a part of them at a time."""
        for part in sorted(self._used):
            records = self._scratch.items(str(part), _RECORD)
            records = records[np.lexsort((records["place"], records["low"], records["high"]))]
            new = np.ones(len(records), dtype=np.bool_)
            new[1:] = (np.diff(records["high"]) != 0) | (np.diff(records["low"]) != 0)
            yield Groups(records["place"], records["note"], np.flatnonzero(new))

    def distinct(self) -> int:
        """Count the groups."""
        return sum(len(groups.starts) for groups in self.groups())
