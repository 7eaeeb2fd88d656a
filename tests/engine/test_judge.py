"""Scores as sums of named parts, and the verdict with what forbids to ship."""

import re

import pytest

from churnflow.domain.claims import PastRun
from churnflow.domain.evidence import Check, Confidence, Finding, Issue, Measure
from churnflow.domain.journal import Run, StepRecord
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import Gate
from churnflow.engine.judge import (
    blockers,
    build_confidence,
    final_confidence,
    initial_confidence,
    raised_confidence,
    said,
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
    assert reasons[0].startswith(f"final confidence {score}, band ")
    assert reasons[0].endswith(f": {confidence.because}")


def test_where_a_cap_decides_the_first_reason_of_the_decision_names_it() -> None:
    _, _, reasons, _ = verdict(run_with(roc=CLEAR, critical=True), Gate(name="ship"), [])
    assert re.match(
        r"final confidence 79, band 60-79 \(fix critical issues first\): "
        r"capped at 79: critical and open: evaluate-\w+; 100 before it: build 100, review 100; not a probability",
        reasons[0],
    )


def test_a_gate_before_any_review_rests_on_the_build_and_says_so() -> None:
    run = run_with(roc=CLEAR, findings=())
    _, _, reasons, _ = verdict(run, Gate(name="ship"), [])
    assert reasons[0] == "build confidence 100, band 80-100 (ship): mean of 1 steps; weakest: evaluate (100)"


@pytest.mark.parametrize(
    ("rules", "stale", "cap"),
    [
        (["evaluate.roc_auc >= 0.99"], [], "evaluate.roc_auc >= 0.99 does not hold"),
        (["evaluate.f1 >= 0.5"], [], "evaluate.f1 >= 0.5 was not measured"),
        ([], ["release"], "the approval 'release' is missing"),
    ],
)
def test_before_any_review_the_score_lies_in_the_band_of_the_verdict(
    rules: list[str], stale: list[str], cap: str
) -> None:
    run = run_with(roc=CLEAR, findings=())
    decided, confidence, _, _ = verdict(run, Gate.model_validate({"gate": "ship", "rules": rules}), stale)
    assert (decided, confidence.score) == ("fix", 79)
    assert confidence.because.startswith(f"capped at 79: {cap}; 100 before it: ")
    assert sum(part.points for part in confidence.parts) == 79


def test_a_gate_with_words_of_its_own_says_them_and_makes_a_reserve_where_a_step_could_not_tell() -> None:
    words = {"ship": "healthy", "fix": "look", "rework": "act"}
    gate = Gate.model_validate({"gate": "ship", "says": words})
    run = run_with(roc=CLEAR, findings=())
    assert said(run, Gate(name="ship"), "ship") is None
    assert (said(run, gate, "ship"), said(run, gate, "rework")) == ("healthy", "act")
    assert verdict(run, gate, [])[2][0].startswith("confidence 100, band 80-100 (healthy): ")
    unsure = run.add(run.steps()[0].model_copy(update={"facts": {"not_told": "1 of the 50 labels needed"}}))
    assert (said(unsure, gate, "ship"), said(unsure, gate, "fix")) == ("healthy as far as can be told", "look")
    assert "scope: not enough to tell: 1 of the 50 labels needed" in verdict(unsure, gate, [])[2]


def test_what_could_not_be_judged_earns_no_points_for_limits_that_hold_by_default() -> None:
    held = Rule.model_validate("drifted == 0").judge({"drifted": Measure(value=0)})
    broken = Rule.model_validate("drifted == 0").judge({"drifted": Measure(value=1)})
    assert step_confidence([], [held], [], []).score == 100
    assert step_confidence([], [held], [], [], "19 of the 100 customers needed").score == 85
    assert step_confidence([], [broken], [], [], "19 of the 100 customers needed").score == 60


def test_a_step_that_knows_what_is_to_be_done_says_it_for_the_gate() -> None:
    facts = {"next_action_fix": "look at the plan", "next_action_ship": "go on"}
    run = run_with(roc=CLEAR)
    run = run.add(run.steps()[0].model_copy(update={"facts": facts}))
    assert verdict(run, Gate(name="ship"), [])[3] == "go on"
    assert verdict(run, Gate(name="ship"), ["release"])[3] == "look at the plan"
    assert verdict(run, Gate(name="ship", ship=100, fix=100, rules=()), [])[3] == "go on"
    assert "churnflow plan --new" in verdict(World().begin(WORKFLOW), Gate(name="ship"), [])[3]


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


def planned(stated: int, computed: int, past: list[PastRun]) -> Confidence:
    """Return the initial confidence of a plan that says `stated` of itself, for which its evidence gives `computed`."""
    run = run_with(roc=None)
    scores = {
        "stated": Confidence(score=stated, because="few rows"),
        "confidence": Confidence(score=computed, because="x"),
    }
    found = initial_confidence(run.add(run.steps()[0].model_copy(update=scores)), past)
    assert found is not None
    return found


def ran(number: int, score: int, shipped: bool) -> PastRun:
    return PastRun(run=f"26112{number}-aaaa", score=score, shipped=shipped)


def test_what_earlier_runs_came_to_moves_a_plan_by_a_stated_weight_and_is_named_line_by_line() -> None:
    found = planned(80, 100, [ran(1, 50, shipped=False), ran(2, 90, shipped=True)])
    # (4 x 80 + 50 + 90) / 6
    assert found.score == 77
    assert [(round(part.points, 4), part.text) for part in found.parts] == [
        (80, "the plan by itself, which counts as 4 runs: few rows"),
        (-5, "run 261121-aaaa was not shipped, final score 50: 1 of 6 counted"),
        (1.6667, "run 261122-aaaa shipped, final score 90: 1 of 6 counted"),
        (0, "cap at 100: what the evidence of scope gives, whatever went before"),
    ]
    assert found.because == "few rows; with 2 earlier runs of small: 261121-aaaa 50, 261122-aaaa 90 shipped"


def test_no_run_of_luck_lifts_a_plan_above_what_its_evidence_gives() -> None:
    lucky = [ran(number, 99, shipped=True) for number in range(9)]
    assert planned(60, 70, lucky).score == 70
    assert planned(60, 95, lucky).score == 87
    assert planned(90, 70, lucky).score == 70
    assert planned(60, 70, lucky).parts[-1].text == "cap at 70: what the evidence of scope gives, whatever went before"
    assert "with an earlier run of small: 261120-aaaa 99 shipped" in planned(60, 70, lucky[:1]).because


def test_a_plan_that_nothing_was_measured_for_stays_without_confidence_whatever_went_before() -> None:
    assert initial_confidence(World().begin(WORKFLOW), [ran(1, 99, shipped=True)]) is None


def test_without_a_build_phase_every_step_that_does_not_review_counts() -> None:
    world = World()
    run = world.begin("name: x\ntask: y\nphases:\n  work:\n    - step: a\n      uses: a\n")
    record = run_with(roc=None).steps()[0].model_copy(update={"name": "a", "phase": "work"})
    build = build_confidence(run.add(record))
    assert build is not None
    assert build.because.startswith("mean of 1 steps; weakest: a")
