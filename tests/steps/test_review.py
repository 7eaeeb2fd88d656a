"""The step `review`: each line of the checklist passes, fails or asks, by the evidence and nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from churnflow import Confidence, Evidence, Finding, Issue, Measure
from churnflow.domain.evidence import Check
from churnflow.domain.journal import StepRecord
from churnflow.domain.rule import Rule
from churnflow.steps.review import review

GOOD: dict[str, dict[str, Measure]] = {
    "ingest": {"records": Measure(value=7043), "invalid_ratio": Measure(value=0.0, n=7043)},
    "features": {"leaking_features": Measure(value=0), "shared_rows": Measure(value=0)},
    "train": {"cv_roc_auc": Measure(value=0.847, low=0.83, high=0.865), "parity_max_abs_diff": Measure(value=1e-9)},
    "evaluate": {
        "roc_auc": Measure(value=0.84, low=0.82, high=0.86, n=1408),
        "train_roc_auc": Measure(value=0.85),
        "log_loss_gain": Measure(value=0.15, low=0.13, high=0.18),
        "recall": Measure(value=0.71, low=0.66, high=0.75, n=372),
        "recall_gap_sex": Measure(value=0.03, low=-0.02, high=0.09),
    },
    "rehearse": {"latency_p95_ms": Measure(value=4.0), "error_ratio": Measure(value=0.0)},
}
RULES = ("evaluate.roc_auc >= 0.80", "evaluate.recall >= 0.70", "rehearse.latency_p95_ms <= 50")
FEATURES = {"features": [{"name": "tenure", "kind": "number"}, {"name": "plan", "kind": "category"}]}
SCHEMA = {"columns": [{"name": "tenure", "role": "feature", "required": True}]}
EVALUATION = {
    "importance": [{"feature": "tenure"}, {"feature": "plan"}],
    "groups": [{"column": "sex"}],
    "missing_values": 3,
    "unseen_values": 0,
    "n_test": 1408,
}


def record(name: str, metrics: dict[str, Measure], **changed: Any) -> StepRecord:
    made = {
        "name": name,
        "phase": "build",
        "passed": True,
        "key": "0" * 64,
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "uses": f"churn.{name}",
        "metrics": metrics,
        "confidence": Confidence(score=90, because="tested"),
    }
    return StepRecord(**{**made, **changed})


def findings(changed: dict[str, Any] | None = None, **given: Any) -> dict[str, Finding]:
    """Review the good run with some metrics changed (None: not measured), by claim."""
    metrics = {step: dict(named) for step, named in GOOD.items()}
    for name, value in (changed or {}).items():
        step, _, metric = name.partition(".")
        if value is None:
            metrics[step].pop(metric)
        else:
            metrics[step][metric] = value
    steps = tuple(record(name, named) for name, named in metrics.items())
    rules = tuple(Rule.model_validate(text) for text in given.pop("rules", RULES))
    evidence = Evidence(requirements=rules, steps=given.pop("steps", steps))
    arguments = {"evaluation": EVALUATION, "leaderboard": {"folds": 5}, "schema": SCHEMA, "features": FEATURES}
    result = review(evidence, **{**arguments, **given})
    states = [finding.state for finding in result.findings]
    assert result.metrics["findings_failed"] == states.count("fail")
    assert result.metrics["findings_passed"] + result.metrics["findings_asked"] == len(states) - states.count("fail")
    assert not result.issues
    return {finding.claim: finding for finding in result.findings}


def test_a_good_run_fails_nothing_and_asks_what_no_machine_knows() -> None:
    found = findings()
    assert {finding.topic for finding in found.values()} == {"functionality", "quality", "model quality"}
    assert not [claim for claim, finding in found.items() if finding.state == "fail"]
    assert {claim for claim, finding in found.items() if finding.state == "ask"} == {
        "no feature was recorded after the outcome",
        "what the model relies on makes sense",
    }


def test_a_requirement_shows_its_value_and_interval_and_when_that_reaches_across() -> None:
    found = findings()
    assert "0.840 [0.820, 0.860], n = 1408" in found["required: evaluate.roc_auc >= 0.8"].evidence
    assert "reaches across" not in found["required: evaluate.roc_auc >= 0.8"].evidence
    assert "reaches across the limit" in found["required: evaluate.recall >= 0.7"].evidence


@pytest.mark.parametrize(
    ("changed", "claim", "severity"),
    [
        ({"evaluate.roc_auc": Measure(value=0.7)}, "required: evaluate.roc_auc >= 0.8", "critical"),
        ({"evaluate.recall": None}, "required: evaluate.recall >= 0.7", "critical"),
        ({"features.leaking_features": Measure(value=1)}, "no feature gives the answer away", "critical"),
        ({"features.shared_rows": Measure(value=4)}, "no test row equals a training row", "critical"),
        ({"rehearse.latency_p95_ms": Measure(value=90)}, "performance is acceptable", "warning"),
        ({"rehearse.error_ratio": Measure(value=0.01)}, "performance is acceptable", "warning"),
        ({"train.parity_max_abs_diff": Measure(value=1e-3)}, "the stored model equals the trained one", "critical"),
        (
            {"evaluate.log_loss_gain": Measure(value=0.01, low=-0.01, high=0.03)},
            "the model beats predicting the base rate",
            "critical",
        ),
        ({"evaluate.roc_auc": Measure(value=0.8, low=0.78, high=0.81)}, "the model generalises", "warning"),
        (
            {"evaluate.recall_gap_sex": Measure(value=0.3, low=0.2, high=0.4)},
            "recall is alike for the groups of sex",
            "warning",
        ),
    ],
)
def test_what_does_not_hold_fails(changed: dict[str, Any], claim: str, severity: str) -> None:
    found = findings(changed)[claim]
    assert (found.state, found.severity) == ("fail", severity)


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"ingest.invalid_ratio": None}, "invalid rows are set aside and counted"),
        ({"features.shared_rows": None}, "no test row equals a training row"),
        ({"rehearse.error_ratio": None}, "performance is acceptable"),
        ({"train.parity_max_abs_diff": None}, "the stored model equals the trained one"),
        ({"evaluate.log_loss_gain": None}, "the model beats predicting the base rate"),
        ({"train.cv_roc_auc": None}, "the model generalises"),
        ({"evaluate.recall_gap_sex": None}, "no obvious bias between groups"),
        (
            {"evaluate.recall_gap_sex": Measure(value=0.15, low=0.02, high=0.25)},
            "recall is alike for the groups of sex",
        ),
    ],
)
def test_what_was_not_measured_or_is_unclear_is_asked(changed: dict[str, Any], claim: str) -> None:
    assert findings(changed)[claim].state == "ask"


def test_without_requirements_the_reviewer_is_asked() -> None:
    found = findings(rules=())
    assert found["the requirements are met"].state == "ask"
    assert found["performance is acceptable"].state == "ask"


def test_failed_checks_raised_steps_and_open_issues_are_named() -> None:
    failed = Check(claim="records >= 1000", observed=3.0, passed=False)
    steps = (
        record("ingest", GOOD["ingest"], checks=(failed,), issues=(Issue(text="few", severity="warning"),)),
        record("train", {}, raised=True, passed=False),
    )
    found = findings(steps=steps, rules=())
    assert found["the steps pass their checks"].state == "fail"
    assert "ingest: records >= 1000; train did not run to its end" in found["the steps pass their checks"].evidence
    assert found["the issues noted can be lived with"].state == "ask"


def test_a_feature_without_importance_is_named() -> None:
    found = findings(evaluation={**EVALUATION, "importance": [{"feature": "tenure"}]})
    line = found["what the model relies on is documented"]
    assert line.state == "fail"
    assert "plan" in line.evidence


def test_an_evaluation_that_counts_no_missing_values_is_asked_about() -> None:
    found = findings(evaluation={"importance": EVALUATION["importance"]})
    assert found["missing and unseen values are scored"].state == "ask"
