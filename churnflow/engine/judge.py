"""From evidence to scores and a verdict: pure, and every number the sum of named parts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from churnflow.domain.claims import PastRun
from churnflow.domain.evidence import Check, Confidence, Finding, Issue, Measure, Part
from churnflow.domain.journal import Approval, Run, StepRecord, Verdict
from churnflow.domain.ledger import LedgerLine, answered, ledger, open_issues, weight
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import USUAL_WORDS, ApprovalRequest, Gate, Item
from churnflow.engine.assured import HOLD, assured
from churnflow.engine.tally import Tally

RAN = 60
TESTED = 40
UNTESTED = 25
PER_WARNING = 5
WARNINGS_AT_MOST = 20
PER_CRITICAL = 30
PER_NOISE = 10
MOST_UNPROVEN = 55
# How many runs a plan by itself counts for, beside what earlier runs came to.
PLAN_COUNTS = 4
# A step that knows what is to be done says so in the fact of this name, `_` and the verdict.
NEXT_ACTION = "next_action"
# A step that had too little to judge by says in this fact what it had and needs.
NOT_TOLD = "not_told"
AS_FAR = "as far as can be told"
# How the reason begins that names what the list of reviewers asks of every gate.
LIST_DEMANDS = "the list of reviewers demands"
USUAL_ACTIONS: Mapping[Verdict, str] = {
    "rework": "rework what the reasons name, then `churnflow plan --new` starts a new run",
    "fix": "fix what the reasons name, then `churnflow decide`",
    "ship": "`churnflow serve`",
}


def step_confidence(
    checks: Sequence[Check],
    limits: Sequence[Check],
    issues: Sequence[Issue],
    findings: Sequence[Finding],
    not_told: str = "",
) -> Confidence:
    """Return how sure the evidence makes us that a step did what it declares.

    limits: what requirements and gates ask of its metrics. not_told: what it had too little of to judge by, if it had;
    limits that hold for want of a measurement then earn nothing.
    """
    tally = Tally()
    tally.add(RAN, "the function ran to its end")
    tested = [*checks, *limits]
    outcomes = [check.passed for check in tested] + [line.state == "pass" for line in findings if line.state != "ask"]
    if not_told and all(outcomes):
        tally.add(UNTESTED, f"not enough to tell: {not_told}, so {TESTED - UNTESTED} points stay unearned")
    elif outcomes:
        tally.add(TESTED * sum(outcomes) / len(outcomes), f"{sum(outcomes)} of {len(outcomes)} of its tests hold")
    else:
        tally.add(UNTESTED, f"it declares no check, so {TESTED - UNTESTED} points stay unearned")
    _take_for_noise(tally, tested, PER_NOISE)
    _take_for_issues(tally, [issue.severity for issue in issues])
    for check in checks:
        if check.observed is None:
            tally.cap(MOST_UNPROVEN, f"{check.claim} was not measured")
        elif not check.passed:
            tally.cap(MOST_UNPROVEN, f"{check.claim} does not hold")
    return tally.confidence(_because(outcomes, issues))


def raised_confidence(text: str) -> Confidence:
    """Return the confidence in a step that raised: none."""
    return Confidence(score=0, because="it did not run to its end", parts=(Part(points=0, text=text),))


def initial_confidence(run: Run, past: Sequence[PastRun] = ()) -> Confidence | None:
    """Return the confidence that the plan states: a prior of the final one.

    By itself it is the lowest of what the plan's steps say and what their evidence gives. That is the mean of a beta
    distribution that counts as PLAN_COUNTS runs; each of the `past` runs counts as one more, by its final score, for
    that is a probability itself. However well those went, it is never above what the evidence of the plan gives.
    """
    first = next(iter(run.declared.phases))
    records = [record for record in run.steps() if record.phase == first]
    plans = [
        min(filter(None, (record.stated, record.confidence)), key=lambda confidence: confidence.score)
        for record in records
    ]
    alone = min(plans, key=lambda confidence: confidence.score, default=None)
    if alone is None or not past:
        return alone
    tally = Tally()
    tally.add(alone.score, f"the plan by itself, which counts as {PLAN_COUNTS} runs: {alone.because}")
    for one in past:
        came_to = f"{'shipped' if one.shipped else 'was not shipped'}, final score {one.score}"
        points = (one.score - alone.score) / (PLAN_COUNTS + len(past))
        tally.add(points, f"run {one.run} {came_to}: 1 of {PLAN_COUNTS + len(past)} counted")
    weakest = min(records, key=lambda record: record.confidence.score)
    tally.cap(weakest.confidence.score, f"what the evidence of {weakest.name} gives, whatever went before")
    runs = f"{len(past)} earlier runs" if len(past) > 1 else "an earlier run"
    ended = ", ".join(f"{one.run} {one.score}{' shipped' if one.shipped else ''}" for one in past)
    return tally.confidence(f"{alone.because}; with {runs} of {run.declared.name}: {ended}")


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
    """Return the confidence after review, None while no step after the build has been done.

    It is the estimated probability that all requirements hold together on the next batch, where a step has measured
    that; else, and then it says so, the mean of build and review. Caps keep it out of the bands of the gate to which
    what they name does not let it; what only weighs on the decision stands beside it and takes nothing, so that the
    score stays a probability.
    """
    build = build_confidence(run)
    reviews = [record for record in run.steps() if record.findings]
    if build is None or not reviews:
        return None
    tally = Tally()
    claim = assured(run, tally)
    because = claim or _stand_in(run, tally, build, min(record.confidence.score for record in reviews))
    for limit, text in _caps(run, measured=claim is not None):
        tally.cap(limit, text)
    for text in _beside(run):
        tally.add(0, f"beside it, for the reviewer: {text}")
    return tally.confidence(because)


def _stand_in(run: Run, tally: Tally, build: Confidence, review: int) -> str:
    """Add half of build and review each, less what holds by less than its noise: no probability, and it says so."""
    tally.add(build.score / 2, f"half of the build confidence of {build.score}, for want of a probability")
    tally.add(review / 2, f"half of the review's confidence of {review}")
    _take_for_noise(tally, requirement_checks(run), PER_NOISE / 2)
    return f"build {build.score}, review {review}; not a probability, for no step has measured {HOLD}"


def _caps(run: Run, *, measured: bool) -> Iterator[tuple[int, str]]:
    """Yield what no score outweighs, each with the highest score that it leaves: below the bands of the run's gate."""
    fix, ship = _bands(run)
    for check in requirement_checks(run):
        if check.observed is None:
            yield fix - 1, f"the requirement {check.claim} was not measured"
        elif not (check.passed or measured):
            yield fix - 1, f"the requirement {check.claim} does not hold"
    yield from ((fix - 1, f"{record.name} did not pass") for record in run.steps() if not record.passed)
    yield from ((fix - 1, f"the review failed: {line.claim}") for line in _failed(run) if line.severity == "critical")
    barring = barring_issues(run)
    if barring:
        kinds = " or ".join(dict.fromkeys(map(weight, barring)))
        yield ship - 1, f"{kinds} and open: {', '.join(line.id for line in barring)}"


def _beside(run: Run) -> Iterator[str]:
    """Yield what a reviewer has to weigh and no probability holds."""
    yield from (f"the review failed: {line.claim}" for line in _failed(run) if line.severity != "critical")
    warnings = [line.id for line in open_issues(run) if line.severity == "warning" and not line.forbids]
    if warnings:
        yield f"warnings open: {', '.join(warnings)}"


def _failed(run: Run) -> list[Finding]:
    return [line for record in run.steps() for line in record.findings if line.state == "fail"]


def _bands(run: Run) -> tuple[int, int]:
    """Return where the bands fix and ship of the run's gate begin, as a gate has them where the workflow has none."""
    gate = next(
        (item for item in run.declared.items() if isinstance(item, Gate)), Gate.model_validate({"gate": "ship"})
    )
    return gate.fix, gate.ship


def requirement_checks(run: Run, rules: Iterable[Rule] | None = None) -> list[Check]:
    """Test each requirement of the workflow (or each of `rules`) on the records of the run."""
    metrics = all_metrics(run)
    return [rule.judge(metrics) for rule in (run.declared.requirements if rules is None else rules)]


def all_metrics(run: Run) -> dict[str, Measure]:
    """Return every metric of the run's current records as `step.metric`."""
    return {f"{record.name}.{name}": measure for record in run.steps() for name, measure in record.metrics.items()}


def barring_issues(run: Run) -> list[LedgerLine]:
    """Return what is open and forbids to ship: the critical issues and risks, and the conditions of approvals."""
    return [line for line in open_issues(run) if line.forbids]


def blockers(run: Run, gate: Gate, stale: Sequence[str]) -> list[str]:
    """Return what forbids to ship whatever the score: failed rules, open critical issues, approvals not given."""
    found = [
        f"{check.claim}: {'not measured' if check.observed is None else f'observed {check.observed:.4g}'}"
        for check in [*requirement_checks(run), *requirement_checks(run, gate.rules)]
        if not check.passed
    ]
    found += [f"{_named(line)} open: {line.id}: {line.text}{_since(line)}" for line in barring_issues(run)]
    found += [f"{record.name} did not pass" for record in run.steps() if not record.passed]
    return found + [f"the approval {name!r} {_approval_state(run, name)}" for name in stale]


def verdict(
    run: Run, gate: Gate, stale: Sequence[str], unproven: Sequence[str] = ()
) -> tuple[Verdict, Confidence, list[str], str]:
    """Return the verdict, the confidence it rests on, its reasons, and the next action.

    stale: the approvals that are not given. unproven: why others do not count, though the records say that they do.
    """
    final = final_confidence(run)
    confidence = final or _before_review(run, gate, stale)
    reasons = [*blockers(run, gate, stale), *unproven]
    which = "final " if final else "" if gate.says else "build "
    rests_on = f"{which}confidence {confidence.score}, band {_band(confidence.score, gate)}"
    untold = [f"{name}: not enough to tell: {text}" for name, text in not_told(run).items()]
    lines = [f"{rests_on}: {confidence.because}", *reasons, *untold, *_settled(run)]
    decided: Verdict = "ship"
    if confidence.score < gate.fix:
        decided = "rework"
    elif reasons or confidence.score < gate.ship:
        decided = "fix"
    return decided, confidence, lines, _next_action(run, decided)


def _before_review(run: Run, gate: Gate, stale: Sequence[str]) -> Confidence:
    """Return the confidence of the build, kept by caps out of the bands to which the verdict can not belong."""
    build = build_confidence(run)
    if build is None:
        return Confidence(score=0, because="nothing was measured")
    tally = Tally()
    for part in build.parts:
        tally.add(part.points, part.text)
    for limit, text in _caps(run, measured=False):
        tally.cap(limit, text)
    for check in requirement_checks(run, gate.rules):
        if not check.passed:
            state = "was not measured" if check.observed is None else "does not hold"
            tally.cap(gate.ship - 1, f"{check.claim} {state}")
    for name in stale:
        tally.cap(gate.ship - 1, f"the approval {name!r} {_approval_state(run, name)}")
    return tally.confidence(build.because)


def not_told(run: Run) -> dict[str, str]:
    """Return the steps that had too little to judge by, with what they had and need."""
    return {record.name: record.facts[NOT_TOLD] for record in run.steps() if NOT_TOLD in record.facts}


def said(run: Run, gate: Gate, decided: Verdict) -> str | None:
    """Return what the gate calls its verdict, None where it has no words of its own.

    That all is well is said without reserve only where every step could judge.
    """
    if gate.says is None:
        return None
    word: str = getattr(gate.says, decided)
    return f"{word} {AS_FAR}" if decided == "ship" and not_told(run) else word


def _next_action(run: Run, decided: Verdict) -> str:
    """Return what is to be done after a verdict: what a step advises for it as a fact, the usual else."""
    advised = (record.facts.get(f"{NEXT_ACTION}_{decided}") for record in reversed(run.steps()))
    return next(filter(None, advised), USUAL_ACTIONS[decided])


def _settled(run: Run) -> list[str]:
    """Return what would forbid to ship, had nobody let it stand."""
    return [
        f"{weight(line)}, {answered(line)}: {line.id}: {line.text}"
        for line in ledger(run)
        if line.forbids and line.state != "open"
    ]


def _named(line: LedgerLine) -> str:
    return "promised and" if line.kind == "condition" else f"critical {line.kind}"


def _since(line: LedgerLine) -> str:
    ended = line.ended
    return f" (the waiver of {ended.by} ended on {ended.at:%Y-%m-%d})" if ended else ""


def approvals_before(run: Run, gate: Item) -> list[ApprovalRequest]:
    """Return the approvals that stand before the gate."""
    before = takewhile(lambda item: item.name != gate.name, run.declared.items())
    return [item for item in before if isinstance(item, ApprovalRequest)]


def wanting(run: Run, gate: Item, reasons: Sequence[str]) -> tuple[ApprovalRequest, str] | None:
    """Return the approval before the gate for want of which it did not ship, with that reason; None if that is not it.

    Where the list of reviewers demands more than the workflow, that is the last one.
    """
    asked = approvals_before(run, gate)
    for line in reasons:
        for item in asked:
            if line.startswith(f"the approval {item.name!r}") or (line.startswith(LIST_DEMANDS) and item is asked[-1]):
                return item, line
    return None


def _approval_state(run: Run, name: str) -> str:
    entry = run.latest(name)
    if not isinstance(entry, Approval):
        return "is missing"
    if entry.lacks is not None:
        return entry.lacks
    return "was refused" if not entry.passed else "is stale: what was approved has changed"


def _band(score: int, gate: Gate) -> str:
    words = gate.says or USUAL_WORDS
    if score >= gate.ship:
        return f"{gate.ship}-100 ({words.ship})"
    return f"{gate.fix}-{gate.ship - 1} ({words.fix})" if score >= gate.fix else f"below {gate.fix} ({words.rework})"


def _build_records(run: Run) -> list[StepRecord]:
    if "build" in run.declared.phases:
        return [record for record in run.steps() if record.phase == "build"]
    return [record for record in run.steps() if not record.findings and HOLD not in record.metrics]


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
