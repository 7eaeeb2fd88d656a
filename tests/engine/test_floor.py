"""What the list of reviewers demands of a gate is met by who signed for what ships, in the role that is demanded."""

import pytest

from churnflow.domain.approval import Policy
from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Decision, Run
from churnflow.engine.advance import advance
from churnflow.engine.judge import wanting
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


def outlook(made: World) -> Decision:
    found = made.reviewer.briefs[-1].outlook
    assert found is not None
    return found


def test_whoever_is_about_to_sign_is_told_whether_that_meets_what_the_list_demands() -> None:
    made, run = world()
    listed(made, reviewer("bo"), reviewer("cy"), floor=Policy(grade="signed", approvers=2, role="risk"))
    run = approve(made, run, "bo")
    said = "the list of reviewers demands 2 approvals of grade signed, in the role risk before a gate"
    assert outlook(made).reasons[-1] == f"{said}; with this answer that will be of bo"
    assert decided(made, run).verdict == outlook(made).verdict == "fix"
    run = approve(made, run, "cy")
    assert (outlook(made).passed, shipped(made, run)) == (True, "v1.0.0")


@pytest.mark.parametrize(
    ("floor", "signs", "given"),
    [
        (Policy(grade="signed", role="legal"), "bo", "nobody"),
        (Policy(grade="signed+distinct"), "ann", "nobody"),
        (Policy(grade="signed+distinct"), "bo", None),
        (Policy(grade="signed"), None, "nobody"),
    ],
)
def test_a_signature_that_can_not_meet_the_lists_demand_is_told_so(
    floor: Policy, signs: str | None, given: str | None
) -> None:
    made, run = world("questions: []")
    listed(made, reviewer("ann"), reviewer("bo"), reviewer("cy", "legal"), floor=floor)
    run = approve(made, run, signs)
    told = given is not None and outlook(made).reasons[-1].endswith(f"with this answer that will be of {given}")
    assert told is (given is not None)
    assert decided(made, run).verdict == outlook(made).verdict == ("ship" if given is None else "fix")


def test_a_rejection_by_a_signature_is_not_counted_among_those_who_agree() -> None:
    made, run = world()
    listed(made, reviewer("bo"), reviewer("cy"), floor=Policy(grade="signed", approvers=2))
    run = approve(made, approve(made, run, "bo", "reject"), "cy")
    assert outlook(made).reasons[-1].endswith("with this answer that will be of cy")


def test_the_approval_that_a_gate_misses_is_found_with_the_reason_that_names_it() -> None:
    made, run = world()
    listed(made, reviewer("bo"), floor=RISK)
    entry = decided(made, approve(made, run, "chief"))
    gate = next(item for item in run.declared.items() if item.name == "ship")
    request = next(item for item in run.declared.items() if item.name == "release")
    assert wanting(run, gate, entry.reasons) == (request, entry.reasons[-1])
    assert wanting(run, gate, ["x", "the approval 'release' is missing"]) == (
        request,
        "the approval 'release' is missing",
    )
    assert wanting(run, gate, ["final confidence 70, band 60-79 (fix): so"]) is None
