"""The files that a release bundle is made of: the model, the schema of its requests, and its model card.

The card says what the model is, how well it did and where not to use it (Mitchell et al., Model Cards for Model
Reporting, 2019).
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.columns import Column
from churnflow.modelling.compiled_proof import Proof
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.reference import REFERENCE_FILE, Reference, build_reference
from churnflow.modelling.scorer import PortableModel

LIMITS_OF_USE = (
    "predicts customers of the source it was trained on; another source or time needs a new evaluation",
    "says who is likely to leave, not why, and not whom an offer would keep",
    "a value not seen in training, or outside its range, is answered with a warning and less certain",
)
# Digests of the training rows, which releases carried until it was seen that ids can be tried against them.
KNOWN_ROWS = "known_rows.bin"
# The curves, by far the largest part of an evaluation, stay with the run.
_EVALUATION = ("metrics", "n_train", "n_test", "confusion", "baseline", "groups", "importance")
_LINE = ("model", "mean", "low", "high", "log_loss", "trials")


def candidate_files(
    model: PortableModel,
    schema: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    leaderboard: Mapping[str, Any],
    reference: Reference | None = None,
) -> dict[str, bytes]:
    """Return `model.bin`, `schema.json` (as `served_schema` says) and `card.json`.

    And `reference.json`, which drift is measured against, where there is a reference. Whom the model was trained on is
    not told: it goes wherever the release is served, and who knows a customer's id or row could ask it for them.
    Nothing that differs between two equal runs goes in, durations for one, so that equal models make equal bundles.
    The card's `embedded_rows`: how many of the `training_rows` stand in the model, as `embedding` finds them.
    The card's `calibration`: slope and intercept of the line, and the knots of the curve, as PortableModel has them.
    """
    card = {
        "schema": "churnflow/card@1",
        "model": model.name,
        "family": model.family,
        "target": schema["target"],
        "positive": model.positive,
        "negative": model.negative,
        "threshold": model.threshold,
        "calibration": {"line": model.calibration, "curve": model.curve},
        "training_rows": leaderboard.get("rows"),
        "embedded_rows": leaderboard.get("embedded_rows"),
        "evaluation": {name: evaluation[name] for name in _EVALUATION if name in evaluation},
        "cross_validation": _cross_validation(leaderboard),
        "limits_of_use": LIMITS_OF_USE,
    }
    files = {
        "model.bin": model.to_bytes(),
        "schema.json": _encode(served_schema(model, schema)),
        "card.json": _encode(card),
    }
    if reference:
        files[REFERENCE_FILE] = reference.to_bytes()
    return files


def with_proof(files: Mapping[str, bytes], proof: Proof) -> dict[str, bytes]:
    """Return the files of a candidate, whose card says whether the compiled model is served, and what proved it."""
    card = json.loads(files["card.json"])
    return {**files, "card.json": _encode({**card, "scorer": proof.as_json()})}


def reference_of(model: PortableModel, train: pd.DataFrame | None, test: pd.DataFrame) -> Reference | None:
    """Return what drift of a model is measured against, None without the training part that it was made of.

    Raises UsageError when a part lacks a column that the model uses.
    """
    if train is None:
        return None
    for part, frame in (("training", train), ("test", test)):
        absent = [column.name for column in model.encoding.columns if column.name not in frame.columns]
        if absent:
            message = f"the {part} part has no column {absent[0]}, which the model uses"
            raise UsageError(message, hint="name the parts that the model was made with under `needs:` of rehearse")
    return build_reference(model, as_columns(train, model.encoding), as_columns(test, model.encoding))


def served_schema(model: PortableModel, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of requests: levels and ranges are those that the model was trained on.

    Features that the model does not use are dropped. Columns that are no features have no example: that of an
    identifier would be a customer's own.
    """
    used = {column.name: column for column in model.encoding.columns}
    return {**schema, "columns": [_served_column(column, used) for column in schema["columns"]]}


def _served_column(column: Mapping[str, Any], used: Mapping[str, Column]) -> dict[str, Any]:
    if column["role"] != "feature":
        return {**column, "example": None}
    if column["name"] not in used:
        return {**column, "example": None, "role": "dropped", "reason": "the model does not use it"}
    learned = used[column["name"]]
    if learned.kind == "number":
        known = {"low": learned.low, "high": learned.high}
        return {**column, **{name: value for name, value in known.items() if value is not None}}
    example = column.get("example")
    usual = example if example in learned.levels else next(iter(learned.levels), None)
    told = {**column, "levels": list(learned.levels), "example": usual}
    if "spellings" in column:
        told["spellings"] = {text: level for text, level in column["spellings"].items() if level in learned.levels}
    return told


def _cross_validation(leaderboard: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: leaderboard.get(name) for name in ("metric", "folds", "chosen", "best", "tied")}
    lines = [{name: line.get(name) for name in _LINE} for line in leaderboard.get("models", ())]
    return {**kept, "models": lines}


def _encode(value: object) -> bytes:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: numbers of numpy as Python's, what is not finite as null."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case np.generic() | np.ndarray():
            return _plain(value.tolist())
        case float() if not math.isfinite(value):
            return None
    return value
