"""The step that reads the customers: every value as text, cast by a recorded schema, invalid rows set apart."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from churnflow import Issue, StepResult, reports
from churnflow.modelling.casting import RULES, Cast, cast
from churnflow.modelling.profile import Column, labels, profile
from churnflow.modelling.table import Table, read_table

MOST_UNLABELLED = 0.05
SHOWN = 5


@reports(
    "records",
    "invalid_rows",
    "invalid_ratio",
    "duplicate_rows",
    "features",
    *(f"rejected_{rule}" for rule in RULES),
)
def ingest(
    source: Path,
    target: str,
    id: str | None = None,  # noqa: A002 - the word that users expect in the workflow
    positive: str | None = None,
    drop: tuple[str, ...] = (),
    separator: str = "auto",
    encoding: str = "auto",
    missing: tuple[str, ...] | None = None,
    categories: tuple[str, ...] = (),
) -> StepResult:
    """Read a table of customers, set invalid rows apart with a reason each, and record the schema.

    Outputs: `customers` (one row each: id, features, target as 0 and 1), `rejected` (line, rule, reason, row),
    `schema` (role, kind, range, levels of each column, and why). missing: the words that stand for a missing
    value, in any case, instead of the usual ones (?, N/A, NA, NaN, None, null). categories: columns of digits that are
    no numbers. Raises InputError for a file that is no such table.
    """
    table = read_table(source, separator, encoding, missing)
    columns = profile(table, target, id, drop, categories)
    done = cast(table, columns, labels(table, target, positive))
    total = len(table.rows) + len(table.ragged)
    invalid = len(done.rejections)
    features = [column.name for column in columns if column.role == "feature"]
    return StepResult(
        outputs={"customers": done.customers, "rejected": done.rejected(), "schema": done.schema},
        metrics={
            "records": len(done.customers),
            "invalid_ratio": invalid / total,
            "invalid_rows": invalid,
            "features": len(features),
            "duplicate_rows": int(done.customers[features].duplicated().sum()),
            **{f"rejected_{rule}": count for rule, count in done.counts().items()},
        },
        facts={
            "positive class": f"{done.schema['positive']} (against {done.schema['negative']})",
            "read as": f"{table.encoding}, separated by {table.separator!r}",
        },
        issues=[*_rejections(done, total), *_columns(columns), *_missing(table, columns), *_file(table)],
    )


def _rejections(done: Cast, total: int) -> list[Issue]:
    issues = []
    for rule, count in done.counts().items():
        if not count:
            continue
        lines = [rejection.line for rejection in done.rejections if rejection.rule == rule]
        shown = ", ".join(str(line) for line in lines[:SHOWN]) + (", ..." if count > SHOWN else "")
        grave = rule == "no_label" and count > MOST_UNLABELLED * total
        text = f"rows set apart as {rule.replace('_', ' ')}: {count} (line {shown})"
        issues.append(Issue(text=text, severity="critical" if grave else "warning"))
    return issues


def _columns(columns: Sequence[Column]) -> Iterator[Issue]:
    for column in columns:
        doubt = f"; {column.doubt}" if column.doubt else ""
        severity: Literal["warning", "note"] = "warning" if doubt else "note"
        if column.role == "dropped":
            yield Issue(text=f"the column {column.name} is left out: {column.reason}{doubt}", severity=severity)
        elif doubt:
            yield Issue(text=f"the column {column.name} is taken as a category{doubt}", severity=severity)


def _missing(table: Table, columns: Sequence[Column]) -> Iterator[Issue]:
    """Say which words were read as missing among texts, where one may be a value, such as None for no contract."""
    for column in columns:
        if column.role != "feature" or column.kind != "category":
            continue
        texts = zip(table.column(column.name), table.texts(column.name), strict=True)
        words = Counter(raw.strip() for raw, text in texts if text is None and raw.strip())
        if words:
            shown = ", ".join(f'"{word}" ({count:,})' for word, count in words.most_common(SHOWN))
            more = "; if one of them is a value, name the other words under missing"
            yield Issue(text=f"{words.total():,} values of {column.name} read as missing: {shown}{more}")


def _file(table: Table) -> Sequence[Issue]:
    issues = []
    if table.folded:
        issues.append(Issue(text=f"blanks in column names were folded: {', '.join(table.folded)}"))
    if table.encoding == "cp1252":
        issues.append(Issue(text="the file is not UTF-8; it was read as cp1252", severity="warning"))
    return issues
