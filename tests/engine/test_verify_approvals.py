"""`verify` follows signatures: the first approval of a history that does not hold ends it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from churnflow.domain.approval import Policy
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Approval, Decision, Entry, Mark, Run
from churnflow.domain.release import Release
from churnflow.domain.reviewers import NAMESPACE, ReviewerList, SignedList
from churnflow.engine.acknowledge import acknowledge
from churnflow.engine.advance import advance
from churnflow.engine.keys import gate_subject, subject
from churnflow.engine.rollback import plan_rollback, rollback
from churnflow.engine.verify import verify_all, verify_one, verify_served
from churnflow.errors import ConflictError, IntegrityError, RefusedError
from tests.engine.signing import SIGNED, approve, forged, listed, reviewer, world
from tests.fake_signing import FakeSigner
from tests.fakes import START, World


def shipped(demand: str = SIGNED, **ann: Any) -> World:
    """Return a world that has shipped what Ann signed."""
    made, run = world(demand)
    listed(made, reviewer("ann", **ann))
    run = approve(made, run, "ann")
    run = advance(run, made.ports, phases=("build",))
    advance(run, made.ports, phases=("decision",))
    assert made.pointer.read() is not None
    return made


def known_to_the_next_list(made: World) -> None:
    """Have the next version of the list name what was released so far as older than itself."""
    made.reviewers.kept = ["a" * 40]
    made.reviewers.before = {(made.pointer.served[0].checkpoint, ("a" * 40,))}


def tampered(made: World, change: Callable[[Run], Run]) -> World:
    """Rewrite the run in every checkpoint, as somebody does who then makes all digests right."""
    (chain,) = made.checkpoints.chains.values()
    made.checkpoints.chains = {
        chain[0].run.id: [one.model_copy(update={"run": rekeyed(change(one.run)), "parent": None}) for one in chain]
    }
    return made


def rekeyed(run: Run) -> Run:
    """State anew what each checkpoint and decision is of."""
    items = {item.name: item for item in run.declared.items()}
    entries = list(run.entries)
    for place, entry in enumerate(entries):
        so_far = run.with_entries(entries)
        if isinstance(entry, Mark):
            entries[place] = entry.model_copy(update={"key": subject(so_far, items[entry.name])})
        if isinstance(entry, Decision):
            entries[place] = entry.model_copy(update={"key": gate_subject(so_far, items[entry.name])})
    return run.with_entries(entries)


def restated(made: World) -> Release:
    """State the approval as it is now in the release and in what is served; return that."""
    (chain,) = made.checkpoints.chains.values()
    (served,) = made.pointer.served
    release = served.model_copy(update={"approval_sha256": digest(chain[-1].run.approvals()[-1])})
    made.checkpoints.chains = {chain[0].run.id: [*chain[:-1], chain[-1].model_copy(update={"release": release})]}
    made.pointer.served = [release]
    return release


def rescue_of(checkpoint: Checkpoint) -> Checkpoint:
    """Return a state that no checkpoint item of the workflow closed, with a step done once more in it."""
    whole = checkpoint.run.entries
    entries = whole[:-1] if isinstance(whole[-1], Mark) else whole
    redone = [e.model_copy(update={"key": "5" * 64}) if e.name == "train" else e for e in entries]
    return checkpoint.model_copy(update={"run": checkpoint.run.with_entries(redone), "release": None, "parent": None})


def with_approval(change: Callable[[Approval], Approval]) -> Callable[[Run], Run]:
    return lambda run: run.with_entries([change(e) if isinstance(e, Approval) else e for e in run.entries])


def test_a_signed_history_verifies_also_after_the_reviewer_has_left() -> None:
    made = shipped()
    known_to_the_next_list(made)
    listed(made, reviewer("bo"))
    assert verify_all(made.ports).served == "v1.0.0"


def test_a_signature_of_who_had_left_the_list_counts_for_no_release_however_it_is_dated() -> None:
    made = shipped()
    listed(made, reviewer("bo"))
    with pytest.raises(IntegrityError, match="ann is not listed in the role risk"):
        verify_all(made.ports)
    (release,) = made.pointer.served
    with pytest.raises(IntegrityError, match="ann is not listed in the role risk"):
        plan_rollback(release.checkpoint, made.ports)


def test_a_signature_in_a_role_that_was_taken_away_counts_for_no_release_however_it_is_dated() -> None:
    made = shipped()
    listed(made, reviewer("ann", "legal"))
    with pytest.raises(IntegrityError, match="ann is not listed in the role risk"):
        verify_all(made.ports)


def test_a_key_that_had_expired_when_the_gate_decided_counts_for_no_release() -> None:
    made = shipped(expires=START + timedelta(days=1))
    assert verify_all(made.ports).served == "v1.0.0"
    late = tampered(made, lambda run: run.with_entries([later(entry) for entry in run.entries]))
    with pytest.raises(IntegrityError, match="no key of ann is valid"):
        verify_one(late.pointer.served[0].checkpoint, late.ports)


def later(entry: Entry) -> Entry:
    """Return a decision as it would have been made two days later."""
    return entry.model_copy(update={"at": entry.at + timedelta(days=2)}) if isinstance(entry, Decision) else entry


def test_packages_that_have_changed_since_do_not_break_the_past() -> None:
    made = shipped()
    made.packages = "2" * 64
    assert verify_all(made.ports).checkpoints == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a.model_copy(update={"signed": (forged(a.signed[0], None, notes=("x",)),)}), "its signature is not"),
        (lambda a: a.model_copy(update={"signed": (forged(a.signed[0], "ann", run="x"),)}), "for another run"),
        (lambda a: a.model_copy(update={"signed": ()}), "given by nobody"),
        (lambda a: a.model_copy(update={"passed": False}), "the approval 'release' is missing"),
        (lambda a: a.model_copy(update={"notes": ("all is well",)}), "does not say what ann signed"),
    ],
)
def test_a_rewritten_approval_is_named(change: Callable[[Approval], Approval], reason: str) -> None:
    made = tampered(shipped(), with_approval(change))
    tag = made.pointer.served[-1].checkpoint
    with pytest.raises(IntegrityError, match=reason) as caught:
        verify_one(tag, made.ports)
    assert str(caught.value).startswith(f"broken link 'signature': {tag}: ")


def test_what_is_served_is_not_served_on_without_its_approval() -> None:
    made = tampered(shipped(), with_approval(lambda a: a.model_copy(update={"signed": ()})))
    release = restated(made)
    with pytest.raises(IntegrityError, match="given by nobody"):
        verify_served(made.ports)
    with pytest.raises(IntegrityError, match="given by nobody"):
        plan_rollback(release.checkpoint, made.ports)


@pytest.mark.parametrize("changes", [{"checkpoint": "gone"}, {"version": "v9.0.0"}, {"approval_sha256": "0" * 64}])
def test_a_release_that_no_checkpoint_made_is_not_brought_back(changes: dict[str, str]) -> None:
    made = shipped()
    (chain,) = made.checkpoints.chains.values()
    ghost = chain[0].model_copy(update={"release": made.pointer.served[0].model_copy(update=changes)})
    made.checkpoints.chains = {ghost.run.id: [ghost, *chain[1:]]}
    with pytest.raises(IntegrityError, match=r"is not what .* released, as far as is known here"):
        plan_rollback(ghost.tag, made.ports)


def test_a_stale_answer_has_only_to_be_about_what_it_says() -> None:
    made = shipped()
    (chain,) = made.checkpoints.chains.values()
    first = rescue_of(chain[0])
    made.checkpoints.chains = {first.run.id: [first]}
    made.pointer.served = []
    assert verify_one(first.tag, made.ports).checkpoints == 1
    moved = with_approval(lambda a: a.model_copy(update={"key": "6" * 64}))
    with pytest.raises(IntegrityError, match="signed for something else"):
        verify_one(first.tag, tampered(made, moved).ports)


def test_a_gate_that_decided_about_an_earlier_state_does_not_count_for_a_later_checkpoint() -> None:
    made = shipped()
    (chain,) = made.checkpoints.chains.values()
    later = rescue_of(chain[-1])
    made.checkpoints.chains = {later.run.id: [later]}
    made.pointer.served = []
    assert verify_one(later.tag, made.ports).checkpoints == 1


def unsigned_release() -> World:
    """Return a world that has released what nobody signed, before anybody was listed."""
    made, run = world("questions: []")
    run = approve(made, run, None)
    run = advance(run, made.ports, phases=("build",))
    advance(run, made.ports, phases=("decision",))
    return made


def test_a_release_from_before_the_first_list_is_held_to_no_floor() -> None:
    made = unsigned_release()
    known_to_the_next_list(made)
    listed(made, reviewer("ann"))
    assert verify_all(made.ports).served == "v1.0.0"


def test_a_release_that_only_says_that_it_is_older_is_held_to_the_floor() -> None:
    made = unsigned_release()
    listed(made, reviewer("ann"))
    first = made.reviewers.versions[0].listed
    later = first.model_copy(update={"at": START + timedelta(days=365)})
    made.reviewers.versions = [SignedList(listed=later, signature=signature(later))]
    made.reviewers.seen = None
    with pytest.raises(IntegrityError, match="the list of reviewers demands"):
        verify_all(made.ports)


def test_a_release_is_held_to_the_floor_of_its_time() -> None:
    made = shipped()
    known_to_the_next_list(made)
    listed(made, reviewer("ann"), floor=Policy(grade="signed", approvers=2))
    assert verify_all(made.ports).served == "v1.0.0"


def test_a_gate_that_released_nothing_is_held_to_the_floor_at_its_time() -> None:
    made = unsigned_release()
    (chain,) = made.checkpoints.chains.values()
    bare = [one.model_copy(update={"release": None, "parent": None}) for one in chain]
    made.checkpoints.chains = {chain[0].run.id: bare}
    made.pointer.served = []
    assert verify_one(bare[-1].tag, made.ports).checkpoints == 1
    listed(made, reviewer("ann"))
    with pytest.raises(IntegrityError, match="the list of reviewers demands"):
        verify_one(bare[-1].tag, made.ports)


def admin(made: World) -> World:
    """Have the chief, an admin, at the keys."""
    made.signer = FakeSigner("chief")
    return made


def test_a_release_from_where_the_list_was_not_known_verifies_once_an_admin_has_said_so() -> None:
    made = unsigned_release()
    listed(made, reviewer("ann"))
    tag = made.pointer.served[0].checkpoint
    with pytest.raises(IntegrityError, match="the list of reviewers demands") as caught:
        verify_served(made.ports)
    assert f"`churnflow reviewers acknowledge {tag} --sign-with KEY`" in caught.value.hint
    acknowledged = acknowledge([tag, tag], admin(made).ports)
    assert [one.number for one in acknowledged.acknowledged] == [0]
    listed(made, reviewer("ann"), reviewer("bo"))
    assert verify_all(made.ports).served == "v1.0.0"
    assert plan_rollback(tag, made.ports).served_then == made.pointer.served[0]


def test_what_was_acknowledged_is_held_to_the_newest_floor_that_it_meets_and_to_no_less() -> None:
    made = shipped()
    listed(made, reviewer("ann"), floor=Policy(grade="signed", approvers=2))
    tag = made.pointer.served[0].checkpoint
    with pytest.raises(IntegrityError, match="the list of reviewers demands 2 approvals"):
        verify_served(made.ports)
    assert [one.number for one in acknowledge([tag], admin(made).ports).acknowledged] == [1]
    assert verify_all(made.ports).served == "v1.0.0"


def test_an_acknowledged_decision_holds_for_the_later_checkpoints_of_its_run_that_release_nothing() -> None:
    made = unsigned_release()
    first = START - timedelta(days=365)
    made.signer = FakeSigner("chief")
    version = ReviewerList(
        project="0" * 32, number=1, previous=None, at=first, by="chief", reviewers=(reviewer("chief", "admin"),)
    )
    made.reviewers.versions = [SignedList(listed=version, signature=signature(version))]
    tag = made.pointer.served[0].checkpoint
    acknowledge([tag], made.ports)
    assert rollback(tag, made.ports).checkpoint.tag != tag
    assert verify_all(made.ports).served == "v1.0.0"


def test_another_checkpoint_with_the_decision_that_was_acknowledged_releases_nothing() -> None:
    made = unsigned_release()
    listed(made, reviewer("ann"))
    release = made.pointer.served[0]
    acknowledge([release.checkpoint], admin(made).ports)
    (chain,) = made.checkpoints.chains.values()
    other = chain[-1].model_copy(update={"reason": "another one"})
    made.checkpoints.chains = {other.run.id: [*chain[:-1], other]}
    with pytest.raises(IntegrityError, match="the list of reviewers demands"):
        verify_served(made.ports)


def test_what_is_approved_as_demanded_or_is_forged_can_not_be_acknowledged() -> None:
    made = shipped()
    tag = made.pointer.served[0].checkpoint
    with pytest.raises(ConflictError, match="needs no word of an admin"):
        acknowledge([tag], admin(made).ports)
    tampered(made, with_approval(lambda a: a.model_copy(update={"signed": (forged(a.signed[0], None, notes=("x",)),)})))
    with pytest.raises(IntegrityError, match="its signature is not"):
        acknowledge([tag], made.ports)
    assert len(made.reviewers.versions) == 1


def test_nobody_but_an_admin_acknowledges() -> None:
    made = unsigned_release()
    listed(made, reviewer("ann"))
    made.signer = FakeSigner("ann")
    with pytest.raises(RefusedError, match="ann has not the role admin"):
        acknowledge([made.pointer.served[0].checkpoint], made.ports)


def signature(listing: ReviewerList) -> str:
    return FakeSigner("chief").sign(listing.text(), NAMESPACE)
