"""The nouns: what they accept, what they refuse, and what is derived from them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnflow import Evidence, Issue, Measure, reports
from churnflow.domain.base import canonical_json, digest, stamp
from churnflow.domain.checkpoint import file_of, tag_of
from churnflow.domain.contract import METRICS_ATTRIBUTE
from churnflow.domain.evidence import Confidence
from churnflow.domain.journal import Approval, Decision, IssueAnswer, Mark, Run, StepRecord
from churnflow.domain.ledger import ledger, open_issues
from churnflow.domain.notes import opened_by_notes
from churnflow.domain.release import Level, Release, next_version, object_path
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import CheckpointRequest, Gate, Workflow
from churnflow.engine.parse import parse
from tests.fakes import START, World

WORKFLOW = """
name: small
task: Make a number
phases:
  plan:
    - step: scope
      uses: scope
    - approval: plan
    - checkpoint: planned
  decision:
    - gate: ship
"""


def record(name: str = "scope", **more: object) -> StepRecord:
    values = {"phase": "plan", "passed": True, "key": "0" * 64, "at": START, "uses": "x"}
    return StepRecord.model_validate({"name": name, **values, "confidence": Confidence(score=80, because="x"), **more})


def approval(*notes: str) -> Approval:
    values = {"phase": "plan", "passed": True, "key": "0" * 64, "at": START, "how": "prompt"}
    return Approval.model_validate({"name": "plan", **values, "answer": "approve", "reviewer": "Ann", "notes": notes})


@pytest.mark.parametrize(
    ("text", "value", "held"),
    [
        ("auc >= 0.85", 0.85, True),
        ("auc > 0.85", 0.85, False),
        ("auc <= 0.85", 0.85, True),
        ("auc < 0.85", 0.85, False),
        ("auc == 0.85", 0.85, True),
        ("auc >= 0.1234567", 0.1234566, False),
        ("a.b-c_1 <= 1e-3", 0.002, False),
    ],
)
def test_a_rule_holds_at_its_limit_or_not(text: str, value: float, held: bool) -> None:
    rule = Rule.model_validate(text)
    check = rule.judge({rule.metric: Measure(value=value, low=0.1, high=0.9, n=5)})
    assert (check.passed, check.observed, check.low, check.high) == (held, value, 0.1, 0.9)


def test_a_rule_without_its_metric_fails_with_nothing_observed() -> None:
    check = Rule.model_validate("auc >= 0.85").judge({})
    assert (check.passed, check.observed) == (False, None)


@pytest.mark.parametrize("text", ["auc", "auc => 1", ">= 1", "auc >= x", "auc >= 1 or so", "auc >= nan", 3])
def test_what_is_no_rule_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate(text)


@given(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.sampled_from(["<=", ">=", "==", "<", ">"]),
    st.integers(-1000, 1000),
)
def test_a_rule_is_written_as_it_is_read(metric: str, op: str, limit: int) -> None:
    rule = Rule.model_validate(f"{metric} {op} {limit}")
    assert Rule.model_validate(str(rule)) == rule
    assert Rule.model_validate_json(rule.model_dump_json()) == rule


def test_an_interval_across_the_limit_is_noise() -> None:
    rule = Rule.model_validate("auc >= 0.8")
    assert rule.within_noise({"auc": Measure(value=0.81, low=0.79, high=0.83)})
    assert not rule.within_noise({"auc": Measure(value=0.85, low=0.81, high=0.88)})
    assert not rule.within_noise({"auc": Measure(value=0.85)})
    assert not rule.within_noise({"auc": Measure(value=0.85, low=0.8)})
    assert not rule.within_noise({})


def test_equal_content_has_one_digest_and_no_number_is_infinite() -> None:
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert digest(Issue(text="x")) == digest({"text": "x", "severity": "note"})
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"a": float("inf")})
    with pytest.raises(ValidationError):
        Measure(value=float("nan"))


def test_times_are_printed_in_utc() -> None:
    assert stamp(datetime(2026, 11, 23, 9, 8, 7, tzinfo=UTC)) == "2026-11-23 09:08:07 UTC"


def test_names_of_checkpoints() -> None:
    assert tag_of("261123-aaaa", 2, "made") == "churnflow/261123-aaaa/02-made"
    assert file_of("261123-aaaa", 12, "made") == "checkpoints/261123-aaaa/12-made.yaml"
    assert object_path("abcdef") == "sha256/ab/cdef"


@pytest.mark.parametrize(
    ("past", "level", "version"),
    [
        ([], "patch", "v1.0.0"),
        ([], "major", "v1.0.0"),
        (["v1.0.0"], "patch", "v1.0.1"),
        (["v1.0.0"], "minor", "v1.1.0"),
        (["v1.0.0"], "major", "v2.0.0"),
        (["v1.4.2"], "minor", "v1.5.0"),
        (["v1.4.2"], "major", "v2.0.0"),
        (["v1.0.0", "v1.9.0", "v1.10.3", "v1.0.0"], "patch", "v1.10.4"),
        (["v1.0.0", "v10.0.0", "v9.9.9"], "minor", "v10.1.0"),
    ],
)
def test_a_version_rises_by_what_clients_notice_and_above_every_other(
    past: list[str], level: Level, version: str
) -> None:
    assert next_version(past, level) == version


def test_a_release_from_before_versions_were_explained_is_read_and_has_the_same_digest() -> None:
    written = {
        "version": "v1.0.0",
        "artifact": {"name": "candidate", "codec": "release", "sha256": "0" * 64, "size_bytes": 1},
        "run": "261123-aaaa",
        "checkpoint": "churnflow/261123-aaaa/04-shipped",
        "approval_sha256": None,
        "at": "2026-11-23T09:00:00Z",
    }
    release = Release.model_validate(written)
    assert (release.change, release.privacy) == (None, None)
    assert digest(release) == digest(written)


def test_a_step_function_can_declare_its_metrics() -> None:
    @reports("rows", "gap_*")
    def step() -> None:
        """Do nothing."""

    assert getattr(step, METRICS_ATTRIBUTE) == ("rows", "gap_*")


def test_items_have_one_name_each_and_bands_are_in_order() -> None:
    with pytest.raises(ValidationError, match="duplicate name: a"):
        Workflow(name="x", task="y", phases={"p": (CheckpointRequest(name="a"), Gate(name="a"))})
    with pytest.raises(ValidationError, match="above the ship band"):
        Gate(name="a", ship=10, fix=20)


@pytest.mark.parametrize(
    "name", ["", "Upper", "-x", "a/b", "a" * 65, "..", "ä", "a..b", "a.", "a.lock", "a\n", ".a", "--evil"]
)
def test_names_that_a_path_or_git_could_misread_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        CheckpointRequest(name=name)


def test_a_run_is_read_back_as_it_was_written() -> None:
    run = World().begin(WORKFLOW)
    decision = Decision(
        name="ship",
        phase="decision",
        passed=False,
        key="0" * 64,
        at=START,
        verdict="fix",
        confidence=Confidence(score=70, because="x"),
        bands=(60, 80),
        reasons=("x",),
        next_action="y",
    )
    for entry in (record(), approval(), Mark(name="planned", phase="plan", key="0" * 64, at=START), decision):
        run = run.add(entry)
    assert Run.model_validate_json(run.model_dump_json(by_alias=True)) == run


def test_a_decision_in_the_name_of_what_is_no_gate_is_no_run() -> None:
    run = World().begin(WORKFLOW)
    mark = Mark(name="planned", phase="plan", key="0" * 64, at=START)
    assert run.misplaced([record(), approval(), mark]) is None
    in_disguise = approval().model_copy(update={"name": "planned"})
    assert run.misplaced([record(), in_disguise]) == in_disguise
    with pytest.raises(ValidationError, match="planned is no approval in this workflow"):
        Run.model_validate_json(run.add(in_disguise).model_dump_json(by_alias=True))


def test_the_newest_entry_of_an_item_counts() -> None:
    run = World().begin(WORKFLOW).add(record(passed=False)).add(approval()).add(record())
    assert run.latest("scope") == record()
    assert run.latest("nobody") is None
    assert [entry.name for entry in run.current()] == ["scope", "plan"]
    assert run.steps() == (record(),)


def test_a_parameter_set_on_the_command_line_is_part_of_the_workflow() -> None:
    workflow = parse(WORKFLOW, "w.yaml").workflow.with_override("scope", "rows", 3)
    assert [step.params for step in workflow.steps()] == [{"rows": 3}]


def test_issues_are_open_until_somebody_answers() -> None:
    found = Issue(text="smells", severity="critical")
    run = World().begin(WORKFLOW).add(record(issues=(found,))).add(approval("fine", "! label it", "!! stop", "!"))
    lines = ledger(run)
    assert [(line.source, line.severity, line.text) for line in lines] == [
        ("scope", "critical", "smells"),
        ("plan", "warning", "label it"),
        ("plan", "critical", "stop"),
    ]
    assert opened_by_notes(("no issue",)) == []

    closed = IssueAnswer(name=lines[0].id, at=START, action="close", by="Bo", reason="washed")
    waived = IssueAnswer(name=lines[2].id, at=START, action="waive", by="Bo", reason="later")
    run = run.add(closed).add(waived)
    assert [line.state for line in ledger(run)] == ["closed", "open", "waived"]
    assert [line.text for line in open_issues(run)] == ["label it"]


def test_an_answer_does_not_slip_to_another_issue_of_the_same_step() -> None:
    run = World().begin(WORKFLOW).add(record(issues=(Issue(text="smells"),)))
    run = run.add(IssueAnswer(name=ledger(run)[0].id, at=START, action="close", by="Bo", reason="washed"))
    assert [line.state for line in ledger(run.add(record(issues=(Issue(text="smells"),))))] == ["closed"]
    others = [
        record(issues=(Issue(text="leaks"),)),
        record(issues=(Issue(text="smells", severity="critical"),)),
        record(issues=(Issue(text="smells"),), key="1" * 64),
    ]
    assert [[line.state for line in ledger(run.add(other))] for other in others] == [["open"]] * 3


def test_what_two_steps_notice_of_one_thing_has_one_id_of_whom_finds_it_gravest() -> None:
    def noticed(first: Issue, second: Issue) -> list[tuple[str, str]]:
        twice = WORKFLOW.replace("    - approval: plan", "    - {step: again, uses: one}\n    - approval: plan")
        run = World().begin(twice).add(record(issues=(first, Issue(text="smells"))))
        run = run.add(record(issues=(Issue(text="smells"), second)).model_copy(update={"name": "again"}))
        return [(line.source, line.text) for line in ledger(run)]

    mild, grave = (
        Issue(text=text, severity=kind, about="x") for text, kind in (("odd", "warning"), ("bad", "critical"))
    )
    assert noticed(mild, mild.model_copy(update={"text": "odder"}))[0] == ("scope", "odd")
    assert len(noticed(mild, mild)) == 3
    assert noticed(grave, mild)[0] == ("scope", "bad")
    assert noticed(mild, grave)[0] == ("again", "bad")
    assert len(noticed(mild, grave.model_copy(update={"about": ""}))) == 4


def test_what_a_step_notices_after_it_was_closed_is_open_again() -> None:
    twice = WORKFLOW.replace("    - approval: plan", "    - {step: again, uses: one}\n    - approval: plan")
    leak = Issue(text="leaks", severity="critical", about="x")
    run = World().begin(twice).add(record(issues=(leak,)))
    answer = IssueAnswer(name=ledger(run)[0].id, at=START, action="close", by="Bo", reason="dropped")
    later = record(issues=(leak,)).model_copy(update={"name": "again"})
    assert [line.state for line in ledger(run.add(later).add(answer))] == ["closed"]
    assert [(line.source, line.state) for line in ledger(run.add(answer).add(later))] == [
        ("scope", "closed"),
        ("again", "open"),
    ]
    waived = answer.model_copy(update={"action": "waive"})
    assert [line.state for line in ledger(run.add(waived).add(later))] == ["waived"]


def test_evidence_counts_an_issue_once_that_several_steps_noticed_as_the_ledger_lists_it() -> None:
    leak = Issue(text="leaks", severity="warning", about="x")
    worse = leak.model_copy(update={"text": "leaks badly", "severity": "critical"})
    twice = Issue(text="odd")
    other = record(issues=(worse, twice)).model_copy(update={"name": "again"})
    evidence = Evidence(requirements=(), steps=(record(issues=(leak, twice, twice)), other))
    assert evidence.issues() == (worse, twice, twice)  # one of each step


def test_a_record_from_before_issues_said_what_they_are_about_keeps_its_digest() -> None:
    assert Issue(text="odd").model_dump() == {"text": "odd", "severity": "note"}
    told = Issue(text="odd", about="x")
    assert Issue.model_validate_json(told.model_dump_json()) == told


def test_a_question_answered_with_no_is_a_critical_issue() -> None:
    answers = {"Is it complete?": "No, sources miss", "Is it lawful?": "n", "Is it new?": "nothing is", "Sure?": "yes"}
    run = World().begin(WORKFLOW).add(approval().model_copy(update={"answers": answers}))
    assert [(line.severity, line.text) for line in ledger(run)] == [
        ("critical", "answered no: Is it complete?"),
        ("critical", "answered no: Is it lawful?"),
    ]


def test_what_counts_of_a_run_does_not_grow_with_what_was_superseded() -> None:
    run = World().begin(WORKFLOW).add(record(issues=(Issue(text="smells"),)))
    answer = IssueAnswer(name=ledger(run)[0].id, at=START, action="close", by="Bo", reason="washed")
    run = run.add(answer)
    for _ in range(5):
        run = run.add(record(passed=False)).add(approval()).add(record(issues=(Issue(text="smells"),)))
    condensed = run.condensed()
    assert [entry.name for entry in condensed.entries] == [answer.name, "plan", "scope"]
    assert (condensed.current(), ledger(condensed)) == (run.current(), ledger(run))
    assert condensed.condensed() == condensed
