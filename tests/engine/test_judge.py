"""Scores as sums of named parts, and the verdict with what forbids to ship."""

import pytest

from churnflow.domain.evidence import Check, Finding, Issue, Measure
from churnflow.domain.journal import Run, StepRecord
from churnflow.domain.workflow import Gate
from churnflow.engine.judge import (
    blockers,
    build_confidence,
    final_confidence,
    initial_confidence,
    raised_confidence,
    step_confidence,
    verdict,
)
from tests.fakes import START, World

WORKFLOW = """
name: small
task: Make a number
requirements: [evaluate.roc_auc >= 0.80]
phases:
  plan:
    - step: scope
      uses: scope
  build:
    - step: evaluate
      uses: evaluate
  review:
    - step: review
      uses: review
  decision:
    - gate: ship
"""
GOOD = Check(claim="size >= 1", observed=2, low=1.5, high=2.5, passed=True)
NOISY = Check(claim="size >= 1", observed=2, low=0.5, high=2.5, passed=True)
BAD = Check(claim="size >= 1", observed=0.5, passed=False)
UNMEASURED = Check(claim="size >= 1", passed=False)
PASS = Finding(topic="quality", claim="tested", state="pass", evidence="x")
FAIL = Finding(topic="quality", claim="kind", state="fail", evidence="x")
SOFT = Finding(topic="quality", claim="neat", state="fail", evidence="x", severity="warning")
ASK = Finding(topic="quality", claim="wise", state="ask", evidence="x")


def score(*checks: Check, issues: tuple[Issue, ...] = (), findings: tuple[Finding, ...] = ()) -> int:
    confidence = step_confidence(checks, [], issues, findings)
    assert abs(sum(part.points for part in confidence.parts) - confidence.score) < 1
    return confidence.score


def test_evidence_makes_the_score() -> None:
    assert score(GOOD) == 100
    assert score(GOOD.model_copy(update={"low": None})) == 100
    assert score() == 85
    assert score(NOISY) == 90
    assert score(GOOD, BAD) <= 55
    assert score(UNMEASURED) <= 55
    assert score(GOOD, issues=(Issue(text="x", severity="note"),)) == 100
    assert score(GOOD, issues=(Issue(text="x", severity="warning"),)) == 95
    assert score(GOOD, issues=tuple(Issue(text=str(n), severity="warning") for n in range(9))) == 80
    assert score(GOOD, issues=(Issue(text="x", severity="critical"),)) == 70
    assert score(issues=tuple(Issue(text=str(n), severity="critical") for n in range(9))) == 0
    assert score(findings=(PASS, FAIL, ASK)) == 80
    assert raised_confidence("boom").score == 0


def run_with(*, roc: Measure | None, findings: tuple[Finding, ...] = (PASS,), critical: bool = False) -> Run:
    run = World().begin(WORKFLOW)
    issues = (Issue(text="smells", severity="critical"),) if critical else ()
    for name, phase in (("scope", "plan"), ("evaluate", "build"), ("review", "review")):
        mine = findings if name == "review" else ()
        metrics = {"roc_auc": roc} if name == "evaluate" and roc else {}
        run = run.add(
            StepRecord(
                name=name,
                phase=phase,
                passed=True,
                key="0" * 64,
                at=START,
                uses=name,
                metrics=metrics,
                findings=mine,
                issues=issues if name == "evaluate" else (),
                confidence=step_confidence([GOOD], [], [], mine),
            )
        )
    return run


CLEAR = Measure(value=0.85, low=0.82, high=0.88, n=100)


def test_without_a_probability_the_mean_of_build_and_review_less_noise_stands_in_and_says_so() -> None:
    final = final_confidence(run_with(roc=CLEAR))
    assert final is not None
    assert final.score == 100
    assert "not a probability, for no step has measured requirements_hold" in final.because
    noisy = final_confidence(run_with(roc=Measure(value=0.81, low=0.78, high=0.84, n=100)))
    assert noisy is not None
    assert noisy.score == 95


@pytest.mark.parametrize(
    ("roc", "findings", "critical", "expected", "score"),
    [
        (CLEAR, (PASS,), False, "ship", 100),
        (Measure(value=0.5, low=0.4, high=0.6), (PASS,), False, "rework", 59),
        (None, (PASS,), False, "rework", 59),
        (CLEAR, (PASS, FAIL), False, "rework", 59),
        (CLEAR, (PASS, SOFT), False, "ship", 94),
        (CLEAR, (PASS,), True, "fix", 79),
    ],
)
def test_the_verdict_follows_the_bands_and_the_caps(
    roc: Measure | None,
    findings: tuple[Finding, ...],
    critical: bool,
    expected: str,
    score: int,
) -> None:
    run = run_with(roc=roc, findings=findings, critical=critical)
    decided, confidence, reasons, action = verdict(run, Gate(name="ship"), [])
    assert (decided, confidence.score) == (expected, score)
    assert action
    assert reasons[0].startswith(f"final confidence {score} lies in the band")


def test_no_ship_without_approval_or_with_a_failed_rule_whatever_the_score() -> None:
    run = run_with(roc=CLEAR)
    assert verdict(run, Gate(name="ship"), ["release"])[0] == "fix"
    rule = Gate.model_validate({"gate": "ship", "rules": ["evaluate.roc_auc >= 0.99", "evaluate.f1 >= 0.5"]})
    assert verdict(run, rule, [])[0] == "fix"
    assert blockers(run, rule, []) == ["evaluate.roc_auc >= 0.99: observed 0.85", "evaluate.f1 >= 0.5: not measured"]


def test_a_step_that_did_not_pass_forbids_to_ship() -> None:
    run = run_with(roc=CLEAR)
    failed = run.steps()[0].model_copy(update={"passed": False})
    assert "scope did not pass" in blockers(run.add(failed), Gate(name="ship"), [])


def test_nothing_measured_is_no_confidence() -> None:
    run = World().begin(WORKFLOW)
    assert initial_confidence(run) is None
    assert build_confidence(run) is None
    assert final_confidence(run) is None
    decided, confidence, _, _ = verdict(run, Gate(name="ship"), [])
    assert (decided, confidence.score) == ("rework", 0)


def test_the_initial_confidence_is_the_lower_of_stated_and_computed() -> None:
    run = run_with(roc=CLEAR)
    scope = run.steps()[0]
    assert initial_confidence(run) == scope.confidence
    stated = raised_confidence("unsure")
    assert initial_confidence(run.add(scope.model_copy(update={"stated": stated}))) == stated


def test_without_a_build_phase_every_step_that_does_not_review_counts() -> None:
    world = World()
    run = world.begin("name: x\ntask: y\nphases:\n  work:\n    - step: a\n      uses: a\n")
    record = run_with(roc=None).steps()[0].model_copy(update={"name": "a", "phase": "work"})
    build = build_confidence(run.add(record))
    assert build is not None
    assert build.because.startswith("mean of 1 steps; weakest: a")
