"""From evidence to scores and a verdict: pure, and every number the sum of named parts."""

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile

from churnflow.domain.evidence import Check, Confidence, Finding, Issue, Measure, Part
from churnflow.domain.journal import Approval, Run, StepRecord, Verdict
from churnflow.domain.ledger import LedgerLine, open_issues
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import ApprovalRequest, Gate, Item

RAN = 60
TESTED = 40
UNTESTED = 25
PER_WARNING = 5
WARNINGS_AT_MOST = 20
PER_CRITICAL = 30
PER_NOISE = 10
BELOW_REWORK = 55
BELOW_SHIP = 79


class Tally:
    """A sum in the making: points with their reasons, and caps that keep it low."""

    def __init__(self) -> None:
        """Begin at nought."""
        self._parts: list[Part] = []

    def add(self, points: float, text: str) -> None:
        """Add points, or take them where negative."""
        self._parts.append(Part(points=points, text=text))

    def cap(self, limit: int, text: str) -> None:
        """Keep the sum at or below `limit`; the cap is named even where it takes nothing."""
        self.add(min(0.0, limit - self._sum()), f"cap at {limit}: {text}")

    def confidence(self, because: str) -> Confidence:
        """Return the sum as a score within 0-100, with its parts."""
        score = max(0, min(100, math.floor(round(self._sum(), 6) + 0.5)))
        rounding = score - self._sum()
        if abs(rounding) >= 1:
            self.add(rounding, "a score lies between 0 and 100")
        return Confidence(score=score, because=because, parts=tuple(self._parts))

    def _sum(self) -> float:
        return sum(part.points for part in self._parts)


def step_confidence(
    checks: Sequence[Check], requirements: Sequence[Check], issues: Sequence[Issue], findings: Sequence[Finding]
) -> Confidence:
    """Return how sure the evidence makes us that a step did what it declares."""
    tally = Tally()
    tally.add(RAN, "the function ran to its end")
    tested = [*checks, *requirements]
    outcomes = [check.passed for check in tested] + [line.state == "pass" for line in findings if line.state != "ask"]
    if outcomes:
        tally.add(TESTED * sum(outcomes) / len(outcomes), f"{sum(outcomes)} of {len(outcomes)} of its tests hold")
    else:
        tally.add(UNTESTED, f"it declares no check, so {TESTED - UNTESTED} points stay unearned")
    _take_for_noise(tally, tested, PER_NOISE)
    _take_for_issues(tally, [issue.severity for issue in issues])
    for check in checks:
        if check.observed is None:
            tally.cap(BELOW_REWORK, f"{check.claim} was not measured")
        elif not check.passed:
            tally.cap(BELOW_REWORK, f"{check.claim} does not hold")
    return tally.confidence(_because(outcomes, issues))


def raised_confidence(text: str) -> Confidence:
    """Return the confidence in a step that raised: none."""
    return Confidence(score=0, because="it did not run to its end", parts=(Part(points=0, text=text),))


def initial_confidence(run: Run) -> Confidence | None:
    """Return the confidence that the plan states: the lowest of what its steps say and what their evidence gives."""
    first = next(iter(run.declared.phases))
    scores = [
        min(filter(None, (record.stated, record.confidence)), key=lambda confidence: confidence.score)
        for record in run.steps()
        if record.phase == first
    ]
    return min(scores, key=lambda confidence: confidence.score, default=None)


def build_confidence(run: Run) -> Confidence | None:
    """Return the mean of the confidences of the build's steps, the weakest named; None before the first."""
    records = _build_records(run)
    if not records:
        return None
    tally = Tally()
    for record in records:
        tally.add(record.confidence.score / len(records), f"{record.name}: {record.confidence.score} / {len(records)}")
    weakest = min(records, key=lambda record: record.confidence.score)
    return tally.confidence(f"mean of {len(records)} steps; weakest: {weakest.name} ({weakest.confidence.score})")


def final_confidence(run: Run) -> Confidence | None:
    """Return the confidence after review, None while no step after the build has been done."""
    build = build_confidence(run)
    reviews = [record for record in run.steps() if record.findings]
    if build is None or not reviews:
        return None
    tally = Tally()
    tally.add(build.score / 2, f"half of the build confidence of {build.score}")
    review = min(record.confidence.score for record in reviews)
    tally.add(review / 2, f"half of the review's confidence of {review}")
    checks = requirement_checks(run)
    _take_for_noise(tally, checks, PER_NOISE / 2)
    for check in checks:
        if not check.passed:
            reason = "was not measured" if check.observed is None else "does not hold"
            tally.cap(BELOW_REWORK, f"the requirement {check.claim} {reason}")
    failed = [line for record in reviews for line in record.findings if line.state == "fail"]
    for line in failed:
        if line.severity == "critical":
            tally.cap(BELOW_REWORK, f"the review failed: {line.claim}")
    critical = critical_issues(run)
    if critical:
        tally.cap(BELOW_SHIP, f"critical and open: {', '.join(line.id for line in critical)}")
    return tally.confidence(f"build {build.score}, review {review}, findings failed: {len(failed)}")


def requirement_checks(run: Run, rules: Iterable[Rule] | None = None) -> list[Check]:
    """Test each requirement of the workflow (or each of `rules`) on the records of the run."""
    metrics = all_metrics(run)
    return [rule.judge(metrics) for rule in (run.declared.requirements if rules is None else rules)]


def all_metrics(run: Run) -> dict[str, Measure]:
    """Return every metric of the run's current records as `step.metric`."""
    return {f"{record.name}.{name}": measure for record in run.steps() for name, measure in record.metrics.items()}


def critical_issues(run: Run) -> list[LedgerLine]:
    """Return the open issues that forbid to ship."""
    return [line for line in open_issues(run) if line.severity == "critical"]


def blockers(run: Run, gate: Gate, stale: Sequence[str]) -> list[str]:
    """Return what forbids to ship whatever the score: failed rules, open critical issues, approvals not given."""
    found = [
        f"{check.claim}: {'not measured' if check.observed is None else f'observed {check.observed:.4g}'}"
        for check in [*requirement_checks(run), *requirement_checks(run, gate.rules)]
        if not check.passed
    ]
    found += [f"critical issue open: {line.id}: {line.text}" for line in critical_issues(run)]
    found += [f"{record.name} did not pass" for record in run.steps() if not record.passed]
    return found + [f"the approval {name!r} {_approval_state(run, name)}" for name in stale]


def verdict(run: Run, gate: Gate, stale: Sequence[str]) -> tuple[Verdict, Confidence, list[str], str]:
    """Return the verdict, the confidence it rests on, its reasons, and the next action."""
    confidence = final_confidence(run) or build_confidence(run)
    if confidence is None:
        confidence = Confidence(score=0, because="nothing was measured")
    reasons = blockers(run, gate, stale)
    band = _band(confidence.score, gate)
    lines = [f"final confidence {confidence.score} lies in the band {band}", *reasons]
    if confidence.score < gate.fix:
        return "rework", confidence, lines, "rework what the reasons name, then `churnflow plan --new` starts a new run"
    if reasons or confidence.score < gate.ship:
        return "fix", confidence, lines, "fix what the reasons name, then `churnflow decide`"
    return "ship", confidence, lines, "`churnflow serve`"


def approvals_before(run: Run, gate: Item) -> list[ApprovalRequest]:
    """Return the approvals that stand before the gate."""
    before = takewhile(lambda item: item.name != gate.name, run.declared.items())
    return [item for item in before if isinstance(item, ApprovalRequest)]


def _approval_state(run: Run, name: str) -> str:
    entry = run.latest(name)
    if not isinstance(entry, Approval):
        return "is missing"
    return "was refused" if not entry.passed else "is stale: what was approved has changed"


def _band(score: int, gate: Gate) -> str:
    if score >= gate.ship:
        return f"{gate.ship}-100 (ship)"
    return (
        f"{gate.fix}-{gate.ship - 1} (fix critical issues first)" if score >= gate.fix else f"below {gate.fix} (rework)"
    )


def _build_records(run: Run) -> list[StepRecord]:
    if "build" in run.declared.phases:
        return [record for record in run.steps() if record.phase == "build"]
    return [record for record in run.steps() if not record.findings]


def _take_for_noise(tally: Tally, checks: Iterable[Check], points: float) -> None:
    for check in checks:
        if check.passed and _reaches_across(check):
            interval = f"[{check.low:.4g}, {check.high:.4g}]"
            tally.add(-points, f"{check.claim} holds by less than its noise {interval}")


def _reaches_across(check: Check) -> bool:
    if check.low is None or check.high is None:
        return False
    rule = Rule.model_validate(check.claim)
    return rule.within_noise({rule.metric: Measure(value=check.low, low=check.low, high=check.high)})


def _take_for_issues(tally: Tally, severities: Sequence[str]) -> None:
    warnings = severities.count("warning")
    critical = severities.count("critical")
    if warnings:
        taken = min(WARNINGS_AT_MOST, PER_WARNING * warnings)
        tally.add(-taken, f"warnings: {warnings}, {PER_WARNING} each, at most {WARNINGS_AT_MOST}")
    if critical:
        tally.add(-PER_CRITICAL * critical, f"critical issues: {critical}, {PER_CRITICAL} each")


def _because(outcomes: Sequence[bool], issues: Sequence[Issue]) -> str:
    tests = f"{sum(outcomes)} of {len(outcomes)} tests hold" if outcomes else "no test declared"
    serious = [issue for issue in issues if issue.severity != "note"]
    return f"{tests}, issues of weight: {len(serious)}" if serious else tests
