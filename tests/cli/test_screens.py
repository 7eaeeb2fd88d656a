"""What people and programs read: one JSON object, one line `next:`, tables that fit, colours only where wanted."""

import json
import re
from pathlib import Path

import pytest

from churnflow.cli.answer import EXIT_NAMES
from churnflow.cli.commands import COMMANDS
from churnflow.cli.screens import key_metrics
from churnflow.domain.evidence import Check, Confidence, Measure
from churnflow.domain.journal import StepRecord
from churnflow.domain.rule import Rule
from tests.cli.conftest import Cli, at_terminal, churnflow, ended, python_at_terminal
from tests.fakes import START

ARGUMENTS = {
    "new": ["full"],
    "demo": ["full"],
    "approve": ["plan"],
    "diff": ["A", "B"],
    "rollback": ["REF"],
}
READING = [
    ["status"],
    ["log"],
    ["show"],
    ["show", "built"],
    ["diff", "plan-approved", "HEAD"],
    ["verify"],
    ["check"],
    ["steps"],
    ["issues"],
    ["issues", "list"],
    ["rollback", "built", "--dry-run"],
]
# It looks at the machine, wherever it is called.
IN_A_PROJECT = [command for command in COMMANDS if command != "doctor"]
KEYS = ["schema", "command", "ok", "exit", "run", "checkpoint", "data", "warnings", "error", "next"]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A folder that is no repository, with a folder in it that is not empty."""
    folder = tmp_path / "nowhere"
    (folder / "full" / "of" / "things").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_json_of_a_command_that_fails_is_one_object_with_error_and_next(nowhere: Path, here: Cli, command: str) -> None:
    outcome = here("-C", str(nowhere), "--json", command, *ARGUMENTS.get(command, []))
    assert outcome.err == ""
    assert outcome.out.count("\n") == 1
    found = outcome.json
    assert list(found) == KEYS
    assert found["ok"] is False
    assert found["exit"] == {"code": outcome.code, "name": EXIT_NAMES[outcome.code]}
    assert found["error"]["text"]
    assert found["error"]["hint"]
    assert found["next"][0]["command"].startswith("churnflow ")


@pytest.mark.parametrize("command", IN_A_PROJECT)
def test_a_command_that_fails_says_two_lines_and_what_is_next(nowhere: Path, here: Cli, command: str) -> None:
    outcome = here("-C", str(nowhere), command, *ARGUMENTS.get(command, []))
    assert outcome.code in {2, 5}
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == ["error", "hint"]
    assert outcome.out.startswith("next: churnflow ")
    assert outcome.out.count("\n") == 1


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_command_that_reads_answers_people_and_programs(shipped: Path, here: Cli, command: list[str]) -> None:
    shown = here(*command)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[-1].startswith("next: churnflow ")
    machine = here("--json", *command)
    assert (machine.code, machine.err, machine.out.count("\n")) == (0, "", 1)
    assert list(machine.json) == KEYS
    assert machine.json["command"] == ("issues list" if command == ["issues", "list"] else command[0])
    assert machine.json["next"][0]["command"] == shown.out.splitlines()[-1].removeprefix("next: ")


def test_options_that_are_wrong_are_two_lines_also_in_json(here: Cli) -> None:
    outcome = here("--json", "plan", "--nonsense")
    assert outcome.code == 2
    assert "--nonsense" in outcome.json["error"]["text"]
    assert outcome.err == ""


def test_a_mistyped_command_names_the_nearest(here: Cli) -> None:
    outcome = here("statsu")
    assert outcome.error == ["error: there is no command 'statsu'", "hint: did you mean `churnflow status`?"]
    assert outcome.out == "next: churnflow status\n"


def test_quiet_leaves_only_what_is_next(shipped: Path, cli: Cli) -> None:
    assert cli("-q", "status").out == cli("status").out.splitlines()[-1] + "\n"
    outcome = cli("-q", "run", "--new", "--answers", "answers.yaml")
    assert (outcome.out.count("\n"), outcome.err) == (1, "")


def test_verbose_says_also_what_begins(cli: Cli) -> None:
    assert "begins" not in cli("plan").err
    lines = cli("-v", "plan", "--new", "--answers", "answers.yaml").err.splitlines()
    assert [line.split()[1:3] for line in lines[:2]] == [["begins", "look"], ["reused", "look"]]


def test_hints_carry_the_directory_with_which_the_command_was_called(project: Path) -> None:
    outcome = churnflow(project.parent, "-C", "project", "plan")
    assert outcome.code == 3
    assert outcome.out.splitlines()[-1] == "next: churnflow -C project approve plan"
    found = churnflow(project.parent, "-C", "project", "--json", "plan").json
    assert found["next"][0]["command"] == "churnflow -C project approve plan"


def test_a_terminal_gets_colours_unless_the_user_wants_none(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COLOUR.search(screen(shipped, "status"))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", screen(shipped, "status"))


def test_a_pipe_gets_no_colours(shipped: Path, here: Cli) -> None:
    assert "\x1b" not in here("status").out


@pytest.mark.parametrize(
    "command",
    [["status"], ["log"], ["issues"], ["show"], ["rollback", "built", "--dry-run"], ["review"]],
    ids=" ".join,
)
def test_screens_fit_80_columns_and_break_no_name(shipped: Path, command: list[str]) -> None:
    lines = [COLOUR.sub("", line).rstrip() for line in screen(shipped, *command, columns=80).splitlines()]
    assert max(map(len, lines)) <= 80
    if command[0] in {"status", "log"}:
        assert any("plan-approved" in line for line in lines)


def screen(project: Path, *command: str, columns: int = 120) -> str:
    """Return all that the command shows at a terminal."""
    terminal = at_terminal(project, *command, columns=columns)
    code = ended(terminal)
    assert code == 0
    return str(terminal.before)


def test_a_run_at_a_terminal_shows_what_ended_and_the_table(project: Path) -> None:
    shown = COLOUR.sub("", screen(project, "run", "--answers", "answers.yaml"))
    assert re.search(r"plan\r\n  running  look\r\n  - +plan\r\n  - +plan-approved", shown)
    assert re.search(r"  done +look +\d+\.\d s +confidence +\d+ +rows 1", shown)
    assert re.search(r"decision\r\n  ship +ship +confidence +\d+", shown)
    assert re.search(r"build +double +done +\d+\.\d s +100 +size 8", shown)
    assert "Decision: SHIP" in shown
    assert shown.splitlines()[-1] == "next: churnflow report"


DEMONSTRATED = """
from churnflow.cli import demonstration
from churnflow.cli.session import Session
from churnflow.project import Project
from pathlib import Path

demonstration._all_phases(Session(), Project.open(Path()))
"""


def test_the_demo_leaves_each_step_that_it_did_on_the_terminal(project: Path) -> None:
    terminal = python_at_terminal(project, "-c", DEMONSTRATED)
    assert ended(terminal) == 0, terminal.before
    shown = COLOUR.sub("", str(terminal.before)).replace("\r", "").splitlines()
    for line in (
        r"plan +done +look .*rows 1",
        r"plan +approved plan by",
        r"build +done +double .*size 8",
        "build +kept",
    ):
        assert [text for text in shown if re.search(line, text)], shown


def test_a_metric_that_a_requirement_or_a_failed_check_is_about_comes_first_and_then_the_first_reported() -> None:
    record = StepRecord(
        name="fit",
        phase="build",
        passed=False,
        key="0" * 64,
        at=START,
        uses="team.fit",
        metrics={name: Measure(value=1) for name in ("auc", "loss", "parity", "size", "recall")},
        checks=(
            Check(claim="parity <= 1", passed=True, observed=1),
            Check(claim="size <= 0", passed=False, observed=1),
        ),
        confidence=Confidence(score=90, because="tested"),
    )
    shown = key_metrics(record, [Rule.model_validate("fit.recall >= 0.5")], 4)
    assert shown == "size 1  recall 1  auc 1  parity 1"


def test_the_log_says_what_a_rollback_restores(shipped: Path, here: Cli) -> None:
    assert here("rollback", "plan-approved").code == 0
    rows = [line.split() for line in here("log").out.splitlines()]
    newest = next(row for row in reversed(rows) if row[:1] and row[0].isdigit())
    assert newest[1] == "plan-approved"
    assert newest[-1] == "01"


def test_show_explains_every_confidence_as_a_sum(shipped: Path, here: Cli) -> None:
    shown = here("show", "reviewed").out
    for title in ("build confidence: ", "final confidence: ", "step double: 100"):
        assert title in shown
    assert "half of the build confidence of 100" in shown
    assert re.search(r"size +8 \[7, 9\] n=10", shown)


def test_the_review_prints_its_checklist_by_topic_with_evidence(project: Path, here: Cli) -> None:
    here("run", "--answers", "answers.yaml", "--until", "built")
    assert "Checklist" not in here("build").out
    for again in range(2):
        shown = here("review").out
        assert re.search(r"Checklist: quality *\n +PASS +the number is even: 8 *\n", shown), again
        assert re.search(r"\n +ASK +Is the number kind\?: no machine knows *\n", shown)
    assert "Checklist" not in here("run").out, "this command has not reviewed"
    found = {item["name"]: item["record"] for item in here("--json", "review").json["data"]["items"]}
    assert [line["state"] for line in found["judge"]["findings"]] == ["pass", "ask"]


def test_a_run_prints_the_checklist_that_it_computed(project: Path, here: Cli) -> None:
    assert "PASS" in here("run", "--answers", "answers.yaml").out


def test_show_has_checks_and_findings_as_lines(shipped: Path, here: Cli) -> None:
    shown = here("show").out
    assert re.search(r"Checks *\n +PASS +size >= 1: observed 8 \[7, 9\] *\n", shown)
    assert re.search(r"Checklist: quality *\n +PASS +the number is even: 8 *\n", shown)


def test_a_check_that_does_not_hold_is_shown_in_red(project: Path, cli: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("checks: [size >= 1]", "checks: [size >= 100]"))
    assert cli("run", "--answers", "answers.yaml").code == 7
    (project / "steps.py").write_text((project / "steps.py").read_text() + "# edited\n")
    assert cli("rollback", "plan-approved").code == 0
    shown = screen(project, "show", "rescue", columns=80)
    assert re.search(r"\x1b\[1;31mFAIL\x1b\[0m +size >= 100: observed 8 \[7, 9\]", shown)


def test_status_sends_to_what_comes_next(project: Path, cli: Cli) -> None:
    def following() -> str:
        return str(cli("--json", "status").json["next"][0]["command"])

    assert following() == "churnflow run"
    cli("plan", "--until", "look")
    assert following() == "churnflow approve plan"
    cli("plan", "--answers", "answers.yaml")
    assert following() == "churnflow build"
    cli("run", "--answers", "answers.yaml")
    assert following() == "churnflow report"


def test_nothing_waits_behind_a_step_that_failed(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(
        path.read_text().replace(
            "with: {source: data/number.txt}\n    -",
            "with: {source: data/number.txt}\n      checks: [rows >= 2]\n    -",
        )
    )
    assert here("plan").code == 7
    shown = here("status").out
    assert re.search(r"plan +look +failed", shown)
    assert re.search(r"plan +plan +- ", shown)


def test_a_command_without_what_it_needs_is_shown_whole(here: Cli) -> None:
    outcome = here("issues", "waive", "i1")
    assert outcome.error == [
        "error: Missing option '--reason'.",
        "hint: write it as `churnflow issues waive ID --reason TEXT`",
    ]


def test_help_of_every_command_is_there_and_quick_to_read(tmp_path: Path) -> None:
    outcome = churnflow(tmp_path)
    assert outcome.code == 0
    assert all(re.search(rf"^  {name} ", outcome.out, re.MULTILINE) for name in COMMANDS)
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "--answers FILE" in churnflow(tmp_path, "approve", "--help").out


def test_text_that_the_terminal_can_not_show_does_not_stop_a_command(project: Path, cli: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("Double a number", "Zähle 数"))
    outcome = cli("plan", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert outcome.code == 3
    assert "Z\\xe4hle" in outcome.out
    found = cli("--json", "status", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert json.loads(found.out)["ok"] is True
