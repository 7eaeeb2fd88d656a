"""What the columns of a table are: kind, role and the reason for it; and which of them look like target and id."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from churnflow.errors import UsageError
from churnflow.modelling.table import Table, read_table

Role = Literal["feature", "id", "target", "dropped"]
Kind = Literal["number", "category", "text", "date"]

MISSING: Final = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
POSITIVE: Final = ("yes", "true", "1", "churn", "churned", "left", "exited", "y", "t", "positive", "gone", "cancelled")
TARGET_WORDS: Final = ("churn", "exited", "attrit", "left", "cancel", "target", "label", "lapsed", "terminated")
ID_WORDS: Final = re.compile(r"(^|[_\s.-])(id|ids|uuid|key|number|no|nr|code)$|(id|Id|ID)$")
MOST_LEVELS: Final = 100
MOSTLY: Final = 0.99
UNIQUE_SHARE: Final = 0.5
LARGEST: Final = 1e15
_DATES: Final = (
    re.compile(r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"),
    re.compile(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([ T]\d{1,2}:\d{2}(:\d{2})?)?$"),
)


@dataclass(frozen=True)
class Column:
    """One column: kind, role and why. levels: categories, most frequent first; share_missing: of all rows."""

    name: str
    kind: Kind
    role: Role
    reason: str
    share_missing: float
    distinct: int
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labels:
    """The two values of the target and which of them means that the customer left."""

    positive: str
    negative: str
    reason: str


@dataclass(frozen=True)
class Candidate:
    """A column that may be what is looked for, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Guess:
    """What a file seems to hold: candidates for target and id, best first."""

    columns: tuple[str, ...]
    rows: int
    ids: tuple[Candidate, ...]
    targets: tuple[Candidate, ...]
    table: Table

    def values(self, column: str) -> list[str]:
        """Return the values of a column, each once, without what stands for a missing one."""
        return sorted({value.strip() for value in self.table.column(column) if not is_missing(value)})

    def labels(self, target: str, positive: str | None) -> Labels:
        """Return the two classes of a target. Raises UsageError as `labels` does."""
        return labels(self.table, target, positive)


def is_missing(value: str) -> bool:
    """Tell whether a text stands for a missing value."""
    return value.strip().lower() in MISSING


def as_number(value: str) -> float | None:
    """Return the number that a text stands for, None if it is none; `inf` and 1e308 are numbers here."""
    text = value.strip()
    if not text or "_" in text:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def profile(table: Table, target: str, identifier: str | None, drop: Sequence[str] = ()) -> list[Column]:
    """Return what each column is, in file order.

    Raises UsageError for a name that the file does not have, and for a target that is to be the id or dropped as well.
    """
    for name in (target, *([identifier] if identifier else []), *drop):
        table.column(name)
    if target == identifier or target in drop:
        message = f"the target {target!r} is also named {'as the id' if target == identifier else 'under drop'}"
        raise UsageError(message, hint="name each column once")
    # A copy of the target is left out wherever it stands.
    seen: dict[tuple[str, ...], str] = {tuple(table.column(target)): target}
    columns = []
    for name in table.header:
        values = table.column(name)
        column = _profiled(name, values, target, identifier, drop)
        key = tuple(values)
        if column.role == "feature" and key in seen:
            column = _as(column, "dropped", f"an exact copy of {seen[key]}")
        seen.setdefault(key, name)
        columns.append(column)
    return columns


def labels(table: Table, target: str, positive: str | None) -> Labels:
    """Return the two classes. Raises UsageError for one class, more than two, or an unclear positive one."""
    counts = Counter(value.strip() for value in table.column(target) if not is_missing(value))
    if len(counts) != 2:  # noqa: PLR2004 - a binary target has two values
        shown = ", ".join(repr(value) for value, _ in counts.most_common(4)) or "none"
        more = ", ..." if len(counts) > 4 else ""  # noqa: PLR2004
        message = f"the target {target!r} has {len(counts)} values ({shown}{more}), not two"
        raise UsageError(message, hint="name a column with two values as target, such as Yes and No")
    first, second = sorted(counts)
    if positive is not None:
        if positive not in counts:
            message = f"the target {target!r} has no value {positive!r}"
            raise UsageError(message, hint=f"its values: {first!r} and {second!r}")
        return Labels(positive, second if positive == first else first, "declared")
    likely = [value for value in counts if value.lower() in POSITIVE]
    if len(likely) != 1:
        message = f"which value of {target!r} means that the customer left, {first!r} or {second!r}?"
        raise UsageError(message, hint=f"say so in the workflow: with: {{positive: {first!r}}}")
    return Labels(likely[0], second if likely[0] == first else first, "the usual word for it")


def guess(path: Path) -> Guess:
    """Read a file and say which columns look like the target and the id. Raises UsageError as `read_table` does."""
    table = read_table(path)
    targets: list[tuple[int, Candidate]] = []
    ids: list[tuple[int, Candidate]] = []
    for name in table.header:
        values = [value.strip() for value in table.column(name) if not is_missing(value)]
        distinct = set(values)
        if len(distinct) == 2:  # noqa: PLR2004 - a binary target has two values
            targets.append(_as_target(name, distinct))
        if len(distinct) == len(table.rows) and not _is_measure(values):
            named = bool(ID_WORDS.search(name))
            reason = "a value of its own in every row" + (", and its name says so" if named else "")
            ids.append((0 if named else 1, Candidate(name, reason)))
    return Guess(
        columns=table.header,
        rows=len(table.rows),
        ids=tuple(candidate for _, candidate in sorted(ids, key=lambda item: item[0])),
        targets=tuple(candidate for _, candidate in sorted(targets, key=lambda item: item[0]) if _ < 2),  # noqa: PLR2004
        table=table,
    )


def describe(column: Column, numbers: Sequence[float]) -> dict[str, Any]:
    """Return the column as the recorded schema has it; `numbers` are its values where it is one of numbers."""
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    example: Any = sorted(numbers)[len(numbers) // 2] if numbers else (column.levels[0] if column.levels else None)
    return {
        "name": column.name,
        "role": column.role,
        "kind": column.kind,
        "integer": bool(numbers) and all(number.is_integer() for number in numbers),
        "required": column.share_missing == 0,
        "low": low,
        "high": high,
        "levels": list(column.levels),
        "example": example if column.role == "feature" else None,
        "reason": column.reason,
    }


def _as_target(name: str, distinct: set[str]) -> tuple[int, Candidate]:
    named = any(word in name.lower() for word in TARGET_WORDS)
    usual = any(value.lower() in POSITIVE for value in distinct)
    shown = " and ".join(sorted(distinct))
    reason = f"two values, {shown}" + (", and its name says so" if named else "")
    return (0 if named else 1 if usual else 2), Candidate(name, reason)


def _is_measure(values: Sequence[str]) -> bool:
    """Tell whether values read as measured numbers, with decimals, rather than as names."""
    return any("." in value for value in values) and all(as_number(value) is not None for value in values)


def _profiled(name: str, values: list[str], target: str, identifier: str | None, drop: Sequence[str]) -> Column:
    present = [value.strip() for value in values if not is_missing(value)]
    counts = Counter(present)
    share = 1 - len(present) / len(values)
    kind, levels = _kind(present, counts)
    column = Column(name, kind, "feature", _says(kind, counts), share, len(counts), levels)
    if name == target:
        return _as(column, "target", "named as the target")
    if name == identifier:
        return _as(column, "id", "named as the id")
    if name in drop:
        return _as(column, "dropped", "left out by the workflow")
    return _as(column, *_judged(column, len(present)))


def _judged(column: Column, present: int) -> tuple[Role, str]:
    if present == 0:
        return "dropped", "every value is missing"
    if column.distinct == 1:
        return "dropped", "one and the same value in every row"
    if column.kind == "date":
        return "dropped", "a date: derive an age or a duration from it in a step of your own"
    if column.kind == "text":
        return "dropped", f"text with {column.reason}"
    return "feature", column.reason


def _kind(present: list[str], counts: Counter[str]) -> tuple[Kind, tuple[str, ...]]:
    if not present:
        return "text", ()
    numeric = sum(count for value, count in counts.items() if as_number(value) is not None)
    if numeric >= MOSTLY * len(present):
        return "number", ()
    dates = sum(count for value, count in counts.items() if any(form.match(value) for form in _DATES))
    if dates >= MOSTLY * len(present):
        return "date", ()
    if len(counts) > MOST_LEVELS or (len(counts) > 2 and len(counts) > UNIQUE_SHARE * len(present)):  # noqa: PLR2004
        return "text", ()
    return "category", tuple(sorted(counts, key=lambda value: (-counts[value], value)))


def _says(kind: Kind, counts: Counter[str]) -> str:
    if kind == "number":
        return "its values are numbers"
    numbers = sum(as_number(value) is not None for value in counts)
    # A few words among numbers cost the whole column; that has to be seen.
    mixed = f", of which {numbers:,} are numbers" if 2 * numbers > len(counts) else ""
    return f"{len(counts):,} different values{mixed}"


def _as(column: Column, role: Role, reason: str) -> Column:
    return Column(column.name, column.kind, role, reason, column.share_missing, column.distinct, column.levels)
