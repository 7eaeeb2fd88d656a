"""The prompt of an approval at a real terminal: what approves, what refuses, and that silence never approves."""

import os
import signal
from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import Cli, at_terminal, ended, journal

QUESTION = "Is the plan complete?"
CHOICE = r"\[r\]eject\?"


def waiting(project: Path, cli: Cli, *more: str) -> "pexpect.spawn[str]":
    """Bring the run to the approval of the plan and ask for it; return the terminal at the choice."""
    assert cli("plan").code == 3
    screen = at_terminal(project, "approve", "plan", *more)
    screen.expect_exact(QUESTION)
    screen.sendline("yes, as far as I see")
    screen.expect(CHOICE)
    return screen


def record(cli: Cli) -> dict[str, object]:
    found = cli("--json", "status").json["data"]["items"][1]["record"]
    assert isinstance(found, dict)
    return found


def test_approve_is_recorded_with_the_account_where_no_name_is_typed(project: Path, cli: Cli) -> None:
    screen = waiting(project, cli)
    screen.sendline("approve")
    screen.expect(r"reviewer \[([^\]]+)\]: ")
    assert screen.match is not None
    account = screen.match[1]
    screen.sendline("")
    assert ended(screen) == 0
    found = record(cli)
    assert (found["answer"], found["reviewer"], found["how"]) == ("approve", account, "prompt")
    assert cli("plan").code == 0


def test_name_and_notes_of_the_command_line_are_not_asked_for(project: Path, cli: Cli) -> None:
    screen = waiting(project, cli, "--reviewer", "Ann", "--notes", "! look again", "--notes", "fine otherwise")
    screen.sendline("w")
    assert ended(screen) == 0
    found = record(cli)
    assert (found["reviewer"], found["notes"]) == ("Ann", ["! look again", "fine otherwise"])


def test_reject_ends_with_4_says_who_and_why_and_makes_no_checkpoint(project: Path, cli: Cli) -> None:
    screen = waiting(project, cli)
    screen.sendline("r")
    screen.expect("> ")
    screen.sendline("!! the source is last year's")
    screen.expect("> ")
    screen.sendline("")
    screen.expect("reviewer")
    screen.sendline("Bo")
    screen.expect_exact("error: Bo rejected the approval 'plan': !! the source is last year's")
    assert ended(screen) == 4
    assert cli("--json", "log").json["data"]["checkpoints"] == []
    [issue] = cli("--json", "issues").json["data"]["issues"]
    assert (issue["text"], issue["severity"]) == ("the source is last year's", "critical")


def test_only_note_lines_that_begin_with_an_exclamation_mark_open_issues(project: Path, cli: Cli) -> None:
    screen = waiting(project, cli)
    screen.sendline("w")
    for line in ("good work!", "! watch the numbers", ""):
        screen.expect("> ")
        screen.sendline(line)
    screen.expect("reviewer")
    screen.sendline("Ann")
    assert ended(screen) == 0
    issues = cli("--json", "issues").json["data"]["issues"]
    assert [(issue["text"], issue["severity"]) for issue in issues] == [("watch the numbers", "warning")]


@pytest.mark.parametrize("typed", ["", "y", "yes", "approved", "ok", "an", "n", "no"])
def test_what_is_not_one_of_the_answers_is_asked_again(project: Path, cli: Cli, typed: str) -> None:
    screen = waiting(project, cli, "--reviewer", "Ann")
    before = journal(project)
    screen.sendline(typed)
    screen.expect("type a, w or r")
    screen.expect(CHOICE)
    assert journal(project) == before
    screen.sendintr()
    assert ended(screen) == 130
    assert journal(project) == before


@pytest.mark.parametrize("typed", ["", "a"], ids=["nothing typed", "an answer that was not sent"])
def test_the_end_of_input_at_the_choice_approves_nothing(project: Path, cli: Cli, typed: str) -> None:
    screen = waiting(project, cli, "--reviewer", "Ann")
    before = journal(project)
    screen.send(typed)
    screen.sendeof()
    if typed:
        screen.sendeof()
    screen.expect_exact("error: the input ended before the approval 'plan' was answered; nothing is approved")
    screen.expect_exact("hint: `churnflow approve plan` asks again")
    assert ended(screen) == 3
    assert journal(project) == before


def test_a_terminal_that_closes_at_the_choice_approves_nothing(project: Path, cli: Cli) -> None:
    screen = waiting(project, cli, "--reviewer", "Ann")
    before = journal(project)
    os.close(screen.child_fd)
    screen.wait()
    assert screen.signalstatus == signal.SIGHUP
    assert journal(project) == before
    assert cli("plan").code == 3


@pytest.mark.parametrize("command", [("plan",), ("approve", "plan")])
def test_with_prompts_switched_off_a_terminal_is_not_asked(project: Path, cli: Cli, command: tuple[str, ...]) -> None:
    cli("plan")
    screen = at_terminal(project, "--no-input", *command)
    screen.expect("hint: `churnflow approve plan` at a terminal, or with --answers FILE")
    assert ended(screen) == 3


def test_the_prompt_shows_what_is_approved_what_changed_and_what_is_open(project: Path, cli: Cli) -> None:
    answers = project / "answers.yaml"
    answers.write_text(
        answers.read_text().replace("plan: {answer: approve,", "plan: {answer: approve, notes: ['! why'],")
    )
    (project / "data" / "number.txt").write_text("3\n")
    cli("plan", "--answers", "answers.yaml")
    (project / "note.txt").write_text("new\n")
    cli("run", "--until", "judge")
    screen = at_terminal(project, "approve", "release")
    screen.expect_exact("Approval: release")
    screen.expect(r"double[^\n]*size 6")
    screen.expect(r"PASS[^\n]*the number is even: 6")
    screen.expect(r"ASK[^\n]*Is the number kind\?: no machine knows")
    screen.expect_exact("Changed since built: done judge; files: no file; source data: unchanged")
    screen.expect(r"warning +plan-\w+: why")
    screen.expect_exact("Once approved, the gate 'ship' would say SHIP; nothing stands against it:")
    screen.expect(r"- final confidence \d+, band 80-100 \(ship\): build \d+, review 100")
    screen.expect_exact("Is the number kind?")
    screen.sendintr()
    assert ended(screen) == 130


def test_the_prompt_says_what_would_keep_the_gate_from_shipping_even_if_it_is_approved(project: Path, cli: Cli) -> None:
    answers = project / "answers.yaml"
    answers.write_text(
        answers.read_text().replace("plan: {answer: approve,", "plan: {answer: approve, notes: ['!! why'],")
    )
    cli("plan", "--answers", "answers.yaml")
    cli("run", "--until", "judge")
    screen = at_terminal(project, "approve", "release")
    screen.expect_exact("Once approved, the gate 'ship' would not ship but say FIX:")
    screen.expect(r"- final confidence 79, band 60-79 \(fix critical issues first\): capped at 79")
    screen.expect(r"- critical issue open: plan-\w+: why")
    screen.sendintr()
    assert ended(screen) == 130


def test_the_plan_is_approved_with_the_confidence_in_sight_that_its_checkpoint_records(project: Path, cli: Cli) -> None:
    steps = project / "steps.py"
    doubt = 'facts={"first": "a line"}, confidence=Confidence(score=40, because="-20 4 rows are few"))'
    text = steps.read_text().replace("import Evidence", "import Confidence, Evidence")
    steps.write_text(text.replace('facts={"first": "a line"})', doubt))
    assert cli("plan").code == 3
    screen = at_terminal(project, "approve", "plan", "--reviewer", "Ann")
    screen.expect_exact("Initial confidence: 40 (-20 4 rows are few)")
    screen.expect_exact(QUESTION)
    screen.sendline("yes")
    screen.expect(CHOICE)
    screen.sendline("a")
    assert ended(screen) == 0
    cli("plan")
    assert cli("--json", "log").json["data"]["checkpoints"][0]["confidence"] == 40


def test_the_prompt_names_what_was_done_again_and_the_source_data_that_changed(project: Path, cli: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    text = path.read_text().replace("    - checkpoint: built\n", "")
    path.write_text(text.replace("source: data/number.txt", "source: data/other.txt", 1))
    (project / "data" / "other.txt").write_text("1\n")
    cli("run", "--answers", "answers.yaml")
    (project / "data" / "number.txt").write_text("6\n")
    assert cli("run").code == 3
    screen = at_terminal(project, "approve", "release")
    screen.expect_exact("Changed since shipped: done double, judge; files: no file; source data: data/number.txt")
    screen.sendintr()
    assert ended(screen) == 130


@pytest.mark.parametrize("typed", ["", "nope", "I do not know", "approve", "nobody knows"])
def test_a_question_is_asked_again_until_the_answer_begins_with_yes_or_no(project: Path, cli: Cli, typed: str) -> None:
    assert cli("plan").code == 3
    screen = at_terminal(project, "approve", "plan", "--reviewer", "Ann")
    screen.expect_exact(QUESTION)
    screen.sendline(typed)
    screen.expect_exact("begin with yes or no")
    screen.expect_exact(QUESTION)
    screen.sendline("no, the source is last year's")
    screen.expect(CHOICE)
    screen.sendline("a")
    assert ended(screen) == 0
    [issue] = cli("--json", "issues").json["data"]["issues"]
    assert (issue["text"], issue["severity"]) == (f"answered no: {QUESTION}", "critical")
