"""The step `audit`: the detectors again, on parts that a step of the user's own has changed after the split."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling.inspection import Inspection, Parts, date_offsets, inspect_parts
from churnflow.modelling.since_release import Customers, change_since, is_as_split

_OF_REDUNDANCY: Final = ("correlated_pairs", "redundant_features")


@reports(
    "leaking_features",
    "suspect_features",
    "contaminated_rows",
    "near_rows",
    "drift_auc",
    "newest_drift_auc",
    "drifted_features",
    "vs_released_*",
)
def audit(
    train: pd.DataFrame,
    test: pd.DataFrame,
    schema: dict[str, Any],
    features: dict[str, Any],
    against: Released | None = None,
    seed: int = 0,
) -> StepResult:
    """Look for leaks, contamination and drift in the parts as they are handed on, beyond what `features` has found.

    For workflows with steps of their own between `features` and `train`: rows copied into the training part, columns
    fitted on all rows, or filled from the outcome. Each is an issue, critical where the test part is no longer unseen
    or a feature gives the target away. against: a release such as `served`, with whose customers these are compared, as
    `features` does. Raises InputError when a part lacks a feature, the target, or a class.
    """
    parts = _parts(train, test, schema, features)
    found = inspect_parts(parts, seed).beyond(_known(features))
    now = Customers([train, test], parts.kinds, parts.time, is_as_split(train, features))
    change = None if against is None else change_since(against.version, against.artifacts, now, seed)
    counts = {name: count for name, count in found.counts().items() if name not in _OF_REDUNDANCY}
    measured = {**found.drifts(), **(change.measured() if change else {})}
    notices = [*found.notices(), *(change.notices() if change else [])]
    return StepResult(
        metrics={**counts, **{name: Measure.model_validate(values) for name, values in measured.items()}},
        facts={"looked at": _looked_at(parts, found), **(change.facts() if change else {})},
        issues=[Issue(text=notice.text, severity=notice.severity, about=notice.about) for notice in notices],
    )


def _parts(train: pd.DataFrame, test: pd.DataFrame, schema: Mapping[str, Any], features: Mapping[str, Any]) -> Parts:
    kinds = {str(feature["name"]): str(feature["kind"]) for feature in features["features"]}
    for word, part in (("training", train), ("test", test)):
        absent = [name for name in (*kinds, schema["target"]) if name not in part.columns]
        if absent:
            message = f"the {word} part has no column {absent[0]!r}"
            raise InputError(message, hint="hand on every feature, or drop it in the step that made the parts")
        if part[schema["target"]].nunique() < 2:  # noqa: PLR2004 - both classes have to be there
            message = f"the {word} part holds one class only"
            raise InputError(message, hint="look at the step of your own that changed it")
    # A split by time that the workflow has asked for by name may have one customer in both parts.
    shares = features.get("split", {}).get("shares_customers", False)
    identifier = None if shares else schema.get("id")
    return Parts(
        *(train, test, kinds, schema["target"], identifier, schema.get("time")), dates=date_offsets(schema, kinds)
    )


def _known(features: Mapping[str, Any]) -> set[str]:
    """Return the features that are under suspicion already; each has its issue, to be waived once."""
    listed = [*features.get("leaking_features", []), *features.get("suspect_features", [])]
    return {leak["feature"] for leak in listed}


def _looked_at(parts: Parts, found: Inspection) -> str:
    drift = f"; ROC AUC between the parts {found.drift.auc:.3f}" if found.drift else ""
    return f"{len(parts.train)} training rows, {len(parts.test)} test rows, {len(parts.kinds)} features{drift}"
