"""What the columns of a table are: kind, role and the reason for it; and which of them look like target and id."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from churnflow.errors import UsageError
from churnflow.modelling.declared import Declared
from churnflow.modelling.labels import Labels, classes_of, labels, means_positive
from churnflow.modelling.personal import Personal
from churnflow.modelling.readings import Reading
from churnflow.modelling.recognition import Kind, Verdict, look, recognise
from churnflow.modelling.roles import as_named, as_time
from churnflow.modelling.sources import read_table
from churnflow.modelling.spellings import MOST_SPELLINGS
from churnflow.modelling.table import Table
from churnflow.modelling.texts import MAX_LEVELS, as_number
from churnflow.modelling.values import Present, TextColumn

Role = Literal["feature", "id", "target", "time", "protected", "identifier", "dropped"]

SHOWN: Final = 5
TARGET_WORDS: Final = ("churn", "exited", "attrit", "left", "cancel", "target", "label", "lapsed", "terminated")
ID_WORDS: Final = re.compile(r"(^|[_\s.-])(id|ids|uuid|key|number|no|nr|code)$|(id|Id|ID)$")


@dataclass(frozen=True)
class Column:
    """One column: its role, what its values were found to be, and how they are read.

    declared: the role or kind stands in the workflow. share_missing: of all rows; levels: of a category, most frequent
    first, at most as many as a model keeps.
    """

    name: str
    role: Role
    reason: str
    verdict: Verdict = field(repr=False)
    values: TextColumn = field(repr=False, compare=False)
    declared: bool = False
    doubt: str = ""

    @property
    def kind(self) -> Kind:
        """What the values are."""
        return self.verdict.kind

    @property
    def reading(self) -> Reading:
        """How a text becomes a value."""
        return self.verdict.reading

    @property
    def personal(self) -> Personal | None:
        """The personal data that it holds, None if none was recognised."""
        return self.verdict.personal

    @property
    def hashed(self) -> bool:
        """Whether its values name persons, and are kept as pseudonyms."""
        return self.verdict.hashed

    @property
    def share_missing(self) -> float:
        """The share of the rows without a value."""
        return 1 - self.verdict.present.total / max(1, self.verdict.present.rows)

    @property
    def distinct(self) -> int:
        """How many values differ, spellings of one value counted once."""
        return len(self._sums) if self.kind == "category" else len(self.verdict.present.counts)

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of a category, most frequent first."""
        sums = self._sums if self.kind == "category" else {}
        return tuple(sorted(sums, key=lambda level: (-sums[level], level))[:MAX_LEVELS])

    @cached_property
    def _sums(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for text, count in self.verdict.present.counts.items():
            level = self.reading.level(text)
            sums[level] = sums.get(level, 0) + count
        return sums


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
        """Return the values of a target, each once in its usual spelling, without what stands for a missing one."""
        return classes_of(_present(self.table, column))

    def labels(self, target: str, positive: str | None) -> Labels:
        """Return the two classes of a target. Raises UsageError as `labels` does."""
        return labels(target, _present(self.table, target), positive)


def profile(table: Table, declared: Declared) -> list[Column]:
    """Return what each column is, in file order.

    Raises UsageError for a name that the file does not have, a column that is named twice, and for what is declared and
    does not hold of the values.
    """
    declared.check(table.header)
    values = dict(zip(table.header, table.columns, strict=True))
    copies = _copies(values, (declared.target, *declared.protected))
    columns = [_column(name, values[name], table, declared) for name in table.header]
    profiled = [_uncopied(column, copies.get(column.name)) for column in columns]
    return [_protected(column) if column.name in declared.protected else column for column in profiled]


def values_of(columns: Sequence[Column], name: str) -> Present:
    """Return the values of one of the columns, without what stands for a missing one."""
    return next(column.verdict.present for column in columns if column.name == name)


def require_features(columns: Sequence[Column]) -> None:
    """Raise UsageError, with what became of the columns, where none is a feature."""
    if any(column.role == "feature" for column in columns):
        return
    dropped = [f"{column.name} ({column.reason})" for column in columns if column.role == "dropped"]
    more = ", ..." if len(dropped) > SHOWN else ""
    why = f": {', '.join(dropped[:SHOWN])}{more}" if dropped else ""
    message = f"no column is left to learn from{why}"
    raise UsageError(message, hint="give a source with more columns, or declare one: columns: {name: category}")


def _protected(column: Column) -> Column:
    reason = "protected: kept to compare its groups, never a feature"
    return replace(column, role="protected", reason=reason, doubt="", declared=True)


def _uncopied(column: Column, original: str | None) -> Column:
    if column.role != "feature" or original is None:
        return column
    return replace(column, role="dropped", reason=f"an exact copy of {original}", doubt="")


def _copies(values: Mapping[str, TextColumn], first: Sequence[str]) -> dict[str, str]:
    """Return the columns that equal an earlier one, by name; a copy of one of the `first` is one wherever it stands."""
    seen: dict[tuple[object, ...], list[str]] = {}
    copies: dict[str, str] = {}
    for name in dict.fromkeys((*first, *values)):
        alike = seen.setdefault(values[name].likeness, [])
        original = next((other for other in alike if values[other].equal(values[name])), None)
        if original is None:
            alike.append(name)
        else:
            copies[name] = original
    return copies


def guess(path: Path) -> Guess:
    """Read a file and say which columns look like the target and the id. Raises UsageError as `read_table` does."""
    table = read_table(path)
    targets: list[tuple[int, Candidate]] = []
    ids: list[tuple[int, Candidate]] = []
    for name in table.header:
        present = _present(table, name)
        classes = classes_of(present) if len(present.counts) <= MOST_SPELLINGS else []
        if len(classes) == 2:  # noqa: PLR2004 - a binary target has two values
            targets.append(_as_target(name, set(classes)))
        if len(present.counts) == present.rows and not _is_measure(present.counts):
            named = bool(ID_WORDS.search(name))
            reason = "a value of its own in every row" + (", and its name says so" if named else "")
            ids.append((0 if named else 1, Candidate(name, reason)))
    return Guess(
        columns=tuple(table.header),
        rows=len(table.rows),
        ids=tuple(candidate for _, candidate in sorted(ids, key=lambda item: item[0])),
        targets=tuple(candidate for _, candidate in sorted(targets, key=lambda item: item[0]) if _ < 2),  # noqa: PLR2004
        table=table,
    )


def _column(name: str, values: TextColumn, table: Table, declared: Declared) -> Column:
    seen, kept = look(name, values, table.missing, declared.of(name))
    role = declared.role(name)
    if role is not None:
        named = as_time(seen) if role == "time" else as_named(seen, role)
        return Column(name, role, named.reason, named, values, declared=True, doubt=named.doubt)
    way = (".", None) if name in table.typed else (table.decimal, table.usual_decimal)
    verdict = recognise(replace(seen, decimal=way[0], usual=way[1]), kept)
    # Without the numbers that its values were read as, which are many where few values repeat.
    verdict = replace(verdict, present=replace(verdict.present))
    given = declared.of(name).kind is not None
    if verdict.hashed:
        return Column(name, "identifier", verdict.refused, verdict, values, given)
    if verdict.refused:
        return Column(name, "dropped", verdict.refused, verdict, values, given, verdict.doubt)
    return Column(name, "feature", verdict.reason, verdict, values, given, verdict.doubt)


def _present(table: Table, name: str) -> Present:
    return table.values(name).present(table.missing)


def _as_target(name: str, distinct: set[str]) -> tuple[int, Candidate]:
    named = any(word in name.lower() for word in TARGET_WORDS)
    usual = any(means_positive(value) for value in distinct)
    shown = " and ".join(sorted(distinct))
    reason = f"two values, {shown}" + (", and its name says so" if named else "")
    return (0 if named else 1 if usual else 2), Candidate(name, reason)


def _is_measure(values: Collection[str]) -> bool:
    """Tell whether values read as measured numbers, with decimals, rather than as names."""
    return any("." in value for value in values) and all(as_number(value) is not None for value in values)
