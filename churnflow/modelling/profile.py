"""What the columns of a table are: kind, role and the reason for it; and which of them look like target and id."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from churnflow.errors import UsageError
from churnflow.modelling.table import Table, read_table
from churnflow.modelling.texts import MAX_LEVELS

Role = Literal["feature", "id", "target", "dropped"]
Kind = Literal["number", "category", "text", "date"]

POSITIVE: Final = (
    *("yes", "y", "true", "t", "ja", "oui", "si", "sí", "sim", "positive"),
    *("churn", "churned", "left", "exited", "gone", "cancelled", "canceled"),
)
TARGET_WORDS: Final = ("churn", "exited", "attrit", "left", "cancel", "target", "label", "lapsed", "terminated")
ID_WORDS: Final = re.compile(r"(^|[_\s.-])(id|ids|uuid|key|number|no|nr|code)$|(id|Id|ID)$")
MOSTLY: Final = 0.99
UNIQUE_SHARE: Final = 0.5
LARGEST: Final = 1e15
_DATES: Final = (
    re.compile(r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"),
    re.compile(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}([ T]\d{1,2}:\d{2}(:\d{2})?)?$"),
)
_DIGITS: Final = re.compile(r"[0-9]+")
_SPELLINGS: Final = (
    (re.compile(r"[-+]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+"), "a decimal comma; write them with a point"),
    (re.compile(r"[-+]?[0-9]+([.,][0-9]+)?\s?%"), "percent signs; write them without, with a point"),
)


@dataclass(frozen=True)
class Column:
    """One column: kind, role and why.

    levels: categories, most frequent first; share_missing: of all rows; doubt: why it may be misread.
    """

    name: str
    kind: Kind
    role: Role
    reason: str
    share_missing: float
    distinct: int
    levels: tuple[str, ...] = ()
    doubt: str = ""


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
        return sorted({value for value in self.table.texts(column) if value is not None})

    def labels(self, target: str, positive: str | None) -> Labels:
        """Return the two classes of a target. Raises UsageError as `labels` does."""
        return labels(self.table, target, positive)


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


def profile(
    table: Table, target: str, identifier: str | None, drop: Sequence[str] = (), categories: Sequence[str] = ()
) -> list[Column]:
    """Return what each column is, in file order. categories: columns that are no numbers, whatever they look like.

    Raises UsageError for a name that the file does not have, and for a target that is to be the id or dropped as well.
    """
    for name in (target, *([identifier] if identifier else []), *drop, *categories):
        table.column(name)
    if target == identifier or target in drop:
        message = f"the target {target!r} is also named {'as the id' if target == identifier else 'under drop'}"
        raise UsageError(message, hint="name each column once")
    roles: dict[str, tuple[Role, str]] = dict.fromkeys(drop, ("dropped", "left out by the workflow"))
    if identifier:
        roles[identifier] = ("id", "named as the id")
    roles[target] = ("target", "named as the target")
    # A copy of the target is left out wherever it stands.
    seen: dict[tuple[str, ...], str] = {tuple(table.column(target)): target}
    columns = []
    for name in table.header:
        column = _profiled(name, table.texts(name), declared=name in categories)
        if name in roles:
            column = replace(column, role=roles[name][0], reason=roles[name][1], doubt="")
        key = tuple(table.column(name))
        if column.role == "feature" and key in seen:
            column = replace(column, role="dropped", reason=f"an exact copy of {seen[key]}", doubt="")
        seen.setdefault(key, name)
        columns.append(column)
    return columns


def labels(table: Table, target: str, positive: str | None) -> Labels:
    """Return the two classes. Raises UsageError for one class, more than two, or an unclear positive one."""
    counts = Counter(value for value in table.texts(target) if value is not None)
    if len(counts) != 2:  # noqa: PLR2004 - a binary target has two values
        shown = ", ".join(repr(value) for value, _ in counts.most_common(4)) or "none"
        more = ", ..." if len(counts) > 4 else ""  # noqa: PLR2004
        message = f"the target {target!r} has {len(counts)} values ({shown}{more}), not two"
        raise UsageError(message, hint=_two_values(counts))
    first, second = sorted(counts)
    if positive is not None:
        if positive not in counts:
            message = f"the target {target!r} has no value {positive!r}"
            raise UsageError(message, hint=f"its values: {first!r} and {second!r}")
        return Labels(positive, second if positive == first else first, "declared")
    likely = [value for value in counts if _means_positive(value)]
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
        values = [value for value in table.texts(name) if value is not None]
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


def describe(column: Column, kept: Sequence[Any]) -> dict[str, Any]:
    """Return the column as the recorded schema has it; `kept`: the values of a feature, typed, in the rows kept."""
    numbers: Sequence[float] = kept if column.kind == "number" else ()
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    levels = column.levels if column.role == "target" else () if column.kind == "number" else _levels(Counter(kept))
    example: Any = sorted(numbers)[len(numbers) // 2] if numbers else next(iter(levels), None)
    return {
        "name": column.name,
        "role": column.role,
        "kind": column.kind,
        "integer": bool(numbers) and all(number.is_integer() for number in numbers),
        "required": column.share_missing == 0,
        "low": low,
        "high": high,
        "levels": list(levels),
        "example": example if column.role == "feature" else None,
        "reason": column.reason,
    }


def _as_target(name: str, distinct: set[str]) -> tuple[int, Candidate]:
    named = any(word in name.lower() for word in TARGET_WORDS)
    usual = any(_means_positive(value) for value in distinct)
    shown = " and ".join(sorted(distinct))
    reason = f"two values, {shown}" + (", and its name says so" if named else "")
    return (0 if named else 1 if usual else 2), Candidate(name, reason)


def _is_measure(values: Sequence[str]) -> bool:
    """Tell whether values read as measured numbers, with decimals, rather than as names."""
    return any("." in value for value in values) and all(as_number(value) is not None for value in values)


def _profiled(name: str, values: list[str | None], *, declared: bool) -> Column:
    present = [value for value in values if value is not None]
    counts = Counter(present)
    share = 1 - len(present) / len(values)
    # What stands in some rows and never otherwise is a flag, and missing its other state.
    flag = len(counts) == 1 and len(present) < len(values)
    kind = "category" if present and (declared or flag) else _kind(counts, len(present))
    reason = "one value, or missing" if flag else _says(kind, counts)
    levels = _levels(counts) if kind == "category" else ()
    column = Column(name, kind, "feature", reason, share, len(counts), levels)
    refused = _refused(column, len(present))
    doubt = _doubt(counts) if kind in {"text", "category"} and not declared else ""
    return replace(column, role="dropped", reason=refused, doubt=doubt) if refused else replace(column, doubt=doubt)


def _refused(column: Column, present: int) -> str | None:
    """Return why a column is no feature, None if it is one."""
    if present == 0:
        return "every value is missing"
    if column.distinct == 1 and column.share_missing == 0:
        return "one and the same value in every row"
    if column.kind == "date":
        return "a date: derive an age or a duration from it in a step of your own"
    return f"text with {column.reason}" if column.kind == "text" else None


def _kind(counts: Counter[str], present: int) -> Kind:
    if not present:
        return "text"
    code = _is_code(counts, present)
    if not code and _share(counts, lambda value: as_number(value) is not None) >= MOSTLY:
        return "number"
    if _share(counts, lambda value: any(form.match(value) for form in _DATES)) >= MOSTLY:
        return "date"
    if len(counts) > MAX_LEVELS or (len(counts) > 2 and len(counts) > UNIQUE_SHARE * present):  # noqa: PLR2004
        return "text"
    return "category"


def _share(counts: Counter[str], holds: Callable[[str], bool]) -> float:
    """Return the share of values for which `holds`."""
    return sum(count for value, count in counts.items() if holds(value)) / counts.total()


def _is_code(counts: Counter[str], present: int) -> bool:
    """Tell whether values are digits of one length with leading zeros, which a number would lose."""
    lengths = Counter[int]()
    for value, count in counts.items():
        if _DIGITS.fullmatch(value):
            lengths[len(value)] += count
    padded = {len(value) for value in counts if value.startswith("0") and _DIGITS.fullmatch(value)}
    return any(length > 1 and length in padded and lengths[length] >= MOSTLY * present for length in lengths)


def _doubt(counts: Counter[str]) -> str:
    """Say that values look like numbers in a spelling that is not read, if they do."""
    for form, spelling in _SPELLINGS:
        marked = any(form.fullmatch(value) for value in counts)
        whole = marked and _share(counts, lambda value: bool(form.fullmatch(value)) or as_number(value) is not None)  # noqa: B023
        if whole >= MOSTLY:
            return f"it looks like numbers with {spelling}"
    return ""


def _levels(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda value: (-counts[value], value))[:MAX_LEVELS])


def _says(kind: Kind, counts: Counter[str]) -> str:
    if kind == "number":
        return "its values are numbers"
    if _is_code(counts, counts.total()):
        return f"{len(counts):,} different codes, digits with leading zeros"
    numbers = sum(as_number(value) is not None for value in counts)
    # A few words among numbers cost the whole column; that has to be seen.
    mixed = f", of which {numbers:,} are numbers" if 2 * numbers > len(counts) else ""
    return f"{len(counts):,} different values{mixed}"


def _means_positive(value: str) -> bool:
    """Tell whether a value is a usual word for a customer who left; 1 in any spelling is one."""
    return value.casefold() in POSITIVE or as_number(value) == 1


def _two_values(counts: Counter[str]) -> str:
    """Say how a target gets two values."""
    spellings: dict[str, str] = {}
    for value, _ in counts.most_common():
        spellings.setdefault(value.casefold(), value)
    if len(spellings) == 2:  # noqa: PLR2004 - a binary target has two values
        first, second = sorted(spellings.values())
        return f"they differ by case only: write {first!r} and {second!r} in every row of the file"
    return "name a column with two values as target, such as Yes and No"
