"""Approvals that have to be signed: what counts, what is refused, and that the gate proves it anew."""

from datetime import timedelta
from typing import Any

import pytest

from churnflow.domain.approval import Policy
from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Run
from churnflow.domain.workflow import Gate
from churnflow.engine.advance import advance
from churnflow.engine.judge import blockers
from churnflow.engine.keys import gate_subject
from churnflow.engine.verify import verify_all
from churnflow.errors import ConflictError, IntegrityError, RefusedError, WaitingError
from tests.engine.signing import (
    SIGNED,
    WORKFLOW,
    approval,
    approve,
    decided,
    forged,
    listed,
    recorded,
    refusal,
    reviewer,
    world,
)
from tests.fakes import START, World

NOW = START + timedelta(minutes=1)
RISK = "{grade: signed, role: risk}"


def demand(**wanted: object) -> str:
    return "\n      ".join(f"{name}: {value}" for name, value in wanted.items())


def signed_by_ann(**wanted: object) -> tuple[World, Run]:
    """Return a run that Ann has approved with her key."""
    made, run = world(demand(**{"grade": "signed", **wanted}))
    listed(made, reviewer("ann"), reviewer("bo", "risk", "legal"))
    return made, approve(made, run, "ann")


def test_a_signature_of_a_listed_reviewer_opens_the_gate_and_proves_in_the_history() -> None:
    made, run = signed_by_ann(role="risk")
    entry = approval(run)
    assert (entry.passed, entry.grade, entry.reviewer) == (True, "signed+distinct", "ann")
    assert decided(made, run).verdict == "ship"
    current = made.journal.current()
    assert current is not None
    advance(current, made.ports, phases=("decision",))
    assert made.pointer.read() is not None
    assert verify_all(made.ports).served == "v1.0.0"


def test_the_statement_binds_what_was_approved() -> None:
    made, run = signed_by_ann()
    statement = approval(run).signed[0].statement
    assert statement.subject == approval(run).key
    assert statement.workflow == run.workflow_sha256
    assert statement.models == {artifact.name: artifact.sha256 for artifact in run.artifacts().values()}
    assert (statement.run, statement.approval, statement.environment) == (run.id, "release", made.packages)
    assert statement.reviewers == made.reviewers.versions[-1].listed.sha256


@pytest.mark.parametrize("said", ["approve", "approve-with-notes"])
def test_a_yes_without_a_signature_waits_and_records_nothing(said: str) -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    with pytest.raises(WaitingError, match="needs 1 approval of grade signed"):
        approve(made, run, None, said)
    assert made.journal.current() == run


def test_a_no_needs_no_signature_and_a_later_signature_lifts_it() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, None, "reject")
    assert (approval(run).passed, approval(run).grade) == (False, "unsigned")
    assert approval(approve(made, run, "ann")).passed


def test_without_a_list_nothing_can_be_signed() -> None:
    made, run = world()
    with pytest.raises(ConflictError, match="nobody is listed"):
        approve(made, run, "ann")


def test_a_key_that_is_not_listed_is_refused() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    with pytest.raises(RefusedError, match="not listed"):
        approve(made, run, "eve")


def test_two_approvers_are_two_people_and_the_first_is_named_as_waiting_for_the_other() -> None:
    made, run = world(demand(grade="signed", approvers=2, role="risk"))
    listed(made, reviewer("ann"), reviewer("bo"), reviewer("ann", key="second"))
    run = approve(made, run, "ann")
    assert approval(run).lacks == (
        "needs 2 approvals of grade signed, in the role risk; given by ann; missing: 1 more, of bo"
    )
    run = approve(made, run, "second")
    assert not approval(run).passed
    run = approve(made, run, "bo")
    assert (approval(run).passed, {one.statement.reviewer for one in approval(run).signed}) == (True, {"ann", "bo"})
    assert decided(made, run).verdict == "ship"


def test_two_unsigned_approvers_are_two_names() -> None:
    made, run = world(demand(approvers=2))
    run = approve(made, run, None)
    assert approval(run).lacks == "needs 2 approvals of grade unsigned; given by ann"
    run = approve(made, run, None)
    assert not approval(run).passed
    made.reviewer.name = "Bo"
    run = approve(made, run, None)
    assert (approval(run).passed, approval(run).others, approval(run).grade) == (True, ("ann",), "unsigned")
    assert decided(made, run).verdict == "ship"


def test_a_signed_no_stands_until_the_same_reviewer_says_yes() -> None:
    made, run = world()
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, run, "ann", "reject")
    assert (approval(run).passed, approval(run).grade) == (False, "signed")
    run = approve(made, run, "bo")
    assert approval(run).lacks == "was rejected by ann"
    assert approval(approve(made, run, "ann")).passed


def test_a_no_that_is_left_out_of_the_newest_record_still_counts() -> None:
    made, run = signed_by_ann()
    yes = approval(run)
    run = approve(made, run, "ann", "reject")
    later = forged(approval(run).signed[0], "ann", at=yes.signed[0].statement.at + timedelta(seconds=1))
    no = approval(run).model_copy(update={"signed": (later,)})
    run = run.with_entries([*[e for e in run.entries if e not in run.approvals()], no, yes])
    assert "was rejected by ann" in " ".join(decided(made, run).reasons)


def test_a_role_that_the_reviewer_has_not_is_refused() -> None:
    made, run = world(demand(grade="signed", role="legal"))
    listed(made, reviewer("ann"), reviewer("bo", "legal"))
    with pytest.raises(RefusedError, match="ann is not listed in the role legal"):
        approve(made, run, "ann")
    assert approval(approve(made, run, "bo")).passed


@pytest.mark.parametrize(
    ("wrote", "identities", "grade"),
    [
        ({None: ["Dev", "dev@example.org"]}, (), "signed+distinct"),
        ({None: ["ANN@example.org"]}, ("ann@example.org",), "signed"),
        ({None: ["Ann"]}, (), "signed"),
    ],
)
def test_distinct_is_who_stands_not_among_the_writers(
    wrote: dict[str | None, list[str]], identities: tuple[str, ...], grade: str
) -> None:
    made, run = world(demand(grade="signed"))
    made.author, made.wrote = "root", wrote  # type: ignore[assignment]
    listed(made, reviewer("ann", identities=identities))
    assert approval(approve(made, run, "ann")).grade == grade


def test_a_writer_may_sign_and_is_not_enough_where_distinct_is_demanded() -> None:
    made, run = world(demand(grade="signed+distinct"))
    made.wrote = {None: ["ann"]}
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, run, "ann")
    assert approval(run).lacks == (
        "needs 1 approval of grade signed+distinct; given by nobody; not distinct: ann wrote part of it; "
        "missing: 1 more, of chief, bo"
    )
    assert approval(approve(made, run, "bo")).passed


def test_who_has_the_gate_decide_is_not_distinct() -> None:
    made, run = world(demand(grade="signed+distinct"))
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    assert approval(run).passed
    made.author = "ann"
    assert "not distinct: ann" in " ".join(decided(made, run).reasons)


def test_only_what_came_after_the_release_before_is_compared() -> None:
    made, run = signed_by_ann()
    decided(made, run)
    current = made.journal.current()
    assert current is not None
    advance(current, made.ports, phases=("decision",))
    released = made.pointer.read()
    assert released is not None
    made.wrote = {None: ["ann"], released.checkpoint: ["Dev"]}
    again = made.begin(WORKFLOW.replace("DEMAND", SIGNED), "261124-bbbb")
    again = advance(again, made.ports, phases=("build",), until="train")
    assert approval(approve(made, again, "ann")).grade == "signed+distinct"


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "run": ({"run": "261123-zzzz"}, "for another run"),
    "name": ({"approval": "plan"}, "for another approval"),
    "state": ({"subject": "1" * 64}, "for another state of the run"),
    "workflow": ({"workflow": "1" * 64}, "for another workflow"),
    "policy": ({"policy": Policy(grade="signed", approvers=2)}, "for another policy"),
    "data": ({"data": {"x.csv": "1" * 64}}, "for another data"),
    "packages": ({"environment": "2" * 64}, "for another set of packages"),
    "model": ({"models": {}}, "for another model"),
    "project": ({"project": "f" * 32}, "for another project"),
    "list": ({"reviewers": "1" * 64}, "a list of reviewers that this project never had"),
    "reviewer": ({"reviewer": "eve"}, "eve is not listed in the role risk"),
    "role": ({"role": "admin"}, "ann is not listed in the role admin"),
    "past": ({"at": START - timedelta(days=1)}, "dated before what it approves was made"),
    "future": ({"at": START + timedelta(days=1)}, "dated in the future"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_statement_about_anything_else_is_refused_even_if_the_key_signs_it(what: str) -> None:
    made, run = signed_by_ann()
    changes, reason = CHANGES[what]
    found = refusal(made, run, forged(approval(run).signed[0], "ann", **changes), now=NOW)
    assert found is not None
    assert reason in found


CHANGED: dict[str, object] = {
    "answer": "approve-with-notes",
    "notes": ("x",),
    "nonce": "f" * 32,
    "wrote": ("x",),
    "answers": {"a": "b"},
}


@pytest.mark.parametrize("field", CHANGED)
def test_a_statement_that_was_changed_after_it_was_signed_is_refused(field: str) -> None:
    made, run = signed_by_ann()
    found = refusal(made, run, forged(approval(run).signed[0], None, **{field: CHANGED[field]}), now=NOW)
    assert found == "its signature is not one that a listed key of ann made over it"


def test_a_signature_in_a_wrong_role_is_refused_by_the_policy() -> None:
    made, run = signed_by_ann(role="risk")
    listed(made, reviewer("ann", "risk", "legal"), reviewer("bo"))
    newest = made.reviewers.versions[-1].listed.sha256
    found = refusal(made, run, forged(approval(run).signed[0], "ann", role="legal", reviewers=newest), now=NOW)
    assert found == "it was signed in the role legal, not risk"


def test_a_key_counts_from_when_it_was_listed() -> None:
    made, run = world()
    listed(made, reviewer("ann"), reviewer("bo", since=START + timedelta(hours=1)))
    run = approve(made, run, "ann")
    found = refusal(made, run, forged(approval(run).signed[0], "bo", reviewer="bo"), now=NOW)
    assert found == "it is dated before the key was listed"


def test_an_expired_key_counts_no_more_at_the_gate_and_still_in_the_history() -> None:
    made, run = world()
    listed(made, reviewer("ann", expires=START + timedelta(minutes=30)))
    run = approve(made, run, "ann")
    one = approval(run).signed[0]
    assert refusal(made, run, one, now=NOW) is None
    assert "no key of ann is valid" in str(refusal(made, run, one, now=START + timedelta(hours=1)))
    assert refusal(made, run, one, now=None) is None
    late = forged(one, "ann", at=START + timedelta(minutes=40))
    assert "no key of ann is valid" in str(refusal(made, run, late, now=None))


def test_a_removed_key_counts_no_more_at_the_gate_and_still_in_the_history() -> None:
    made, run = signed_by_ann()
    one = approval(run).signed[0]
    listed(made, reviewer("bo"))
    assert refusal(made, run, one, now=NOW) == "ann is not listed in the role risk"
    assert refusal(made, run, one, now=None) is None
    assert "ann is not listed" in " ".join(decided(made, run).reasons)


def test_the_same_answer_given_twice_is_refused() -> None:
    made, run = signed_by_ann()

    class Replayed:
        def review(self, brief: object, phase: str) -> object:
            return approval(run)

    made.reviewer = Replayed()  # type: ignore[assignment]
    with pytest.raises(RefusedError, match="its nonce was used before"):
        approve(made, run, None)


def test_an_answer_with_a_signature_that_is_not_over_it_ends_as_a_broken_link() -> None:
    made, run = signed_by_ann()
    false = forged(approval(run).signed[0], "eve", nonce="1" * 32)

    class Liar:
        def review(self, brief: object, phase: str) -> object:
            return approval(run).model_copy(update={"signed": (false,)})

    made.reviewer = Liar()  # type: ignore[assignment]
    with pytest.raises(IntegrityError, match="its signature is not one that a listed key of ann made over it"):
        approve(made, run, None)


@pytest.mark.parametrize("tampered", ["no signature", "other key", "other text"])
def test_the_gate_does_not_believe_the_journal(tampered: str) -> None:
    made, run = signed_by_ann()
    one = approval(run).signed[0]
    if tampered == "no signature":
        run, reason = recorded(run, []), "given by nobody"
    elif tampered == "other key":
        run, reason = recorded(run, [forged(one, "eve")]), "its signature is not one that a listed key of ann made"
    else:
        run, reason = recorded(run, [one], notes=("all is well",)), "does not say what ann signed"
    entry = decided(made, run)
    assert entry.verdict == "fix"
    assert reason in " ".join(entry.reasons)


def test_a_false_signature_beside_an_unsigned_approval_keeps_the_gate_shut() -> None:
    made, run = world("questions: []")
    listed(made, reviewer("ann"), floor=Policy())
    run = approve(made, run, "ann")
    false = recorded(run, [forged(approval(run).signed[0], "eve")])
    assert "does not count" in " ".join(decided(made, false).reasons)
    assert decided(made, run).verdict == "ship"


def test_one_false_answer_beside_enough_true_ones_keeps_the_gate_shut() -> None:
    made, run = signed_by_ann()
    one = approval(run).signed[0]
    run = recorded(run, [one, forged(one, "eve", reviewer="bo")])
    assert "the answer of bo does not count" in " ".join(decided(made, run).reasons)


def test_a_decision_written_by_hand_makes_no_release() -> None:
    made, run = signed_by_ann()
    shipped = decided(made, run)
    run = recorded(run, [])
    run = advance(run, made.ports, phases=("build",))
    gate = next(item for item in run.declared.items() if item.name == "ship")
    run = run.add(shipped.model_copy(update={"key": gate_subject(run, gate)}))
    with pytest.raises(RefusedError, match="the gate 'ship' is recorded as ship, but the approval 'release' needs"):
        advance(run, made.ports, phases=("decision",))
    assert made.pointer.read() is None


@pytest.mark.parametrize("grade", ["signed", "unsigned"])
def test_the_floor_of_the_list_holds_whatever_the_workflow_says(grade: str) -> None:
    made, run = world("questions: []")
    listed(made, reviewer("ann"), floor=Policy(grade=grade, role="risk" if grade == "signed" else None))  # type: ignore[arg-type]
    run = approve(made, run, None)
    entry = decided(made, run)
    assert entry.verdict == ("fix" if grade == "signed" else "ship")
    assert ("the list of reviewers demands" in " ".join(entry.reasons)) == (grade == "signed")


def test_the_floor_counts_only_those_in_its_role() -> None:
    made, run = world(demand(grade="signed"))
    listed(made, reviewer("ann", "legal"), reviewer("bo"), floor=Policy(grade="signed", role="risk"))
    run = approve(made, run, "ann")
    assert "demands 1 approval of grade signed, in the role risk" in " ".join(decided(made, run).reasons)


def test_a_workflow_without_an_approval_releases_nothing_where_reviewers_are_listed() -> None:
    made = World()
    made.step("train", lambda: StepResult(outputs={"model": 1}))
    listed(made, reviewer("ann"))
    text = "name: x\ntask: y\nphases:\n  all:\n    - step: train\n      uses: train\n      produces: {model: CODEC}\n"
    gate = "    - gate: ship\n      ship: 0\n      fix: 0\n"
    verdicts = {}
    for number, codec in enumerate(("release", "json")):
        run = made.begin(text.replace("CODEC", codec) + gate, f"261123-aaa{number}")
        run = advance(run, made.ports, phases=("all",))
        verdicts[codec] = run.latest("ship").verdict  # type: ignore[union-attr]
    assert verdicts == {"release": "fix", "json": "ship"}


def test_an_approval_with_the_defaults_is_recorded_as_it_always_was() -> None:
    made, run = world("questions: []")
    run = approve(made, run, None)
    assert not {"grade", "signed", "others", "lacks"} & approval(run).model_dump().keys()
    assert "by" not in run.model_dump()
    assert not {"grade", "approvers", "role"} & run.declared.model_dump()["phases"]["build"][1].keys()


def test_an_approval_that_lacks_somebody_says_so_in_the_reasons_of_the_gate() -> None:
    made, run = world(demand(grade="signed", approvers=2))
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, run, "ann")
    gate = next(item for item in run.declared.items() if isinstance(item, Gate))
    (reason,) = blockers(run, gate, ["release"])
    assert reason.startswith("the approval 'release' needs 2 approvals of grade signed; given by ann")
    assert run.answers() == ()
