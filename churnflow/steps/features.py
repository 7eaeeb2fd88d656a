"""The step `features`: the feature table, split into a training and a test part, with what was learned of both."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from churnflow import InputError, Issue, Measure, StepResult, reports
from churnflow.modelling.correlation import Pair, correlated_pairs
from churnflow.modelling.encoding import fit_encoding
from churnflow.modelling.leakage import Leak, leaking_features
from churnflow.modelling.split import COARSE, bound_rows, digest_rows, equal_rows, hold_out, repeated_rows

SCHEMA = "churnflow/features@1"
MIN_PER_CLASS = 10
TOO_UNLIKE = 3.0


@reports(
    "features",
    "train_rows",
    "test_rows",
    "train_positive_ratio",
    "test_positive_ratio",
    "missing_ratio",
    "correlated_pairs",
    "leaking_features",
    "shared_rows",
    "repeated_rows",
)
def features(
    customers: pd.DataFrame,
    schema: dict[str, Any],
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2,
    seed: int = 0,
    drop: tuple[str, ...] = (),
) -> StepResult:
    """Split customers into a training and a test part and describe the features.

    Outputs: `train` and `test`, frames with id, features and target as ingested; `features`, a dict with the feature
    list, the encoding learned on the training rows, correlated pairs and the split. The split is stratified by target,
    and rows of one id, or equal in all features unless most are, fall into one part. test_share: share of rows held
    out. drop: features to leave out. Raises InputError when `drop` names no feature, no feature remains, or a class is
    too rare to split.
    """
    kinds = _kinds(schema, drop)
    target = customers[schema["target"]].to_numpy(dtype=np.int64)
    _check_classes(target)
    held = hold_out(bound_rows(customers, list(kinds), schema.get("id")), target, test_share, seed)
    _check_parts(held, target)
    train, test = _parted(customers, held, [*([schema["id"]] if schema.get("id") else []), *kinds, schema["target"]])
    pairs = correlated_pairs(train, [name for name, kind in kinds.items() if kind == "number"])
    leaks = leaking_features(train, kinds, target[~held], seed)
    parts = {"train": _part(train, schema), "test": _part(test, schema)}
    described = {
        **_described(train, kinds, pairs, leaks),
        "dropped": sorted(drop),
        "split": {"test_share": test_share, "seed": seed, **parts},
    }
    counts = _counts(train, test, schema, list(kinds))
    repeated = repeated_rows(equal_rows(customers, list(kinds)))
    found = {"correlated_pairs": len(pairs), "leaking_features": len(leaks), "repeated_rows": repeated}
    return StepResult(
        outputs={"train": train, "test": test, "features": described},
        metrics={**counts, **found},
        facts=_facts(kinds, drop, len(train), len(test), coarse=repeated > COARSE * len(target)),
        issues=[*_leak_issues(leaks), *_pair_issues(pairs), *_split_issues(target, held, repeated)],
    )


def _parted(
    customers: pd.DataFrame, held: np.typing.NDArray[np.bool_], columns: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rest, part = (customers.loc[rows, columns].reset_index(drop=True) for rows in (~held, held))
    return rest, part


def _described(
    train: pd.DataFrame, kinds: Mapping[str, str], pairs: Sequence[Pair], leaks: Sequence[Leak]
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "features": [{"name": name, "kind": kind} for name, kind in kinds.items()],
        "encoding": [column.as_json() for column in fit_encoding(train, kinds).columns],
        "correlated_pairs": [asdict(pair) for pair in pairs],
        "leaking_features": [asdict(leak) for leak in leaks],
    }


def _split_issues(target: np.typing.NDArray[np.int64], held: np.typing.NDArray[np.bool_], repeated: int) -> list[Issue]:
    issues = []
    if repeated > COARSE * len(target):
        text = f"{repeated} of {len(target)} rows equal an earlier one: the features are coarse, equal rows were parted"
        issues.append(Issue(text=text, severity="warning"))
    share, gap = target.mean(), abs(target[held].mean() - target[~held].mean())
    error = (share * (1 - share) * (1 / held.sum() + 1 / (~held).sum())) ** 0.5
    if gap > TOO_UNLIKE * error:
        text = f"the share of positives differs by {gap:.3f} between the parts, more than chance does; try another seed"
        issues.append(Issue(text=text, severity="warning"))
    return issues


def _part(part: pd.DataFrame, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"rows": len(part), "positives": int(part[schema["target"]].sum()), "sha256": digest_rows(part)}


def _counts(
    train: pd.DataFrame, test: pd.DataFrame, schema: Mapping[str, Any], names: list[str]
) -> dict[str, float | Measure]:
    missing = pd.concat([train[names], test[names]]).isna().to_numpy()
    return {
        "features": len(names),
        "train_rows": len(train),
        "test_rows": len(test),
        "train_positive_ratio": Measure(value=float(train[schema["target"]].mean()), n=len(train)),
        "test_positive_ratio": Measure(value=float(test[schema["target"]].mean()), n=len(test)),
        "missing_ratio": Measure(value=float(missing.mean()), n=missing.size),
        "shared_rows": _shared(train, test, names, schema.get("id")),
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


def _check_classes(target: np.typing.NDArray[np.int64]) -> None:
    rarer = int(min(target.sum(), len(target) - target.sum()))
    if rarer < MIN_PER_CLASS:
        message = f"the rarer class has {rarer} rows; a split needs at least {MIN_PER_CLASS}"
        raise InputError(message, hint="give a source with more customers of that class, or check the target column")


def _check_parts(held: np.typing.NDArray[np.bool_], target: np.typing.NDArray[np.int64]) -> None:
    for part, rows in (("test", held), ("training", ~held)):
        if len(np.unique(target[rows])) < 2:  # noqa: PLR2004 - a part needs both classes
            message = f"the {part} part would hold one class only"
            raise InputError(message, hint="change test_share, or give more customers that differ from each other")


def _shared(train: pd.DataFrame, test: pd.DataFrame, names: list[str], identifier: str | None) -> int:
    """Count the test rows that equal a training row or have its id, on the parts as they are handed on."""
    groups = equal_rows(pd.concat([train[names], test[names]], ignore_index=True), names)
    shared = np.isin(groups[len(train) :], groups[: len(train)])
    if identifier:
        shared |= test[identifier].isin(train[identifier].dropna()).to_numpy()
    return int(shared.sum())


def _facts(
    kinds: Mapping[str, str], drop: Sequence[str], train_rows: int, test_rows: int, *, coarse: bool
) -> dict[str, str]:
    numbers = sum(kind == "number" for kind in kinds.values())
    facts = {
        "features": f"{numbers} numbers, {len(kinds) - numbers} categories",
        "split": f"{train_rows} training rows, {test_rows} test rows, stratified by target",
        "kept together": "rows of one id" + ("" if coarse else ", and equal rows"),
        "imputation": "medians, means and levels learned on training rows only, and again inside each fold",
    }
    return {**facts, "dropped": ", ".join(drop)} if drop else facts


def _leak_issues(leaks: Sequence[Leak]) -> list[Issue]:
    return [
        Issue(
            text=f"{leak.feature} nearly decides the target: {leak.reason}. If it is known only after the outcome, "
            f"leave it out: drop: [{leak.feature}]",
            severity="critical",
        )
        for leak in leaks
    ]


def _pair_issues(pairs: Sequence[Pair]) -> list[Issue]:
    return [
        Issue(text=f"{pair.first} and {pair.second} say nearly the same (r = {pair.r:.3f}); one of them would do")
        for pair in pairs
    ]
