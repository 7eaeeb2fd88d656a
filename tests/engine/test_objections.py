"""A new run of the same bytes: what was said against them in another run is told to whoever decides now."""

import pytest

from churnflow.domain.evidence import StepResult
from churnflow.domain.journal import Decision, Run
from churnflow.engine.advance import advance, answer
from tests.engine.signing import WORKFLOW
from tests.fakes import World


def asked(world: World, run_id: str, model: int = 1) -> Run:
    """Return a new run of a model, which waits at its approval."""
    world.step("train", lambda: StepResult(outputs={"model": {"weights": model}}))
    world.catalog.versions["train"] = model
    run = world.begin(WORKFLOW.replace("DEMAND", "questions: []"), run_id)
    return advance(run, world.ports, phases=("build",), until="train")


def decided(world: World, run: Run) -> list[str]:
    """Approve, and return what the gate gives as reasons beside the confidence; the approval was told the same."""
    world.reviewer.answer, world.reviewer.notes = "approve", ()
    run = answer(run, "release", world.ports)
    for phase in ("build", "decision"):
        run = advance(run, world.ports, phases=(phase,), until="ship" if phase == "decision" else None)
    entry, outlook = run.latest("ship"), world.reviewer.briefs[-1].outlook
    assert isinstance(entry, Decision)
    assert outlook is not None
    assert entry.reasons[1:] == outlook.reasons[1:]
    assert entry.verdict == "ship"
    return [*entry.reasons[1:]]


def refused(world: World, run: Run, *notes: str, said: str = "reject") -> Run:
    world.reviewer.answer, world.reviewer.notes = said, notes  # type: ignore[assignment]
    return answer(run, "release", world.ports)


@pytest.mark.parametrize(("notes", "told"), [((), ""), (("too early", "ask Bo"), ": too early; ask Bo")])
def test_a_no_to_the_same_model_is_told_to_whoever_answers_next(notes: tuple[str, ...], told: str) -> None:
    world = World()
    refused(world, asked(world, "261123-aaaa"), *notes)
    (line,) = decided(world, asked(world, "261123-bbbb"))
    assert line == f"run 261123-aaaa made the same 'model': Ann rejected the approval 'release'{told}"


def test_a_promise_that_is_open_elsewhere_is_told_until_it_is_not() -> None:
    world = World()
    first = refused(world, asked(world, "261123-aaaa"), "? show Ann the plan", "! label it", said="approve-with-notes")
    (line,) = decided(world, asked(world, "261123-bbbb"))
    assert line.startswith("run 261123-aaaa made the same 'model': promised and open there: release-")
    assert line.endswith(": show Ann the plan")
    world.journal.runs[first.id] = first.with_entries(first.entries[:1])
    assert decided(world, asked(world, "261123-cccc")) == []


def test_of_another_model_nothing_is_told_nor_of_a_journal_that_was_altered() -> None:
    world = World()
    refused(world, asked(world, "261123-aaaa"))
    assert decided(world, asked(world, "261123-bbbb", model=2)) == []
    world.journal.altered.add("261123-aaaa")
    assert decided(world, asked(world, "261123-cccc")) == []
