"""A column as the recorded schema has it: what it is, why, how its texts are read, and what was changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.disclosure import coarse, usual_range
from churnflow.modelling.profile import Column
from churnflow.modelling.texts import MAX_LEVELS
from churnflow.modelling.values import Floats

_PARTS_OF_DATES: Final = 100
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True)
class Kept:
    """What the rows that are kept hold of a column.

    Of numbers their usual range and a usual one, as `disclosure` tells them, and whether all are whole, None and False
    without any; of a category its levels with the number of their rows.
    """

    low: float | None = None
    high: float | None = None
    middle: float | None = None
    whole: bool = False
    levels: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_numbers(cls, numbers: Floats, rows: npt.NDArray[np.intp] | None = None) -> "Kept":
        """Sum numbers up, (k,), NaN for a missing one. rows: how many hold each, (k,), else one."""
        held = ~np.isnan(numbers) if rows is None else ~np.isnan(numbers) & (rows > 0)
        if not held.any():
            return cls()
        found = numbers[held]
        if rows is None:
            found.sort()
            middle = found[len(found) // 2]
        else:
            order = np.argsort(found)
            found, ends = found[order], np.cumsum(rows[held][order])
            middle = found[np.searchsorted(ends, ends[-1] // 2, side="right")]
        spread = found if rows is None else np.repeat(found, rows[held][order])
        low, high = usual_range(spread)
        parts = (found[start : start + _AT_ONCE] for start in range(0, len(found), _AT_ONCE))
        whole = all(bool(np.all(part == np.floor(part))) for part in parts)
        return cls(low, high, coarse(float(middle), low, high), whole)


def describe(column: Column, kept: Kept | None, coerced: Mapping[str, int], missing: frozenset[str]) -> dict[str, Any]:
    """Return a column as `schema.json` has it, in plain JSON values.

    kept: what the rows kept hold, None for a column that is left out. coerced: how many of them were changed, by
    kind of change. missing: the words of the whole table; only what differs from them is named. A feature that holds
    dates is a number of days here, with `date` saying how.
    """
    feature = column.role == "feature"
    numeric = feature and column.kind in {"number", "date"}
    range_ = kept if numeric and kept is not None else Kept()
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
        "variants": shown_variants(column) if feature else {},
        "coerced": dict(coerced),
        "hashed": column.hashed,
    }
    return {
        "name": column.name,
        "role": column.role,
        "kind": "number" if numeric else column.kind,
        "integer": range_.whole,
        "low": range_.low,
        "high": range_.high,
        "required": column.share_missing == 0,
        "levels": levels,
        "example": _example(column, kept, levels) if feature else None,
        "reason": column.reason,
        "decided": "by the workflow" if column.declared else "by its values",
        "distinct": column.distinct,
        **reading,
        **{name: note for name, note in notes.items() if note},
    }


def shown_variants(column: Column) -> dict[str, list[str]]:
    """Return the spellings that were read as one, by the usual one, without those of fewer than ten rows."""
    counts, variants = column.verdict.present.counts, column.verdict.variants
    known = {level: [text for text in texts if counts[text] >= FEWEST] for level, texts in variants.items()}
    return {level: texts for level, texts in known.items() if texts}


def _levels(column: Column, kept: Kept | None) -> list[str]:
    if column.role == "target":
        return list(column.levels)
    if kept is None or column.role != "feature" or column.kind != "category":
        return []
    usual = [level for level, rows in kept.levels.items() if rows >= FEWEST]
    return sorted(usual, key=lambda level: (-kept.levels[level], level))[:MAX_LEVELS]


def _example(column: Column, kept: Kept | None, levels: list[str]) -> Any:
    """Return a usual value: the middle one of numbers and dates, the most frequent level of a category."""
    if column.kind == "category" or kept is None:
        return next(iter(levels), None)
    calendar = column.reading.calendar
    if calendar is None or kept.middle is None or kept.low is None or kept.high is None:
        return kept.middle
    return calendar.written(coarse(kept.middle, kept.low, kept.high, _PARTS_OF_DATES))
