"""Open means open: the gate decides by the ledger as it is when it decides, and closing takes evidence made since."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from churnflow import Finding, Issue, Measure, StepResult
from churnflow.domain.journal import Decision, IssueAnswer, Run
from churnflow.domain.ledger import ledger
from churnflow.engine.advance import advance, next_item
from churnflow.engine.check import check
from churnflow.engine.keys import holds
from churnflow.engine.parse import parse
from churnflow.engine.ports import Ports
from churnflow.engine.proof import proof_of
from churnflow.errors import RefusedError, UsageError
from tests.fakes import START, World

WORKFLOW = """name: small
task: Make a number
risks:
  technical: {risk: late labels, severity: critical, closed_by: one.late_ratio <= 0.1}
phases:
  build:
    - step: one
      uses: one
    - checkpoint: built
    - step: two
      uses: two
    - approval: release
    - checkpoint: reviewed
    - gate: ship
"""
ALL = ("build",)
DAY = timedelta(days=1)


class At:
    """A clock that stands at one moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def stopwatch(self) -> float:
        return 0.0


@pytest.fixture
def world() -> World:
    return world_where(0.05)


def world_where(late_ratio: float) -> World:
    world = World()
    ok = Finding(topic="quality", claim="it is fine", state="pass", evidence="seen")
    world.step("one", lambda: StepResult(metrics={"late_ratio": Measure(value=late_ratio)}))
    world.step("two", lambda: StepResult(findings=[ok], issues=[Issue(text="odd", severity="warning")]))
    return world


def decided(run: Run) -> Decision:
    found = run.latest("ship")
    assert isinstance(found, Decision)
    return found


def at(world: World, days: float) -> Ports:
    return replace(world.ports, clock=At(START + days * DAY))


def waived(run: Run, days: int) -> Run:
    (line,) = (line for line in ledger(run) if line.kind == "condition")
    values = {"name": line.id, "action": "waive", "by": "Bo", "reason": "filed later", "at": START + DAY}
    return run.add(IssueAnswer.model_validate({**values, "until": START + days * DAY}))


def test_the_gate_refuses_while_a_promise_is_open_whatever_the_score(world: World) -> None:
    world.reviewer.notes = ("? the consent is filed",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert decided(run).verdict == "fix"
    assert any(reason.startswith("promised and open: release-") for reason in decided(run).reasons)
    assert decided(run).confidence.score < decided(run).bands[1]
    assert any("promised and open" in part.text for part in decided(run).confidence.parts)


def test_a_waiver_lets_the_gate_ship_until_it_ends_and_then_the_verdict_is_stale_and_decided_anew(world: World) -> None:
    world.reviewer.notes = ("? the consent is filed",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    run = advance(waived(run, 30), at(world, 2), phases=ALL)
    assert decided(run).verdict == "ship"
    ends = f"{START + 30 * DAY:%Y-%m-%d}"
    assert any(f"promised, waived by Bo until {ends} (filed later)" in reason for reason in decided(run).reasons)
    for days, due in ((29, None), (30, "ship")):
        placed = next_item(run, lambda item, entry, days=days: holds(run, item, entry, at(world, days)))
        assert (placed[1].name if placed else None) == due
    run = advance(run, at(world, 31), phases=ALL)
    assert decided(run).verdict == "fix"
    assert any(f"(the waiver of Bo ended on {ends})" in reason for reason in decided(run).reasons)
    assert world.journal.current() == run
    assert all(answer.action != "expire" for answer in run.answers())


def test_a_checkpoint_made_after_a_waiver_ended_records_the_issue_as_open(world: World) -> None:
    world.reviewer.notes = ("? the consent is filed",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL, until="release")
    kept = advance(waived(run, 30), at(world, 31), phases=ALL, until="reviewed")
    (checkpoint,) = world.checkpoints.history(kept.id)[-1:]
    assert any("the consent is filed" in text for text in checkpoint.issues_open)


def test_a_critical_risk_bars_the_gate_until_a_step_measures_it_away(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert decided(run).verdict == "ship"
    assert any("critical, closed by step one" in reason for reason in decided(run).reasons)
    world = world_where(0.3)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert decided(run).verdict == "fix"
    assert any(reason.startswith("critical risk open: risks-") for reason in decided(run).reasons)


def test_a_rule_that_closes_a_risk_is_checked_like_a_requirement(world: World) -> None:
    text = WORKFLOW.replace("one.late_ratio", "three.late_ratio")
    (problem,) = check(parse(text, "w.yaml"), world.catalog, world.files, ("json",))
    assert (problem.line, problem.what.split(":")[0]) == (
        4,
        "the rule 'three.late_ratio <= 0.1' names no step before it",
    )


def test_only_what_was_made_since_is_evidence(world: World) -> None:
    world.reviewer.notes = ("? the consent is filed",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    promised = next(line for line in ledger(run) if line.kind == "condition")
    noticed = next(line for line in ledger(run) if line.source == "two")
    for named, line in (("two", promised), ("built", promised), ("two", noticed), ("built", noticed)):
        with pytest.raises(RefusedError, match="was made before"):
            proof_of(named, line, run, world.ports)
    proof = proof_of("reviewed", promised, run, world.ports)
    assert (proof.kind, proof.name) == ("checkpoint", f"churnflow/{run.id}/02-reviewed")
    with pytest.raises(UsageError, match="no checkpoint is called"):
        proof_of("nothing", promised, run, world.ports)
    risk = next(line for line in ledger(run) if line.kind == "risk")
    assert str(proof_of("two", risk, run, world.ports)).startswith("step two (")


def test_a_step_that_did_not_pass_is_no_evidence(world: World) -> None:
    world.reviewer.notes = ("? the consent is filed",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    promised = next(line for line in ledger(run) if line.kind == "condition")
    two = run.latest("two")
    assert two is not None
    with pytest.raises(RefusedError, match="did not pass"):
        proof_of("two", promised, run.add(two.model_copy(update={"passed": False})), world.ports)
    assert proof_of("two", promised, run.add(two.model_copy(update={"seconds": 9.0})), world.ports).name == "two"


def test_a_risk_without_a_measure_is_a_right_one_and_stays_open_until_somebody_answers_for_it(world: World) -> None:
    text = WORKFLOW.replace("  technical:", "  legal: {risk: age is protected}\n  technical:")
    assert check(parse(text, "w.yaml"), world.catalog, world.files, ("json",)) == ()
    run = advance(world.begin(text), world.ports, phases=ALL)
    assert decided(run).verdict == "ship"
    assert [(line.text, line.state) for line in ledger(run) if line.kind == "risk"] == [
        ("legal: age is protected", "open"),
        ("technical: late labels", "closed"),
    ]
