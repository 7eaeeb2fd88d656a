"""The proof that a compiled model answers as the model does, made on customers of the test part before it is served."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.columns import Column, Floats
from churnflow.modelling.compiled import compile_model
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.scorer import PortableModel

# The largest difference in probability with which a compiled model is served.
TOLERANCE: Final = 1e-5
# Rows with one value made odd, for each such value and in all; one by one, as the API scores a single customer.
_ODD: Final = 200
_ODD_IN_ALL: Final = 40_000
_FEWEST: Final = 20
_ALONE: Final = 5_000
# So many times its range lies an odd number outside of it; others are as far away as a double can be.
_OUTSIDE: Final = 10.0
_FARTHEST: Final = 1e308

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Proof:
    """How far a compiled model is from the model.

    rows: how many customers were compared, `odd` of them with a value that is missing, unseen or out of range. alone:
    how many of all were scored one by one as well. max_abs_diff: the largest difference in probability.
    """

    rows: int
    odd: int
    alone: int
    max_abs_diff: float

    @property
    def compiled(self) -> bool:
        """Whether the compiled model may be served."""
        return self.max_abs_diff <= TOLERANCE

    def as_json(self) -> dict[str, Any]:
        """Return what the card of a release says under `scorer`."""
        return {"compiled": self.compiled, "rows": self.rows, "max_abs_diff": self.max_abs_diff}

    def __str__(self) -> str:
        """Say what was compared, in words."""
        which, usual = "compiled" if self.compiled else "plain", self.rows - self.odd
        return (
            f"the {which} one is served: compared on all {usual} rows of the test part and on {self.odd} with a "
            f"missing, unseen or extreme value, {self.alone} of them one by one too"
        )


def prove(model: PortableModel, test: pd.DataFrame) -> Proof:
    """Compare the compiled model with the model on every row of `test`, and on some with each feature in turn odd.

    A feature is made missing, an unseen level, far below or above its range. Raises UsageError when the test part lacks
    a column that the model uses.
    """
    absent = [column.name for column in model.encoding.columns if column.name not in test.columns]
    if absent:
        message = f"the test part has no column {absent[0]}, which the model uses"
        raise UsageError(message, hint="give rehearse the test part that the model was made with")
    compiled = compile_model(model)
    whole = as_columns(test, model.encoding)
    differences, rows, alone = [0.0], 0, 0
    for table, most in [(whole, _ALONE), *((table, _FEWEST) for table in _odd_tables(whole, model))]:
        matrix = model.encoding.encode(table).matrix
        plain = model.probability(matrix)
        picks = _spread(len(matrix), most)
        ones = np.array([compiled.probability_one(matrix[pick]) for pick in picks])
        differences += [_largest(compiled.probability(matrix), plain), _largest(ones, plain[picks])]
        rows, alone = rows + len(matrix), alone + len(picks)
    return Proof(rows, rows - len(test), alone, max(differences))


def _largest(first: Floats, second: Floats) -> float:
    return float(np.abs(first - second).max(initial=0.0))


def _odd_tables(whole: Columns, model: PortableModel) -> Iterator[Columns]:
    """Yield customers of `whole`, in each table with one other odd value in one of the features."""
    columns = model.encoding.columns
    odd = [(column.name, value) for column in columns for value in _odd_values(column)]
    count = len(next(iter(whole.values())))
    picks = _spread(count, max(_FEWEST, min(_ODD, _ODD_IN_ALL // len(odd))))
    some = {name: [values[pick] for pick in picks] for name, values in whole.items()}
    for name, value in odd:
        yield {**some, name: [value] * len(picks)}


def _odd_values(column: Column) -> list[float | str | None]:
    if column.kind == "category":
        return [None, max(column.levels, key=len, default="") + "?"]
    low, high = column.low or 0.0, column.high or 0.0
    far = _OUTSIDE * max(high - low, 1.0)
    return [None, low - far, high + far, -_FARTHEST, _FARTHEST]


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` places out of `count`, evenly spread."""
    picks: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp)).tolist()
    return picks
