"""The list of reviewers: trusted on first use, changed by its admins alone, never exchanged or taken back unnoticed."""

from datetime import timedelta
from functools import partial

import pytest

from churnflow.domain.approval import Policy
from churnflow.domain.reviewers import NAMESPACE, Pin, ReviewerList, SignedList
from churnflow.engine.advance import advance
from churnflow.engine.reviewers import Draft, amend, newer, trusted
from churnflow.engine.rollback import plan_rollback
from churnflow.engine.verify import verify_one, verify_served
from churnflow.errors import IntegrityError, RefusedError, UsageError
from tests.engine.signing import WORKFLOW, approve, listed, reviewer, world
from tests.fake_signing import FakeReviewers, FakeSigner
from tests.fakes import START, World


def signed(version: ReviewerList, key: str) -> SignedList:
    return SignedList(listed=version, signature=FakeSigner(key).sign(version.text(), NAMESPACE))


def two_versions() -> World:
    made = World()
    listed(made, reviewer("ann"))
    listed(made, reviewer("ann"), reviewer("bo"))
    return made


def test_each_version_follows_on_the_one_before_and_keeps_project_and_floor() -> None:
    made = World()
    listed(made, reviewer("ann"), floor=Policy(grade="signed+distinct", approvers=2))
    listed(made, reviewer("bo"))
    first, second = trusted(made.ports)
    assert (second.number, second.previous, second.project) == (2, first.sha256, first.project)
    assert second.floor == first.floor
    assert made.reviewers.seen == Pin(first=first.sha256, number=2, newest=second.sha256)


def test_a_gate_behind_a_first_list_needs_a_signature_unless_the_list_says_otherwise() -> None:
    made = World()
    listed(made, reviewer("ann"))
    assert trusted(made.ports)[0].floor == Policy(grade="signed")


def test_where_nobody_was_listed_there_is_no_list() -> None:
    assert trusted(World().ports) == ()


def test_a_change_without_a_key_is_refused() -> None:
    with pytest.raises(UsageError, match="signed by one of its admins"):
        amend(Draft((reviewer("chief", "admin"),), project="0" * 32), World().ports)


def test_only_an_admin_changes_the_list() -> None:
    made = two_versions()
    made.signer = FakeSigner("ann")
    with pytest.raises(RefusedError, match="ann has not the role admin"):
        amend(Draft((reviewer("ann", "admin"),)), made.ports)
    assert len(made.reviewers.versions) == 2


def test_an_admin_whose_key_has_expired_changes_nothing() -> None:
    made = World()
    made.signer = FakeSigner("chief")
    amend(Draft((reviewer("chief", "admin", expires=START + timedelta(seconds=2)),), project="0" * 32), made.ports)
    ports = made.ports
    for _ in range(5):
        ports.clock.now()
    with pytest.raises(RefusedError, match="the key of chief has expired on") as caught:
        amend(Draft((reviewer("chief", "admin"),)), ports)
    assert caught.value.hint.startswith("no admin has a key that is valid")


class Impostor(FakeSigner):
    """Names the key of another and signs with one of their own."""

    def sign(self, message: bytes, namespace: str) -> str:
        return FakeSigner("eve").sign(message, namespace)


def test_a_signature_that_the_named_admin_did_not_make_keeps_no_version() -> None:
    made = two_versions()
    made.signer = Impostor("chief")
    with pytest.raises(RefusedError, match="version 3 of the list of reviewers is not signed by an admin"):
        amend(Draft((reviewer("chief", "admin"),)), made.ports)
    assert len(made.reviewers.versions) == 2


def test_beside_an_expired_admin_those_are_named_who_can_still_sign() -> None:
    made = World()
    made.signer = FakeSigner("chief")
    admins = (reviewer("chief", "admin", expires=START + timedelta(seconds=2)), reviewer("bo", "admin"))
    amend(Draft((*admins, reviewer("ann")), project="0" * 32), made.ports)
    ports = made.ports
    for _ in range(5):
        ports.clock.now()
    with pytest.raises(RefusedError, match="the key of chief has expired on") as caught:
        amend(Draft(admins), ports)
    assert caught.value.hint == "have it signed with a valid key of bo"
    made.signer = FakeSigner("bo")
    assert amend(Draft(admins), made.ports).number == 2


@pytest.mark.parametrize(
    "floor",
    [
        Policy(approvers=2),
        Policy(role="risk"),
        Policy(grade="signed", approvers=3),
        Policy(grade="signed", role="risk", approvers=2),
        Policy(grade="signed+distinct", role="legal"),
    ],
    ids=str,
)
def test_a_floor_that_is_not_held_or_that_nobody_meets_is_refused(floor: Policy) -> None:
    made = World()
    with pytest.raises(UsageError, match=r"demands nothing of a gate|nobody could ship"):
        listed(made, reviewer("ann"), floor=floor)
    assert made.reviewers.versions == []


def test_a_list_may_demand_nothing() -> None:
    made = World()
    listed(made, reviewer("ann"), floor=Policy())
    assert trusted(made.ports)[0].floor == Policy()


@pytest.mark.parametrize("draft", [Draft(()), Draft((reviewer("ann"),)), Draft((reviewer("chief", "admin"),) * 2)])
def test_a_list_keeps_an_admin_and_each_key_once(draft: Draft) -> None:
    made = two_versions()
    made.signer = FakeSigner("chief")
    with pytest.raises(UsageError, match="there can be no such list of reviewers"):
        amend(draft, made.ports)


def test_the_first_list_is_signed_by_a_key_of_its_own() -> None:
    made = World()
    made.signer = FakeSigner("eve")
    with pytest.raises(RefusedError):
        amend(Draft((reviewer("chief", "admin"),), project="0" * 32), made.ports)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"previous": "1" * 64}, "chief"),
        ({"number": 5}, "chief"),
        ({"project": "1" * 32}, "chief"),
        ({"at": START - timedelta(days=1)}, "chief"),
        ({"by": "ann"}, "ann"),
        ({"by": "eve"}, "eve"),
        ({"floor": Policy()}, "eve"),
    ],
    ids=str,
)
def test_a_version_that_does_not_follow_is_refused(changes: dict[str, object], key: str) -> None:
    made = two_versions()
    made.reviewers.versions[1] = signed(made.reviewers.versions[1].listed.model_copy(update=changes), key)
    made.reviewers.seen = None
    with pytest.raises(IntegrityError, match=r"version \d of the list of reviewers"):
        trusted(made.ports)


def test_a_list_that_was_exchanged_is_refused() -> None:
    made, other = two_versions(), World()
    listed(other, reviewer("eve"), by="chief")
    made.reviewers.versions = other.reviewers.versions
    with pytest.raises(IntegrityError, match="is another one: the first list that was used here"):
        trusted(made.ports)


def test_a_list_that_is_gone_is_refused() -> None:
    made = two_versions()
    made.reviewers.versions = []
    with pytest.raises(IntegrityError, match="is gone: the first list that was used here"):
        trusted(made.ports)


def test_a_list_that_was_taken_back_to_an_older_version_is_refused() -> None:
    made = two_versions()
    made.reviewers.versions = made.reviewers.versions[:1]
    with pytest.raises(IntegrityError, match="was taken back: version 2 was seen here"):
        trusted(made.ports)


def test_a_new_list_can_not_begin_beside_records_that_name_another() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    advance(run, made.ports, phases=("build",))
    made.reviewers.versions, made.reviewers.seen = [], None
    with pytest.raises(IntegrityError, match="holds an approval under the list of reviewers"):
        listed(made, reviewer("ann"), reviewer("eve"))
    assert made.reviewers.versions == []


def test_a_run_whose_record_is_broken_is_left_to_verify() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    advance(run, made.ports, phases=("build",))
    made.checkpoints.broken = {run.id}
    made.reviewers.versions, made.reviewers.seen = [], None
    listed(made, reviewer("ann"))
    assert len(made.reviewers.versions) == 1


def test_a_clone_that_has_seen_nothing_yet_trusts_the_list_that_its_records_name() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = advance(approve(made, run, "ann"), made.ports, phases=("build",))
    made.reviewers.seen = None
    made.checkpoints.chains["empty"] = []
    advance(run, made.ports, phases=("decision",))
    assert made.reviewers.seen == Pin(
        first=trusted(made.ports)[0].sha256, number=1, newest=trusted(made.ports)[0].sha256
    )


def test_without_the_list_and_the_note_of_it_what_is_served_still_tells() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = advance(approve(made, run, "ann"), made.ports, phases=("build",))
    advance(run, made.ports, phases=("decision",))
    made.reviewers.versions, made.reviewers.seen = [], None
    later = made.begin(WORKFLOW.replace("DEMAND", "questions: []"), "261124-bbbb")
    later = advance(later, made.ports, phases=("build",), until="train")
    with pytest.raises(IntegrityError, match="holds an approval under the list of reviewers"):
        approve(made, later, None)


def exchange(made: World) -> None:
    """Put a list of Eve's own in place of the list, with a note that says that it was always seen here."""
    other = World()
    listed(other, reviewer("eve"))
    made.reviewers.versions, made.reviewers.seen = other.reviewers.versions, other.reviewers.seen


def shipped_by_ann() -> tuple[World, str]:
    """Return a world that has shipped what Ann signed, and the tag of the checkpoint that released it."""
    made, run = world()
    listed(made, reviewer("ann"))
    run = advance(approve(made, run, "ann"), made.ports, phases=("build",))
    advance(run, made.ports, phases=("decision",))
    return made, made.pointer.served[0].checkpoint


def test_under_a_list_of_their_own_with_a_note_of_it_nothing_is_approved_beside_what_was_served() -> None:
    made, _ = shipped_by_ann()
    exchange(made)
    later = made.begin(WORKFLOW.replace("DEMAND", "questions: []"), "261124-bbbb")
    later = advance(later, made.ports, phases=("build",), until="train")
    with pytest.raises(IntegrityError, match="holds an approval under the list of reviewers"):
        approve(made, later, None)


def test_what_is_served_under_a_list_of_their_own_is_not_served_on_or_returned_to() -> None:
    theirs, run = world(run_id="261124-bbbb")
    listed(theirs, reviewer("eve"))
    advance(advance(approve(theirs, run, "eve"), theirs.ports, phases=("build",)), theirs.ports, phases=("decision",))
    (release,) = theirs.pointer.served
    assert verify_served(theirs.ports) == release
    made, _ = shipped_by_ann()
    theirs.checkpoints.chains = made.checkpoints.chains | theirs.checkpoints.chains
    theirs.pointer.served = [*made.pointer.served, release]
    for look in (verify_served, partial(verify_one, release.checkpoint), partial(plan_rollback, release.checkpoint)):
        with pytest.raises(IntegrityError, match="holds an approval under the list of reviewers"):
            look(theirs.ports)


def elsewhere(*versions: SignedList) -> FakeReviewers:
    found = FakeReviewers()
    found.versions = list(versions)
    return found


def test_a_list_from_elsewhere_is_gone_by_where_it_is_newer_and_ours_where_it_is_older() -> None:
    made = two_versions()
    first, second = made.reviewers.versions
    assert newer(elsewhere(first), (), made.ports) == (first.listed, second.listed)
    clone = World()
    assert newer(elsewhere(first, second), (), clone.ports) == (first.listed, second.listed)
    clone.reviewers.versions = [first]
    assert newer(elsewhere(first, second), (), clone.ports) == (first.listed, second.listed)


def test_a_list_from_elsewhere_that_does_not_prove_or_was_exchanged_or_taken_back_is_refused() -> None:
    made = two_versions()
    first, second = made.reviewers.versions
    other = World()
    listed(other, reviewer("eve"))
    for offered, says in (
        (elsewhere(first, signed(second.listed, "bo")), "version 2 of the list of reviewers is not signed by an admin"),
        (elsewhere(*other.reviewers.versions), "it is another one, version 1 is"),
    ):
        with pytest.raises(IntegrityError, match=f"at the remote is refused: {says}"):
            newer(offered, (), made.ports)
    made.reviewers.versions = []
    with pytest.raises(IntegrityError, match="is refused: the list of reviewers was taken back"):
        newer(elsewhere(first), (), made.ports)
