"""The step that looks at the source before anything is built: its size, its risks, and a first confidence."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from churnflow import Confidence, Issue, StepResult, precheck, reports
from churnflow.modelling.column_notices import NO_LABEL, RAGGED, SHAPE, on_columns, on_labels
from churnflow.modelling.declared import Columns, Declared, merged
from churnflow.modelling.early_leaks import early_leaks
from churnflow.modelling.foresight import misnamed_columns
from churnflow.modelling.labels import labels
from churnflow.modelling.numerals import Decimal
from churnflow.modelling.outcomes import infinite_rows
from churnflow.modelling.parting import MIN_PER_CLASS
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
FEW_OF_A_CLASS = "few customers of a class"
USELESS = "columns of no use"
INFINITE = "infinite values"
NAMED = frozenset({USELESS, INFINITE})


@reports(
    "rows",
    "columns",
    "features",
    "rarer_class",
    "target_ratio",
    "missing_ratio",
    "suspicious_columns",
    "duplicate_rows",
    "leaking_features",
    "suspect_features",
)
@precheck(misnamed_columns)
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

    Features that plainly give the target away are issues already here, where whoever approves the plan sees them; the
    other signs are looked for when the parts are made. rarer_class: the rows of the rarer class.
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
    leaks = early_leaks(table, columns, classes)
    critical = sum(leak.severity == "critical" for leak in leaks)
    metrics = {
        **_measured(table, columns, counts),
        "suspicious_columns": len(suspicious),
        "leaking_features": critical,
        "suspect_features": len(leaks) - critical,
    }
    risks = [*_risks(metrics, counts, len(table.ragged), suspicious), *_infinite(columns)]
    notices = (*on_columns(columns), *on_labels(classes))
    return StepResult(
        metrics=metrics,
        facts={
            "target": f"{declared.target}, positive class {classes.positive!r} ({classes.reason}), "
            f"negative {classes.negative!r}",
            "labels": classes.shown(counts),
            "id": declared.id or "none, so customers that come twice can not be told from customers that are alike",
            "risks found in the data": "; ".join(risk.text for risk in risks) or "none",
        },
        issues=[
            *_few_customers(metrics),
            *(Issue(text=leak.warned(), severity=leak.severity, about=leak.about) for leak in leaks),
            # The notices name each column that is useless or infinite, with what to do.
            *(Issue(text=risk.text, severity="warning", about=risk.about) for risk in risks if risk.about not in NAMED),
            *(Issue(text=notice.text, severity=notice.severity, about=notice.about) for notice in notices),
        ],
        confidence=_initial(risks),
    )


def _few_customers(metrics: dict[str, float]) -> list[Issue]:
    """Say that nothing can be built of so few customers, and how many it takes."""
    if metrics["rarer_class"] >= MIN_PER_CLASS:
        return []
    text = (
        f"too few customers to build a model: the rarer class has {metrics['rarer_class']} of {metrics['rows']:,}, "
        f"where folds and a test part need at least {MIN_PER_CLASS} and a reliable model {FEW_POSITIVES:,}; give a "
        "source with more, or check target and positive"
    )
    return [Issue(text=text, severity="critical", about=FEW_OF_A_CLASS)]


def _few(names: list[str]) -> str:
    rest = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _measured(table: Table, columns: list[Column], counts: Counter[int]) -> dict[str, float]:
    features = [column for column in columns if column.role == "feature"]
    # A flag of one value is not missing elsewhere: that is its other state.
    missing = sum(column.share_missing for column in features if column.distinct > 1)
    return {
        "rows": len(table.rows),
        "columns": len(table.header),
        "rarer_class": min(counts.values()),
        "target_ratio": counts[1] / counts.total(),
        "missing_ratio": missing / max(1, len(features)),
        "features": len(features),
        "duplicate_rows": table.equal_rows(column.name for column in features),
    }


class _Risk(NamedTuple):
    """What speaks against a good model, the points that it takes from the initial confidence, and what it is about."""

    points: int
    text: str
    about: str = ""


def _risks(metrics: dict[str, float], classes: Counter[int], ragged: int, suspicious: list[str]) -> list[_Risk]:
    """Return what speaks against a good model."""
    share, rare = metrics["target_ratio"], min(classes.values())
    unlabelled = int(metrics["rows"]) - classes.total()
    even, equal, missing = min(share, 1 - share), metrics["duplicate_rows"], metrics["missing_ratio"]
    rows, features = metrics["rows"], metrics["features"]
    candidates = (
        (rows < FEW_ROWS, _Risk(20, f"{rows:,} rows are few (below {FEW_ROWS:,})")),
        (rare < FEW_POSITIVES, _Risk(20, f"only {rare} in the rarer class", FEW_OF_A_CLASS)),
        (share > 0.5, _Risk(5, f"most customers ({share:.0%}) are positive: is the right class named?")),  # noqa: PLR2004
        (even < RARE, _Risk(5, f"the rarer class is {even:.1%} of the customers")),
        (missing > MUCH_MISSING, _Risk(10, f"{missing:.1%} of the values are missing")),
        (equal > MANY_EQUAL * rows, _Risk(5, f"{equal:,.0f} rows equal others")),
        (bool(suspicious), _Risk(2, f"columns of no use as they are: {_few(suspicious)}", USELESS)),
        (features > rows, _Risk(10, f"{features:,} features are more than the {rows:,} rows", SHAPE)),
        (unlabelled > 0, _Risk(5, f"{unlabelled:,} rows have no label", NO_LABEL)),
        (ragged > 0, _Risk(5, f"{ragged:,} rows have the wrong number of fields", RAGGED)),
    )
    return [risk for applies, risk in candidates if applies]


def _infinite(columns: list[Column]) -> list[_Risk]:
    found = [f"{column.name} ({rows:,})" for column in columns if (rows := infinite_rows(column))]
    return [_Risk(5, f"infinite values, whose rows are set apart: {_few(found)}", INFINITE)] if found else []


def _initial(risks: list[_Risk]) -> Confidence:
    score = max(0, BASE - sum(risk.points for risk in risks))
    taken = "; ".join(f"-{risk.points} {risk.text}" for risk in risks)
    return Confidence(score=score, because=f"a plan begins at {BASE}; {taken or 'no risk was found in the data'}")
