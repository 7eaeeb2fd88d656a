"""The recorded schema of a churn table made of events: the form that ingestion gives, so that all that follows fits."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from churnflow.modelling.event_times import Windows
from churnflow.modelling.texts import missing_words

TARGET: Final = "churn"
CUT: Final = "cut"


def schema_of(frame: pd.DataFrame, identifier: str, features: Mapping[str, str], windows: Windows) -> dict[str, Any]:
    """Describe a churn table. features: what each is, with its unit, which becomes its reason.

    Features of one value in every row, and exact copies, have the role `dropped`. `time` names the column of the cut,
    where there are several; `outcome_days` says how long after it the outcome is known.
    """
    several = len(windows.cuts) > 1
    columns = [_plain(identifier, "text", "id", "names the customer")]
    columns += [_plain(CUT, "date", "time", "the day of the cut, before which the features were known")] * several
    seen: dict[bytes, str] = {}
    for name, reason in features.items():
        first = seen.setdefault(frame[name].to_numpy(dtype=np.float64).tobytes(), name)
        columns.append(_feature(frame[name], name, reason, None if first == name else first))
    outcome = f"yes: no active event in the {windows.outcome} days from the cut on"
    target = _plain(TARGET, "category", "target", outcome)
    return {
        "schema": "churnflow/table@1",
        "target": TARGET,
        "positive": "yes",
        "negative": "no",
        "id": identifier,
        "time": CUT if several else None,
        "outcome_days": windows.outcome,
        "missing": sorted(missing_words()),
        "columns": [*columns, {**target, "levels": ["no", "yes"]}],
    }


def _feature(values: "pd.Series[Any]", name: str, reason: str, copied: str | None) -> dict[str, Any]:
    present = values.dropna()
    if present.empty:
        return _plain(name, "number", "dropped", "every value is missing")
    if len(present) == len(values) and present.nunique() == 1:
        return _plain(name, "number", "dropped", "one and the same value in every row")
    if copied is not None:
        return _plain(name, "number", "dropped", f"an exact copy of {copied}")
    ordered = np.sort(present.to_numpy(dtype=np.float64))
    return {
        **_plain(name, "number", "feature", reason),
        "integer": bool((ordered == np.floor(ordered)).all()),
        "required": len(present) == len(values),
        "low": float(ordered[0]),
        "high": float(ordered[-1]),
        "example": float(ordered[len(ordered) // 2]),
    }


def _plain(
    name: str, kind: str, role: Literal["id", "time", "target", "feature", "dropped"], reason: str
) -> dict[str, Any]:
    return {
        "name": name,
        "role": role,
        "kind": kind,
        "integer": False,
        "required": True,
        "low": None,
        "high": None,
        "levels": [],
        "example": None,
        "reason": reason,
        # The workflow names the events, the days and the outcome; what a feature is shows in its values.
        "decided": "by its values" if role in {"feature", "dropped"} else "by the workflow",
    }
