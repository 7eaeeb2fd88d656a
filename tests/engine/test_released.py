"""A step that asks for a release: what it is given, what stands in its record, and when it is done again."""

from datetime import UTC, datetime

import pytest

from churnflow import Released, StepResult
from churnflow.domain.journal import Run, StepRecord
from churnflow.domain.release import Release
from churnflow.engine.advance import advance, waiting_item
from churnflow.engine.check import check
from churnflow.engine.keep import compose
from churnflow.engine.parse import parse
from churnflow.errors import IntegrityError
from tests.fakes import World

WORKFLOW = """
name: small
task: Compare with what is served
phases:
  build:
    - step: contest
      uses: contest
      with: {against: served}
"""


@pytest.fixture
def world() -> World:
    world = World()
    world.given = []  # type: ignore[attr-defined]

    def contest(against: Released | None = None) -> StepResult:
        world.given.append(against)  # type: ignore[attr-defined]
        return StepResult()

    world.step("contest", contest)
    return world


def release(world: World, version: str) -> Release:
    artifact = world.store.put("candidate", {"model.bin": version}, "release")
    made = Release(
        version=version,
        artifact=artifact,
        run="261123-aaaa",
        checkpoint=f"churnflow/261123-aaaa/{version}",
        approval_sha256=None,
        at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    world.pointer.switch(made)
    return made


def ran(world: World, text: str = WORKFLOW, run_id: str = "261124-bbbb") -> tuple[Run, StepRecord]:
    run = advance(world.begin(text, run_id), world.ports, phases=("build",))
    record = run.latest("contest")
    assert isinstance(record, StepRecord)
    return run, record


def test_before_the_first_release_there_is_none_to_compare_with(world: World) -> None:
    _, record = ran(world)
    assert world.given == [Released("", {})]  # type: ignore[attr-defined]
    assert record.inputs == ()


def test_a_step_that_names_no_release_is_given_none(world: World) -> None:
    release(world, "v1.0.0")
    _, record = ran(world, WORKFLOW.replace("      with: {against: served}\n", ""))
    assert world.given == [None]  # type: ignore[attr-defined]
    assert record.inputs == ()


@pytest.mark.parametrize(
    ("ref", "version"), [("served", "v1.1.0"), ("served~0", "v1.1.0"), ("served~1", "v1.0.0"), ("v1.0.0", "v1.0.0")]
)
def test_the_release_that_is_named_is_handed_over_and_recorded(world: World, ref: str, version: str) -> None:
    made = {each: release(world, each) for each in ("v1.0.0", "v1.1.0")}
    _, record = ran(world, WORKFLOW.replace("served", ref))
    assert world.given == [Released(version, {"model.bin": version})]  # type: ignore[attr-defined]
    recorded = [(artifact.name, artifact.sha256) for artifact in record.inputs]
    assert recorded == [(f"release {version}", made[version].artifact.sha256)]


def test_going_back_past_the_first_release_fails_the_step(world: World) -> None:
    release(world, "v1.0.0")
    _, record = ran(world, WORKFLOW.replace("served", "served~3"))
    assert not record.passed
    assert record.issues[0].text == "no release is called 'served~3'"
    assert world.given == []  # type: ignore[attr-defined]


def shipped(world: World) -> Release:
    """Make a release by a run that leaves an artifact, as its checkpoint has it."""
    world.step("pack", lambda: StepResult(outputs={"table": [1, 2], "gone": "x"}))
    text = WORKFLOW.replace("step: contest", "step: pack").replace("uses: contest", "uses: pack")
    text = text.replace("with: {against: served}", "produces: {table: json, gone: json}")
    run = advance(world.begin(text, "261123-aaaa"), world.ports, phases=("build",))
    checkpoint = compose(run, "shipped", None, world.ports)
    world.checkpoints.save(checkpoint)
    made = release(world, "v1.0.0").model_copy(update={"checkpoint": checkpoint.tag})
    world.pointer.switch(made)
    world.store.lost.add(next(one.sha256 for one in checkpoint.artifacts if one.name == "gone"))
    return made


def test_what_the_run_of_the_release_has_made_is_at_hand_as_far_as_it_is_kept(world: World) -> None:
    shipped(world)
    ran(world)
    (given,) = world.given  # type: ignore[attr-defined]
    assert dict(given.artifacts) == {"table": [1, 2]}
    assert len(given.artifacts) == 1


@pytest.mark.parametrize("harm", ["gone", "broken"])
def test_a_release_whose_checkpoint_is_gone_or_broken_has_its_files_and_nothing_else(world: World, harm: str) -> None:
    made = shipped(world)
    if harm == "gone":
        world.checkpoints.chains.clear()
    else:
        world.checkpoints.broken.add(made.run)
    ran(world)
    (given,) = world.given  # type: ignore[attr-defined]
    assert given == Released("v1.0.0", {"model.bin": "v1.0.0"})


def test_what_was_compared_stays_done_when_another_release_is_served(world: World) -> None:
    release(world, "v1.0.0")
    run, _ = ran(world)
    release(world, "v1.1.0")
    assert waiting_item(run, world.ports) is None


def test_a_new_run_compares_with_what_is_served_by_then(world: World) -> None:
    release(world, "v1.0.0")
    ran(world)
    _, again = ran(world, run_id="261125-cccc")
    assert again.reused is not None
    release(world, "v1.1.0")
    _, record = ran(world, run_id="261126-dddd")
    assert record.reused is None
    assert [each.version for each in world.given] == ["v1.0.0", "v1.1.0"]  # type: ignore[attr-defined]


def test_a_version_that_was_never_released_fails_the_step_and_names_the_nearest(world: World) -> None:
    release(world, "v1.0.0")
    _, record = ran(world, WORKFLOW.replace("served", "v1.9.0"))
    assert not record.passed
    assert record.issues[0].text == "no release is called 'v1.9.0'"
    assert record.facts["hint"] == "did you mean 'v1.0.0'?"


def test_a_release_whose_bytes_are_gone_stops_the_run(world: World) -> None:
    made = release(world, "v1.0.0")
    world.store.lost.add(made.artifact.sha256)
    with pytest.raises(IntegrityError):
        ran(world)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("newest", "parameter 'against' of contest names a release, and 'newest' can be none"),
        ("5", "contest.against must be a release"),
    ],
)
def test_a_reference_that_can_name_no_release_is_found_before_anything_runs(
    world: World, written: str, said: str
) -> None:
    parsed = parse(WORKFLOW.replace("served", written), "w.yaml")
    (problem,) = check(parsed, world.catalog, world.files, ("json",))
    assert problem.what.startswith(said)
    assert check(parse(WORKFLOW, "w.yaml"), world.catalog, world.files, ("json",)) == ()
