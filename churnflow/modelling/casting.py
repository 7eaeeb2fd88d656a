"""From rows of text to a typed table by a recorded schema; rows that do not fit are set apart with their reason."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from churnflow.modelling.filling import Used, fill
from churnflow.modelling.labels import Labels
from churnflow.modelling.outcomes import COERCIONS, Outcomes, may_break
from churnflow.modelling.personal import masked
from churnflow.modelling.profile import Column
from churnflow.modelling.pseudonyms import of_a_lost_key
from churnflow.modelling.recognition import LEFT_OUT
from churnflow.modelling.recorded import describe
from churnflow.modelling.repeats import Repeats
from churnflow.modelling.stored_frame import StoredFrame
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
    """Why one row is not used. column: the one whose value does not fit, "" where it is no single value."""

    line: int
    rule: str
    reason: str
    row: str
    column: str = ""


class _Why(NamedTuple):
    rule: str
    reason: str
    column: str = ""


@dataclass(frozen=True)
class Cast:
    """A typed table, in memory where the source was, the rows that were set apart, and the schema that both follow.

    coerced: how many values of the table were changed to fit, by column and kind of change. classes: how many rows the
    table has of each class. repeated: how many of its rows equal an earlier one in all features.
    """

    customers: pd.DataFrame | StoredFrame
    rejections: tuple[Rejection, ...]
    schema: dict[str, Any]
    coerced: Mapping[str, Mapping[str, int]]
    classes: Mapping[int, int]
    repeated: int

    def frame(self) -> pd.DataFrame:
        """Return the typed table in memory."""
        return self.customers if isinstance(self.customers, pd.DataFrame) else self.customers.frame()

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


def cast(table: Table, columns: Sequence[Column], found: Labels, pseudonym: Callable[[str], str] | None = None) -> Cast:
    """Cast every row, and set apart what is ragged, unlabelled, no number, out of range, or a contradicting id.

    Columns keep the order of the file; the id and the time stay text, numbers and dates become float64, the target 0
    and 1. Identifiers that are not to be kept become what `pseudonym` makes of them, by default with a key that nobody
    keeps. Several rows of one id are allowed where the table has a time that tells them apart.
    """
    used = [(place, column) for place, column in enumerate(columns) if column.role != "dropped"]
    outcomes = Outcomes([column for _, column in used], found, pseudonym or of_a_lost_key())
    bad = _set_apart(table, used, outcomes)
    kept = np.ones(len(table.lines), dtype=np.bool_)
    kept[list(bad)] = False
    filled = fill(table, used, outcomes, kept)
    coerced = {name: tally.coerced() for name, tally in filled.tallies.items()}
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
            describe(column, filled.kept(column), coerced.get(column.name, {}), table.missing) for column in columns
        ],
    }
    classes = next(filled.tallies[column.name].classes() for column in columns if column.role == "target")
    return Cast(filled.frame, _rejections(table, columns, bad), schema, coerced, classes, filled.repeated)


def _rejections(table: Table, columns: Sequence[Column], bad: Mapping[int, _Why]) -> tuple[Rejection, ...]:
    hidden = _hidden(columns)
    width = len(table.header)
    ragged = [
        # Nobody knows which of its fields belongs to a column that is not to be shown.
        Rejection(
            row.line, "ragged", f"{row.fields} fields where the header has {width}", "" if hidden else _cut(row.text)
        )
        for row in table.ragged
    ]
    places = sorted(bad)
    rows = [
        Rejection(table.lines[place], bad[place].rule, bad[place].reason, _shown(table, row, hidden), bad[place].column)
        for place, row in zip(places, table.picked(places), strict=True)
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
    hashed = (place for place, column in enumerate(columns) if column.hashed)
    return {**dict.fromkeys(hashed, "hashed"), **personal, **dict.fromkeys(left_out, "left out")}


def _cut(text: str) -> str:
    return masked(text[:LONGEST_ROW])


def _set_apart(table: Table, used: Used, outcomes: Outcomes) -> dict[int, _Why]:
    """Return the rows that are set apart, by place, and why: what does not fit before what repeats another."""
    judged = [(place, column) for place, column in used if may_break(column) or column.role == "id"]
    judged.sort(key=lambda one: (one[1].role != "target", one[1].role != "time"))
    name = next((column.name for _, column in judged if column.role == "id"), None)
    bad: dict[int, _Why] = {}
    repeats = Repeats(exact=table.in_memory)
    for first, pieces in table.batches([place for place, _ in judged]):
        read = [(column, outcomes.of(column, piece)) for (_, column), piece in zip(judged, pieces, strict=True)]
        for column, outcome in read:
            for row, rule in outcome.broken():
                bad.setdefault(first + row, _Why(rule, f"{column.name} {_OF_VALUES[rule]}", column.name))
        if name is not None:
            by_role = {column.role: outcome for column, outcome in read}
            repeats.add(by_role["id"], by_role.get("time"), by_role["target"])
    same, unfit = f"the same {name}{' at the same time' if repeats.timed else ''}", frozenset(bad)
    for rows, classes in repeats.groups():
        again = _repeated(rows, classes, unfit, same, table.lines)
        bad |= {row: why for row, why in again.items() if row not in unfit}
    return bad


def _repeated(
    rows: Sequence[int], classes: Sequence[int], unfit: frozenset[int], same: str, lines: Sequence[int]
) -> dict[int, _Why]:
    """Return which rows of one id are set apart: all of them if the labels contradict, else all but the first.

    Where the table has a time, the same id at another time is another row of that customer. A row without a label
    contradicts none, and one that is set apart anyway makes no other superfluous.
    """
    if len(set(classes) - {-1}) > 1:
        reason = f"{same} with different labels (first on line {lines[rows[0]]})"
        return dict.fromkeys(rows, _Why("conflicting_label", reason))
    fit = [row for row in rows if row not in unfit]
    if len(fit) < 2:  # noqa: PLR2004 - one row is no repetition
        return {}
    return dict.fromkeys(fit[1:], _Why("duplicate_id", f"{same} as line {lines[fit[0]]}"))
