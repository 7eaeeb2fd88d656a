"""A column as the recorded schema has it: what it is, why, how its texts are read, and what was changed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from churnflow.modelling.profile import Column
from churnflow.modelling.texts import MAX_LEVELS


def describe(
    column: Column, kept: "pd.Series[Any] | None", coerced: Mapping[str, int], missing: frozenset[str]
) -> dict[str, Any]:
    """Return a column as `schema.json` has it, in plain JSON values.

    kept: the values of the rows kept, None for a column that is left out. coerced: how many of them were changed, by
    kind of change. missing: the words of the whole table; only what differs from them is named. A feature that holds
    dates is a number of days here, with `date` saying how.
    """
    feature = column.role == "feature"
    numeric = feature and column.kind in {"number", "date"}
    range_ = _range(kept) if numeric and kept is not None else {"integer": False, "low": None, "high": None}
    levels = _levels(column, kept)
    verdict = column.verdict
    reading = verdict.reading.as_json(missing) if column.role != "dropped" else {}
    notes = {
        "doubt": column.doubt,
        "personal": verdict.personal.kind if verdict.personal else "",
        "read_as_missing": [
            {"value": one.value, "rows": one.rows, "because": one.because} for one in verdict.sentinels
        ],
        "read_as_values": [{"value": one.word, "rows": one.rows, "because": one.because} for one in verdict.kept],
        "variants": {level: list(texts) for level, texts in verdict.variants.items()} if feature else {},
        "coerced": dict(coerced),
    }
    return {
        "name": column.name,
        "role": column.role,
        "kind": "number" if numeric else column.kind,
        **range_,
        "required": column.share_missing == 0,
        "levels": levels,
        "example": _example(column, kept, levels) if feature else None,
        "reason": column.reason,
        "decided": "by the workflow" if column.declared else "by its values",
        "distinct": column.distinct,
        **reading,
        **{name: note for name, note in notes.items() if note},
    }


def _range(kept: "pd.Series[Any]") -> dict[str, Any]:
    numbers = kept.dropna().to_numpy(dtype=np.float64)
    if not len(numbers):
        return {"integer": False, "low": None, "high": None}
    whole = bool(np.all(numbers == np.floor(numbers)))
    return {"integer": whole, "low": float(numbers.min()), "high": float(numbers.max())}


def _levels(column: Column, kept: "pd.Series[Any] | None") -> list[str]:
    if column.role == "target":
        return list(column.levels)
    if kept is None or column.role != "feature" or column.kind != "category":
        return []
    counts = {str(level): int(count) for level, count in kept.value_counts().items()}
    return sorted(counts, key=lambda level: (-counts[level], level))[:MAX_LEVELS]


def _example(column: Column, kept: "pd.Series[Any] | None", levels: list[str]) -> Any:
    """Return a usual value: the middle one of numbers and dates, the most frequent level of a category."""
    if column.kind == "category" or kept is None:
        return next(iter(levels), None)
    numbers = np.sort(kept.dropna().to_numpy(dtype=np.float64))
    if not len(numbers):
        return None
    middle = float(numbers[len(numbers) // 2])
    calendar = column.reading.calendar
    return middle if calendar is None else calendar.written(middle)
