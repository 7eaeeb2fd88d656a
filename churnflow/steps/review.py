"""The step `review`: the checklist before approval, each line passed, failed or asked, with the evidence behind it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from churnflow import Evidence, Finding, Measure, StepResult, reports

FUNCTIONALITY: Final = "functionality"
QUALITY: Final = "quality"
MODEL_QUALITY: Final = "model quality"
GAP_LIMIT: Final = 0.1
ERROR_LIMIT: Final = 0.0
PARITY_LIMIT: Final = 1e-6
GENERALISES_WITHIN: Final = 0.02
_Z: Final = 1.959963984540054

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
        *_edge_cases(measures, schema, evaluation),
        *_leakage(measures),
        *_performance(evidence, measures),
        *_stored_model(measures),
        *_noted(evidence),
        *_beats_base_rate(measures),
        *_generalises(measures, leaderboard),
        *_groups(measures, evaluation),
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


def _named(measures: Measures, metric: str) -> Measure | None:
    """Return a metric by its own name, of whichever step measured it last."""
    return next((value for name, value in reversed(list(measures.items())) if name.partition(".")[2] == metric), None)


def _requirements(evidence: Evidence, measures: Measures) -> Iterator[Finding]:
    if not evidence.requirements:
        text = "the workflow declares no requirements; would these metrics satisfy the business?"
        yield _asked(FUNCTIONALITY, "the requirements are met", text)
    for rule in evidence.requirements:
        check = rule.judge(measures)
        if check.observed is None:
            yield _judged(FUNCTIONALITY, f"required: {rule}", "not measured", passed=False)
            continue
        text = f"observed {_shown(measures[rule.metric])}"
        if rule.within_noise(measures):
            text += "; the interval reaches across the limit, so another sample may decide otherwise"
        yield _judged(FUNCTIONALITY, f"required: {rule}", text, passed=check.passed)


def _steps(evidence: Evidence) -> Iterator[Finding]:
    checks = [(record.name, check) for record in evidence.steps for check in record.checks]
    failed = [f"{name}: {check.claim}" for name, check in checks if not check.passed]
    failed += [f"{record.name} did not run to its end" for record in evidence.steps if record.raised]
    text = "; ".join(failed) or f"{len(checks)} of {len(checks)} checks hold in {len(evidence.steps)} steps"
    yield _judged(FUNCTIONALITY, "the steps pass their checks", text, passed=not failed)


def _edge_cases(measures: Measures, schema: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Iterator[Finding]:
    claim = "invalid rows are set aside and counted"
    ratio, records = _named(measures, "invalid_ratio"), _named(measures, "records")
    if ratio is None:
        yield _asked(FUNCTIONALITY, claim, "no step measured invalid_ratio; what became of invalid rows?")
    else:
        text = f"invalid_ratio {_shown(ratio)}" + (f" of {records.value:.0f} records" if records else "")
        yield _judged(FUNCTIONALITY, claim, text, passed=True)
    claim = "missing and unseen values are scored"
    optional = sum(column["role"] == "feature" and not column["required"] for column in schema["columns"])
    if "missing_values" not in evaluation or "unseen_values" not in evaluation:
        yield _asked(FUNCTIONALITY, claim, "the evaluation did not count them")
        return
    text = (
        f"{optional} features may be missing; the test part held {evaluation['missing_values']} missing and "
        f"{evaluation['unseen_values']} unseen values, all {evaluation['n_test']} rows were scored"
    )
    yield _judged(FUNCTIONALITY, claim, text, passed=True)


def _leakage(measures: Measures) -> Iterator[Finding]:
    for metric, claim, unit in (
        ("leaking_features", "no feature gives the answer away", "features that nearly decide the target alone"),
        ("shared_rows", "no test row equals a training row", "equal rows across the parts"),
    ):
        measure = _named(measures, metric)
        if measure is None:
            yield _asked(QUALITY, claim, f"no step measured {metric}")
        else:
            yield _judged(QUALITY, claim, f"{measure.value:.0f} {unit}", passed=measure.value == 0)
    text = "was every feature known before the outcome, as it will be when the model is used?"
    yield _asked(QUALITY, "no feature was recorded after the outcome", text)


def _performance(evidence: Evidence, measures: Measures) -> Iterator[Finding]:
    claim = "performance is acceptable"
    latency, errors = _named(measures, "latency_p95_ms"), _named(measures, "error_ratio")
    if latency is None or errors is None:
        yield _asked(QUALITY, claim, "no step measured the API; is it fast enough?")
        return
    limits = [rule for rule in evidence.requirements if rule.metric.endswith(("_ms", "_rps", "_mb"))]
    text = f"p95 {latency.value:.1f} ms, errors {errors.value:.2%}"
    broken = errors.value > ERROR_LIMIT or not all(rule.judge(measures).passed for rule in limits)
    if not limits and not broken:
        yield _asked(QUALITY, claim, f"{text}; no requirement limits it: is that fast enough?")
    else:
        yield _judged(QUALITY, claim, text, passed=not broken, severity="warning")


def _stored_model(measures: Measures) -> Iterator[Finding]:
    claim = "the stored model equals the trained one"
    parity = _named(measures, "parity_max_abs_diff")
    if parity is None:
        yield _asked(QUALITY, claim, "no step compared them")
        return
    text = f"probabilities differ by at most {parity.value:.1e}"
    yield _judged(QUALITY, claim, text, passed=parity.value <= PARITY_LIMIT)


def _noted(evidence: Evidence) -> Iterator[Finding]:
    found = [issue.severity for record in evidence.steps for issue in record.issues]
    critical, warnings = found.count("critical"), found.count("warning")
    claim = "the issues noted can be lived with"
    if critical or warnings:
        yield _asked(QUALITY, claim, f"{critical} critical, {warnings} warnings; each stays open until answered")
    else:
        yield _judged(QUALITY, claim, f"{found.count('note')} notes, no warning", passed=True)


def _beats_base_rate(measures: Measures) -> Iterator[Finding]:
    claim = "the model beats predicting the base rate"
    gain = _named(measures, "log_loss_gain")
    if gain is None:
        yield _asked(MODEL_QUALITY, claim, "no step measured log_loss_gain")
        return
    low = gain.value if gain.low is None else gain.low
    yield _judged(MODEL_QUALITY, claim, f"log loss lower by {_shown(gain)}", passed=low > 0)


def _generalises(measures: Measures, leaderboard: Mapping[str, Any]) -> Iterator[Finding]:
    claim = "the model generalises"
    train, test, folds = (_named(measures, name) for name in ("train_roc_auc", "roc_auc", "cv_roc_auc"))
    if test is None or folds is None:
        yield _asked(MODEL_QUALITY, claim, "cross-validation or test was not measured")
        return
    seen = "" if train is None else f"training {train.value:.3f}, "
    gap = folds.value - test.value
    noise = _Z * (_error(folds) ** 2 + _error(test) ** 2) ** 0.5
    text = (
        f"ROC AUC: {seen}cross-validation {_shown(folds)} over {leaderboard['folds']} folds, test {_shown(test)}; "
        f"{'falls' if gap > 0 else 'rises'} by {abs(gap):.3f}, noise up to {noise:.3f}"
    )
    yield _judged(MODEL_QUALITY, claim, text, passed=gap <= max(noise, GENERALISES_WITHIN), severity="warning")


def _groups(measures: Measures, evaluation: Mapping[str, Any]) -> Iterator[Finding]:
    gaps = {name.partition(".")[2]: value for name, value in measures.items() if ".recall_gap_" in name}
    if not gaps:
        why = "are too small to compare" if evaluation.get("groups") else "are declared (with: {groups: [...]})"
        text = f"no groups {why}; could the model treat some customers worse?"
        yield _asked(MODEL_QUALITY, "no obvious bias between groups", text)
    for name, gap in gaps.items():
        claim = f"recall is alike for the groups of {name.removeprefix('recall_gap_')}"
        low = gap.value if gap.low is None else gap.low
        text = f"largest gap {_shown(gap)}"
        if low > GAP_LIMIT:
            text += f"; above {GAP_LIMIT:g} beyond noise"
            yield _judged(MODEL_QUALITY, claim, text, passed=False, severity="warning")
        elif gap.value > GAP_LIMIT and low > 0:
            yield _asked(MODEL_QUALITY, claim, f"{text}; beyond noise, perhaps above {GAP_LIMIT:g}: is it acceptable?")
        else:
            yield _judged(MODEL_QUALITY, claim, text, passed=True)


def _explained(evaluation: Mapping[str, Any], features: Mapping[str, Any]) -> Iterator[Finding]:
    known = [entry["feature"] for entry in evaluation.get("importance", [])]
    names = [feature["name"] for feature in features["features"]]
    absent = [name for name in names if name not in known]
    claim = "what the model relies on is documented"
    if absent:
        text = f"no importance for {', '.join(absent)}"
        yield _judged(MODEL_QUALITY, claim, text, passed=False, severity="warning")
        return
    text = f"permutation importance of all {len(names)} features; most: {', '.join(known[:3])}"
    yield _judged(MODEL_QUALITY, claim, text, passed=True)
    yield _asked(MODEL_QUALITY, "what the model relies on makes sense", f"most important: {', '.join(known[:5])}")


def _judged(topic: str, claim: str, evidence: str, *, passed: bool, severity: Severity = "critical") -> Finding:
    state: Literal["pass", "fail"] = "pass" if passed else "fail"
    return Finding(topic=topic, claim=claim, state=state, evidence=evidence, severity=severity)


def _asked(topic: str, claim: str, evidence: str) -> Finding:
    return Finding(topic=topic, claim=claim, state="ask", evidence=evidence, severity="note")


def _error(measure: Measure) -> float:
    """Return the standard error that a 95% interval stands for."""
    if measure.low is None or measure.high is None:
        return 0.0
    return (measure.high - measure.low) / (2 * _Z)


def _shown(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return f"{measure.value:.4g}"
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]" + (f", n = {measure.n}" if measure.n else "")
