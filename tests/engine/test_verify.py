"""Every link that `verify` follows: records that were made up, replayed or left out are reported, and which broke."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from churnflow import StepResult
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Parent
from churnflow.domain.journal import Approval, Decision, Entry, Mark, Run, StepRecord
from churnflow.domain.release import Release
from churnflow.engine.advance import advance
from churnflow.engine.ports import Intent
from churnflow.engine.rollback import rollback
from churnflow.engine.verify import BrokenLinkError, following, verify_all, verify_one
from churnflow.errors import ConflictError, IntegrityError
from tests.fakes import World

WORKFLOW = """
name: small
task: Make a number
phases:
  build:
    - step: one
      uses: one
      with: {source: data.txt}
      produces: {number: json, bundle: release}
    - approval: release
    - checkpoint: made
  decision:
    - gate: ship
      ship: 60
    - checkpoint: shipped
"""
FIRST = "261123-aaaa"
SECOND = "261124-bbbb"
Edit = Callable[[Checkpoint], Checkpoint]


@pytest.fixture
def world() -> World:
    """A world in which a run was approved and shipped."""
    world = World()
    world.files.contents["data.txt"] = b"1"
    world.checkpoints.tree["code.py"] = "v1"

    def one(source: Path) -> StepResult:
        return StepResult(outputs={"number": 3, "bundle": {"v": source.name}}, metrics={"size": 3.0})

    world.step("one", one)
    ship(world, FIRST)
    return world


def ship(world: World, run_id: str) -> Run:
    return advance(world.begin(WORKFLOW, run_id), world.ports, phases=("build", "decision"))


def rewrite(world: World, run_id: str, edit: Edit, *, journal: bool = True) -> None:
    """Rewrite a run as a forger does: every digest of the chain anew, and the journal so that it agrees."""
    chain: list[Checkpoint] = []
    for checkpoint in world.checkpoints.chains[run_id]:
        before = Parent(tag=chain[-1].tag, sha256=digest(chain[-1])) if chain else None
        chain.append(edit(checkpoint).model_copy(update={"parent": before}))
    world.checkpoints.chains[run_id] = chain
    if journal:
        world.journal.runs[run_id] = chain[-1].run
        world.journal.recorded[run_id] = [entry for item in chain for entry in item.run.entries]


def changed(kind: type, **changes: object) -> Edit:
    """Return what changes fields of every entry of a kind."""
    return replaced(lambda entry: entry.model_copy(update=changes) if isinstance(entry, kind) else entry)


def replaced(put: Callable[[Entry], Entry]) -> Edit:
    """Return what puts another entry in the place of each."""

    def edit(checkpoint: Checkpoint) -> Checkpoint:
        return checkpoint.model_copy(
            update={"run": checkpoint.run.with_entries(list(map(put, checkpoint.run.entries)))}
        )

    return edit


def broken(world: World) -> str | None:
    """Return the link that breaks, None if all hold."""
    try:
        verify_all(world.ports)
    except BrokenLinkError as error:
        return error.link if str(error).startswith(f"broken link {error.link!r}: ") and error.hint else "unnamed"
    return None


def test_what_is_whole_holds_also_after_a_rollback_and_in_several_runs(world: World) -> None:
    ship(world, SECOND)
    rollback(world.checkpoints.chains[SECOND][0].tag, world.ports)
    assert broken(world) is None


@pytest.mark.parametrize("kind", [Approval, Decision, Mark])
def test_an_answer_to_something_else_is_reported_however_well_it_is_forged(world: World, kind: type) -> None:
    rewrite(world, FIRST, changed(kind, key="1" * 64))
    assert broken(world) == "approval"


def test_a_measured_number_that_is_edited_no_longer_is_what_was_approved(world: World) -> None:
    rewrite(world, FIRST, changed(StepRecord, facts={"size": "forged"}))
    assert broken(world) == "approval"


def test_a_rescue_may_hold_an_answer_that_is_stale(world: World) -> None:
    def as_rescue(checkpoint: Checkpoint) -> Checkpoint:
        entries = checkpoint.run.entries[:-1]
        return changed(Approval, key="1" * 64)(
            checkpoint.model_copy(update={"run": checkpoint.run.with_entries(entries), "release": None})
        )

    rewrite(world, FIRST, as_rescue)
    world.pointer.served.clear()
    assert broken(world) is None


def test_an_approval_copied_into_a_later_run_is_a_replay(world: World) -> None:
    ship(world, SECOND)
    (given,) = (e for e in world.checkpoints.chains[FIRST][-1].run.entries if isinstance(e, Approval))
    late = given.at + timedelta(days=1)

    def copied(checkpoint: Checkpoint) -> Checkpoint:
        edit = replaced(lambda entry: given if isinstance(entry, Approval) else entry)(checkpoint)
        return edit.model_copy(update={"run": edit.run.model_copy(update={"started_at": late})})

    rewrite(world, SECOND, copied)
    repair_release(world, SECOND, given)
    assert broken(world) == "approval"


def repair_release(world: World, run_id: str, approval: Approval) -> None:
    """Make the release state the approval that was put in, as the forger would."""
    for checkpoint in world.checkpoints.chains[run_id]:
        release = checkpoint.release
        if release is not None and release.run == run_id:
            forged = release.model_copy(update={"approval_sha256": digest(approval)})
            world.pointer.served = [forged if one == release else one for one in world.pointer.served]
            rewrite(
                world,
                run_id,
                lambda item: item.model_copy(update={"release": forged if item.release == release else item.release}),  # noqa: B023
            )


def test_an_entry_that_was_never_recorded_is_reported_unless_the_run_was_begun_elsewhere(world: World) -> None:
    journal = list(world.journal.recorded[FIRST])
    rewrite(world, FIRST, changed(Approval, reviewer="Eve"), journal=False)
    assert broken(world) == "journal"
    del world.journal.recorded[FIRST]
    assert broken(world) != "journal"
    world.journal.recorded[FIRST] = journal


def test_a_kill_between_a_checkpoint_and_its_line_is_no_tampering(world: World) -> None:
    run = world.journal.runs[FIRST]
    world.journal.runs[FIRST] = run.with_entries(run.entries[:-1])
    world.journal.recorded[FIRST].pop()
    assert broken(world) is None


def test_a_checkpoint_that_only_the_journal_knows_is_lost(world: World) -> None:
    world.checkpoints.chains[FIRST].pop()
    assert broken(world) == "journal"
    world.journal.intend(Intent(target="x", before="y", reason=None))
    assert broken(world) != "journal"


def test_a_workflow_other_than_the_run_states_is_reported(world: World) -> None:
    other = world.checkpoints.chains[FIRST][0].run.declared.model_copy(update={"task": "Other"})
    rewrite(
        world,
        FIRST,
        lambda item: item.model_copy(update={"run": item.run.model_copy(update={"declared": other})}),
        journal=False,
    )
    assert broken(world) == "workflow"


def test_artifacts_that_no_step_made_are_reported(world: World) -> None:
    rewrite(world, FIRST, lambda item: item.model_copy(update={"artifacts": item.artifacts[1:]}))
    assert broken(world) == "artifact"


@pytest.mark.parametrize("changes", [{"approval_sha256": "0" * 64}, {"run": "261123-zzzz"}, {"artifact": None}])
def test_a_release_that_does_not_follow_from_its_run_is_reported(world: World, changes: dict[str, object]) -> None:
    made = world.pointer.served[-1]
    number = world.checkpoints.chains[FIRST][-1].artifacts[0]
    forged = made.model_copy(update=changes | ({"artifact": number} if "artifact" in changes else {}))
    rewrite(
        world, FIRST, lambda item: item.model_copy(update={"release": forged if item.release == made else item.release})
    )
    world.pointer.served = [forged]
    assert broken(world) == "release"


def test_a_moved_tag_and_an_altered_result_for_reuse_are_reported(world: World) -> None:
    (key,) = world.journal.steps
    world.journal.steps["0" * 64] = world.journal.steps.pop(key)
    assert broken(world) == "reuse"
    world.checkpoints.moved.add(FIRST)
    assert broken(world) == "tag"


def served_by_two(world: World) -> list[Release]:
    """Ship a second run that makes another release; return both."""

    def one(source: Path) -> StepResult:
        return StepResult(outputs={"number": 4, "bundle": {"w": source.name}}, metrics={"size": 4.0})

    world.step("one", one)
    world.catalog.versions["one"] = 2
    ship(world, SECOND)
    assert len(world.pointer.served) == 2
    return list(world.pointer.served)


def test_a_pointer_that_was_turned_back_or_is_gone_is_reported(world: World) -> None:
    first, second = served_by_two(world)
    assert broken(world) is None
    world.pointer.served = [first, second, first]
    assert broken(world) == "served"
    world.pointer.served = []
    assert broken(world) == "served"


def test_a_list_of_what_was_served_that_was_shortened_or_made_up_is_reported(world: World) -> None:
    first, second = served_by_two(world)
    world.pointer.served = [second]
    assert broken(world) == "served"
    world.pointer.served = [first, first.model_copy(update={"version": "v9.0.0"}), second]
    assert broken(world) == "served"
    lost = first.model_copy(update={"checkpoint": "churnflow/261123-zzzz/09-gone"})
    world.pointer.served = [first, lost, second]
    assert broken(world) == "served"


def test_one_checkpoint_is_followed_without_those_before_it(world: World) -> None:
    rewrite(world, FIRST, changed(Approval, key="1" * 64))
    with pytest.raises(BrokenLinkError) as caught:
        verify_one(world.checkpoints.chains[FIRST][1].tag, world.ports)
    assert caught.value.link == "approval"


def test_the_innermost_link_is_the_one_that_is_named() -> None:
    def fail() -> None:
        with following("outer"), following("inner"):
            message = "broken"
            raise IntegrityError(message, hint="mend it")

    with pytest.raises(BrokenLinkError) as caught:
        fail()
    assert caught.value.link == "inner"


def test_a_failure_that_says_nothing_of_a_link_stays_what_it_is() -> None:
    def fail() -> None:
        with following("server", IntegrityError):
            message = "nobody answers"
            raise ConflictError(message, hint="start it")

    with pytest.raises(ConflictError):
        fail()
