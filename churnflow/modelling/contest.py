"""A new model against the released one, on the same customers, left out those that the released one was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.card import KNOWN_ROWS
from churnflow.modelling.columns import Column, Floats, Kind
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.known_rows import KnownRows
from churnflow.modelling.metrics import DRAWN, Scored
from churnflow.modelling.paired import Difference, difference, mean_difference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.split import Ints

MIN_PER_CLASS: Final = 10
COMPARED: Final = ("roc_auc", "log_loss", "brier")


class IncomparableError(ValueError):
    """The released model can not score these customers; the message says why."""


@dataclass(frozen=True)
class Opponent:
    """What the released model says of the test rows, (n,), and which of them it was not trained on, (n,).

    caveat: what makes the comparison kinder to it than it should be, if anything.
    """

    scored: Scored
    unseen: npt.NDArray[np.bool_]
    caveat: str = ""


def no_model(rate: float, target: Ints) -> Opponent:
    """Return what there is before the first release: the base rate for all, and nobody decided positive."""
    nobody = np.zeros(len(target), dtype=np.bool_)
    return Opponent(Scored(np.full(len(target), rate), target, nobody), ~nobody)


def released_model(files: Mapping[str, bytes], test: pd.DataFrame, target: Ints, positive: str) -> Opponent:
    """Return the model of a release bundle on the rows of `test`. Raises IncomparableError when it can not score them.

    positive: the class whose probability is asked for.
    """
    model = _model(files)
    if model.positive != positive:
        message = f"it predicts {model.positive!r}, not {positive!r}"
        raise IncomparableError(message)
    for column in model.encoding.columns:
        _check_column(column, test)
    probabilities = model.score(as_columns(test, model.encoding))
    unseen, caveat = _unseen(files.get(KNOWN_ROWS, b""), test, target)
    return Opponent(Scored.at(probabilities, target, model.threshold), unseen, caveat)


def _model(files: Mapping[str, bytes]) -> PortableModel:
    if "model.bin" not in files:
        message = "the release holds no model.bin"
        raise IncomparableError(message)
    try:
        return PortableModel.from_bytes(files["model.bin"])
    except ValueError:
        message = "its model.bin is not a usable model"
        raise IncomparableError(message) from None


def _check_column(column: Column, test: pd.DataFrame) -> None:
    """Raise IncomparableError where the column is absent, or is of another kind than when the model learned it."""
    if column.name not in test.columns:
        message = f"it needs the column {column.name!r}, which is no feature of this run"
        raise IncomparableError(message)
    values = test[column.name]
    kind: Kind = "number" if pd.api.types.is_numeric_dtype(values) else "category"
    if kind != column.kind and values.notna().any():
        message = f"it takes the column {column.name!r} as a {column.kind}, and it is a {kind} in this run"
        raise IncomparableError(message)


def _unseen(known: bytes, test: pd.DataFrame, target: Ints) -> tuple[npt.NDArray[np.bool_], str]:
    everyone = np.ones(len(target), dtype=np.bool_)
    listed = KnownRows.from_bytes(known)
    seen = None if listed is None else listed.among(test)
    if seen is None:
        return everyone, "it is not known which of them the released model was trained on; that flatters it"
    left = target[~seen]
    if min(left.sum(), len(left) - left.sum()) < MIN_PER_CLASS:
        return everyone, f"the released model was trained on {seen.sum():,} of them; that flatters it"
    return ~seen, ""


def compare(ours: Scored, theirs: Opponent, gains: Floats | None, seed: int) -> dict[str, Difference]:
    """Return ROC AUC, log loss, Brier score, and with `gains` (n,) profit, of `ours` less that of `theirs`.

    gains: the profit of contacting each row. Each model decides at its own threshold.
    """
    rows = theirs.unseen
    first, second = ours.part(rows), theirs.scored.part(rows)
    found = difference(first, second, {name: DRAWN[name] for name in COMPARED}, seed)
    if gains is not None:
        earned = [np.where(scored.decisions, gains[rows], 0.0) for scored in (first, second)]
        found["profit"] = mean_difference(earned[0], earned[1], first.target, seed)
    return found
