"""From rows of text to a typed table by a recorded schema; rows that do not fit are set apart with their reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.modelling.labels import Labels
from churnflow.modelling.outcomes import COERCIONS, Outcome, read_column
from churnflow.modelling.personal import masked
from churnflow.modelling.profile import Column
from churnflow.modelling.recognition import LEFT_OUT
from churnflow.modelling.recorded import describe
from churnflow.modelling.table import Table

_OF_VALUES: Final[Mapping[str, str]] = {
    "no_label": "has no value",
    "no_time": "has no date",
    "not_a_number": "is not a number",
    "not_a_date": "is not a date",
    "infinite": "is infinite",
    "out_of_range": "is out of range",
}
# So much of a row tells which one it is.
LONGEST_ROW: Final = 4_000
RULES: Final = ("ragged", *_OF_VALUES, "duplicate_id", "conflicting_label")


@dataclass(frozen=True)
class Rejection:
    """Why one row is not used; `column` names where, never what."""

    line: int
    rule: str
    reason: str
    row: str


@dataclass(frozen=True)
class Cast:
    """A typed table, the rows that were set apart, and the schema that both follow.

    coerced: how many values of the table were changed to fit, by column and kind of change.
    """

    customers: pd.DataFrame
    rejections: tuple[Rejection, ...]
    schema: dict[str, Any]
    coerced: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def rejected(self) -> pd.DataFrame:
        """Return the rows that were set apart: line, rule, reason, and the row as text, without personal data."""
        fields = ("line", "rule", "reason", "row")
        columns = {field: [getattr(rejection, field) for rejection in self.rejections] for field in fields}
        types = {"line": "int64", "rule": "str", "reason": "str", "row": "str"}
        return pd.DataFrame(columns).astype(types)

    def counts(self) -> dict[str, int]:
        """Return how many rows each rule set apart, every rule named."""
        found = Counter(rejection.rule for rejection in self.rejections)
        return {rule: found[rule] for rule in RULES}

    def coercions(self) -> dict[str, int]:
        """Return how many values were changed in each way, every way named."""
        return {kind: sum(counts.get(kind, 0) for counts in self.coerced.values()) for kind in COERCIONS}


@dataclass(frozen=True)
class _Keys:
    """What the rows are told apart by: id (-1 where missing), time and class of each row, (n,)."""

    name: str
    ids: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]


def cast(table: Table, columns: Sequence[Column], found: Labels) -> Cast:
    """Cast every row, and set apart what is ragged, unlabelled, no number, out of range, or a contradicting id.

    Columns keep the order of the file; the id and the time stay text, numbers and dates become float64, the target 0
    and 1. Several rows of one id are allowed where the table has a time that tells them apart.
    """
    used = [column for column in columns if column.role != "dropped"]
    outcomes = {column.name: read_column(column, found) for column in used}
    bad = _unfit(used, outcomes)
    bad |= {place: why for place, why in _repeated(table, used, outcomes, set(bad)).items() if place not in bad}
    kept = np.ones(len(table.rows), dtype=np.bool_)
    kept[list(bad)] = False
    frame = pd.DataFrame({name: outcome.series(kept) for name, outcome in outcomes.items()})
    coerced = {name: outcome.coerced(kept) for name, outcome in outcomes.items()}
    schema = {
        "schema": "churnflow/table@1",
        "target": next(column.name for column in columns if column.role == "target"),
        "positive": found.positive,
        "negative": found.negative,
        "labels": found.as_json(),
        "id": next((column.name for column in columns if column.role == "id"), None),
        "time": next((column.name for column in columns if column.role == "time"), None),
        "missing": sorted(table.missing),
        "columns": [
            describe(column, frame.get(column.name), coerced.get(column.name, {}), table.missing) for column in columns
        ],
    }
    return Cast(frame, _rejections(table, columns, bad), schema, coerced)


def _rejections(table: Table, columns: Sequence[Column], bad: Mapping[int, tuple[str, str]]) -> tuple[Rejection, ...]:
    hidden = _hidden(columns)
    width = len(table.header)
    ragged = [
        # Nobody knows which of its fields belongs to a column that is not to be shown.
        Rejection(
            row.line, "ragged", f"{row.fields} fields where the header has {width}", "" if hidden else _cut(row.text)
        )
        for row in table.ragged
    ]
    rows = [
        Rejection(table.lines[place], rule, reason, _shown(table, table.rows[place], hidden))
        for place, (rule, reason) in bad.items()
    ]
    return tuple(sorted((*ragged, *rows), key=lambda rejection: rejection.line))


def _shown(table: Table, row: Sequence[str], hidden: Mapping[int, str]) -> str:
    """Return a row as text, with what its columns of personal data hold in the place of the values."""
    fields = (f"[{hidden[place]}]" if place in hidden else _cut(value) for place, value in enumerate(row))
    return table.separator.join(fields)[:LONGEST_ROW]


def _hidden(columns: Sequence[Column]) -> dict[int, str]:
    """Return what is shown in place of the values of the columns that are not, by their places."""
    personal = {place: column.personal.kind for place, column in enumerate(columns) if column.personal is not None}
    left_out = (place for place, column in enumerate(columns) if column.verdict.refused == LEFT_OUT)
    return {**personal, **dict.fromkeys(left_out, "left out")}


def _cut(text: str) -> str:
    return masked(text[:LONGEST_ROW])


def _unfit(columns: Sequence[Column], outcomes: Mapping[str, Outcome]) -> dict[int, tuple[str, str]]:
    """Return the rows with a value that their column can not hold, by place: rule and reason, the label's first."""
    bad: dict[int, tuple[str, str]] = {}
    for column in sorted(columns, key=lambda column: (column.role != "target", column.role != "time")):
        for place, rule in outcomes[column.name].broken():
            bad.setdefault(place, (rule, f"{column.name} {_OF_VALUES[rule]}"))
    return bad


def _keys(columns: Sequence[Column], outcomes: Mapping[str, Outcome]) -> _Keys | None:
    """Return what tells rows apart, None in a table without an id."""
    by_role = {column.role: column.name for column in columns}
    if "id" not in by_role:
        return None
    ids = outcomes[by_role["id"]].keys()
    times = outcomes[by_role["time"]].keys() if "time" in by_role else np.zeros_like(ids)
    return _Keys(by_role["id"], ids, times, outcomes[by_role["target"]].classes())


def _repeated(
    table: Table, columns: Sequence[Column], outcomes: Mapping[str, Outcome], unfit: set[int]
) -> dict[int, tuple[str, str]]:
    """Return the rows whose id stands elsewhere: all of them if the labels contradict, else all but the first.

    Where the table has a time, the same id at another time is another row of that customer. A row without a label
    contradicts none, and one that is set apart anyway makes no other superfluous.
    """
    keys = _keys(columns, outcomes)
    if keys is None:
        return {}
    frame = pd.DataFrame({"id": keys.ids, "time": keys.times})[keys.ids >= 0]
    twice = frame[frame.duplicated(keep=False)]
    bad: dict[int, tuple[str, str]] = {}
    for places in twice.groupby(["id", "time"], sort=False).indices.values():
        bad.update(_same(table, twice.index[places].tolist(), keys, unfit))
    return bad


def _same(table: Table, same: Sequence[int], keys: _Keys, unfit: set[int]) -> dict[int, tuple[str, str]]:
    when = " at the same time" if keys.times.any() else ""
    if len(set(keys.classes[same].tolist()) - {-1}) > 1:
        first = table.lines[same[0]]
        reason = f"the same {keys.name}{when} with different labels (first on line {first})"
        return dict.fromkeys(same, ("conflicting_label", reason))
    fit = [place for place in same if place not in unfit]
    if len(fit) < 2:  # noqa: PLR2004 - one row is no repetition
        return {}
    reason = f"the same {keys.name}{when} as line {table.lines[fit[0]]}"
    return dict.fromkeys(fit[1:], ("duplicate_id", reason))
