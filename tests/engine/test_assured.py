"""The final score as a measured probability: a sum over requirements, with caps and what stands beside it."""

from typing import Any

import pytest

from churnflow.domain.evidence import Artifact, Confidence, Finding, Issue, Measure
from churnflow.domain.journal import IssueAnswer, Run, StepRecord
from churnflow.domain.ledger import ledger
from churnflow.domain.workflow import Gate
from churnflow.engine.judge import final_confidence, verdict
from churnflow.engine.tally import Tally
from tests.fakes import START, World

WORKFLOW = """
name: small
task: Make a number
requirements: [evaluate.roc_auc >= 0.80, evaluate.recall >= 0.70]
phases:
  build:
    - step: evaluate
      uses: evaluate
  review:
    - step: assure
      uses: assure
    - step: review
      uses: review
  decision:
    - gate: ship
"""
METRICS = {"roc_auc": Measure(value=0.85), "recall": Measure(value=0.72)}
PASS = Finding(topic="quality", claim="tested", state="pass", evidence="x")
LEAK = Finding(topic="quality", claim="no feature gives the answer away", state="fail", evidence="x")
GAP = Finding(topic="quality", claim="recall is alike", state="fail", evidence="x", severity="warning")
ROWS = Artifact(name="predictions", codec="frame", sha256="a" * 64, size_bytes=1)


def record(name: str, **more: Any) -> StepRecord:
    given = {"phase": "build" if name == "evaluate" else "review", "passed": True, "key": "0" * 64, "at": START}
    confidence = Confidence(score=more.pop("score", 90), because="tested")
    return StepRecord(**{"name": name, "uses": name, "confidence": confidence, **given, **more})


def assured(hold: float = 0.9, takes: tuple[float, ...] = (0.02, 0.08), **more: Any) -> StepRecord:
    metrics = {"requirements_hold": Measure(value=hold, n=500)}
    metrics |= {f"requirement_{place}_takes": Measure(value=value) for place, value in enumerate(takes, start=1)}
    facts = {"requirement_2": "evaluate.recall >= 0.7 holds in 90.0% of the batches; drawn from predictions"}
    given = {"metrics": metrics, "facts": facts, "evidence": "b" * 64, "inputs": (ROWS,)}
    return record("assure", **{**given, **more})


def run_with(*records: StepRecord) -> Run:
    run = World().begin(WORKFLOW)
    for one in records:
        run = run.add(one)
    return run


def final(*records: StepRecord) -> Confidence:
    found = final_confidence(run_with(*records))
    assert found is not None
    return found


def whole(**more: Any) -> Confidence:
    return final(record("evaluate", metrics=METRICS), assured(**more), record("review", findings=(PASS,)))


def test_the_score_is_the_probability_whatever_build_and_review_come_to() -> None:
    found = whole(hold=0.904, takes=(0.02, 0.076))
    assert found.score == 90
    assert found.because == "probability that all 2 requirements hold together on the next batch from the same source"


def test_every_requirement_is_a_line_of_the_sum_down_to_metric_and_artifact() -> None:
    parts = whole().parts
    assert [round(part.points, 6) for part in parts] == [100, -8, -2]
    assert sum(part.points for part in parts) == pytest.approx(90)
    assert parts[0].text == (
        "100, less the share of next batches in which a requirement fails: "
        "all hold in 90.0% of those drawn (assure.requirements_hold = 0.900)"
    )
    assert "evaluate.recall >= 0.7 holds in 90.0%" in parts[1].text
    assert parts[1].text.endswith("(predictions aaaaaaaaaaaa)")
    assert parts[2].text == "requirement_1 fails, and none above it"


def test_a_probability_whose_parts_do_not_add_up_is_one_line() -> None:
    found = whole(hold=0.7, takes=(0.1,))
    assert found.score == 70
    assert [part.text for part in found.parts] == ["measured by the step assure (assure.requirements_hold = 0.700)"]


@pytest.mark.parametrize(
    ("hold", "score", "told"),
    [
        (1.0, 100, "all hold in 100.0% of those drawn (assure.requirements_hold = 1.000)"),
        (0.996, 99, "all hold in 99.6% of those drawn (assure.requirements_hold = 0.996)"),
        (0.99996, 99, "all hold in 99.9% of those drawn (assure.requirements_hold = 0.999)"),
        (0.986, 99, "all hold in 98.6% of those drawn (assure.requirements_hold = 0.986)"),
    ],
)
def test_a_hundred_is_said_only_where_every_drawn_batch_held(hold: float, score: int, told: str) -> None:
    found = whole(hold=hold, takes=(0.0, 1 - hold))
    assert found.score == score
    assert found.parts[0].text.endswith(told)


def test_what_is_rounded_down_to_99_is_a_line_of_the_sum() -> None:
    found = whole(hold=0.996, takes=(0.0, 0.004))
    assert found.parts[-1].text == "rounded down, for 100 is kept for what nothing is missing from"
    assert sum(part.points for part in found.parts) == pytest.approx(99)


@pytest.mark.parametrize(("hold", "score"), [(-3.0, 0), (12.0, 100)])
def test_what_is_no_probability_counts_as_the_nearest(hold: float, score: int) -> None:
    assert whole(hold=hold, takes=()).score == score


def test_a_probability_from_a_step_that_was_not_given_the_evidence_does_not_count() -> None:
    found = whole(hold=1.0, evidence=None)
    assert found.score == 90
    assert "not a probability" in found.because


def test_a_requirement_missed_on_the_test_part_is_in_the_probability_already() -> None:
    metrics = {**METRICS, "recall": Measure(value=0.69)}
    records = (record("evaluate", metrics=metrics), assured(0.82, (0.0, 0.18)), record("review", findings=(PASS,)))
    assert final(*records).score == 82
    decided, _, reasons, _ = verdict(run_with(*records), Gate.model_validate({"gate": "ship"}), [])
    assert decided == "fix"
    assert "evaluate.recall >= 0.7: observed 0.69" in reasons


@pytest.mark.parametrize(
    ("evaluated", "findings", "most", "why"),
    [
        ({"metrics": {"roc_auc": Measure(value=0.85)}}, (PASS,), 59, "evaluate.recall >= 0.7 was not measured"),
        ({"metrics": METRICS, "passed": False}, (PASS,), 59, "evaluate did not pass"),
        ({"metrics": METRICS}, (PASS, LEAK), 59, "the review failed: no feature gives the answer away"),
        ({"metrics": METRICS, "issues": (Issue(text="x", severity="critical"),)}, (PASS,), 79, "critical and open"),
    ],
)
def test_what_no_probability_outweighs_caps_it_and_is_named(
    evaluated: dict[str, Any], findings: tuple[Finding, ...], most: int, why: str
) -> None:
    found = final(record("evaluate", **evaluated), assured(0.97, (0.0, 0.03)), record("review", findings=findings))
    assert found.score == most
    assert any(part.text.startswith(f"cap at {most}: ") and why in part.text for part in found.parts)
    assert found.because.startswith(f"capped at {most}: ")
    assert why in found.because
    assert found.because.endswith(
        "; 97 before it: probability that all 2 requirements hold together on the next batch from the same source"
    )


def test_a_cap_that_takes_nothing_decides_nothing() -> None:
    evaluated = record("evaluate", metrics=METRICS, issues=(Issue(text="x", severity="critical"),))
    found = final(evaluated, assured(0.7, ()), record("review", findings=(PASS,)))
    assert found.score == 70
    assert found.because.startswith("probability that all 2 requirements hold")


def test_of_caps_that_leave_the_same_the_first_is_named_and_the_others_are_counted() -> None:
    found = final(record("evaluate", passed=False), assured(0.97, ()), record("review", findings=(PASS, LEAK)))
    assert found.because.startswith(
        "capped at 59: the requirement evaluate.roc_auc >= 0.8 was not measured (and 3 more); 97 before it: "
    )


def test_of_caps_the_lowest_is_named_whichever_came_first() -> None:
    tally = Tally()
    tally.add(90, "measured")
    tally.cap(79, "critical and open")
    tally.cap(59, "the review failed")
    tally.cap(79, "another")
    found = tally.confidence("tested")
    assert (found.score, found.because) == (59, "capped at 59: the review failed; 90 before it: tested")


def test_caps_follow_the_bands_of_the_gate() -> None:
    strict = WORKFLOW.replace("gate: ship", "gate: ship\n      ship: 90\n      fix: 70")
    run = World().begin(strict)
    for one in (record("evaluate", metrics=METRICS), assured(0.97, ()), record("review", findings=(LEAK,))):
        run = run.add(one)
    found = final_confidence(run)
    assert found is not None
    assert found.score == 69


def test_warnings_and_failed_findings_of_less_weight_stand_beside_it_and_take_nothing() -> None:
    issue = Issue(text="few rows", severity="warning")
    evaluated = record("evaluate", metrics=METRICS, issues=(issue,))
    run = run_with(evaluated, assured(), record("review", findings=(PASS, GAP)))
    number = ledger(run)[0].id
    found = final_confidence(run)
    assert found is not None
    assert found.score == 90
    assert [part.text for part in found.parts if part.text.startswith("beside it")] == [
        "beside it, for the reviewer: the review failed: recall is alike",
        f"beside it, for the reviewer: warnings open: {number}",
    ]
    closed = final_confidence(run.add(IssueAnswer(name=number, at=START, action="close", by="Ann", reason="known")))
    assert closed is not None
    assert not [part for part in closed.parts if "warnings open" in part.text]


def test_one_requirement_is_told_as_one() -> None:
    run = World().begin(WORKFLOW.replace(", evaluate.recall >= 0.70", ""))
    for one in (record("evaluate", metrics=METRICS), assured(0.9, (0.1,)), record("review", findings=(PASS,))):
        run = run.add(one)
    found = final_confidence(run)
    assert found is not None
    assert found.because == "probability that the requirement holds on the next batch from the same source"


def test_before_the_review_there_is_no_final_score() -> None:
    assert final_confidence(run_with(record("evaluate", metrics=METRICS), assured())) is None
