"""Who claimed what, and what came true: settled by the newest evidence, counted by author."""

from datetime import timedelta
from typing import Any

import pytest

from churnflow.domain.claims import Claim, Outcome, PastRun, Standing, in_words, standings
from churnflow.domain.evidence import Check, Confidence, Finding, Issue, Measure
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.engine.claims import NEWEST, Counted, claims_of, counted, initial_stated, past_runs, track_record
from churnflow.engine.keep import compose
from tests.fakes import START, World

WORKFLOW = """
name: small
task: Make a number
requirements: [evaluate.roc_auc >= 0.80]
phases:
  plan:
    - step: scope
      uses: churn.scope
  build:
    - step: tidy
      uses: team.tidy
    - step: evaluate
      uses: churn.evaluate
  decision:
    - gate: ship
"""
GOOD, BAD = Measure(value=0.85), Measure(value=0.75)


def step(name: str, stated: int | None = None, **more: Any) -> StepRecord:
    phase = "plan" if name == "scope" else "build"
    said = None if stated is None else Confidence(score=stated, because="so it says")
    given = {"name": name, "phase": phase, "passed": True, "key": "0" * 64, "at": START, "uses": f"team.{name}"}
    return StepRecord(**{**given, "stated": said, "confidence": Confidence(score=90, because="tested"), **more})


def decision(score: int, verdict: str = "ship", by: str | None = "Ann") -> Decision:
    return Decision(
        name="ship",
        phase="decision",
        passed=verdict == "ship",
        key="0" * 64,
        at=START,
        verdict=verdict,  # type: ignore[arg-type]
        confidence=Confidence(score=score, because="measured"),
        bands=(60, 80),
        reasons=("x",),
        next_action="x",
        by=by,
    )


def run_of(*entries: StepRecord | Decision, run_id: str = "261123-aaaa", workflow: str = WORKFLOW) -> Run:
    run = World().begin(workflow, run_id)
    for entry in entries:
        run = run.add(entry)
    return run


def only(run: Run, *outcomes: Outcome) -> Claim:
    (claim,) = claims_of(run, outcomes)
    return claim


@pytest.mark.parametrize(("measure", "true"), [(GOOD, True), (BAD, False)])
def test_a_plan_is_settled_by_whether_the_newest_evaluation_meets_the_requirements(
    measure: Measure, true: bool
) -> None:
    older = step("evaluate", metrics={"roc_auc": Measure(value=0.5)})
    claim = only(run_of(step("scope", 85), older, step("evaluate", metrics={"roc_auc": measure})))
    assert (claim.author, claim.score, claim.came_true) == ("team.scope", 85, true)
    assert claim.settled_by == ("1 requirements hold" if true else "fails: evaluate.roc_auc >= 0.8")


def test_a_plan_is_open_until_every_requirement_is_measured() -> None:
    assert only(run_of(step("scope", 85))).came_true is None
    none = WORKFLOW.replace("requirements: [evaluate.roc_auc >= 0.80]", "requirements: []")
    claim = only(run_of(step("scope", 85), workflow=none))
    assert (claim.came_true, claim.settled_by) == (None, "no requirements declared")


@pytest.mark.parametrize(
    ("more", "true"),
    [
        ({"checks": (Check(claim="size >= 1", observed=2, passed=True),)}, True),
        ({"checks": (Check(claim="size >= 1", observed=0, passed=False),)}, False),
        ({"issues": (Issue(text="it leaks", severity="critical"),)}, False),
        ({"checks": (), "issues": (Issue(text="odd", severity="warning"),)}, True),
    ],
)
def test_a_step_is_settled_by_its_own_checks_or_else_by_the_requirements(more: dict[str, Any], true: bool) -> None:
    run = run_of(step("tidy", 80, **more), step("evaluate", metrics={"roc_auc": GOOD}))
    assert only(run).came_true is true


def test_a_step_answers_for_the_requirements_on_its_own_metrics() -> None:
    held = Check(claim="rows >= 1", observed=2, passed=True)
    claim = only(run_of(step("evaluate", 90, metrics={"roc_auc": BAD}, checks=(held,))))
    assert (claim.came_true, claim.settled_by) == (False, "fails: evaluate.roc_auc >= 0.8")


def test_an_agent_that_names_itself_is_the_author() -> None:
    assert only(run_of(step("tidy", 80, facts={"author": "agent seven"}))).author == "agent seven"


def test_only_what_comes_after_the_release_settles_a_final_score() -> None:
    run = run_of(decision(70, "fix"), decision(90, by=None))
    fixed, shipped = claims_of(run)
    assert (fixed.author, fixed.settled_by) == ("Ann", "not released")
    assert (shipped.author, shipped.came_true, shipped.settled_by) == ("unknown", None, "no performance measured yet")
    outcome = Outcome(run=run.id, held=False, evidence="recall 0.61 in 2026-12")
    fixed, shipped = claims_of(run, [Outcome(run="261001-zzzz", held=True, evidence="x"), outcome])
    assert fixed.came_true is None
    assert (shipped.came_true, shipped.settled_by) == (False, "recall 0.61 in 2026-12")


def test_authors_are_told_by_brier_score_and_how_far_they_say_too_much() -> None:
    given = (("bold", 90, True), ("bold", 90, False), ("shy", 40, True), ("new", 50, None), ("bold", 90, None))
    bold, shy, new = standings(
        Claim(author=author, run="r", about="x", score=score, at=START, came_true=true) for author, score, true in given
    )
    assert (bold.author, bold.claims, bold.settled) == ("bold", 3, 2)
    assert (bold.mean_score, bold.came_true, bold.brier) == pytest.approx((0.9, 0.5, 0.41))
    assert in_words(bold) == (
        "2 of 3 settled; said 90% on average, 50% came true (over-confident by 40 points); Brier score 0.41"
    )
    assert "under-confident by 60 points" in in_words(shy)
    assert new == Standing(author="new", claims=1, settled=0)
    assert in_words(new) == "0 of 1 settled"
    exact = Standing(author="x", claims=1, settled=1, mean_score=1.0, came_true=1.0, brier=0.0)
    assert "100% came true (as said)" in in_words(exact)


def test_runs_kept_before_count_and_one_that_is_broken_does_not() -> None:
    world = World()
    for run_id, measure in (("261121-aaaa", GOOD), ("261122-bbbb", GOOD), ("261123-cccc", BAD)):
        run = world.begin(WORKFLOW, run_id).add(step("scope", 80)).add(step("evaluate", metrics={"roc_auc": measure}))
        world.checkpoints.save(compose(run, "built", None, world.ports))
    world.checkpoints.broken.add("261122-bbbb")
    claims, found = track_record(run, world.checkpoints)
    assert [(claim.run, claim.came_true) for claim in claims] == [("261123-cccc", False), ("261121-aaaa", True)]
    assert (found[0].settled, found[0].came_true) == (2, 0.5)


REVIEWED = Finding(topic="quality", claim="tested", state="pass", evidence="x")


def test_a_plan_is_told_of_the_runs_of_its_workflow_that_were_reviewed_before_it_began() -> None:
    world = World()
    review = step("tidy", findings=(REVIEWED,))
    good, bad = (step("evaluate", metrics={"roc_auc": measure}) for measure in (GOOD, BAD))
    kept = {
        "261119-aaaa": (good,),
        "261120-bbbb": (good, review, decision(90)),
        "261121-cccc": (bad, review),
        "261122-dddd": (good, review),
        "261123-eeee": (good, review, decision(90)),
    }
    for run_id, entries in kept.items():
        text = WORKFLOW.replace("name: small", "name: other") if run_id.endswith("dddd") else WORKFLOW
        run = world.begin(text, run_id)
        for entry in entries:
            run = run.add(entry)
        world.checkpoints.save(compose(run, "built", None, world.ports))
    later = START + timedelta(days=1)
    new = world.begin(WORKFLOW, "261124-ffff")
    assert past_runs(new, world.checkpoints) == ()
    world.checkpoints.broken.add("261123-eeee")
    found = past_runs(new.model_copy(update={"started_at": later}), world.checkpoints)
    assert [(one.run, one.shipped) for one in found] == [("261120-bbbb", True), ("261121-cccc", False)]
    assert found[0].score > found[1].score == 59
    assert isinstance(found[0], PastRun)


def test_what_a_plan_was_told_of_earlier_runs_is_told_again_however_many_ran_since() -> None:
    world = World()
    for number in range(1, NEWEST + 5):
        run = world.begin(WORKFLOW, f"2611{number:02d}-aaaa").add(step("evaluate", metrics={"roc_auc": GOOD}))
        world.checkpoints.save(compose(run.add(step("tidy", findings=(REVIEWED,))), "built", None, world.ports))
    later = START + timedelta(days=1)
    new = world.begin(WORKFLOW, "261125-ffff").model_copy(update={"started_at": later})
    told = past_runs(new, world.checkpoints)
    assert [one.run for one in told] == [f"2611{number:02d}-aaaa" for number in range(5, NEWEST + 5)]
    for number in range(NEWEST):
        run = world.begin(WORKFLOW, f"2612{number:02d}-aaaa").add(step("tidy", findings=(REVIEWED,)))
        since = compose(run, "built", None, world.ports)
        world.checkpoints.save(since.model_copy(update={"created_at": later + timedelta(days=1)}))
    assert past_runs(new, world.checkpoints) == told


def test_a_rollback_to_an_earlier_run_takes_nothing_from_what_a_plan_was_told() -> None:
    world = World()
    run = world.begin(WORKFLOW, "261101-aaaa").add(step("tidy", findings=(REVIEWED,)))
    built = compose(run, "built", None, world.ports)
    world.checkpoints.save(built)
    new = world.begin(WORKFLOW, "261102-bbbb").model_copy(update={"started_at": START + timedelta(days=1)})
    told = past_runs(new, world.checkpoints)
    assert [one.run for one in told] == ["261101-aaaa"]
    back = compose(run, "built", built, world.ports)
    world.checkpoints.save(back.model_copy(update={"created_at": START + timedelta(days=2), "restores": built.tag}))
    assert past_runs(new, world.checkpoints) == told


def test_the_first_checkpoint_of_a_plan_holds_the_confidence_that_knows_of_earlier_runs() -> None:
    world = World()
    run = world.begin(WORKFLOW, "261121-aaaa").add(step("evaluate", metrics={"roc_auc": BAD}))
    world.checkpoints.save(compose(run.add(step("tidy", findings=(REVIEWED,))), "built", None, world.ports))
    plan = world.begin(WORKFLOW, "261122-bbbb").add(step("scope", 85))
    alone, informed = (
        compose(plan.model_copy(update={"started_at": at}), "planned", None, world.ports).confidence
        for at in (START, START + timedelta(days=1))
    )
    assert alone is not None
    assert informed is not None
    assert (alone.score, informed.score) == (85, 80)
    assert "261121-aaaa 59" in informed.because


def reviewed(world: World, run_id: str, day: int, workflow: str = WORKFLOW) -> None:
    """Keep a reviewed run whose checkpoint is so many days younger than the world."""
    run = world.begin(workflow, run_id).add(step("scope", 80)).add(step("tidy", findings=(REVIEWED,)))
    kept = compose(run, "built", None, world.ports)
    world.checkpoints.save(kept.model_copy(update={"created_at": START + timedelta(days=day)}))


def again(world: World, run_id: str, day: int) -> None:
    """Keep one more checkpoint of a run, as a rollback does."""
    head = world.checkpoints.head(run_id)
    assert head is not None
    kept = compose(head.run, "again", head, world.ports)
    world.checkpoints.save(kept.model_copy(update={"created_at": START + timedelta(days=day)}))


def test_what_counted_once_counts_again_whatever_was_pulled_or_rolled_back_since() -> None:
    world = World()
    for number in range(NEWEST):
        reviewed(world, f"2611{number + 1:02d}-aaaa", 0)
        reviewed(world, f"2612{number + 1:02d}-zzzz", 9)
    again(world, "261101-aaaa", 9)
    world.checkpoints.broken.add("261205-zzzz")
    new = world.begin(WORKFLOW, "261124-ffff").model_copy(update={"started_at": START + timedelta(days=1)})
    told = past_runs(new, world.checkpoints), track_record(new, world.checkpoints)
    heads = counted(new, world.checkpoints)
    assert len(told[0]) == NEWEST
    assert {head.run.id[:4] for head in heads} == {"2611", "2612"}
    assert "261205-zzzz" not in {head.run.id for head in heads}
    reviewed(world, "261231-pull", 0)
    again(world, "261101-aaaa", 30)
    assert (past_runs(new, world.checkpoints), track_record(new, world.checkpoints)) != told
    pinned = Counted(heads, world.checkpoints)
    assert (past_runs(new, pinned), track_record(new, pinned)) == told


def test_of_a_run_that_counted_no_later_checkpoint_is_listed_and_of_another_none_at_all() -> None:
    world = World()
    reviewed(world, "261101-aaaa", 3)
    new = world.begin(WORKFLOW, "261124-ffff")
    (head,) = counted(new, world.checkpoints)
    again(world, "261101-aaaa", 4)
    pinned = Counted([head], world.checkpoints)
    assert [one.name for one in pinned.summaries("261101-aaaa")] == ["built"]
    assert pinned.head("261102-bbbb") is None


def test_the_confidence_of_a_plan_is_told_as_its_own_checkpoint_has_kept_it() -> None:
    world = World()
    reviewed(world, "261121-aaaa", 0)
    at = START + timedelta(days=1)
    begun = world.begin(WORKFLOW, "261122-bbbb").model_copy(update={"started_at": at})
    empty, plan = compose(begun, "begun", None, world.ports), begun.add(step("scope", 85))
    planned = compose(plan, "planned", empty, world.ports)
    built = compose(plan.add(step("tidy", 70)), "built", planned, world.ports)
    assert planned.confidence is not None
    assert planned.confidence.score != 85
    assert initial_stated(built.run, [empty, planned, built]) == planned.confidence
    alone = initial_stated(built.run.add(step("scope", 75)), [empty, planned, built])
    assert alone is not None
    assert alone.score == 75
