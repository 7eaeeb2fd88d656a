"""What was signed is signed for what it says, however often that is made again; the history of it stays true."""

from datetime import datetime, timedelta

import pytest

from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Run
from churnflow.engine.advance import advance
from churnflow.engine.verify import verify_all
from tests.engine.signing import SIGNED, WORKFLOW, approval, approve, decided, forged, listed, refusal, reviewer, world
from tests.fakes import START, World

NOW = START + timedelta(minutes=1)


def shipped(made: World, run: Run) -> str | None:
    for phase in ("build", "decision"):
        run = advance(run, made.ports, phases=(phase,))
    return verify_all(made.ports).served


def test_an_output_that_was_lost_and_is_measured_again_as_it_was_leaves_the_approval_true() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    (model,) = run.artifacts().values()
    made.store.lost.add(model.sha256)
    assert shipped(made, run) == "v1.0.0"
    current = made.journal.current()
    assert current is not None
    assert [entry.name for entry in current.entries].count("train") == 2


def test_an_edit_that_is_taken_back_leaves_the_approval_true_and_a_checkpoint_before_it_changes_nothing() -> None:
    made = World()
    made.step("train", lambda: StepResult(outputs={"model": {"weights": made.catalog.versions.get("train", 0)}}))
    made.reviewer.answer = None
    text = WORKFLOW.replace("    - approval: release", "    - checkpoint: built\n    - approval: release")
    run = made.begin(text.replace("DEMAND", SIGNED), "261123-aaaa")
    listed(made, reviewer("ann"))
    run = approve(made, advance(run, made.ports, phases=("build",), until="built"), "ann")
    for version in (1, 0):
        made.catalog.versions["train"] = version
        run = advance(run, made.ports, phases=("build",), until="built")
    assert shipped(made, run) == "v1.0.0"


@pytest.mark.parametrize(("said", "now"), [("approve", None), ("reject", NOW), ("reject", None)])
def test_only_a_yes_that_is_to_count_now_has_to_be_dated_after_what_it_approves_was_made(
    said: str, now: datetime | None
) -> None:
    made = World()
    made.step("train", lambda: StepResult(outputs={"model": 1}))
    made.reviewer.answer = None
    listed(made, reviewer("ann"))
    run = advance(made.begin(WORKFLOW.replace("DEMAND", SIGNED)), made.ports, phases=("build",), until="train")
    run = approve(made, run, "ann", said)
    early = {"at": made.reviewers.versions[0].listed.at}
    assert refusal(made, run, forged(approval(run).signed[0], "ann", **early), now=now) is None
    yes = forged(approval(run).signed[0], "ann", answer="approve", **early)
    assert refusal(made, run, yes, now=NOW) == "it is dated before what it approves was made"


def test_what_is_measured_anew_with_another_result_is_to_be_signed_anew() -> None:
    made, run = world()
    listed(made, reviewer("ann"))
    run = approve(made, run, "ann")
    made.catalog.versions["train"] = 1
    run = advance(run, made.ports, phases=("build",), until="train")
    assert "another state of the run" in str(refusal(made, run, approval(run).signed[0], now=NOW))
    assert decided(made, approve(made, run, "ann")).verdict == "ship"
