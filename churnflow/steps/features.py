"""The step `features`: the feature table, split into a training and a test part, with what was learned of both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling.inspection import DAY_NOUGHT, Inspection, Parts, date_offsets, inspect_parts
from churnflow.modelling.parting import MIN_PER_CLASS, Kind, Parting, Rows, part, rate_shift
from churnflow.modelling.since_release import Change, Customers, change_since
from churnflow.modelling.split import COARSE, Ints, digest_rows, equal_rows, repeated_rows

SCHEMA = "churnflow/features@1"
TOO_UNLIKE = 3.0


@reports(
    "features",
    "train_rows",
    "test_rows",
    "train_positive_ratio",
    "test_positive_ratio",
    "rate_shift",
    "left_out_rows",
    "embargoed_rows",
    "shared_customers",
    "missing_ratio",
    "correlated_pairs",
    "redundant_features",
    "leaking_features",
    "suspect_features",
    "shared_rows",
    "contaminated_rows",
    "near_rows",
    "drift_auc",
    "newest_drift_auc",
    "drifted_features",
    "vs_released_*",
    "repeated_rows",
)
def features(
    customers: pd.DataFrame,
    schema: dict[str, Any],
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2,
    seed: int = 0,
    drop: tuple[str, ...] = (),
    split: Kind = "auto",
    as_of: date | None = None,
    against: Released | None = None,
) -> StepResult:
    """Split customers into a training and a test part and describe the features.

    Outputs: `train` and `test`, frames with id, features and target as ingested; `features`, a dict with the feature
    list, what the detectors found in training rows, and the split. A feature that gives the target away is critical: it
    keeps the gate shut until it is dropped or the issue waived. Rows of one id, or equal in all features unless most
    are, fall into one part, stratified by target. split: random, grouped (by id), time (the newest are tested; a
    customer may be on both sides) or auto: where rows have times, the newest of customers who are not trained on.
    test_share: of rows held out. drop: features to leave out. as_of: a day on which no outcome was known; later dates
    among features give the target away. against: a release such as `served` to compare customers with;
    `vs_released_drift_auc`: how well they are told apart (where a later step changes the parts, name it to `audit`).
    Raises InputError when `drop` names no feature, none remains, a class is too rare, or no split is possible.
    """
    kinds = _kinds(schema, drop)
    rows = Rows.of(customers, list(kinds), schema)
    _check_classes(rows.target)
    parting = part(rows, split, test_share, seed)
    _check_parts(parting, rows.target)
    train, test = _parted(customers, parting, schema, list(kinds))
    inspection = _inspected(train, test, kinds, schema, parting, as_of, seed)
    dealt = {"test_share": test_share, "seed": seed, **parting.described(), **_sizes(train, test, schema)}
    counts = {**_counts(train, test, list(kinds)), **_split_counts(train, test, rows, parting)}
    repeated = repeated_rows(equal_rows(customers, rows.observation))
    change = _changed(against, Customers([train, test], kinds, schema.get("time")), seed)
    # Nothing of a release enters an output, or whatever is made from these would be made anew after each.
    return StepResult(
        outputs={"train": train, "test": test, "features": _described(kinds, inspection, drop, dealt)},
        metrics={**counts, **_found(inspection, change), "repeated_rows": repeated},
        facts={**_facts(kinds, drop), **_split_facts(rows, parting), **(change.facts() if change else {})},
        issues=[*_noticed(inspection, change), *_split_issues(rows, parting, repeated)],
    )


def _changed(against: Released | None, now: Customers, seed: int) -> Change | None:
    return None if against is None else change_since(against.version, against.artifacts, now, seed)


def _inspected(
    train: pd.DataFrame,
    test: pd.DataFrame,
    kinds: Mapping[str, str],
    schema: Mapping[str, Any],
    parting: Parting,
    as_of: date | None,
    seed: int,
) -> Inspection:
    apart = None if parting.shares_customers else schema.get("id")
    columns = (kinds, schema["target"], apart, schema.get("time"))
    day = None if as_of is None else float((as_of - DAY_NOUGHT).days)
    places = np.flatnonzero(parting.train)
    return inspect_parts(Parts(train, test, *columns, places, date_offsets(schema, kinds), day), seed)


def _parted(
    customers: pd.DataFrame, parting: Parting, schema: Mapping[str, Any], names: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    named = [schema[role] for role in ("id", "time") if schema.get(role)]
    protected = [column["name"] for column in schema["columns"] if column["role"] == "protected"]
    table = customers[[*named, *names, *protected, schema["target"]]]
    return table[parting.train].reset_index(drop=True), table[parting.test].reset_index(drop=True)


def _described(
    kinds: Mapping[str, str], inspection: Inspection, drop: Sequence[str], dealt: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "features": [{"name": name, "kind": kind} for name, kind in kinds.items()],
        **inspection.described(),
        "dropped": sorted(drop),
        "split": dealt,
    }


def _split_issues(rows: Rows, parting: Parting, repeated: int) -> list[Issue]:
    issues, shift = [], rate_shift(rows.target, parting)
    if repeated > COARSE * len(rows.target):
        told = f"{repeated} of {len(rows.target)} rows equal an earlier one"
        text = f"{told}: the features are coarse, equal rows were parted"
        issues.append(Issue(text=text, severity="warning"))
    if parting.cut is not None and not shift.low <= 0 <= shift.high:
        text = (
            f"the share of positives moved by {shift.value:+.3f} from the training rows to those from {parting.cut} on"
        )
        issues.append(Issue(text=f"{text}: probabilities may be off by as much", severity="warning"))
    elif parting.cut is None and abs(shift.value) > TOO_UNLIKE * _error(rows.target, parting):
        text = f"the share of positives differs by {abs(shift.value):.3f} between the parts, more than chance does"
        issues.append(Issue(text=f"{text}; try another seed", severity="warning"))
    return issues


def _error(target: Ints, parting: Parting) -> float:
    """Return the standard error of the difference of the parts' shares of positives, if they were dealt by chance."""
    share = float(target.mean())
    return float((share * (1 - share) * (1 / parting.test.sum() + 1 / parting.train.sum())) ** 0.5)


def _sizes(train: pd.DataFrame, test: pd.DataFrame, schema: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"rows": len(part), "positives": int(part[schema["target"]].sum()), "sha256": digest_rows(part)}
        for name, part in (("train", train), ("test", test))
    }


def _counts(train: pd.DataFrame, test: pd.DataFrame, names: list[str]) -> dict[str, float | Measure]:
    missing = pd.concat([train[names], test[names]]).isna().to_numpy()
    return {
        "features": len(names),
        "train_rows": len(train),
        "test_rows": len(test),
        "missing_ratio": Measure(value=float(missing.mean()), n=missing.size),
    }


def _split_counts(train: pd.DataFrame, test: pd.DataFrame, rows: Rows, parting: Parting) -> dict[str, float | Measure]:
    shared = 0
    if rows.identifier is not None:
        shared = len(set(test[rows.identifier].dropna()) & set(train[rows.identifier].dropna()))
    return {
        "train_positive_ratio": Measure(value=float(rows.target[parting.train].mean()), n=len(train)),
        "test_positive_ratio": Measure(value=float(rows.target[parting.test].mean()), n=len(test)),
        "rate_shift": Measure(**asdict(rate_shift(rows.target, parting))),
        "left_out_rows": parting.left_out,
        "embargoed_rows": parting.embargoed,
        "shared_customers": shared,
        "shared_rows": _shared(train, test, rows, None if parting.shares_customers else rows.identifier),
    }


def _kinds(schema: Mapping[str, Any], drop: Sequence[str]) -> dict[str, str]:
    kinds = {
        str(column["name"]): "number" if column["kind"] == "number" else "category"
        for column in schema["columns"]
        if column["role"] == "feature"
    }
    for name in drop:
        if name not in kinds:
            near = get_close_matches(name, kinds, 1)
            message = f"drop names {name!r}, which is no feature"
            raise InputError(message, hint=f"did you mean {near[0]!r}?" if near else f"features: {', '.join(kinds)}")
    remaining = {name: kind for name, kind in kinds.items() if name not in drop}
    if not remaining:
        message = "no feature remains to learn from"
        raise InputError(message, hint="drop fewer features, or give a source with more columns")
    return remaining


def _check_classes(target: Ints) -> None:
    rarer = int(min(target.sum(), len(target) - target.sum()))
    if rarer < MIN_PER_CLASS:
        message = f"the rarer class has {rarer} rows; a split needs at least {MIN_PER_CLASS}"
        raise InputError(message, hint="give a source with more customers of that class, or check the target column")


def _check_parts(parting: Parting, target: Ints) -> None:
    for name, rows in (("test", parting.test), ("training", parting.train)):
        if len(np.unique(target[rows])) < 2:  # noqa: PLR2004 - a part needs both classes
            message = f"the {name} part would hold one class only"
            raise InputError(message, hint="change test_share, or give more customers that differ from each other")


def _shared(train: pd.DataFrame, test: pd.DataFrame, rows: Rows, identifier: str | None) -> int:
    """Count the test rows that equal a training row or have its id, on the parts as they are handed on."""
    groups = equal_rows(pd.concat([train, test], ignore_index=True), rows.observation)
    shared = np.isin(groups[len(train) :], groups[: len(train)])
    if identifier:
        shared |= test[identifier].isin(train[identifier].dropna()).to_numpy()
    return int(shared.sum())


def _facts(kinds: Mapping[str, str], drop: Sequence[str]) -> dict[str, str]:
    numbers = sum(kind == "number" for kind in kinds.values())
    facts = {
        "features": f"{numbers} numbers, {len(kinds) - numbers} categories",
        "imputation": "medians, means and levels are learned by `train`, from training rows only, anew in each fold",
    }
    return {**facts, "dropped": ", ".join(drop)} if drop else facts


def _split_facts(rows: Rows, parting: Parting) -> dict[str, str]:
    coarse = repeated_rows(equal_rows(rows.frame, rows.observation)) > COARSE * len(rows.target)
    by_chance = ", stratified by target" if parting.cut is None else f", {parting.left_out:,} rows in neither"
    together = "nothing" if parting.shares_customers else "rows of one id"
    return {
        "split": f"{parting.train.sum()} training rows, {parting.test.sum()} test rows{by_chance}",
        "kind of split": f"{parting.kind}: {parting.reason}",
        "kept together": together + (", and equal rows" if parting.cut is None and not coarse else ""),
        **({} if parting.cut is None else {"embargo": f"{parting.embargoed:,} rows, outcome open at {parting.cut}"}),
    }


def _found(inspection: Inspection, change: Change | None) -> dict[str, float | Measure]:
    measured = {**inspection.drifts(), **(change.measured() if change else {})}
    return {**inspection.counts(), **{name: Measure.model_validate(values) for name, values in measured.items()}}


def _noticed(inspection: Inspection, change: Change | None) -> list[Issue]:
    notices = [*inspection.notices(), *(change.notices() if change else [])]
    return [Issue(text=notice.text, severity=notice.severity, about=notice.about) for notice in notices]
