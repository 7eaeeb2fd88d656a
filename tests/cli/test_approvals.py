"""Approvals: by a person at a real terminal, by an answers file, never by silence."""

from pathlib import Path

import pexpect
import pytest

from tests.cli.conftest import Cli, at_terminal


def test_a_person_answers_at_the_prompt(project: Path, cli: Cli) -> None:
    cli("plan")
    screen = at_terminal(project, "approve", "plan")
    screen.expect("Approval: plan")
    screen.expect("Open issues: none")
    screen.expect_exact("Is the plan complete?")
    screen.sendline("")
    screen.expect_exact("Is the plan complete?")
    screen.sendline("yes, as far as I see")
    screen.expect(r"\[r\]eject\?")
    screen.sendline("yes")
    screen.expect("type a, w or r")
    screen.sendline("w")
    screen.expect("> ")
    screen.sendline("! watch the numbers")
    screen.expect("> ")
    screen.sendline("")
    screen.expect("reviewer")
    screen.sendline("Ann")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    record = cli("--json", "status").json["data"]["items"][1]["record"]
    assert (record["answer"], record["reviewer"], record["how"]) == ("approve-with-notes", "Ann", "prompt")
    assert record["answers"] == {"Is the plan complete?": "yes, as far as I see"}
    assert cli("--json", "issues").json["data"]["issues"][0]["text"] == "watch the numbers"


def test_a_run_at_a_terminal_asks_in_its_course(project: Path, cli: Cli) -> None:
    screen = at_terminal(project, "plan")
    screen.expect_exact("Is the plan complete?")
    screen.sendline("yes")
    screen.expect(r"\[r\]eject\?")
    screen.sendline("a")
    screen.expect("reviewer")
    screen.sendline("Ann")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    assert cli("--json", "status").json["data"]["items"][2]["state"] == "done"


def test_ctrl_c_at_the_prompt_leaves_it_unanswered(project: Path, cli: Cli) -> None:
    screen = at_terminal(project, "plan")
    screen.expect_exact("Is the plan complete?")
    screen.sendintr()
    screen.expect("interrupted; everything finished so far is kept")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 130
    assert cli("plan").code == 3


@pytest.mark.parametrize("ending", ["eof", "closed"])
def test_end_of_input_and_a_closed_terminal_never_approve(project: Path, cli: Cli, ending: str) -> None:
    screen = at_terminal(project, "plan")
    screen.expect_exact("Is the plan complete?")
    if ending == "eof":
        screen.sendeof()
        screen.expect("nothing is approved")
        screen.expect(pexpect.EOF)
        screen.close()
        assert screen.exitstatus == 3
    else:
        screen.close(force=True)
    assert cli("--json", "status").json["data"]["items"][1]["state"] == "pending"


@pytest.mark.parametrize("arguments", [["approve", "plan"], ["approve", "plan", "--reviewer", "Ann", "--notes", "ok"]])
def test_piped_yes_never_approves(cli: Cli, arguments: list[str]) -> None:
    cli("plan")
    outcome = cli(*arguments, stdin="yes\na\nAnn\n" * 5)
    assert outcome.code == 3
    assert "a person at a terminal" in outcome.error[0]
    assert cli("approve", "plan", "--yes").code == 2


def test_an_answers_file_must_answer_every_question(project: Path, cli: Cli) -> None:
    (project / "answers.yaml").write_text("approvals: {plan: {answer: approve, reviewer: Ann}}\n")
    outcome = cli("plan", "--answers", "answers.yaml")
    assert outcome.code == 2
    assert "does not answer 'Is the plan complete?'" in outcome.error[0]


def test_the_record_says_that_a_file_answered(shipped: Path, cli: Cli) -> None:
    record = cli("--json", "status").json["data"]["items"][1]["record"]
    assert (record["how"], record["reviewer"]) == ("answers file", "Ann")


def test_a_rejection_stops_the_run_until_somebody_approves(project: Path, cli: Cli) -> None:
    cli("plan")
    outcome = cli("approve", "plan", "--reject", "--reviewer", "Bo", "--notes", "too vague")
    assert outcome.code == 4
    assert outcome.error[0] == "error: Bo rejected the approval 'plan': too vague"
    assert cli("plan").code == 4
    assert cli("approve", "plan", "--answers", "answers.yaml").code == 0
    assert cli("plan").code == 0


def test_a_changed_input_makes_the_approval_stale(project: Path, cli: Cli) -> None:
    cli("plan", "--answers", "answers.yaml")
    (project / "data" / "number.txt").write_text("4\n5\n")
    outcome = cli("build")
    assert outcome.code == 5
    assert cli("plan").code == 3


def test_an_unknown_approval_names_the_known(cli: Cli) -> None:
    cli("plan")
    for how in ((), ("--reject",)):
        outcome = cli("approve", "plann", *how)
        assert outcome.code == 2
        assert "its approvals: plan, release" in outcome.error[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approvals:\n  plan: !!python/object/apply:os.system [id]\n", "line 2: the tag"),
        ("approvals:\n  plan: &x {answer: approve, reviewer: Ann}\n", "line 2: aliases are not allowed"),
        ("approvals:\n  plan: {<<: {answer: approve}, reviewer: Ann}\n", "line 2: merge keys are not allowed"),
        ("approvals: " + "[" * 100_000, "not plain YAML"),
    ],
)
def test_an_answers_file_is_plain_yaml(project: Path, here: Cli, text: str, said: str) -> None:
    (project / "answers.yaml").write_text(text)
    outcome = here("plan", "--answers", "answers.yaml")
    assert (outcome.code, said in outcome.error[0]) == (2, True)
