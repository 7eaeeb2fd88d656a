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
    "scope": {"rows": Measure(value=7043)},
    "ingest": {
        "records": Measure(value=7033),
        "invalid_rows": Measure(value=10),
        "invalid_ratio": Measure(value=10 / 7043),
        "rejected_ragged": Measure(value=0),
    },
    "features": {
        "leaking_features": Measure(value=0),
        "shared_rows": Measure(value=0),
        "test_rows": Measure(value=1408),
    },
    "train": {
        "cv_roc_auc": Measure(value=0.847, low=0.83, high=0.865),
        "parity_max_abs_diff": Measure(value=1e-9),
        "embedded_rows": Measure(value=0, n=5634),
    },
    "evaluate": {
        "roc_auc": Measure(value=0.84, low=0.82, high=0.86, n=1408),
        "train_roc_auc": Measure(value=0.85),
        "log_loss_gain": Measure(value=0.15, low=0.13, high=0.18),
        "recall": Measure(value=0.71, low=0.66, high=0.75, n=372),
        "recall_gap_sex": Measure(value=0.03, low=-0.02, high=0.09),
    },
    "rehearse": {
        "latency_p95_ms": Measure(value=4.0),
        "error_ratio": Measure(value=0.0),
        "bad_requests_refused_ratio": Measure(value=1),
        "parity_max_abs_diff": Measure(value=0),
    },
}
LIMITED = Check(claim="invalid_ratio <= 0.02", observed=0.001, passed=True)
RULES = ("evaluate.roc_auc >= 0.80", "evaluate.recall >= 0.70", "rehearse.latency_p95_ms <= 50")
FEATURES = {"features": [{"name": "tenure", "kind": "number"}, {"name": "plan", "kind": "category"}]}
SCHEMA = {"columns": [{"name": "tenure", "role": "feature", "required": True}]}
EVALUATION = {
    "importance": [
        {"feature": "tenure", "mean": 0.08, "low": 0.06, "high": 0.1},
        {"feature": "plan", "mean": 0.002, "low": -0.001, "high": 0.005},
    ],
    "group_metrics": {"recall_gap_sex": "sex", "selection_gap_sex": "sex"},
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
    """Review the good run with some metrics changed or of other steps (None: not measured), by claim."""
    metrics = {step: dict(named) for step, named in GOOD.items()}
    for name, value in (changed or {}).items():
        step, _, metric = name.partition(".")
        if value is None:
            metrics[step].pop(metric)
        else:
            metrics.setdefault(step, {})[metric] = value
    checks = given.pop("checks", (LIMITED,))
    steps = tuple(record(name, named, checks=checks) for name, named in metrics.items())
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
        "every feature is known before the outcome",
        "what the model relies on makes sense",
    }


def test_a_model_that_holds_customers_is_named_with_their_number_and_share() -> None:
    line = findings({"train.embedded_rows": Measure(value=2648, n=5634)})["no customer can be read out of the model"]
    assert (line.state, line.evidence) == ("fail", "training rows found in its arrays: 2,648 of 5,634, 47.0%")
    unlooked = findings({"train.embedded_rows": None})["no customer can be read out of the model"]
    assert unlooked.state == "ask"


def test_a_requirement_shows_how_often_it_holds_in_the_batches_drawn_for_the_score() -> None:
    shares = {"requirement_1_holds": Measure(value=0.999), "requirement_2_holds": Measure(value=0.64)}
    steps = tuple(record(name, named) for name, named in {**GOOD, "assure": shares}.items())
    found = findings(steps=steps)
    assert "holds in 64.0% of the batches" in found["required: evaluate.recall >= 0.7"].evidence
    assert "of the batches" not in found["required: rehearse.latency_p95_ms <= 50"].evidence


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
        ({"evaluate.recall": Measure(value=0.68, low=0.63, high=0.73)}, "required: evaluate.recall >= 0.7", "warning"),
        ({"evaluate.recall": Measure(value=0.6, low=0.55, high=0.65)}, "required: evaluate.recall >= 0.7", "critical"),
        ({"features.leaking_features": Measure(value=1)}, "no feature gives the answer away", "critical"),
        ({"features.shared_rows": Measure(value=4)}, "no test row equals a training row", "critical"),
        ({"rehearse.latency_p95_ms": Measure(value=90)}, "performance is acceptable", "warning"),
        ({"rehearse.error_ratio": Measure(value=0.01)}, "performance is acceptable", "warning"),
        ({"train.parity_max_abs_diff": Measure(value=1e-3)}, "the stored model equals the trained one", "critical"),
        ({"train.embedded_rows": Measure(value=2648, n=5634)}, "no customer can be read out of the model", "critical"),
        (
            {"evaluate.log_loss_gain": Measure(value=0.01, low=-0.01, high=0.03)},
            "the model beats predicting the base rate",
            "critical",
        ),
        (
            {"evaluate.vs_released_log_loss": Measure(value=0.02, low=0.01, high=0.03)},
            "the model is no worse than what is served",
            "critical",
        ),
        ({"evaluate.roc_auc": Measure(value=0.8, low=0.78, high=0.81)}, "the model generalises", "warning"),
        (
            {"evaluate.recall_gap_sex": Measure(value=0.3, low=0.2, high=0.4)},
            "recall is alike for the groups of sex",
            "warning",
        ),
        ({"scope.rows": Measure(value=7050)}, "invalid rows are set aside and counted", "critical"),
        ({"ingest.invalid_ratio": Measure(value=0.2)}, "invalid rows are set aside and counted", "critical"),
        ({"features.test_rows": Measure(value=1410)}, "missing and unseen values are scored", "critical"),
        ({"rehearse.bad_requests_refused_ratio": Measure(value=0.75)}, "malformed requests are refused", "critical"),
        ({"stranger.leaking_features": Measure(value=1)}, "no feature gives the answer away", "critical"),
    ],
)
def test_what_does_not_hold_fails(changed: dict[str, Any], claim: str, severity: str) -> None:
    found = findings(changed)[claim]
    assert (found.state, found.severity) == ("fail", severity)


def test_a_leak_that_is_in_the_ledger_is_asked_for_there_a_person_drops_or_waives_it() -> None:
    leak = Issue(text="fee gives the target away", severity="critical")
    leaky = {**GOOD["features"], "leaking_features": Measure(value=1)}
    claim = "no feature gives the answer away"
    for issues, state in (((leak,), "ask"), ((), "fail")):
        steps = (*(record(name, GOOD[name]) for name in GOOD if name != "features"), record("features", leaky))
        steps = (*steps[:-1], steps[-1].model_copy(update={"issues": issues}))
        found = findings(steps=steps)[claim]
        assert (found.state, "1; the gate stays shut until" in found.evidence) == (state, state == "ask")


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"ingest.invalid_ratio": None}, "invalid rows are set aside and counted"),
        ({"features.shared_rows": None}, "no test row equals a training row"),
        (
            {
                "features.shared_rows": Measure(value=900),
                "features.repeated_rows": Measure(value=6000),
                "features.train_rows": Measure(value=5635),
            },
            "no test row equals a training row",
        ),
        ({"rehearse.error_ratio": None}, "performance is acceptable"),
        (
            {"train.parity_max_abs_diff": None, "rehearse.parity_max_abs_diff": None},
            "the stored model equals the trained one",
        ),
        ({"evaluate.log_loss_gain": None}, "the model beats predicting the base rate"),
        ({"train.cv_roc_auc": None}, "the model generalises"),
        ({"rehearse.bad_requests_refused_ratio": None}, "malformed requests are refused"),
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
    found = findings(evaluation={**EVALUATION, "importance": EVALUATION["importance"][:1]})
    line = found["what the model relies on is documented"]
    assert line.state == "fail"
    assert "plan" in line.evidence


def test_an_evaluation_that_counts_no_missing_values_is_asked_about() -> None:
    found = findings(evaluation={"importance": EVALUATION["importance"]})
    assert found["missing and unseen values are scored"].state == "ask"


def test_ragged_rows_that_scope_does_not_count_are_no_contradiction() -> None:
    changed = {"scope.rows": Measure(value=7040), "ingest.rejected_ragged": Measure(value=3)}
    line = findings(changed)["invalid rows are set aside and counted"]
    assert (line.state, line.evidence) == ("pass", "10 of 7043 rows set aside (0.14%), 7033 kept")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"checks": (LIMITED,)}, "pass"),
        ({"checks": (), "rules": (*RULES, "ingest.invalid_ratio <= 0.5")}, "pass"),
        ({"checks": ()}, "ask"),
        ({"checks": (Check(claim="invalid_ratio >= 0", observed=0.5, passed=True),)}, "ask"),
    ],
)
def test_many_invalid_rows_are_asked_about_unless_a_rule_limits_them(given: dict[str, Any], state: str) -> None:
    changed = {"scope.rows": None, "ingest.records": None, "ingest.invalid_ratio": Measure(value=0.5)}
    assert findings(changed, **given)["invalid rows are set aside and counted"].state == state


def test_many_unseen_values_are_asked_about_and_a_feature_left_out_is_not_counted() -> None:
    schema = {"columns": [*SCHEMA["columns"], {"name": "left_out", "role": "feature", "required": False}]}
    few = findings(evaluation={**EVALUATION, "unseen_values": 28}, schema=schema)
    many = findings(evaluation={**EVALUATION, "unseen_values": 29}, schema=schema)
    claim = "missing and unseen values are scored"
    assert (few[claim].state, many[claim].state) == ("pass", "ask")
    assert "0 of 2 features may be missing" in few[claim].evidence
    assert "28 unseen values; all 1408 rows scored" in few[claim].evidence


def test_without_any_check_the_reviewer_is_asked_what_the_steps_did() -> None:
    assert findings(checks=())["the steps pass their checks"].state == "ask"


def test_the_stored_model_is_judged_by_the_largest_difference_of_any_step() -> None:
    line = findings({"train.parity_max_abs_diff": Measure(value=1e-3)})["the stored model equals the trained one"]
    assert line.state == "fail"
    assert "1.0e-03 (train, rehearse)" in line.evidence


@pytest.mark.parametrize(
    ("metric", "claim"),
    [
        ("roc_auc", "the model generalises"),
        ("log_loss_gain", "the model beats predicting the base rate"),
        ("invalid_ratio", "invalid rows are set aside and counted"),
        ("test_rows", "missing and unseen values are scored"),
        ("bad_requests_refused_ratio", "malformed requests are refused"),
        ("error_ratio", "performance is acceptable"),
        ("recall_gap_sex", "recall is alike for the groups of sex"),
    ],
)
def test_steps_that_differ_over_a_metric_are_both_named(metric: str, claim: str) -> None:
    owner = next(step for step, named in GOOD.items() if metric in named)
    line = findings({f"stranger.{metric}": Measure(value=0.001)})[claim]
    assert line.state == "ask"
    assert owner in line.evidence
    assert "stranger (0.001)" in line.evidence
    assert findings({f"stranger.{metric}": GOOD[owner][metric]})[claim].state == "pass"


@pytest.mark.parametrize(
    ("gap", "state", "why"),
    [
        (Measure(value=0.03, low=-0.02, high=0.1), "pass", "largest gap 0.030"),
        (Measure(value=0.03, low=-0.2, high=0.3), "ask", "too few customers to tell"),
        (Measure(value=0.15, low=-0.02, high=0.25), "ask", "perhaps above 0.1"),
        (Measure(value=0.15, low=0.11, high=0.25), "fail", "above 0.1 beyond noise"),
        (Measure(value=0.03), "ask", "without an interval"),
        (None, "ask", "fewer than two of its groups"),
    ],
)
def test_recall_is_alike_only_where_the_whole_interval_says_so(gap: Measure | None, state: str, why: str) -> None:
    selected = {"evaluate.selection_gap_sex": Measure(value=0.2, low=0.1, high=0.3)}
    line = findings({"evaluate.recall_gap_sex": gap, **selected})["recall is alike for the groups of sex"]
    assert line.state == state
    assert why in line.evidence
    assert "in the share selected, largest gap 0.200" in line.evidence


def test_each_declared_group_has_its_line_under_the_name_of_its_column() -> None:
    named = {"recall_gap_a_b": "a b", "selection_gap_a_b": "a b", "recall_gap_a_b_2": "a/b"}
    alike = Measure(value=0.0, low=-0.01, high=0.01)
    changed = {"evaluate.recall_gap_sex": None, "evaluate.recall_gap_a_b": alike, "own.recall_gap_age": alike}
    found = findings(changed, evaluation={**EVALUATION, "group_metrics": named})
    states = {claim.rpartition(" of ")[2]: line.state for claim, line in found.items() if "recall is alike" in claim}
    assert states == {"a b": "pass", "a/b": "ask", "age": "pass"}


def test_where_no_group_is_declared_the_reviewer_is_asked() -> None:
    found = findings({"evaluate.recall_gap_sex": None}, evaluation={**EVALUATION, "group_metrics": {}})
    assert found["customers of all groups are treated alike"].state == "ask"


@pytest.mark.parametrize(
    ("changed", "state", "why"),
    [
        ({"evaluate.roc_auc": Measure(value=0.84, low=0.77, high=0.9)}, "ask", "too few customers to tell"),
        ({"evaluate.train_roc_auc": Measure(value=0.96)}, "ask", "does it overfit?"),
        (
            {
                "train.cv_roc_auc": Measure(value=0.52, low=0.5, high=0.54),
                "evaluate.roc_auc": Measure(value=0.53, low=0.5, high=0.56),
                "evaluate.train_roc_auc": Measure(value=0.55),
            },
            "ask",
            "no better than guessing",
        ),
        ({"evaluate.roc_auc": Measure(value=0.6, low=0.5, high=0.7)}, "fail", "falls by 0.247"),
    ],
)
def test_a_model_that_can_not_be_shown_to_generalise_does_not_pass(
    changed: dict[str, Measure], state: str, why: str
) -> None:
    line = findings(changed)["the model generalises"]
    assert line.state == state
    assert why in line.evidence


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ("rehearse.latency_p95_ms <= 50", "pass"),
        ("rehearse.latency_p95_ms >= 1", "ask"),
        ("rehearse.ready_ms <= 5000", "ask"),
    ],
)
def test_performance_passes_only_by_a_limit_on_latency(rule: str, state: str) -> None:
    line = findings({"rehearse.ready_ms": Measure(value=900)}, rules=(rule,))["performance is acceptable"]
    assert line.state == state
    assert f"tested: {rule}" in line.evidence


def test_only_features_that_matter_beyond_noise_are_named_as_important() -> None:
    line = findings()["what the model relies on makes sense"]
    assert line.evidence.endswith("tenure 0.080; 1 of 2 can not be told from none")


def test_where_no_feature_matters_beyond_noise_the_question_says_so() -> None:
    dull = [{**entry, "low": -0.1} for entry in EVALUATION["importance"]]
    line = findings(evaluation={**EVALUATION, "importance": dull})["what the model relies on makes sense"]
    assert (line.state, line.evidence) == ("ask", "the importance of none of 2 features can be told from none")


@pytest.mark.parametrize(
    ("gain", "text"),
    [
        (Measure(value=-0.000021, low=-0.02, high=0.01), "log loss higher by 2.1e-05 [-0.010, 0.020]"),
        (Measure(value=-0.5), "log loss higher by 0.5"),
        (Measure(value=0.15, low=0.13, high=0.18, n=9), "log loss lower by 0.150 [0.130, 0.180], n = 9"),
    ],
)
def test_the_direction_of_the_log_loss_and_its_digits_are_told(gain: Measure, text: str) -> None:
    line = findings({"evaluate.log_loss_gain": gain})["the model beats predicting the base rate"]
    assert line.evidence == text


@pytest.mark.parametrize(
    ("severities", "text"),
    [
        ((), "0 notes, no warning"),
        (("note",), "1 note, no warning"),
        (("critical", "warning"), "1 critical, 1 warning; each stays open until closed or waived"),
        (("critical",), "1 critical, 0 warnings; each stays open until closed or waived"),
    ],
)
def test_the_issues_are_counted_in_plain_words(severities: tuple[Any, ...], text: str) -> None:
    issues = tuple(Issue(text="seen", severity=severity) for severity in severities)
    found = findings(steps=(record("ingest", GOOD["ingest"], issues=issues),))
    assert found["the issues noted can be lived with"].evidence == text


def test_an_issue_that_two_steps_noticed_is_counted_as_it_is_listed_once() -> None:
    issues = tuple(Issue(text=text, severity="critical", about="the same leak") for text in ("leaks", "it leaks"))
    steps = tuple(
        record(name, GOOD[name], issues=(issue,)) for name, issue in zip(("scope", "ingest"), issues, strict=True)
    )
    line = findings(steps=steps)["the issues noted can be lived with"]
    assert line.evidence == "1 critical, 0 warnings; each stays open until closed or waived"
