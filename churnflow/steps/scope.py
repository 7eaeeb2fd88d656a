"""The step that looks at the source before anything is built: its size, its risks, and a first confidence."""

from collections import Counter
from pathlib import Path

import pandas as pd

from churnflow import Confidence, Issue, StepResult, reports
from churnflow.modelling.column_notices import on_columns, on_labels
from churnflow.modelling.declared import Columns, Declared, merged
from churnflow.modelling.labels import labels
from churnflow.modelling.numerals import Decimal
from churnflow.modelling.profile import Column, profile, require_features, values_of
from churnflow.modelling.read_options import Format, ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table

BASE = 90
MOST_NAMED = 5
FEW_ROWS = 1000
FEW_POSITIVES = 100
MUCH_MISSING = 0.05
MANY_EQUAL = 0.01
RARE = 0.05


@reports("rows", "columns", "features", "target_ratio", "missing_ratio", "suspicious_columns", "duplicate_rows")
def scope(
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
) -> StepResult:
    """Profile a table of customers and state an initial confidence with its reason.

    source, and how it is written (separator, encoding, decimal, format, header, sheet, table, query): see `ingest`.
    missing: the words that stand for a missing value, in any case, instead of the usual ones (?, N/A, NA, NaN, None,
    null). columns, categories, drop, time, protected: what is known of the columns, as `ingest` has it. Give the same
    to both. Raises InputError for a file that is no table of customers with a two-valued target.
    """
    options = ReadOptions(separator, encoding, decimal, format, header, sheet, table, query, missing)
    declared = Declared(target, id, time, merged(columns, drop, categories), protected)
    return _scoped(read_table(source, options), declared, positive)


def _scoped(table: Table, declared: Declared, positive: str | None) -> StepResult:
    columns = profile(table, declared)
    values = values_of(columns, declared.target)
    classes = labels(declared.target, values, positive)
    require_features(columns)
    counts = classes.counts(values)
    suspicious = [column.name for column in columns if column.role == "dropped" and not column.declared]
    metrics = _measured(table, columns, counts[1] / counts.total(), len(suspicious))
    risks = _risks(metrics, counts, len(table.ragged), suspicious)
    notices = (*on_columns(columns), *on_labels(classes))
    return StepResult(
        metrics=metrics,
        facts={
            "target": f"{declared.target}, positive class {classes.positive!r} ({classes.reason}), "
            f"negative {classes.negative!r}",
            "labels": classes.shown(counts),
            "id": declared.id or "none, so customers that come twice can not be told from customers that are alike",
            "risks found in the data": "; ".join(text for _, text in risks) or "none",
        },
        issues=[
            *(Issue(text=text, severity="warning") for _, text in risks),
            *(Issue(text=notice.text, severity=notice.severity) for notice in notices),
        ],
        confidence=_initial(risks),
    )


def _few(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _measured(table: Table, columns: list[Column], target_ratio: float, suspicious: int) -> dict[str, float]:
    features = [column for column in columns if column.role == "feature"]
    # A flag of one value is not missing elsewhere: that is its other state.
    missing = sum(column.share_missing for column in features if column.distinct > 1)
    return {
        "rows": len(table.rows),
        "columns": len(table.header),
        "target_ratio": target_ratio,
        "missing_ratio": missing / max(1, len(features)),
        "features": len(features),
        "suspicious_columns": suspicious,
        "duplicate_rows": table.equal_rows(column.name for column in features),
    }


def _risks(
    metrics: dict[str, float], classes: Counter[int], ragged: int, suspicious: list[str]
) -> list[tuple[int, str]]:
    """Return what speaks against a good model, with the points that each takes from the initial confidence."""
    share, rare = metrics["target_ratio"], min(classes.values())
    unlabelled = int(metrics["rows"]) - classes.total()
    candidates = (
        (metrics["rows"] < FEW_ROWS, 20, f"{metrics['rows']:,} rows are few (below {FEW_ROWS:,})"),
        (rare < FEW_POSITIVES, 20, f"only {rare} customers in the rarer class"),
        (share > 0.5, 5, f"most customers ({share:.0%}) are positive: is the right class named?"),  # noqa: PLR2004
        (min(share, 1 - share) < RARE, 5, f"the rarer class is {min(share, 1 - share):.1%} of the customers"),
        (metrics["missing_ratio"] > MUCH_MISSING, 10, f"{metrics['missing_ratio']:.1%} of the values are missing"),
        (
            metrics["duplicate_rows"] > MANY_EQUAL * metrics["rows"],
            5,
            f"{metrics['duplicate_rows']:,.0f} rows equal others",
        ),
        (bool(suspicious), 2, f"columns of no use as they are: {_few(suspicious)}"),
        (
            metrics["features"] > metrics["rows"],
            10,
            f"{metrics['features']:,} features are more than the {metrics['rows']:,} rows",
        ),
        (unlabelled > 0, 5, f"{unlabelled:,} rows have no label"),
        (ragged > 0, 5, f"{ragged:,} rows have the wrong number of fields"),
    )
    return [(points, text) for applies, points, text in candidates if applies]


def _initial(risks: list[tuple[int, str]]) -> Confidence:
    score = max(0, BASE - sum(points for points, _ in risks))
    taken = "; ".join(f"-{points} {text}" for points, text in risks)
    return Confidence(score=score, because=f"a plan begins at {BASE}; {taken or 'no risk was found in the data'}")
