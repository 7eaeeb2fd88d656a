"""Going back: what returns, what is kept, what is refused, and what a killed rollback leaves."""

import pytest

from churnflow import StepResult
from churnflow.domain.journal import Run
from churnflow.engine.advance import advance
from churnflow.engine.compare import compare
from churnflow.engine.ports import Intent
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import finish, plan_rollback, rollback, undo
from churnflow.engine.settle import settle
from churnflow.engine.verify import verify, verify_all, verify_one, verify_served
from churnflow.errors import ConflictError, IntegrityError, UsageError
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
    - checkpoint: made
  decision:
    - gate: ship
    - checkpoint: shipped
"""
ALL = ("build", "decision")


@pytest.fixture
def world() -> World:
    world = World()
    world.files.contents["data.txt"] = b"1"
    world.checkpoints.tree["code.py"] = "v1"

    def one(source: "object") -> StepResult:
        return StepResult(outputs={"number": 3, "bundle": {"v": 1}}, metrics={"size": 3.0})

    one.__annotations__["source"] = __import__("pathlib").Path
    world.step("one", one)
    return world


def shipped(world: World, run_id: str = "261123-aaaa") -> Run:
    return advance(
        world.begin(WORKFLOW.replace("gate: ship", "gate: ship\n      ship: 60"), run_id), world.ports, phases=ALL
    )


def test_nothing_of_a_changed_build_is_served_before_the_gate_has_said_ship_again(world: World) -> None:
    run = shipped(world)
    served = world.pointer.read()
    assert served is not None

    def one(source: "object") -> StepResult:
        return StepResult(outputs={"number": 4, "bundle": {"v": 2}}, metrics={"size": 4.0})

    one.__annotations__["source"] = __import__("pathlib").Path
    world.step("one", one)
    world.catalog.versions["one"] = 2
    run = advance(run, world.ports, phases=("build",))
    assert world.checkpoints.history(run.id)[-1].name == "made"
    assert world.pointer.read() == served
    advance(run, world.ports, phases=ALL)
    assert [release.version for release in world.pointer.past()] == ["v1.0.0", "v1.1.0"]

    rollback(world.checkpoints.history(run.id)[1].tag, world.ports)
    world.catalog.versions["one"] = 3
    world.step("one", lambda source: StepResult(outputs={"number": 5, "bundle": {"v": 3}}, metrics={"size": 5.0}))
    world.catalog.functions["one"].__annotations__["source"] = __import__("pathlib").Path
    current = world.journal.current()
    assert current is not None
    advance(current, world.ports, phases=ALL)
    assert [release.version for release in world.pointer.past()] == ["v1.0.0", "v1.1.0", "v1.0.0", "v1.2.0"]


def test_a_file_that_a_step_to_come_names_is_kept_apart_from_the_first_checkpoint_on(world: World) -> None:
    text = WORKFLOW.replace("  build:\n", "  plan:\n    - checkpoint: planned\n  build:\n")
    text = text.replace("{source: data.txt}", "{source: data.txt, note: ../odd}")
    run = advance(world.begin(text), world.ports, phases=("plan",))
    (kept,) = world.checkpoints.history(run.id)
    assert list(kept.data) == ["data.txt"]
    world.files.contents["data.txt"] = b"9"
    rollback(kept.tag, world.ports)
    assert world.files.contents["data.txt"] == b"1"


def test_rollback_restores_files_data_and_journal_by_adding_a_checkpoint(world: World) -> None:
    run = shipped(world)
    world.checkpoints.tree |= {"code.py": "v2", "later.py": "new"}
    world.files.contents["data.txt"] = b"2"

    outcome = rollback(resolve("made", run, world.ports), world.ports, "try again")

    assert world.checkpoints.tree == {"code.py": "v1", "later.py": "new"}
    assert world.files.contents["data.txt"] == b"1"
    now = world.journal.current()
    assert now is not None
    assert [entry.name for entry in now.entries] == ["one", "made"]
    assert outcome.plan.overwritten == ("code.py",)
    assert outcome.plan.kept == ("later.py",)
    assert outcome.verified == outcome.total > 0
    assert [item.name for item in world.checkpoints.history(run.id)] == ["made", "shipped", "rescue", "made"]
    assert outcome.checkpoint.restores == outcome.plan.target.tag
    assert outcome.checkpoint.reason == "try again"


def test_undo_brings_back_what_the_rollback_left_edits_included(world: World) -> None:
    run = shipped(world)
    world.checkpoints.tree["code.py"] = "v2"
    world.files.contents["data.txt"] = b"2"
    rollback(resolve("made", run, world.ports), world.ports)

    undo(world.ports)
    assert world.checkpoints.tree["code.py"] == "v2"
    assert world.files.contents["data.txt"] == b"2"
    assert world.journal.current() == run

    undo(world.ports)
    assert world.checkpoints.tree["code.py"] == "v1"


def test_nothing_to_undo_is_said(world: World) -> None:
    with pytest.raises(UsageError, match="no rollback to undo"):
        undo(world.ports)
    shipped(world)
    with pytest.raises(UsageError, match="no rollback to undo"):
        undo(world.ports)


def test_without_changes_no_rescue_is_made(world: World) -> None:
    run = shipped(world)
    outcome = rollback(resolve("made", run, world.ports), world.ports)
    assert outcome.rescue is None
    assert outcome.checkpoint.before == "churnflow/261123-aaaa/02-shipped"


def test_the_release_that_was_served_then_is_served_again(world: World) -> None:
    first = shipped(world)
    one = world.catalog.functions["one"]

    def other(source: "object") -> StepResult:
        result = one(source)
        assert isinstance(result, StepResult)
        return StepResult(outputs={**result.outputs, "bundle": {"v": 2}}, metrics={"size": 4.0})

    other.__annotations__["source"] = __import__("pathlib").Path
    world.step("one", other)
    world.catalog.versions["one"] = 1
    second = shipped(world, "261123-bbbb")
    served = world.pointer.read()
    assert served is not None
    assert (served.version, served.run) == ("v1.1.0", second.id)

    for ref, version in (("v1.0.0", "v1.0.0"), ("served~1", "v1.1.0")):
        outcome = rollback(resolve(ref, world.journal.current(), world.ports), world.ports)
        now = world.pointer.read()
        assert now is not None
        assert now.version == version
        assert outcome.plan.served_then == now
    assert world.checkpoints.history(first.id)


def test_a_checkpoint_from_before_any_release_leaves_the_api_alone(world: World) -> None:
    run = shipped(world)
    served = world.pointer.read()
    outcome = rollback(resolve("made", run, world.ports), world.ports)
    assert world.pointer.read() == served == outcome.plan.served_then


def test_a_missing_artifact_refuses_before_anything_is_touched(world: World) -> None:
    run = shipped(world)
    world.checkpoints.tree["code.py"] = "v2"
    world.store.lost.add(run.artifacts()["number"].sha256)
    with pytest.raises(IntegrityError, match="number is missing"):
        rollback(resolve("made", run, world.ports), world.ports)
    assert world.checkpoints.tree["code.py"] == "v2"
    assert len(world.checkpoints.history(run.id)) == 2


def test_a_killed_rollback_is_finished_by_the_next_command(world: World) -> None:
    run = shipped(world)
    tag = resolve("made", run, world.ports)
    world.journal.intend(Intent(target=tag, before="churnflow/261123-aaaa/02-shipped", reason=None))
    world.checkpoints.tree["code.py"] = "v1"

    finished = finish(world.ports)
    assert finished is not None
    assert finished.restores == tag
    assert world.checkpoints.tree["code.py"] == "v1"
    assert finish(world.ports) is None

    world.journal.intend(Intent(target=tag, before="churnflow/261123-aaaa/02-shipped", reason=None))
    assert finish(world.ports) == finished
    assert len(world.checkpoints.history(run.id)) == 3


@pytest.mark.parametrize("edited", ["code.py", "data.txt"])
def test_what_was_edited_after_a_kill_is_kept_before_the_rollback_is_finished(world: World, edited: str) -> None:
    run = shipped(world)
    world.checkpoints.tree["code.py"] = "v2"
    world.files.contents["data.txt"] = b"2"
    made, left = (resolve(name, run, world.ports) for name in ("made", "shipped"))
    rescue = rollback(left, world.ports).rescue
    assert rescue is not None
    world.checkpoints.tree["code.py"] = "v2"
    world.files.contents["data.txt"] = b"2"
    world.journal.intend(Intent(target=made, before=rescue.tag, reason=None))
    if edited == "code.py":
        world.checkpoints.tree["code.py"] = "v3"
    else:
        world.files.contents["data.txt"] = b"3"
    settle(world.ports)
    assert (world.checkpoints.tree["code.py"], world.files.contents["data.txt"]) == ("v1", b"1")
    *_, kept, now = world.checkpoints.history(run.id)
    assert (kept.name, now.restores, now.before) == ("rescue", made, rescue.tag)
    rollback(kept.tag, world.ports)
    assert "v3" in world.checkpoints.tree["code.py"] or world.files.contents["data.txt"] == b"3"


def test_a_file_that_git_ignores_by_now_is_in_the_rescue_and_comes_back_by_undo(world: World) -> None:
    world.checkpoints.tree["settings.py"] = "old"
    run = shipped(world)
    world.checkpoints.ignored.add("settings.py")
    rollback(resolve("shipped", run, world.ports), world.ports)
    world.checkpoints.tree["settings.py"] = "precious"

    outcome = rollback(resolve("made", run, world.ports), world.ports)
    assert outcome.plan.overwritten == ("settings.py",)
    assert outcome.rescue is not None
    assert world.checkpoints.tree["settings.py"] == "old"
    undo(world.ports)
    assert world.checkpoints.tree["settings.py"] == "precious"


def test_a_source_file_that_only_the_checkpoint_names_is_kept_before_it_is_overwritten(world: World) -> None:
    run = shipped(world)
    world.files.contents["other.txt"] = b"1"
    other = advance(
        world.begin(WORKFLOW.replace("data.txt", "other.txt"), "261123-bbbb"), world.ports, phases=["build"]
    )
    assert [item.name for item in world.checkpoints.history(other.id)] == ["made"]
    world.files.contents["data.txt"] = b"edited"

    rollback(resolve("shipped", run, world.ports), world.ports)
    assert world.files.contents["data.txt"] == b"1"
    undo(world.ports)
    assert world.files.contents["data.txt"] == b"edited"


@pytest.mark.parametrize("path", ["code.py", "data.txt"])
def test_a_blocked_path_refuses_before_anything_is_touched(world: World, path: str) -> None:
    run = shipped(world)
    world.checkpoints.tree["code.py"] = "v2"
    world.files.contents["data.txt"] = b"2"
    world.files.blocked.add(path)
    with pytest.raises(ConflictError, match="stands in the place"):
        rollback(resolve("made", run, world.ports), world.ports)
    assert world.journal.intended is None
    assert world.checkpoints.tree["code.py"] == "v2"
    assert len(world.checkpoints.history(run.id)) == 2


def test_a_rollback_that_was_cut_out_of_the_history_is_named(world: World) -> None:
    run = shipped(world)
    outcome = rollback(resolve("made", run, world.ports), world.ports)
    assert verify_all(world.ports).checkpoints == 3
    chain = world.checkpoints.chains[run.id]
    world.checkpoints.chains[run.id] = [one for one in chain if one.tag != outcome.checkpoint.tag]
    with pytest.raises(IntegrityError, match=f"tells of the rollback {outcome.checkpoint.tag} that is in no chain"):
        verify_all(world.ports)


def test_a_clone_where_nothing_was_served_proves_a_run_in_which_somebody_went_back(world: World) -> None:
    run = shipped(world)
    rollback(resolve("served", run, world.ports), world.ports)
    world.journal.runs.clear()
    world.journal.recorded.clear()
    world.journal.at = None
    world.pointer.served.clear()
    assert verify_all(world.ports).checkpoints == 3


def test_a_checkpoint_saved_by_a_killed_command_is_taken_as_it_is(world: World) -> None:
    run = shipped(world)
    cut = run.with_entries(run.entries[:-1])
    world.journal.runs[run.id] = cut
    world.pointer.served.clear()

    again = advance(cut, world.ports, phases=ALL)
    assert again.entries == run.entries
    assert len(world.checkpoints.history(run.id)) == 2
    assert world.pointer.read() is not None


def test_source_files_that_are_gone_do_not_stop_a_rescue(world: World) -> None:
    run = shipped(world)
    del world.files.contents["data.txt"]
    outcome = rollback(resolve("made", run, world.ports), world.ports)
    assert outcome.rescue is not None
    assert outcome.rescue.data == {}
    assert world.files.contents["data.txt"] == b"1"


def test_from_a_clone_without_a_run_a_checkpoint_can_be_brought_back(world: World) -> None:
    shipped(world)
    world.journal.at = None
    rollback("churnflow/261123-aaaa/01-made", world.ports)
    assert world.journal.current() is not None


def test_references_that_mean_nothing_name_the_nearest(world: World) -> None:
    run = shipped(world)
    with pytest.raises(UsageError, match="no checkpoint is called 'shiped'") as caught:
        resolve("shiped", run, world.ports)
    assert "'shipped'" in caught.value.hint
    for ref in ("v9.9.9", "served~7"):
        with pytest.raises(UsageError):
            resolve(ref, run, world.ports)
    with pytest.raises(UsageError):
        resolve("HEAD", None, world.ports)
    assert resolve("made", None, world.ports) == "churnflow/261123-aaaa/01-made"
    assert resolve("served", run, world.ports) == "churnflow/261123-aaaa/02-shipped"


def test_the_plan_says_what_would_change_and_changes_nothing(world: World) -> None:
    run = shipped(world)
    world.files.contents["data.txt"] = b"2"
    plan = plan_rollback(resolve("made", run, world.ports), world.ports)
    assert plan.data == ("data.txt",)
    assert world.files.contents["data.txt"] == b"2"
    assert len(world.checkpoints.history(run.id)) == 2


def test_verify_follows_links_and_artifacts(world: World) -> None:
    run = shipped(world)
    found = verify(run.id, world.ports)
    assert (found.checkpoints, found.artifacts, found.served) == (2, 3, "v1.0.0")

    chain = world.checkpoints.chains[run.id]
    chain[0] = chain[0].model_copy(update={"reason": "edited"})
    with pytest.raises(IntegrityError, match="does not follow on"):
        verify(run.id, world.ports)
    world.checkpoints.chains[run.id] = []
    with pytest.raises(IntegrityError, match="a checkpoint 'made' that is in no chain any more"):
        verify(run.id, world.ports)


def test_every_run_is_verified_also_one_before_the_current(world: World) -> None:
    assert verify_all(world.ports).checkpoints == 0
    first = shipped(world)
    shipped(world, "261124-bbbb")
    assert verify_all(world.ports).checkpoints == 4
    chain = world.checkpoints.chains[first.id]
    chain[0] = chain[0].model_copy(update={"reason": "edited"})
    with pytest.raises(IntegrityError, match="does not follow on"):
        verify_all(world.ports)


@pytest.mark.parametrize(
    "changes",
    [{"approval_sha256": "0" * 64}, {"version": "v9.0.0"}, {"checkpoint": "churnflow/261123-aaaa/09-gone"}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_served_has_to_be_what_a_checkpoint_released(world: World, changes: dict[str, str]) -> None:
    shipped(world)
    served = verify_served(world.ports)
    assert served is not None
    world.pointer.switch(served.model_copy(update=changes))
    for check in (lambda: verify_served(world.ports), lambda: verify_all(world.ports)):
        with pytest.raises(IntegrityError, match=r"is not what .* released"):
            check()


def test_a_release_of_a_checkpoint_without_a_gate_is_not_served(world: World) -> None:
    run = shipped(world)
    served = world.pointer.read()
    assert served is not None
    chain = world.checkpoints.chains[run.id]
    forged = served.model_copy(update={"checkpoint": chain[0].tag})
    chain[0] = chain[0].model_copy(update={"release": forged})
    world.pointer.switch(forged)
    with pytest.raises(IntegrityError, match=r"is not what .* released"):
        verify_served(world.ports)


def test_one_checkpoint_is_verified_by_itself(world: World) -> None:
    run = shipped(world)
    first, second = world.checkpoints.history(run.id)
    world.checkpoints.chains[run.id][0] = first.model_copy(update={"phase": "altered"})
    assert verify_one(second.tag, world.ports).checkpoints == 1
    world.store.values.clear()
    with pytest.raises(IntegrityError):
        verify_one(second.tag, world.ports)


def test_verify_finds_a_lost_artifact(world: World) -> None:
    run = shipped(world)
    world.store.lost.add(run.artifacts()["number"].sha256)
    with pytest.raises(IntegrityError):
        verify(run.id, world.ports)


def test_what_differs_between_two_checkpoints(world: World) -> None:
    run = shipped(world)
    history = world.checkpoints.history(run.id)
    assert {item.section for item in compare(history[0], history[1])} == {"release"}
    world.files.contents["data.txt"] = b"22"
    other = shipped(world, "261123-bbbb")
    later = world.checkpoints.history(other.id)[0]
    changed = {(item.section, item.name) for item in compare(history[0], later)}
    assert ("data", "data.txt") in changed
    assert all(item.older != item.newer for item in compare(history[0], later))


def test_what_a_killed_command_left_is_settled_by_the_next(world: World) -> None:
    settle(world.ports)
    run = shipped(world)
    made, left = (resolve(name, run, world.ports) for name in ("made", "shipped"))
    world.journal.intend(Intent(target=made, before=left, reason=None))
    settle(world.ports)
    assert world.journal.intended is None
    assert [item.name for item in world.checkpoints.history(run.id)][-1] == "made"
