"""What the list of reviewers demands of a gate is met by who signed for what ships, in the role that is demanded."""

import pytest

from churnflow.domain.approval import Policy
from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Run
from churnflow.engine.advance import advance
from churnflow.engine.verify import verify_all
from churnflow.errors import IntegrityError
from tests.engine.signing import SIGNED, WORKFLOW, approval, approve, decided, listed, reviewer, world
from tests.fakes import World

STEP = "    - step: train\n      uses: train\n      produces: {model: release}\n"
EARLY = WORKFLOW.replace(STEP, "").replace("    - checkpoint: approved\n", "    - checkpoint: approved\n" + STEP)
RISK = Policy(grade="signed", role="risk")


def early(text: str = EARLY, floor: Policy | None = None) -> tuple[World, Run]:
    """Return a run that Ann approved before it made its release."""
    made = World()
    made.step("train", lambda: StepResult(outputs={"model": 1}))
    made.reviewer.answer = None
    listed(made, reviewer("ann"), floor=floor)
    return made, approve(made, made.begin(text.replace("DEMAND", SIGNED)), "ann")


def shipped(made: World, run: Run) -> str | None:
    for phase in ("build", "decision"):
        run = advance(run, made.ports, phases=(phase,))
    return verify_all(made.ports).served


def test_a_signature_from_before_the_release_was_made_is_none_for_it() -> None:
    made, run = early()
    entry = decided(made, run)
    assert entry.verdict == "fix"
    assert "demands 1 approval of grade signed before a gate, which no approval of 'model' here" in entry.reasons[-1]


def test_a_release_that_nobody_signed_for_does_not_verify_where_the_list_demanded_it() -> None:
    made, run = early(floor=Policy())
    assert shipped(made, run) == "v1.0.0"
    listed(made, reviewer("ann"), floor=Policy(grade="signed"))
    with pytest.raises(IntegrityError, match="which no approval of 'model' here is"):
        verify_all(made.ports)


def test_a_gate_before_anything_was_made_that_can_be_served_needs_a_signature_alone() -> None:
    text = EARLY.replace("    - checkpoint: approved\n", "    - gate: go\n      ship: 0\n      fix: 0\n")
    made, run = early(text)
    run = advance(run, made.ports, phases=("build",), until="go")
    assert run.latest("go").verdict == "ship"  # type: ignore[union-attr]


def test_a_role_that_another_key_of_the_reviewer_has_is_none_of_the_signature() -> None:
    made, run = world()
    listed(made, reviewer("ann", "dev", key="second"), reviewer("ann", "risk"), floor=RISK)
    run = approve(made, run, "second")
    assert approval(run).signed[0].statement.role == "dev"
    assert "demands 1 approval of grade signed, in the role risk" in decided(made, run).reasons[-1]


def test_a_reviewer_of_several_roles_signs_in_the_one_that_the_list_demands() -> None:
    made, run = world()
    listed(made, reviewer("ann", "dev", "risk"), floor=RISK)
    run = approve(made, run, "ann")
    assert approval(run).signed[0].statement.role == "risk"
    assert shipped(made, run) == "v1.0.0"
