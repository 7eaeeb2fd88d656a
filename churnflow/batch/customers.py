"""Customers of any source, some rows at a time: what a reader is asked for, and what it yields."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.table import Ragged
from churnflow.modelling.values import Floats, Values

# A multiple of the rows that DuckDB hands over at a time; of fewer the calls of numpy cost more than the arithmetic.
ROWS: Final = 32_768


@dataclass(frozen=True)
class Wanted:
    """What is to be read, by the source's names. features: each with whether the model has it as a number.

    texts: columns that go into the list as they are.
    """

    features: Mapping[str, bool]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """Some rows. lines: (n,), the line of each, or its number. features: numbers, or texts. texts: (n,) of objects."""

    lines: npt.NDArray[np.int64]
    features: Mapping[str, "Values | Floats"]
    texts: Mapping[str, npt.NDArray[Any]]


class Customers(ABC):
    """A source whose columns are known.

    typed: the columns that hold numbers in the source itself. kinds: the SQL type of those of them that it names.
    ragged: rows of the wrong width. notes: what else is to be said.
    """

    name: str
    header: tuple[str, ...]
    rows: int
    typed: frozenset[str]
    kinds: Mapping[str, str]
    ragged: Sequence[Ragged]
    notes: Sequence[str]

    @abstractmethod
    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """Yield all rows in order, `ROWS` at most at a time."""
