"""The loop: what is done, what is skipped, what is done again, and where it stops."""

import itertools
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from churnflow import Confidence, Evidence, Finding, InputError, Issue, Measure, Progress, StepResult
from churnflow.domain.evidence import Artifact, Severity
from churnflow.domain.journal import Approval, Decision, Mark, StepRecord
from churnflow.domain.ledger import open_issues
from churnflow.engine.advance import advance, answer, override, waiting_item
from churnflow.engine.perform import perform
from churnflow.errors import ConflictError, UsageError, WaitingError
from tests.fakes import START, FakeStore, World

WORKFLOW = """
name: small
task: Make a number
requirements: [double.size >= 2]
phases:
  plan:
    - step: look
      uses: look
      with: {source: data.txt}
    - approval: plan
      questions: ["Is it complete?"]
    - checkpoint: planned
  build:
    - step: one
      uses: one
      with: {start: 3}
      produces: {number: json}
    - step: double
      uses: double
      produces: {doubled: json}
      checks: [size >= 1]
    - checkpoint: built
  decision:
    - gate: ship
    - checkpoint: shipped
"""
ALL = ("plan", "build", "decision")
REVIEWED = ("plan", "build", "review", "decision")


def look(source: "object") -> StepResult:
    return StepResult(metrics={"rows": 2}, confidence=Confidence(score=70, because="small"))


look.__annotations__["source"] = __import__("pathlib").Path


@pytest.fixture
def world() -> World:
    world = World()
    world.files.contents["data.txt"] = b"1\n2\n"
    calls: list[str] = []
    world.calls = calls  # type: ignore[attr-defined]

    def one(start: int, factor: int = 1) -> StepResult:
        calls.append("one")
        return StepResult(outputs={"number": start * factor})

    def double(number: int, progress: Progress) -> StepResult:
        calls.append("double")
        progress(1, 2, "half")
        return StepResult(
            outputs={"doubled": number * 2}, metrics={"size": Measure(value=number * 2, low=1, high=9, n=4)}
        )

    world.step("look", look)
    world.step("one", one)
    world.step("double", double)
    return world


def test_a_run_goes_through_all_items_in_order_and_keeps_each(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)

    assert [entry.name for entry in run.entries] == [
        "look",
        "plan",
        "planned",
        "one",
        "double",
        "built",
        "ship",
        "shipped",
    ]
    assert world.journal.current() == run
    assert all(entry.passed for entry in run.entries)
    assert [checkpoint.name for checkpoint in world.checkpoints.history(run.id)] == ["planned", "built", "shipped"]
    assert "double 1/2" in world.listener.heard
    assert waiting_item(run, world.ports) is None


def test_what_is_done_is_skipped(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    again = advance(run, world.ports, phases=ALL)

    assert again == run
    assert world.calls == ["one", "double"]  # type: ignore[attr-defined]


def test_until_stops_after_the_item_and_the_next_call_goes_on(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL, until="one")
    assert run.entries[-1].name == "one"
    assert advance(run, world.ports, phases=ALL, until="one") == run
    assert advance(run, world.ports, phases=ALL).entries[-1].name == "shipped"


def test_a_phase_refuses_while_an_earlier_one_is_not_done(world: World) -> None:
    with pytest.raises(ConflictError, match="'plan' is not done") as caught:
        advance(world.begin(WORKFLOW), world.ports, phases=("build",))
    assert caught.value.hint == "`churnflow plan`"


def test_changed_code_does_the_step_and_what_depends_on_it_again(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    world.catalog.versions["one"] = 1
    again = advance(run, world.ports, phases=ALL)

    assert world.calls == ["one", "double", "one"]  # type: ignore[attr-defined]
    assert [entry.name for entry in again.entries[len(run.entries) :]] == ["one", "built", "ship", "shipped"]


def test_the_time_that_a_reviewer_took_counts_from_the_entry_before(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    places = [(before, entry) for before, entry in itertools.pairwise(run.entries) if isinstance(entry, Approval)]
    assert places
    assert [entry.waited for _, entry in places] == [
        max(0.0, (entry.at - before.at).total_seconds()) for before, entry in places
    ]


def test_a_step_that_changes_what_it_is_made_from_ends_with_a_conflict(world: World) -> None:
    def look(source: Path) -> StepResult:
        world.files.contents["data.txt"] += b"more"
        return StepResult()

    world.step("look", look)
    with pytest.raises(ConflictError, match="'look' was done by this command and is stale again"):
        advance(world.begin(WORKFLOW), world.ports, phases=ALL)


def test_a_step_that_takes_and_makes_the_same_name_is_done_once(world: World) -> None:
    def double(number: int) -> StepResult:
        return StepResult(outputs={"number": 2 * number}, metrics={"size": 2.0 * number})

    world.step("double", double)
    text = WORKFLOW.replace("doubled: json", "number: json")
    run = advance(world.begin(text), world.ports, phases=ALL)
    assert [entry.name for entry in run.entries].count("double") == 1
    assert advance(run, world.ports, phases=ALL) == run


def test_a_step_that_ends_the_program_is_a_failed_step_and_its_prints_are_no_answer(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def one(start: int) -> StepResult:
        sys.stdout.write("hello\n")
        sys.exit(0)

    world.step("one", one)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert (run.entries[-1].name, run.entries[-1].passed) == ("one", False)
    assert capsys.readouterr() == ("", "hello\n")


def test_a_lost_output_is_made_again(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    lost = run.artifacts()["number"]
    world.store.lost.add(lost.sha256)
    del world.store.values[lost.sha256]
    again = advance(run, world.ports, phases=ALL)
    assert [entry.name for entry in again.entries[len(run.entries) :]][:1] == ["one"]


def test_what_comes_after_the_gate_does_not_change_its_verdict(world: World) -> None:
    def late() -> StepResult:
        message = "no network"
        raise OSError(message)

    world.step("late", late)
    text = WORKFLOW + "  after:\n    - step: late\n      uses: late\n"
    run = advance(world.begin(text), world.ports, phases=(*ALL, "after"))
    assert (run.entries[-1].name, run.entries[-1].passed) == ("late", False)
    world.step("late", lambda: StepResult(facts={"network": "is back"}))
    run = advance(run, world.ports, phases=(*ALL, "after"))
    assert (run.entries[-1].name, run.entries[-1].passed) == ("late", True)
    assert [entry.verdict for entry in run.entries if isinstance(entry, Decision)] == ["ship"]


def test_a_step_that_did_not_pass_is_measured_again(world: World) -> None:
    sizes = iter([1.0, 4.0])

    def double(number: int) -> StepResult:
        return StepResult(outputs={"doubled": 2 * number}, metrics={"size": next(sizes)})

    world.step("double", double)
    text = WORKFLOW.replace("checks: [size >= 1]", "checks: [size >= 2]")
    run = advance(world.begin(text), world.ports, phases=ALL)
    assert not run.entries[-1].passed
    assert advance(run, world.ports, phases=ALL).latest("double").passed  # type: ignore[union-attr]


def test_a_workflow_edited_during_the_run_is_not_kept_as_if_it_had_been_run(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=("plan",))
    world.workflow_sha256 = "0" * 64
    with pytest.raises(ConflictError, match=r"workflows/test\.yaml changed under the run"):
        advance(run, world.ports, phases=("build",))
    assert [item.name for item in world.checkpoints.history(run.id)] == ["planned"]


def test_a_store_that_can_not_take_an_output_ends_the_command_and_says_nothing_of_the_step(world: World) -> None:
    class Full(FakeStore):
        def put(self, name: str, value: object, codec: str) -> Artifact:
            message = "no space left"
            raise ConflictError(message, hint="free some space")

    world.store = Full(world.files)
    run = world.begin(WORKFLOW)
    with pytest.raises(ConflictError, match="no space left"):
        advance(run, world.ports, phases=ALL)
    kept = world.journal.current()
    assert kept is not None
    assert kept.latest("one") is None


def test_each_line_of_a_note_counts(world: World) -> None:
    world.reviewer.notes = ("fine on the whole\n  !! the model leaks",)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert "the model leaks" in [line.text for line in open_issues(run) if line.severity == "critical"]


def test_a_changed_source_file_makes_the_approval_stale_and_asks_again(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    world.files.contents["data.txt"] = b"3\n"
    world.reviewer.answer = None

    with pytest.raises(ConflictError, match="'look' comes first"):
        advance(run, world.ports, phases=("build",))
    with pytest.raises(WaitingError, match="waits for a reviewer") as caught:
        advance(run, world.ports, phases=ALL)
    assert (caught.value.approval, caught.value.questions) == ("plan", ("Is it complete?",))
    assert len(world.reviewer.briefs) == 2
    assert world.reviewer.briefs[0].subject != world.reviewer.briefs[1].subject


def test_a_missing_source_file_is_evidence_of_failure(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    del world.files.contents["data.txt"]
    again = advance(run, world.ports, phases=ALL)

    last = again.entries[-1]
    assert isinstance(last, StepRecord)
    assert last.raised
    assert last.issues[0].text == "no such file: data.txt"
    assert last.facts["hint"] == "name a file that is there"


def test_an_unchanged_step_is_reused_in_a_new_run_and_says_from_where(world: World) -> None:
    first = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    second = advance(world.begin(WORKFLOW, "261123-bbbb"), world.ports, phases=ALL)

    record = second.latest("one")
    assert isinstance(record, StepRecord)
    assert record.reused is not None
    assert record.reused.run == first.id
    assert world.calls == ["one", "double"]  # type: ignore[attr-defined]


def test_a_result_whose_artifact_is_gone_is_measured_again(world: World) -> None:
    first = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    world.store.lost.add(first.artifacts()["number"].sha256)
    record = first.latest("one")
    assert isinstance(record, StepRecord)
    world.begin(WORKFLOW, "261123-bbbb")
    world.store.lost.clear()
    world.store.values.pop(record.outputs[0].sha256)
    second = advance(world.journal.runs["261123-bbbb"], world.ports, phases=ALL)

    again = second.latest("one")
    assert isinstance(again, StepRecord)
    assert again.reused is None


def test_a_step_that_raises_becomes_a_record_with_a_critical_issue_and_stops_the_phase(world: World) -> None:
    def fails(start: int) -> StepResult:
        message = "no\nluck"
        raise KeyError(message)

    world.step("one", fails)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)

    last = run.entries[-1]
    assert isinstance(last, StepRecord)
    assert (last.name, last.passed, last.confidence.score) == ("one", False, 0)
    assert last.issues[0].severity == "critical"
    assert "KeyError" in last.issues[0].text
    assert "\n" not in last.issues[0].text
    assert len(world.tracebacks) == 1


def test_a_step_that_failed_is_tried_again(world: World) -> None:
    good = world.catalog.functions["one"]

    def fails(start: int) -> StepResult:
        message = "bad input"
        raise InputError(message, hint="mend it")

    world.step("one", fails)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert run.entries[-1].passed is False
    world.step("one", good)
    assert advance(run, world.ports, phases=ALL).entries[-1].name == "shipped"


def test_a_check_that_does_not_hold_stops_the_phase(world: World) -> None:
    run = advance(world.begin(WORKFLOW.replace("size >= 1", "size >= 100")), world.ports, phases=ALL)

    last = run.entries[-1]
    assert isinstance(last, StepRecord)
    assert not last.passed
    assert not last.raised
    assert last.confidence.score <= 55
    assert world.checkpoints.history(run.id)[-1].name == "planned"


def test_a_changed_limit_judges_again_without_measuring_again(world: World) -> None:
    advance(world.begin(WORKFLOW.replace("size >= 1", "size >= 100")), world.ports, phases=ALL)
    run = advance(world.begin(WORKFLOW, "261123-bbbb"), world.ports, phases=ALL)

    assert run.entries[-1].name == "shipped"
    assert world.calls == ["one", "double"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("result", [None, StepResult(), StepResult(outputs={"nummber": 1})])
def test_a_result_without_what_was_declared_is_a_failure(world: World, result: object) -> None:
    world.step("one", lambda start: result)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert run.entries[-1].name == "one"
    assert not run.entries[-1].passed


def test_a_metric_that_is_no_finite_number_counts_as_not_measured(world: World) -> None:
    world.step("double", lambda number: StepResult(outputs={"doubled": 1}, metrics={"size": float("nan"), "n": 1.0}))
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)

    record = run.latest("double")
    assert isinstance(record, StepRecord)
    assert "size" not in record.metrics
    assert record.metrics["n"].value == 1.0
    assert not record.passed
    assert any("not a finite number" in issue.text for issue in record.issues)


def test_a_refused_approval_stops_and_is_not_asked_again_by_itself(world: World) -> None:
    world.reviewer.answer = "reject"
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    assert isinstance(run.entries[-1], Approval)
    assert advance(run, world.ports, phases=ALL) == run
    assert len(world.reviewer.briefs) == 1

    world.reviewer.answer = "approve"
    run = answer(run, "plan", world.ports)
    assert advance(run, world.ports, phases=ALL).entries[-1].name == "shipped"


def test_an_approval_is_answered_only_when_it_is_due(world: World) -> None:
    run = world.begin(WORKFLOW)
    with pytest.raises(ConflictError, match="not due: 'look' comes first"):
        answer(run, "plan", world.ports)
    with pytest.raises(UsageError, match="no approval 'ship'"):
        answer(run, "ship", world.ports)


def test_the_reviewer_is_shown_what_changed_since_the_last_checkpoint(world: World) -> None:
    text = WORKFLOW.replace("  decision:\n", "  decision:\n    - approval: release\n")
    world.checkpoints.tree["code.py"] = "old"
    original = world.catalog.functions["double"]

    def edits(number: int, progress: Progress) -> object:
        return original(number, progress)

    world.step("double", edits)
    run = advance(world.begin(text), world.ports, phases=("plan", "build"))
    world.checkpoints.tree["code.py"] = "new"
    advance(run, world.ports, phases=ALL)
    assert world.reviewer.briefs[-1].changed_files == ("code.py",)


def test_what_the_checklist_leaves_open_is_asked_at_the_next_approval(world: World) -> None:
    text = WORKFLOW.replace(
        "  decision:\n",
        "  review:\n    - step: judge\n      uses: judge\n"
        "    - approval: release\n    - approval: second\n  decision:\n",
    )

    def judge(evidence: Evidence) -> StepResult:
        assert evidence.step("double") is not None
        assert evidence.step("nobody") is None
        asked = Finding(topic="quality", claim="Is it kind?", state="ask", evidence="none")
        return StepResult(findings=[asked])

    world.step("judge", judge)
    run = advance(world.begin(text), world.ports, phases=("plan", "build", "review", "decision"))
    questions = {brief.request.name: brief.questions for brief in world.reviewer.briefs}
    assert questions == {"plan": ("Is it complete?",), "release": ("Is it kind?",), "second": ()}
    assert advance(run, world.ports, phases=("decision",)) == run


def reviewed(world: World, *, more: str = "", worst: Severity = "note") -> str:
    """Return the workflow with a review, which notices something as grave as `worst`, and its approval."""
    found = Finding(topic="quality", claim="tested", state="pass", evidence="x")
    world.step("judge", lambda: StepResult(findings=[found], issues=[Issue(text="smells", severity=worst)]))
    review = f"  review:\n    - step: judge\n      uses: judge\n    - approval: release\n{more}"
    return WORKFLOW.replace("  decision:\n", f"{review}  decision:\n")


def test_the_reviewer_of_a_plan_is_shown_the_confidence_that_its_checkpoint_will_hold(world: World) -> None:
    text = reviewed(world)
    first = advance(world.begin(text), world.ports, phases=REVIEWED)
    later = world.begin(text, "261124-bbbb").model_copy(update={"started_at": START + timedelta(days=1)})
    advance(later, world.ports, phases=("plan",))
    planned = [world.checkpoints.history(run.id)[0].confidence for run in (first, later)]
    briefs = [brief for brief in world.reviewer.briefs if brief.request.name == "plan"]
    assert [dict(brief.scores) for brief in briefs] == [{"initial": score} for score in planned]
    assert [brief.outlook for brief in briefs] == [None, None]
    assert "with an earlier run of small: 261123-aaaa" in briefs[1].scores["initial"].because


@pytest.mark.parametrize(
    ("worst", "second", "verdict", "stop"),
    [
        ("note", "", "ship", None),
        ("critical", "", "fix", "critical issue open: "),
        ("note", "    - approval: second\n", "fix", "the approval 'second' is missing"),
    ],
)
def test_the_reviewer_of_a_release_is_shown_what_the_gate_would_decide_were_it_approved(
    world: World, worst: Severity, second: str, verdict: str, stop: str | None
) -> None:
    run = advance(world.begin(reviewed(world, more=second, worst=worst)), world.ports, phases=REVIEWED)
    brief = next(brief for brief in world.reviewer.briefs if brief.request.name == "release")
    decided = run.latest("ship")
    assert isinstance(decided, Decision)
    assert brief.outlook is not None
    assert list(brief.scores) == ["initial", "build", "final"]
    assert brief.outlook.confidence == brief.scores["final"] == decided.confidence
    assert (brief.outlook.verdict, brief.outlook.reasons[0]) == (verdict, decided.reasons[0])
    assert [reason.startswith(stop or "") for reason in brief.outlook.reasons[1:]] == [True] * (stop is not None)


def test_a_gate_that_said_no_says_it_again_only_when_something_changed(world: World) -> None:
    def worried(start: int) -> StepResult:
        return StepResult(outputs={"number": start}, issues=[Issue(text="smells", severity="critical")])

    world.step("one", worried)
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    decision = run.entries[-1]
    assert isinstance(decision, Decision)
    assert decision.verdict == "fix"
    assert advance(run, world.ports, phases=ALL) == run
    assert not any(isinstance(entry, Mark) and entry.name == "shipped" for entry in run.entries)


def test_set_changes_a_parameter_of_a_step_that_is_not_done(world: World) -> None:
    run = override(world.begin(WORKFLOW), [("one", "start", 5)], world.ports)
    run = override(run, [("one", "start", 5)], world.ports)
    run = advance(run, world.ports, phases=ALL)

    assert world.store.get(run.artifacts()["doubled"]) == 10
    with pytest.raises(ConflictError, match="is done in this run"):
        override(run, [("one", "start", 6)], world.ports)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (("none", "start", 1), "names no step"),
        (("one", "stat", 1), "takes no parameter 'stat'"),
        (("one", "start", "x"), "^--set one.start must be a whole number; you gave 'x'$"),
        (("one", "start", "mysql://user:secret@host"), "^--set one.start holds a password, which every record"),
    ],
)
def test_set_refuses_what_does_not_fit(world: World, assignment: tuple[str, str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(world.begin(WORKFLOW), [assignment], world.ports)


def test_a_step_whose_inputs_were_never_made_is_a_failure_that_names_them(world: World) -> None:
    text = WORKFLOW.replace("produces: {number: json}", "")
    run = advance(world.begin(text), world.ports, phases=ALL)
    last = run.entries[-1]
    assert isinstance(last, StepRecord)
    assert last.issues[0].text == "double needs 'number', which no earlier step produced"

    renamed = WORKFLOW.replace("      uses: double\n", "      uses: double\n      needs: {number: numbre}\n")
    run = advance(world.begin(renamed, "261123-bbbb"), world.ports, phases=ALL)
    last = run.entries[-1]
    assert isinstance(last, StepRecord)
    assert last.issues[0].text == "no earlier step produced 'numbre'"
    assert last.facts["hint"] == "did you mean 'number'?"


def test_a_result_without_a_declared_output_names_what_came_instead(world: World) -> None:
    world.step("one", lambda start: StepResult(outputs={"nummer": 1}))
    run = advance(world.begin(WORKFLOW), world.ports, phases=ALL)
    last = run.entries[-1]
    assert isinstance(last, StepRecord)
    assert last.issues[0].text == "one did not return the output 'number'"


def test_an_approval_that_was_not_asked_again_is_stale_at_the_gate(world: World) -> None:
    run = advance(world.begin(WORKFLOW), world.ports, phases=("plan", "build"))
    stale = run.latest("plan")
    assert isinstance(stale, Approval)
    gate = list(run.declared.items())[-2]
    for entry, state in (
        (stale.model_copy(update={"key": "f" * 64}), "is stale"),
        (stale.model_copy(update={"passed": False, "answer": "reject"}), "was refused"),
    ):
        decision = perform("decision", gate, run.add(entry), world.ports)
        assert isinstance(decision, Decision)
        assert decision.verdict == "fix"
        assert any(state in reason for reason in decision.reasons)
    without = run.with_entries([entry for entry in run.entries if entry.name != "plan"])
    decision = perform("decision", gate, without, world.ports)
    assert isinstance(decision, Decision)
    assert any("is missing" in reason for reason in decision.reasons)
