"""The step `evaluate`: the stored model on the test part, every metric with its count and interval."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from churnflow import InputError, Issue, Measure, StepResult, reports
from churnflow.modelling.curves import all_curves
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.explain import permutation_importance
from churnflow.modelling.fairness import Gap, group_labels, group_rates, largest_gap
from churnflow.modelling.metrics import Estimate, Scored, bootstrap, confusion, loss_gain, measure, roc_auc
from churnflow.modelling.scorer import PortableModel

SCHEMA = "churnflow/evaluation@1"
FEW_POSITIVES = 30
_ROUGH_DRAWS = 200
_GAPS = ("recall_gap", "selection_gap")


@reports(
    "accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "prevalence",
    "lift_top_decile",
    "log_loss_gain",
    "train_roc_auc",
    "recall_gap_*",
    "selection_gap_*",
)
def evaluate(
    model: PortableModel,
    train: pd.DataFrame,
    test: pd.DataFrame,
    schema: dict[str, Any],
    features: dict[str, Any],
    leaderboard: dict[str, Any],
    groups: tuple[str, ...] = (),
    seed: int = 0,
) -> StepResult:
    """Evaluate the stored model on rows that it has never seen, at the threshold stored in it.

    Outputs: `predictions`, a frame with row number, label, probability and decision of each test row, no id;
    `evaluation`, a dict with the curves, permutation importance and rates per group. groups: columns whose groups are
    to be treated alike, each also reported as `recall_gap_<column>` and `selection_gap_<column>` (`group_metrics` names
    the column of each). log_loss_gain: how much lower the log loss is than that of always predicting the training
    part's rate. Raises InputError when a group column is unknown or the test part holds one class only.
    """
    _check_fits(model, features)
    encoded = model.encoding.encode(as_columns(test, model.encoding))
    scored = Scored.at(model.probability(encoded.matrix), _target(test, schema), model.threshold)
    known = Scored.at(model.score(as_columns(train, model.encoding)), _target(train, schema), model.threshold)
    compared, gaps = _groups(test, groups, scored, seed)
    estimates = {**_estimates(scored, known, seed), **gaps}
    importance = permutation_importance(model, encoded.matrix, scored.target, seed)
    evaluation = {
        **_described(model, scored, known, estimates),
        "importance": [asdict(entry) for entry in importance],
        **compared,
        "cross_validated": _cross_validated(model, leaderboard),
        "missing_values": encoded.missing,
        "unseen_values": encoded.unseen,
    }
    return StepResult(
        outputs={"predictions": _predictions(model, scored), "evaluation": evaluation},
        metrics={name: Measure(**asdict(value)) for name, value in estimates.items()},
        facts=_facts(model, [entry.feature for entry in importance], evaluation),
        issues=_issues(estimates, int(scored.target.sum())),
    )


def _estimates(scored: Scored, known: Scored, seed: int) -> dict[str, Estimate]:
    """Return the metrics of the test rows `scored`, beside those of the training rows `known`."""
    base_rate = np.full(len(scored.target), known.target.mean())
    return {
        **measure(scored, seed),
        "train_roc_auc": bootstrap(known, {"roc_auc": roc_auc}, seed, _ROUGH_DRAWS)["roc_auc"],
        "log_loss_gain": loss_gain(scored.target, scored.probabilities, base_rate, seed),
    }


def _described(
    model: PortableModel, scored: Scored, known: Scored, estimates: Mapping[str, Estimate]
) -> dict[str, Any]:
    gain = asdict(estimates["log_loss_gain"])
    return {
        "schema": SCHEMA,
        "model": model.name,
        "n_test": len(scored.target),
        "n_train": len(known.target),
        "positive": model.positive,
        "negative": model.negative,
        "threshold": model.threshold,
        "confusion": confusion(scored),
        **all_curves(scored),
        "baseline": {"probability": float(known.target.mean()), "log_loss_gain": gain},
        "metrics": {name: asdict(value) for name, value in estimates.items()},
    }


def _check_fits(model: PortableModel, features: Mapping[str, Any]) -> None:
    if [column.name for column in model.encoding.columns] != [feature["name"] for feature in features["features"]]:
        message = "the model was trained on other features than those of this run"
        raise InputError(message, hint="evaluate the model that this run's train step produced")


def _predictions(model: PortableModel, scored: Scored) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.arange(1, len(scored.target) + 1),
            "label": np.where(scored.target == 1, model.positive, model.negative),
            "probability": scored.probabilities,
            "decision": np.where(scored.decisions, model.positive, model.negative),
        }
    )


def _cross_validated(model: PortableModel, leaderboard: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the model did over the training folds, beside which the test part is read."""
    line: Mapping[str, Any] = next((entry for entry in leaderboard["models"] if entry["model"] == model.name), {})
    return {key: line[key] for key in ("mean", "sd", "low", "high", "log_loss") if key in line}


def _target(frame: pd.DataFrame, schema: Mapping[str, Any]) -> np.typing.NDArray[np.int64]:
    target: np.typing.NDArray[np.int64] = frame[schema["target"]].to_numpy(dtype=np.int64)
    if not 0 < target.sum() < len(target):
        message = "a part of the data holds one class only, so that nothing can be measured on it"
        raise InputError(message, hint="give more customers, or a larger test_share to features")
    return target


def _metric_names(columns: Sequence[str]) -> dict[str, str]:
    """Return how each column is written in the name of a metric, no two of them alike."""
    names: dict[str, str] = {}
    for column in dict.fromkeys(columns):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", column)
        forms = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
        names[column] = next(form for form in forms if form not in names.values())
    return names


def _groups(
    test: pd.DataFrame, columns: Sequence[str], scored: Scored, seed: int
) -> tuple[dict[str, Any], dict[str, Estimate]]:
    """Return what the evaluation says of the groups of `columns`, and the gaps between them by metric."""
    names = _metric_names(columns)
    rates: list[dict[str, Any]] = []
    gaps: dict[str, Estimate] = {}
    for name, suffix in names.items():
        if name not in test.columns:
            message = f"groups names {name!r}, which is no column of the test part"
            raise InputError(message, hint=f"columns: {', '.join(map(str, test.columns))}")
        labels = group_labels(test[name])
        rates += group_rates(name, labels, scored)
        gaps |= _named(suffix, largest_gap(labels, scored, seed))
    metrics = {f"{gap}_{suffix}": name for name, suffix in names.items() for gap in _GAPS}
    return {"groups": rates, "group_metrics": metrics}, gaps


def _named(suffix: str, gap: Gap) -> dict[str, Estimate]:
    both = {f"{name}_{suffix}": estimate for name, estimate in zip(_GAPS, (gap.recall, gap.selection), strict=True)}
    return {name: estimate for name, estimate in both.items() if estimate is not None}


def _facts(model: PortableModel, ranked: Sequence[str], evaluation: Mapping[str, Any]) -> dict[str, str]:
    missing, unseen = evaluation["missing_values"], evaluation["unseen_values"]
    return {
        "model": f"{model.name}, scored by the stored model itself",
        "threshold": f"{model.threshold:.4f}, chosen on training folds",
        "most_important": ", ".join(ranked[:5]),
        "values": f"{missing} missing and {unseen} unseen values in the test part, all encoded",
    }


def _issues(estimates: Mapping[str, Estimate], positives: int) -> list[Issue]:
    issues, gain = [], estimates["log_loss_gain"]
    if gain.value <= 0:
        how = f"{-gain.value:.2g} higher" if gain.value else "the same"
        text = f"the model predicts no better than the base rate (its log loss is {how})"
        issues.append(Issue(text=f"{text}; find features that say more", severity="critical"))
    elif gain.low <= 0 or estimates["roc_auc"].low <= 0.5:  # noqa: PLR2004 - 0.5 is guessing
        text = "the model is within noise of guessing on the test part; find features that say more"
        issues.append(Issue(text=text, severity="warning"))
    if positives < FEW_POSITIVES:
        text = f"only {positives} positives in the test part: intervals are wide; give more customers"
        issues.append(Issue(text=text, severity="warning"))
    return issues
