"""The step `review`: the checklist before approval, each line passed, failed or asked, with the evidence behind it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from churnflow import Evidence, Finding, Measure, StepResult, reports
from churnflow.modelling.checklist import (
    Answer,
    Figure,
    alike,
    asked,
    beats_base_rate,
    can_be_lived_with,
    counted,
    documented,
    generalises,
    holds_nobody,
    judged,
    no_worse,
    refuses_malformed,
    relied_on,
    scored_whole,
    set_aside,
    share_drawn,
    shown,
    stored_equals,
)

FUNCTIONALITY: Final = "functionality"
QUALITY: Final = "quality"
MODEL_QUALITY: Final = "model quality"
ERROR_LIMIT: Final = 0.0
_GAP: Final = "recall_gap_"

Severity = Literal["warning", "critical"]
Measures = Mapping[str, Measure]


@reports("findings_passed", "findings_failed", "findings_asked")
def review(
    evidence: Evidence,
    evaluation: dict[str, Any],
    leaderboard: dict[str, Any],
    schema: dict[str, Any],
    features: dict[str, Any],
) -> StepResult:
    """Compute the review checklist from the records so far and the evaluation.

    Findings in three topics: functionality (requirements, checks of the steps, edge cases), quality (leakage,
    performance, the stored model, issues noted), model quality (better than the base rate, generalises, treats groups
    alike, is explained). What no record answers is asked of the reviewer.
    """
    measures = _measures(evidence)
    findings = [
        *_requirements(evidence, measures),
        *_steps(evidence),
        *_edge_cases(evidence, schema, evaluation, features),
        *_leakage(evidence),
        _performance(evidence, measures),
        *_model_and_issues(evidence),
        *_model_quality(evidence, leaderboard),
        *_groups(evidence, evaluation),
        *_explained(evaluation, features),
    ]
    states = [finding.state for finding in findings]
    return StepResult(
        metrics={
            "findings_passed": states.count("pass"),
            "findings_failed": states.count("fail"),
            "findings_asked": states.count("ask"),
        },
        facts={"asked": "; ".join(finding.claim for finding in findings if finding.state == "ask") or "nothing"},
        findings=findings,
    )


def _measures(evidence: Evidence) -> dict[str, Measure]:
    """Return all metrics as `step.metric`."""
    return {f"{record.name}.{name}": value for record in evidence.steps for name, value in record.metrics.items()}


def _reported(evidence: Evidence, metric: str) -> dict[str, Figure]:
    """Return what is reported as `metric`, by step."""
    found = {record.name: record.metrics[metric] for record in evidence.steps if metric in record.metrics}
    return {name: Figure(**measure.model_dump()) for name, measure in found.items()}


def _named(evidence: Evidence, metric: str) -> Figure | None:
    """Return a metric by its own name; where steps differ over it, `_unclear` says so first."""
    return next(iter(_reported(evidence, metric).values()), None)


def _unclear(evidence: Evidence, *metrics: str) -> Answer | None:
    """Return the question which step is meant, when several report one of `metrics` and differ."""
    for metric in metrics:
        reported = _reported(evidence, metric)
        if len(set(reported.values())) > 1:
            which = " and ".join(f"{step} ({shown(figure)})" for step, figure in reported.items())
            return asked(f"{which} differ over {metric}: which of them is meant?")
    return None


def _requirements(evidence: Evidence, measures: Measures) -> Iterator[Finding]:
    if not evidence.requirements:
        text = "the workflow declares no requirements; would these metrics satisfy the business?"
        yield _line(FUNCTIONALITY, "the requirements are met", asked(text))
    for place, rule in enumerate(evidence.requirements, start=1):
        check = rule.judge(measures)
        text = "not measured"
        if check.observed is not None:
            text = f"observed {shown(Figure(**measures[rule.metric].model_dump()))}"
        noise = rule.within_noise(measures)
        if noise:
            text += "; the interval reaches across the limit, so another sample may decide otherwise"
        if (holds := _named(evidence, f"requirement_{place}_holds")) is not None:
            text += f"; holds in {share_drawn(holds.value)} of the batches drawn for the score"
        # Missed by less than noise it is no proof of failure: the score says how likely the next batch meets it.
        weight: Severity = "warning" if noise else "critical"
        yield _line(FUNCTIONALITY, f"required: {rule}", judged(text, passed=check.passed), weight)


def _steps(evidence: Evidence) -> Iterator[Finding]:
    claim = "the steps pass their checks"
    checks = [(record.name, check) for record in evidence.steps for check in record.checks]
    failed = [f"{name}: {check.claim}" for name, check in checks if not check.passed]
    failed += [f"{record.name} did not run to its end" for record in evidence.steps if record.raised]
    steps = counted(len(evidence.steps), "step")
    if failed:
        yield _line(FUNCTIONALITY, claim, judged("; ".join(failed), passed=False))
    elif checks:
        text = f"{len(checks)} of {counted(len(checks), 'check')} hold in {steps}"
        yield _line(FUNCTIONALITY, claim, judged(text, passed=True))
    else:
        text = f"no check is declared for any of {steps}; how is it known that they did what they should?"
        yield _line(FUNCTIONALITY, claim, asked(text))


def _edge_cases(
    evidence: Evidence, schema: Mapping[str, Any], evaluation: Mapping[str, Any], features: Mapping[str, Any]
) -> Iterator[Finding]:
    counts = ("invalid_ratio", "invalid_rows", "records", "rejected_ragged")
    found = {name: figure.value for name in counts if (figure := _named(evidence, name))}
    if (rows := _source_rows(evidence)) is not None:
        found["rows"] = rows
    answer = _unclear(evidence, *counts) or set_aside(found, limited=_limits_invalid(evidence))
    yield _line(FUNCTIONALITY, "invalid rows are set aside and counted", answer)
    names = [feature["name"] for feature in features["features"]]
    given = _named(evidence, "test_rows")
    expected = None if given is None else given.value
    answer = _unclear(evidence, "test_rows") or scored_whole(evaluation, names, schema, expected)
    yield _line(FUNCTIONALITY, "missing and unseen values are scored", answer)
    refused = "bad_requests_refused_ratio"
    answer = _unclear(evidence, refused) or refuses_malformed(_named(evidence, refused))
    yield _line(FUNCTIONALITY, "malformed requests are refused", answer)


def _limits_invalid(evidence: Evidence) -> bool:
    """Tell whether a check of a step or a requirement limits the share of invalid rows."""
    rules = [check.claim for record in evidence.steps for check in record.checks]
    rules += [str(rule) for rule in evidence.requirements]
    words = [rule.split() for rule in rules]
    return any(metric.rpartition(".")[2] == "invalid_ratio" and op in {"<", "<=", "=="} for metric, op, *_ in words)


def _source_rows(evidence: Evidence) -> float | None:
    """Return how many rows the source held before any was set aside; None where no one scope tells."""
    rows = {
        record.metrics["rows"].value
        for record in evidence.steps
        if record.uses == "churn.scope" and "rows" in record.metrics
    }
    return rows.pop() if len(rows) == 1 else None


def _leakage(evidence: Evidence) -> Iterator[Finding]:
    for metric, claim, text in (
        ("leaking_features", "no feature gives the answer away", "features that give the target away"),
        ("shared_rows", "no test row equals a training row", "test rows equal to a training row, or of its id"),
    ):
        reported = _reported(evidence, metric)
        worst = max((figure.value for figure in reported.values()), default=0.0)
        if metric == "shared_rows" and worst > 0 and _is_coarse(evidence):
            answer = asked(f"{text}: {worst:.0f}; most customers equal others, so is that chance and no leak?")
        elif metric == "leaking_features" and worst > 0 and _in_the_ledger(evidence):
            ask = "the gate stays shut until each is dropped or waived: is it known before the outcome?"
            answer = asked(f"{text}: {worst:.0f}; {ask}")
        elif reported:
            answer = judged(f"{text}: {worst:.0f}", passed=worst == 0)
        else:
            answer = asked(f"no step measured {metric}")
        yield _line(QUALITY, claim, answer)
    text = "when the model is used, no outcome has been recorded yet"
    yield _line(QUALITY, "every feature is known before the outcome", asked(text))


def _in_the_ledger(evidence: Evidence) -> bool:
    """Tell whether every leak that a step counts is a critical issue as well: a person settles these, one by one."""
    for record in evidence.steps:
        counted_here = record.metrics.get("leaking_features")
        critical = sum(issue.severity == "critical" for issue in record.issues)
        if counted_here is not None and counted_here.value > critical:
            return False
    return True


def _is_coarse(evidence: Evidence) -> bool:
    """Tell whether more than half of the rows equal an earlier one, so that `features` did not keep them together."""
    found = {name: _named(evidence, name) for name in ("repeated_rows", "train_rows", "test_rows")}
    values = {name: figure.value for name, figure in found.items() if figure is not None}
    return len(values) == len(found) and values["repeated_rows"] > (values["train_rows"] + values["test_rows"]) / 2


def _performance(evidence: Evidence, measures: Measures) -> Finding:
    return _line(QUALITY, "performance is acceptable", _fast_enough(evidence, measures), "warning")


def _fast_enough(evidence: Evidence, measures: Measures) -> Answer:
    latency, errors = _named(evidence, "latency_p95_ms"), _named(evidence, "error_ratio")
    if latency is None or errors is None:
        return asked("no step measured the API; is it fast enough?")
    if unclear := _unclear(evidence, "latency_p95_ms", "error_ratio"):
        return unclear
    rules = [rule for rule in evidence.requirements if rule.metric.endswith(("_ms", "_rps", "_mb"))]
    tested = f"; tested: {', '.join(map(str, rules))}" if rules else ""
    text = f"p95 {latency.value:.1f} ms, errors {errors.value:.2%}{tested}"
    if errors.value > ERROR_LIMIT or not all(rule.judge(measures).passed for rule in rules):
        return judged(text, passed=False)
    if any(".latency_" in rule.metric and rule.op in {"<", "<="} for rule in rules):
        return judged(text, passed=True)
    return asked(f"{text}; no requirement limits the latency: is that fast enough?")


def _model_and_issues(evidence: Evidence) -> Iterator[Finding]:
    parities = _reported(evidence, "parity_max_abs_diff")
    yield _line(QUALITY, "the stored model equals the trained one", stored_equals(parities))
    answer = _unclear(evidence, "embedded_rows") or holds_nobody(_named(evidence, "embedded_rows"))
    yield _line(QUALITY, "no customer can be read out of the model", answer)
    severities = [issue.severity for issue in evidence.issues()]
    yield _line(QUALITY, "the issues noted can be lived with", can_be_lived_with(severities))


def _model_quality(evidence: Evidence, leaderboard: Mapping[str, Any]) -> Iterator[Finding]:
    answer = _unclear(evidence, "log_loss_gain") or beats_base_rate(_named(evidence, "log_loss_gain"))
    yield _line(MODEL_QUALITY, "the model beats predicting the base rate", answer)
    if (apart := _named(evidence, "vs_released_log_loss")) is not None:
        answer = _unclear(evidence, "vs_released_log_loss") or no_worse(apart)
        yield _line(MODEL_QUALITY, "the model is no worse than what is served", answer)
    names = ("train_roc_auc", "cv_roc_auc", "roc_auc")
    train, validated, test = (_named(evidence, name) for name in names)
    answer = _unclear(evidence, *names) or generalises(train, validated, test, leaderboard["folds"])
    yield _line(MODEL_QUALITY, "the model generalises", answer, "warning")


def _groups(evidence: Evidence, evaluation: Mapping[str, Any]) -> Iterator[Finding]:
    measured = [metric for record in evidence.steps for metric in record.metrics if metric.startswith(_GAP)]
    columns = {metric: metric.removeprefix(_GAP) for metric in measured}
    declared: Mapping[str, str] = evaluation.get("group_metrics", {})
    columns |= {metric: column for metric, column in declared.items() if metric.startswith(_GAP)}
    if not columns:
        text = "no groups are declared (with: {groups: [...]}), so it was not measured; is it so, by all you know?"
        yield _line(MODEL_QUALITY, "customers of all groups are treated alike", asked(text))
    for recall, column in columns.items():
        selection = f"selection_gap_{recall.removeprefix(_GAP)}"
        answer = _unclear(evidence, recall, selection) or alike(_named(evidence, recall), _named(evidence, selection))
        yield _line(MODEL_QUALITY, f"recall is alike for the groups of {column}", answer, "warning")


def _explained(evaluation: Mapping[str, Any], features: Mapping[str, Any]) -> Iterator[Finding]:
    importance = evaluation.get("importance", [])
    answer = documented(importance, [feature["name"] for feature in features["features"]])
    yield _line(MODEL_QUALITY, "what the model relies on is documented", answer, "warning")
    if answer.state == "pass":
        yield _line(MODEL_QUALITY, "what the model relies on makes sense", asked(relied_on(importance)))


def _line(topic: str, claim: str, answer: Answer, severity: Severity = "critical") -> Finding:
    weight: Literal["note", "warning", "critical"] = "note" if answer.state == "ask" else severity
    return Finding(topic=topic, claim=claim, state=answer.state, evidence=answer.evidence, severity=weight)
