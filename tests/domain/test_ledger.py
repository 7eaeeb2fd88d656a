"""The ledger: what opens a line, what closes or waives it and for how long, and that no later word takes it back."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest

from churnflow import Issue, Measure
from churnflow.domain.base import digest
from churnflow.domain.journal import IssueAnswer, Proof, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, answered, as_of, ledger, open_issues, story, weight, whole_ledger
from churnflow.domain.notes import opened_by_notes
from churnflow.domain.workflow import Workflow
from churnflow.engine.parse import parse
from tests.domain.test_values import WORKFLOW, approval, record
from tests.fakes import START, World

RISKY = """risks:
  legal: age is protected
  technical: {risk: late labels, severity: critical, closed_by: scope.late_ratio <= 0.1}
"""
DAY = timedelta(days=1)


def begun(risks: str = "") -> Run:
    return World().begin(WORKFLOW + risks)


def said(line: LedgerLine, action: str, *, at: datetime = START, **more: object) -> IssueAnswer:
    values: Mapping[str, object] = {"name": line.id, "at": at, "by": "Bo", "reason": "known"}
    return IssueAnswer.model_validate({**values, "action": action, **more})


def states(run: Run) -> list[tuple[str, str]]:
    return [(line.text, line.state) for line in whole_ledger(run)]


def test_a_note_opens_by_its_mark_an_issue_a_critical_one_or_a_condition() -> None:
    notes = ("fine", "! label it", "!! stop", "? the consent is filed", "?", "! ", "?? ask legal")
    opened = [(one.kind, one.issue.severity, one.issue.text) for one in opened_by_notes(notes)]
    assert opened == [
        ("issue", "warning", "label it"),
        ("issue", "critical", "stop"),
        ("condition", "warning", "the consent is filed"),
        ("condition", "warning", "ask legal"),
    ]


def test_a_condition_forbids_to_ship_and_is_no_other_line_than_a_warning_in_the_same_words() -> None:
    for notes in (("? label it", "! label it"), ("! label it", "? label it")):
        lines = ledger(begun().add(approval(*notes)))
        assert sorted((weight(line), line.forbids) for line in lines) == [("promised", True), ("warning", False)]
        assert len({line.id for line in lines}) == 2


def test_a_waiver_ends_and_the_line_is_open_again() -> None:
    run = begun().add(approval("!! stop"))
    run = run.add(said(ledger(run)[0], "waive", until=START + 30 * DAY))
    (line,) = ledger(as_of(run, START + 30 * DAY - timedelta(seconds=1)))
    assert (line.state, line.until, line.by) == ("waived", START + 30 * DAY, "Bo")
    assert answered(line) == f"waived by Bo until {line.until:%Y-%m-%d} (known)"
    (line,) = open_issues(as_of(run, START + 30 * DAY))
    assert (line.state, line.until, line.by) == ("open", None, None)
    assert answered(line) == f"open again, the waiver of Bo ended on {START + 30 * DAY:%Y-%m-%d}"
    assert [answer.action for answer in line.answers] == ["waive", "expire"]
    assert [told.partition(" ")[0] for told in story(line)] == ["noticed", "waived", "the"]
    assert as_of(as_of(run, START + 31 * DAY), START + 32 * DAY) == as_of(run, START + 31 * DAY)
    again = run.add(said(line, "waive", at=START + 31 * DAY, until=START + 60 * DAY))
    assert open_issues(as_of(again, START + 40 * DAY)) == ()


def test_a_waiver_from_before_waivers_had_an_end_holds_and_its_record_keeps_its_digest() -> None:
    run = begun().add(approval("!! stop"))
    old = said(ledger(run)[0], "waive")
    assert set(old.model_dump()) == {"kind", "name", "passed", "at", "action", "by", "reason"}
    assert as_of(run.add(old), START + 4000 * DAY) == run.add(old)


def test_to_answer_an_approval_again_takes_back_no_note_even_in_a_checkpoint() -> None:
    run = begun().add(approval("!! stop", "? file it", "fine")).add(approval())
    assert states(run) == [("stop", "open"), ("file it", "open")]
    assert ledger(run.condensed()) == ledger(run)
    repeated = run.add(approval("!! stop").model_copy(update={"key": "1" * 64}))
    assert states(repeated) == [("file it", "open"), ("stop", "open")]
    assert len(begun().add(approval("fine")).add(approval()).condensed().entries) == 1


def test_a_question_that_is_answered_anew_has_the_newest_answer() -> None:
    no, yes = (approval().model_copy(update={"answers": {"Is it lawful?": text}}) for text in ("no", "yes"))
    assert states(begun().add(no)) == [("answered no: Is it lawful?", "open")]
    assert states(begun().add(no).add(yes)) == []


def test_what_a_step_measures_no_more_is_closed_by_that_record() -> None:
    leak, odd = Issue(text="3 leaks", severity="critical", about="leaks"), Issue(text="odd")
    first = record(issues=(leak, odd))
    fewer = record(issues=(leak.model_copy(update={"text": "1 leak"}),), key="1" * 64)
    mended = record(key="2" * 64)
    run = begun().add(first).add(fewer)
    assert states(run) == [("1 leak", "open"), ("odd", "closed")]
    closed = [line for line in whole_ledger(run.add(mended)) if line.evidence]
    assert [(line.text, line.by) for line in closed] == [("3 leaks", None), ("odd", None)]
    assert closed[0].evidence == Proof(kind="step", name="scope", sha256="2" * 64)
    assert answered(closed[0]) == "closed by step scope (222222222222) (measured again, and gone)"
    assert open_issues(run.add(mended)) == ()
    assert story(closed[0])[-1] == "closed by step scope (222222222222): measured again, and gone"
    failed = mended.model_copy(update={"raised": True, "passed": False})
    assert states(run.add(failed)) == []


def measured(ratio: float, **more: object) -> StepRecord:
    return record(metrics={"late_ratio": Measure(value=ratio)}, **more)


def test_a_risk_is_open_until_the_step_that_measures_it_keeps_its_limit() -> None:
    run = begun(RISKY)
    assert [(line.kind, line.severity, line.state) for line in ledger(run)] == [
        ("risk", "note", "open"),
        ("risk", "critical", "open"),
    ]
    for record_ in (measured(0.2), measured(0.05, passed=False), record()):
        assert [line.state for line in ledger(run.add(record_))] == ["open", "open"]
    line = ledger(run.add(measured(0.05)))[1]
    assert (line.state, line.reason) == ("closed", "scope.late_ratio <= 0.1: observed 0.05")
    assert line.evidence == Proof(kind="step", name="scope", sha256="0" * 64)
    assert story(line)[0].startswith("noticed by the plan, ")


def test_a_risk_can_be_waived_for_a_time_and_its_measure_says_more_than_a_waiver() -> None:
    run = begun(RISKY)
    run = run.add(said(ledger(run)[1], "waive", until=START + DAY))
    assert [line.state for line in ledger(run)] == ["open", "waived"]
    assert [line.state for line in ledger(as_of(run, START + DAY))] == ["open", "open"]
    assert [line.state for line in ledger(run.add(measured(0.05)))] == ["open", "closed"]


def test_a_closed_line_names_who_closed_it_and_on_which_evidence() -> None:
    run = begun().add(approval("? label it"))
    proof = Proof(kind="checkpoint", name="churnflow/261123-aaaa/01-planned", sha256="a" * 64)
    (line,) = ledger(run.add(said(ledger(run)[0], "close", evidence=proof)))
    assert (line.state, line.evidence) == ("closed", proof)
    assert answered(line) == "closed by Bo by checkpoint churnflow/261123-aaaa/01-planned (aaaaaaaaaaaa) (known)"
    assert [told.partition(" ")[0] for told in story(line)] == ["noticed", "closed"]


def test_risks_in_words_and_workflows_without_days_of_waivers_keep_their_digest() -> None:
    old = parse(WORKFLOW + "risks: {legal: age is protected}\n", "w.yaml").workflow
    dumped = old.model_dump(mode="json", by_alias=True)
    assert dumped["risks"] == {"legal": "age is protected"}
    assert "waiver_days" not in dumped
    assert digest(Workflow.model_validate(dumped)) == digest(old)


@pytest.mark.parametrize("days", ["0", "367", "-1", "x"])
def test_waivers_are_for_a_day_to_a_year(days: str) -> None:
    with pytest.raises(Exception, match="waiver_days"):
        parse(WORKFLOW + f"waiver_days: {days}\n", "w.yaml")
