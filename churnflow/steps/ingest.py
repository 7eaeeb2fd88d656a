"""The step that reads the customers: every value as text, cast by a recorded schema, invalid rows set apart."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from churnflow import Issue, Pseudonyms, StepResult, precheck, reports
from churnflow.modelling.casting import RULES, Cast, Rejection, cast
from churnflow.modelling.column_notices import ABOUT, Notice, on_columns, on_labels, on_shape
from churnflow.modelling.declared import Columns, Declared, merged
from churnflow.modelling.foresight import misnamed_columns
from churnflow.modelling.labels import labels
from churnflow.modelling.numerals import Decimal
from churnflow.modelling.outcomes import COERCIONS
from churnflow.modelling.profile import profile, require_features, values_of
from churnflow.modelling.read_options import Format, ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table

MOST_UNLABELLED = 0.05
SHOWN = 5


@reports(
    "records",
    "invalid_rows",
    "invalid_ratio",
    "duplicate_rows",
    "features",
    "personal_columns",
    "hashed_columns",
    *(f"rejected_{rule}" for rule in RULES),
    *(f"coerced_{kind}" for kind in COERCIONS),
)
@precheck(misnamed_columns)
def ingest(
    source: Path | pd.DataFrame,
    target: str,
    id: str | None = None,  # noqa: A002 - the word that users expect in the workflow
    positive: str | None = None,
    drop: tuple[str, ...] = (),
    separator: str = "auto",
    encoding: str = "auto",
    decimal: Decimal = "auto",
    format: Format = "auto",  # noqa: A002 - the word that users expect in the workflow
    header: int | None = None,
    sheet: str | None = None,
    table: str | None = None,
    query: str | None = None,
    missing: tuple[str, ...] | None = None,
    categories: tuple[str, ...] = (),
    columns: Columns = None,
    time: str | None = None,
    protected: tuple[str, ...] = (),
    pseudonyms: Pseudonyms | None = None,
) -> StepResult:
    """Read a table of customers, set invalid rows apart with a reason each, and record the schema.

    source: a file (CSV, compressed or not, Parquet, Excel or OpenDocument, JSON lines, SQLite), or under `needs` a
    frame that an earlier step has read elsewhere, such as `churn.extract`. How it is written is found out and stated;
    separator, encoding, decimal (mark), format, header (line), sheet, table or query (of SQLite) overrule that.

    Outputs: `customers` (one row each: id, time, features, target as 0 and 1), `rejected` (line, rule, reason, row),
    `schema` (role, kind, range, levels of each column, how its texts are read, and why). missing: the words that stand
    for a missing value, in any case, instead of the usual ones (?, N/A, NA, NaN, None, null). columns: what a column is
    where its values do not show it: `{plan: category, joined: {format: dmy}, balance: {missing: [-999]}}`. categories,
    drop: the same for many names. time: dates, which let a customer have several rows. protected: attributes by whose
    groups the model is judged, and that it never learns from. `columns: {email: drop, household: hash}` leaves a column
    out, or keeps keyed hashes (HMAC-SHA256) for joins, as of an id that is personal data; pseudonyms makes them. A
    table of more than ten million cells is worked through in batches, in files below TMPDIR. Raises InputError for no
    table, or no room for it there.
    """
    options = ReadOptions(separator, encoding, decimal, format, header, sheet, table, query, missing)
    declared = Declared(target, id, time, merged(columns, drop, categories), protected)
    return _ingested(read_table(source, options), declared, positive, pseudonyms)


def _ingested(table: Table, declared: Declared, positive: str | None, pseudonyms: Pseudonyms | None) -> StepResult:
    columns = profile(table, declared)
    classes = labels(declared.target, values_of(columns, declared.target), positive)
    require_features(columns)
    done = cast(table, columns, classes, pseudonyms)
    total = len(table.lines) + len(table.ragged)
    features = [column.name for column in columns if column.role == "feature"]
    notices = (*on_columns(columns), *on_labels(classes), *on_shape(len(features), len(done.customers)))
    return StepResult(
        outputs={"customers": done.customers, "rejected": done.rejected(), "schema": done.schema},
        metrics={
            "records": len(done.customers),
            "invalid_ratio": len(done.rejections) / total,
            "invalid_rows": len(done.rejections),
            "features": len(features),
            "duplicate_rows": done.repeated,
            "hashed_columns": sum(column.hashed for column in columns),
            "personal_columns": sum(column.personal is not None for column in columns),
            **{f"rejected_{rule}": count for rule, count in done.counts().items()},
            **{f"coerced_{kind}": count for kind, count in done.coercions().items()},
        },
        facts={
            "positive class": f"{classes.positive} (against {classes.negative})",
            "labels": classes.shown(done.classes),
            "read as": table.read_as,
            "changed to fit": _changed(done),
        },
        issues=[*_rejections(done, total), *_issues(notices), *_file(table)],
    )


def _issues(notices: Iterable[Notice]) -> list[Issue]:
    return [Issue(text=notice.text, severity=notice.severity, about=notice.about) for notice in notices]


def _changed(done: Cast) -> str:
    """Say how many values were changed when they were cast, and how."""
    counts = {kind: count for kind, count in done.coercions().items() if count}
    return ", ".join(f"{count:,} {COERCIONS[kind]}" for kind, count in counts.items()) or "nothing"


def _rejections(done: Cast, total: int) -> list[Issue]:
    issues = []
    for rule, count in done.counts().items():
        if not count:
            continue
        found = [rejection for rejection in done.rejections if rejection.rule == rule]
        lines = [rejection.line for rejection in found]
        shown = ", ".join(str(line) for line in lines[:SHOWN]) + (", ..." if count > SHOWN else "")
        grave = rule == "no_label" and count > MOST_UNLABELLED * total
        text = f"rows set apart as {rule.replace('_', ' ')}: {count} (line {shown}){_where(found)}"
        issues.append(Issue(text=text, severity="critical" if grave else "warning", about=ABOUT.get(rule, "")))
    return issues


def _where(found: Iterable[Rejection]) -> str:
    """Name the columns whose values do not fit, most rows first, and how many rows each where they are several."""
    counts = Counter(rejection.column for rejection in found if rejection.column).most_common()
    named = [name if len(counts) == 1 else f"{name} ({count:,})" for name, count in counts[:SHOWN]]
    more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
    return f", in {', '.join(named)}{more}" if named else ""


def _file(table: Table) -> Sequence[Issue]:
    issues = []
    if table.folded:
        issues.append(Issue(text=f"blanks in column names were folded: {', '.join(table.folded)}"))
    issues.extend(Issue(text=note, severity="warning") for note in table.notes)
    return issues
