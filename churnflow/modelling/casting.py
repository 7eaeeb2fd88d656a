"""From rows of text to a typed table by a recorded schema; rows that do not fit are set apart with their reason."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from churnflow.modelling.profile import LARGEST, Column, Labels, as_number, describe
from churnflow.modelling.table import Table

_OF_VALUES: Final[Mapping[str, str]] = {
    "no_label": "has no value",
    "not_a_number": "is not a number",
    "infinite": "is infinite",
    "out_of_range": "is out of range",
}
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
    """A typed table, the rows that were set apart, and the schema that both follow."""

    customers: pd.DataFrame
    rejections: tuple[Rejection, ...]
    schema: dict[str, Any]

    def rejected(self) -> pd.DataFrame:
        """Return the rows that were set apart: line, rule, reason, and the row as text."""
        fields = ("line", "rule", "reason", "row")
        columns = {field: [getattr(rejection, field) for rejection in self.rejections] for field in fields}
        types = {"line": "int64", "rule": "str", "reason": "str", "row": "str"}
        return pd.DataFrame(columns).astype(types)

    def counts(self) -> dict[str, int]:
        """Return how many rows each rule set apart, every rule named."""
        found = Counter(rejection.rule for rejection in self.rejections)
        return {rule: found[rule] for rule in RULES}


def cast(table: Table, columns: Sequence[Column], found: Labels) -> Cast:
    """Cast every row, and set apart what is ragged, unlabelled, no number, out of range, or a contradicting id.

    Columns keep the order of the file; the id stays text, numbers become float64, the target 0 and 1.
    """
    rejections = [
        Rejection(row.line, "ragged", f"{row.fields} fields where the header has {len(table.header)}", row.text)
        for row in table.ragged
    ]
    unfit = _unfit(table, columns)
    bad = {**_repeated(table, columns, unfit), **unfit}
    for place, (rule, reason) in sorted(bad.items()):
        rejections.append(Rejection(table.lines[place], rule, reason, table.separator.join(table.rows[place])))
    keep = [place for place in range(len(table.rows)) if place not in bad]
    frame = _frame(table, columns, keep, found)
    schema = {
        "schema": "churnflow/table@1",
        "target": next(column.name for column in columns if column.role == "target"),
        "positive": found.positive,
        "negative": found.negative,
        "id": next((column.name for column in columns if column.role == "id"), None),
        "missing": sorted(table.missing),
        "columns": [describe(column, _kept(column, frame)) for column in columns],
    }
    return Cast(frame, tuple(sorted(rejections, key=lambda rejection: rejection.line)), schema)


def _kept(column: Column, frame: pd.DataFrame) -> list[Any]:
    return frame[column.name].dropna().tolist() if column.role == "feature" else []


def _frame(table: Table, columns: Sequence[Column], keep: list[int], found: Labels) -> pd.DataFrame:
    data: dict[str, pd.Series[Any]] = {}
    for column in columns:
        if column.role == "dropped":
            continue
        whole = table.texts(column.name)
        values = [whole[place] for place in keep]
        if column.role == "target":
            data[column.name] = pd.Series([int(value == found.positive) for value in values], dtype="int64")
        elif column.role == "feature" and column.kind == "number":
            numbers = [np.nan if value is None else float(value) for value in values]
            data[column.name] = pd.Series(numbers, dtype="float64")
        else:
            data[column.name] = pd.Series(values, dtype="str")
    return pd.DataFrame(data)


def _unfit(table: Table, columns: Sequence[Column]) -> dict[int, tuple[str, str]]:
    """Return the rows with a value that their column can not hold, by place: rule and reason, the label's first."""
    bad: dict[int, tuple[str, str]] = {}
    for column in sorted(columns, key=lambda column: column.role != "target"):
        for place, rule in _broken_rules(column, table.texts(column.name)):
            bad.setdefault(place, (rule, f"{column.name} {_OF_VALUES[rule]}"))
    return bad


def _broken_rules(column: Column, values: Sequence[str | None]) -> Iterator[tuple[int, str]]:
    if column.role == "target":
        yield from ((place, "no_label") for place, value in enumerate(values) if value is None)
    elif column.role == "feature" and column.kind == "number":
        found = ((place, _wrong_number(value)) for place, value in enumerate(values))
        yield from ((place, rule) for place, rule in found if rule is not None)


def _wrong_number(value: str | None) -> str | None:
    if value is None:
        return None
    number = as_number(value)
    if number is None:
        return "not_a_number"
    if number in {float("inf"), float("-inf")}:
        return "infinite"
    return "out_of_range" if abs(number) > LARGEST else None


def _repeated(table: Table, columns: Sequence[Column], unfit: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return the rows whose id stands elsewhere: all of them if the labels contradict, else all but the first.

    A row without a label contradicts none, and one that is set apart anyway makes no other superfluous.
    """
    identifier = next((column.name for column in columns if column.role == "id"), None)
    if identifier is None:
        return {}
    target = next(column.name for column in columns if column.role == "target")
    targets = table.texts(target)
    places: dict[str, list[int]] = defaultdict(list)
    for place, value in enumerate(table.texts(identifier)):
        if value is not None:
            places[value].append(place)
    bad: dict[int, tuple[str, str]] = {}
    for same in places.values():
        fit = [place for place in same if place not in unfit]
        if len({targets[place] for place in same} - {None}) > 1:
            first = table.lines[same[0]]
            reason = f"the same {identifier} with different labels (first on line {first})"
            bad.update(dict.fromkeys(same, ("conflicting_label", reason)))
        elif len(fit) > 1:
            reason = f"the same {identifier} as line {table.lines[fit[0]]}"
            bad.update(dict.fromkeys(fit[1:], ("duplicate_id", reason)))
    return bad
