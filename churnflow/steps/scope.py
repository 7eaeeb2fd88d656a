"""The step that looks at the source before anything is built: its size, its risks, and a first confidence."""

from collections import Counter
from pathlib import Path

from churnflow import Confidence, Issue, StepResult, reports
from churnflow.modelling.profile import Column, labels, profile
from churnflow.modelling.table import Table, read_table

BASE = 90
FEW_ROWS = 1000
FEW_POSITIVES = 100
MUCH_MISSING = 0.05
MANY_EQUAL = 0.01
RARE = 0.05
EXPECTED = ("an exact copy", "every value is missing", "one and the same value", "text with", "a date")


@reports("rows", "columns", "features", "target_ratio", "missing_ratio", "suspicious_columns", "duplicate_rows")
def scope(
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
    """Profile a table of customers and state an initial confidence with its reason.

    missing: the words that stand for a missing value, in any case, instead of the usual ones (?, N/A, NA, NaN, None,
    null). categories: columns of digits that are no numbers. Give both to ingest as well.
    Raises InputError for a file that is no table of customers with a two-valued target.
    """
    table = read_table(source, separator, encoding, missing)
    columns = profile(table, target, id, drop, categories)
    found = labels(table, target, positive)
    counts = Counter(value for value in table.texts(target) if value is not None)
    suspicious = [column for column in columns if column.role == "dropped" and column.reason.startswith(EXPECTED)]
    metrics = _measured(table, columns, counts[found.positive] / counts.total(), len(suspicious))
    risks = _risks(metrics, counts, len(table.ragged))
    return StepResult(
        metrics=metrics,
        facts={
            "target": f"{target}, positive class {found.positive!r} ({found.reason}), negative {found.negative!r}",
            "id": id or "none, so customers that come twice can not be told from customers that are alike",
            "risks found in the data": "; ".join(text for _, text in risks) or "none",
        },
        issues=[*(Issue(text=text, severity="warning") for _, text in risks), *_noted(columns, suspicious)],
        confidence=_initial(risks),
    )


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
        "duplicate_rows": _equal_rows(table, features),
    }


def _risks(metrics: dict[str, float], classes: Counter[str], ragged: int) -> list[tuple[int, str]]:
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
        (metrics["suspicious_columns"] > 0, 2, f"columns of no use as they are: {metrics['suspicious_columns']:.0f}"),
        (unlabelled > 0, 5, f"{unlabelled:,} rows have no label"),
        (ragged > 0, 5, f"{ragged:,} rows have the wrong number of fields"),
    )
    return [(points, text) for applies, points, text in candidates if applies]


def _initial(risks: list[tuple[int, str]]) -> Confidence:
    score = max(0, BASE - sum(points for points, _ in risks))
    taken = "; ".join(f"-{points} {text}" for points, text in risks)
    return Confidence(score=score, because=f"a plan begins at {BASE}; {taken or 'no risk was found in the data'}")


def _noted(columns: list[Column], suspicious: list[Column]) -> list[Issue]:
    return [
        Issue(text=f"the column {column.name}: {column.reason}; {column.doubt}", severity="warning")
        if column.doubt
        else Issue(text=f"the column {column.name}: {column.reason}")
        for column in columns
        if column.doubt or column in suspicious
    ]


def _equal_rows(table: Table, features: list[Column]) -> int:
    """Count the rows whose features all equal those of an earlier row."""
    places = [table.header.index(column.name) for column in features]
    counts = Counter(tuple(row[place] for place in places) for row in table.rows)
    return sum(count - 1 for count in counts.values())
