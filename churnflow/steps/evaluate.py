"""The step `evaluate`: the stored model on the test part, every metric with its count and interval."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from churnflow import InputError, Issue, Measure, Released, StepResult, reports
from churnflow.modelling import appraisal
from churnflow.modelling.appraisal import Case, Part
from churnflow.modelling.attribution import explain
from churnflow.modelling.card import KNOWN_ROWS
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.explain import permutation_importance
from churnflow.modelling.known_rows import KnownRows
from churnflow.modelling.metrics import Scored
from churnflow.modelling.profit import Campaign, CampaignForm, parse_campaign
from churnflow.modelling.scorer import PortableModel

SCHEMA = "churnflow/evaluation@1"


@reports(
    "accuracy",
    "precision",
    "recall",
    "f1",
    "balanced_accuracy",
    "mcc",
    "roc_auc",
    "ks",
    "average_precision",
    "log_loss",
    "brier",
    "brier_skill",
    "ece",
    "calibration_slope",
    "calibration_intercept",
    "prevalence",
    "lift_top_decile",
    "log_loss_gain",
    "rule_log_loss_gain",
    "train_roc_auc",
    "cv_optimism",
    "cv_optimism_log_loss",
    "profit",
    "mpc",
    "empc",
    "vs_released_*",
    *(f"{gap}_*" for gap in appraisal.GAPS),
)
def evaluate(
    model: PortableModel,
    train: pd.DataFrame,
    test: pd.DataFrame,
    schema: dict[str, Any],
    features: dict[str, Any],
    leaderboard: dict[str, Any],
    groups: tuple[str, ...] = (),
    campaign: CampaignForm = None,
    against: Released | None = None,
    seed: int = 0,
) -> StepResult:
    """Evaluate the stored model on rows that it has never seen, at the threshold stored in it.

    Outputs: `predictions`, a frame with row number, label, probability and decision of each test row, no id; `reasons`,
    a frame with what moved up to 200 of them most; `evaluation`, a dict with curves, importance, Shapley values, rates
    per group and comparisons. groups: columns whose groups are to be treated alike, beside those that are protected;
    each is also reported as `recall_gap_<column>` and so on (`group_metrics` names the column of each). campaign: what
    keeping a customer brings and costs, for the profit per customer; by default what the threshold was chosen for.
    against: a release such as `served`, reported as `vs_released_log_loss` and so on, this model's less that one's;
    before the first release against the base rate. log_loss_gain, rule_log_loss_gain: how much lower the log loss is
    than that of the base rate of the training part, and of the best rule over one feature. cv_optimism: how much better
    cross-validation looked. Raises InputError when a group column is unknown or the test part holds one class only.
    """
    _check_fits(model, features)
    encoded = model.encoding.encode(as_columns(test, model.encoding))
    scored = Scored.at(model.probability(encoded.matrix), _target(test, schema), model.threshold)
    known = Scored.at(model.score(as_columns(train, model.encoding)), _target(train, schema), model.threshold)
    case = Case(model, train, test, encoded.matrix, scored, known, seed, campaign or _declared(leaderboard))
    parts = _appraised(case, leaderboard, features, against, [*groups, *_protected(schema)])
    explained, reasons = _explained(case)
    counted = {"missing_values": encoded.missing, "unseen_values": encoded.unseen}
    own = {**explained, **counted, "known_rows": _known_rows(train, schema, features)}
    outputs = {"predictions": _predictions(model, scored), "reasons": reasons}
    return _result(parts, own, outputs, _facts(model, own))


def _explained(case: Case) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what the model relies on, and the strongest reasons of some test rows."""
    importance = permutation_importance(case.model, case.matrix, case.scored.target, case.seed)
    shap, reasons = explain(case.model, case.test, case.train, case.seed)
    return {"importance": [asdict(entry) for entry in importance], "shap": shap}, reasons


def _appraised(
    case: Case,
    leaderboard: Mapping[str, Any],
    features: Mapping[str, Any],
    against: Released | None,
    groups: Sequence[str],
) -> list[Part]:
    """Look at the model in every way that there is."""
    first = appraisal.measured(case)
    return [
        first,
        appraisal.calibrated(case),
        appraisal.decided(case, leaderboard.get("objective")),
        appraisal.promised(case, leaderboard, first.estimates),
        appraisal.ruled(case, {feature["name"]: feature["kind"] for feature in features["features"]}),
        appraisal.profitable(case),
        appraisal.contested(case, None if against is None else (against.version, _files_of(against))),
        appraisal.grouped(case, groups),
    ]


def _result(
    parts: Sequence[Part], own: Mapping[str, Any], outputs: Mapping[str, object], facts: Mapping[str, str]
) -> StepResult:
    measures = {name: value for part in parts for name, value in part.estimates.items()}
    evaluation = {
        "schema": SCHEMA,
        **{key: value for part in parts for key, value in part.evaluation.items()},
        "metrics": {name: asdict(value) for name, value in measures.items()},
        **own,
    }
    return StepResult(
        outputs={**outputs, "evaluation": evaluation},
        metrics={name: Measure(value=e.value, low=e.low, high=e.high, n=e.n) for name, e in measures.items()},
        facts={**facts, **{key: text for part in parts for key, text in part.facts.items()}},
        issues=[Issue(text=note.text, severity=note.severity) for part in parts for note in part.notices],
    )


def _check_fits(model: PortableModel, features: Mapping[str, Any]) -> None:
    if [column.name for column in model.encoding.columns] != [feature["name"] for feature in features["features"]]:
        message = "the model was trained on other features than those of this run"
        raise InputError(message, hint="evaluate the model that this run's train step produced")


def _target(frame: pd.DataFrame, schema: Mapping[str, Any]) -> np.typing.NDArray[np.int64]:
    target: np.typing.NDArray[np.int64] = frame[schema["target"]].to_numpy(dtype=np.int64)
    if not 0 < target.sum() < len(target):
        message = "a part of the data holds one class only, so that nothing can be measured on it"
        raise InputError(message, hint="give more customers, or a larger test_share to features")
    return target


def _declared(leaderboard: Mapping[str, Any]) -> Campaign | None:
    """Return the campaign that the threshold was chosen for, None where it was chosen for something else."""
    objective = leaderboard.get("objective")
    return parse_campaign(objective) if isinstance(objective, dict) else None


def _protected(schema: Mapping[str, Any]) -> list[str]:
    return [column["name"] for column in schema["columns"] if column["role"] == "protected"]


def _files_of(released: Released) -> dict[str, bytes]:
    """Return the files of a release, and what the run that shipped it knows of its training rows, if that is here."""
    evaluation = released.artifacts.get("evaluation")
    known = evaluation.get("known_rows") if isinstance(evaluation, dict) else None
    return {**released.files, **({KNOWN_ROWS: base64.b64decode(known)} if known else {})}


def _known_rows(train: pd.DataFrame, schema: Mapping[str, Any], features: Mapping[str, Any]) -> str:
    """Return digests of the training rows, for the release that this model may become."""
    names = sorted(feature["name"] for feature in features["features"])
    columns = [schema["id"]] if schema.get("id") in train.columns else [*names, schema["target"]]
    return base64.b64encode(KnownRows.of(train, columns).to_bytes()).decode()


def _predictions(model: PortableModel, scored: Scored) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": np.arange(1, len(scored.target) + 1),
            "label": np.where(scored.target == 1, model.positive, model.negative),
            "probability": scored.probabilities,
            "decision": np.where(scored.decisions, model.positive, model.negative),
        }
    )


def _facts(model: PortableModel, evaluation: Mapping[str, Any]) -> dict[str, str]:
    missing, unseen = evaluation["missing_values"], evaluation["unseen_values"]
    return {
        "model": f"{model.name}, scored by the stored model itself",
        "most_important": ", ".join(entry["feature"] for entry in evaluation["importance"][:5]),
        "values": f"{missing} missing and {unseen} unseen values in the test part, all encoded",
    }
