"""A signed no: nothing but the same reviewer's later yes takes it back, and an outdated answer hides none."""

from datetime import timedelta
from typing import Any

import pytest

from churnflow.domain.approval import Policy, Signed
from churnflow.domain.journal import Approval, Run
from churnflow.engine.advance import advance
from churnflow.engine.rollback import rollback
from churnflow.engine.verify import verify_all, verify_one
from churnflow.errors import IntegrityError, RefusedError
from tests.engine.signing import SIGNED, approval, approve, decided, forged, listed, recorded, reviewer, world
from tests.fakes import World

TWO = "grade: signed\n      approvers: 2"


def current(made: World) -> Run:
    run = made.journal.current()
    assert run is not None
    return run


def went_back(demand: str = SIGNED, *first: str, floor: Policy | None = None) -> tuple[World, Run]:
    """Return a run that went back to where it was approved, by Ann or by `first`, after Ann had signed a no."""
    made, run = world(demand)
    listed(made, reviewer("ann"), reviewer("bo"), floor=floor)
    for name in first or (None if floor else "ann",):
        run = approve(made, run, name)
    run = advance(run, made.ports, phases=("build",))
    approved = made.checkpoints.history(run.id)[-1].tag
    approve(made, run, "ann", "reject")
    rollback(approved, made.ports)
    return made, current(made)


def ship(made: World, run: Run) -> None:
    for phase in ("build", "decision"):
        run = advance(run, made.ports, phases=(phase,))


class Given:
    """A reviewer whose signed answer was made elsewhere."""

    def __init__(self, entry: Approval, signed: Signed) -> None:
        self.entry = entry.model_copy(update={"signed": (signed,), "answer": signed.statement.answer})

    def review(self, brief: object, phase: str) -> Approval:
        return self.entry


def give(made: World, run: Run, signed: Signed, entry: Approval) -> Run:
    asked, made.reviewer = made.reviewer, Given(entry, signed)  # type: ignore[assignment]
    try:
        return approve(made, run, None)
    finally:
        made.reviewer = asked


def without_no(run: Run) -> Run:
    return run.with_entries([e for e in run.entries if not (isinstance(e, Approval) and e.answer == "reject")])


@pytest.mark.parametrize(("demand", "first"), [(SIGNED, ["ann"]), (TWO, ["ann", "bo"])])
def test_a_rollback_does_not_undo_a_signed_no(demand: str, first: list[str]) -> None:
    made, run = went_back(demand, *first)
    assert approval(run).passed
    assert "was rejected by ann" in " ".join(decided(made, run).reasons)


def test_after_a_rollback_the_reviewer_who_said_no_can_still_say_yes() -> None:
    made, run = went_back()
    ship(made, approve(made, run, "ann"))
    assert verify_all(made.ports).served == "v1.0.0"


def test_after_a_rollback_the_yes_of_another_does_not_outweigh_the_no() -> None:
    made, run = went_back()
    assert approval(approve(made, run, "bo")).lacks == "was rejected by ann"


def test_a_rollback_does_not_undo_a_signed_no_to_an_approval_that_needs_no_signature() -> None:
    made, run = went_back("questions: []", floor=Policy())
    assert "was rejected by ann" in " ".join(decided(made, run).reasons)
    assert approval(approve(made, run, None)).lacks == "was rejected by ann"


def test_where_the_journal_does_not_go_back_far_enough_the_checkpoints_tell_of_the_no() -> None:
    made, run = went_back()
    made.journal.recorded.clear()
    assert "was rejected by ann" in " ".join(decided(made, run).reasons)


@pytest.mark.parametrize("told_by", ["checkpoints", "journal"])
def test_a_release_against_a_signed_no_does_not_verify(told_by: str) -> None:
    made, run = went_back()
    told = list(made.journal.recorded[run.id])
    made.journal.recorded[run.id] = list(without_no(run.with_entries(told)).entries)
    ship(made, run)
    if told_by == "journal":
        chain = made.checkpoints.chains[run.id]
        chain[:] = [one.model_copy(update={"run": without_no(one.run)}) for one in chain]
        made.journal.recorded[run.id] = [*told, *made.journal.recorded[run.id]]
    with pytest.raises(IntegrityError, match="was rejected by ann"):
        verify_one(made.pointer.served[0].checkpoint, made.ports)


def test_a_no_that_came_after_the_release_leaves_its_history_true() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    ship(made, approve(made, run, "ann"))
    approve(made, current(made), "ann", "reject")
    assert verify_all(made.ports).served == "v1.0.0"
    rollback(made.pointer.served[0].checkpoint, made.ports)
    assert verify_all(made.ports).served == "v1.0.0"
    made.journal.recorded.clear()
    assert verify_all(made.ports).served == "v1.0.0"


def test_an_answer_from_before_a_rollback_is_not_given_twice() -> None:
    made, run = went_back()
    (no,) = (e for e in made.journal.recorded[run.id] if isinstance(e, Approval) and e.answer == "reject")
    with pytest.raises(RefusedError, match="its nonce was used before"):
        give(made, run, no.signed[0], no)


def test_a_no_counts_also_after_a_yes_that_a_clock_dated_ahead() -> None:
    made, run = world(TWO)
    listed(made, reviewer("ann"), reviewer("bo"))
    (yes,) = approval(approve(made, run, "ann")).signed
    ahead = forged(yes, "ann", at=yes.statement.at + timedelta(minutes=4))
    made.journal.recorded[run.id] = [e for e in made.journal.recorded[run.id] if not isinstance(e, Approval)]
    run = give(made, run, ahead, approval(approve(made, run, None, "reject")))
    run = approve(made, run, "ann", "reject")
    assert approval(approve(made, run, "bo")).lacks == "was rejected by ann"


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_answer_that_is_not_dated_after_the_one_before_is_refused(seconds: int) -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, approve(made, run, "ann"), "ann", "reject")
    no = approval(run).signed[0]
    at = no.statement.at + timedelta(seconds=seconds)
    with pytest.raises(RefusedError, match="it is not dated after the answer before"):
        give(made, run, forged(no, "ann", answer="approve", nonce="1" * 32, at=at), approval(run))


def test_of_a_yes_and_a_no_of_the_same_second_the_no_counts() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    (yes,) = approval(run).signed
    for both in ([yes, forged(yes, "ann", answer="reject")], [forged(yes, "ann", answer="reject"), yes]):
        assert "was rejected by ann" in " ".join(decided(made, recorded(run, both)).reasons)


@pytest.mark.parametrize("change", [{"run": "261123-zzzz"}, {"models": {}}, {"role": "admin"}])
def test_an_answer_that_does_not_count_hides_no_earlier_no(change: dict[str, Any]) -> None:
    made, run = world()
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, approve(made, run, "ann", "reject"), "bo")
    no, yes = approval(run).signed
    later = forged(no, "ann", answer="approve", at=yes.statement.at + timedelta(seconds=9), **change)
    assert "was rejected by ann" in " ".join(decided(made, recorded(run, [no, yes, later])).reasons)


def test_a_reviewer_who_was_removed_after_signing_is_replaced_by_another() -> None:
    made, run = world()
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, run, "bo")
    listed(made, reviewer("ann"))
    assert "bo is not listed" in " ".join(decided(made, run).reasons)
    run = approve(made, run, "ann")
    assert [one.statement.reviewer for one in approval(run).signed] == ["ann"]
    ship(made, run)
    assert verify_all(made.ports).served == "v1.0.0"


def test_a_reviewer_who_was_removed_after_signing_keeps_nothing_shut_where_enough_others_signed() -> None:
    made, run = world()
    listed(made, reviewer("ann"), reviewer("bo"))
    run = approve(made, approve(made, run, "bo"), "ann")
    listed(made, reviewer("ann"))
    assert decided(made, run).verdict == "ship"
    ship(made, current(made))
    assert verify_all(made.ports).served == "v1.0.0"
