"""The phases from the command line: what is done, what waits, what stops, and with which exit code."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, at_terminal, ended


def test_a_run_stops_at_the_approval_and_names_the_command_that_answers(cli: Cli) -> None:
    outcome = cli("run")
    assert outcome.code == 3
    assert outcome.error == [
        "error: the approval 'plan' waits for a reviewer",
        "hint: `churnflow approve plan` at a terminal, or with --answers FILE",
    ]
    assert "next: churnflow approve plan" in outcome.out
    assert "look" in outcome.out


def test_json_is_one_object_also_when_it_waits(cli: Cli) -> None:
    found = cli("--json", "run").json
    assert found["schema"] == "churnflow/1"
    assert found["command"] == "run"
    assert (found["ok"], found["exit"]) == (False, {"code": 3, "name": "waiting"})
    assert found["error"]["hint"].startswith("`churnflow approve plan`")
    assert found["next"][0]["command"] == "churnflow approve plan"
    assert [item["state"] for item in found["data"]["items"]][:2] == ["done", "pending"]
    assert found["data"]["waiting"] == {"approval": "plan", "questions": ["Is the plan complete?"]}


def test_phases_go_one_by_one_to_the_ship(cli: Cli) -> None:
    assert cli("plan", "--answers", "answers.yaml").code == 0
    assert cli("build").code == 0
    assert cli("review", "--answers", "answers.yaml").code == 0
    decided = cli("--json", "decide")
    assert decided.code == 0
    last = decided.json["data"]["items"][-2]["record"]
    assert last["verdict"] == "ship"
    assert decided.json["checkpoint"].endswith("/04-shipped")


def test_a_phase_too_early_is_a_conflict(cli: Cli) -> None:
    assert cli("build").error == ["error: no run has begun", "hint: `churnflow plan` begins one"]
    cli("plan")
    outcome = cli("build")
    assert outcome.code == 5
    assert "the phase 'plan' is not done: 'plan' comes first" in outcome.error[0]


def test_done_is_done_and_nothing_is_run_again(shipped: Path, cli: Cli) -> None:
    before = cli("--json", "status").json["data"]["items"]
    outcome = cli("run")
    assert outcome.code == 0
    assert cli("--json", "status").json["data"]["items"] == before


def test_a_new_run_reuses_what_is_unchanged(shipped: Path, cli: Cli) -> None:
    first = cli("--json", "status").json["run"]
    second = cli("--json", "run", "--new", "--answers", "answers.yaml").json
    assert second["run"] != first
    double = next(item["record"] for item in second["data"]["items"] if item["name"] == "double")
    assert double["reused"]["run"] == first


def test_a_changed_workflow_is_a_conflict_for_the_later_phases_and_a_new_run_for_plan(shipped: Path, cli: Cli) -> None:
    path = shipped / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("size >= 1", "size >= 2"))
    outcome = cli("decide")
    assert outcome.code == 5
    assert "changed under the run" in outcome.error[0]
    assert cli("plan", "--answers", "answers.yaml").code == 0


def test_a_comment_is_no_change_of_the_workflow(shipped: Path, cli: Cli) -> None:
    path = shipped / "workflows" / "churn.yaml"
    path.write_text("# a comment\n" + path.read_text())
    assert cli("decide").code == 0


def test_set_and_until(cli: Cli) -> None:
    outcome = cli("--json", "run", "--answers", "answers.yaml", "--set", "double.factor=3", "--until", "double")
    assert outcome.code == 0
    record = next(item["record"] for item in outcome.json["data"]["items"] if item["name"] == "double")
    assert record["metrics"]["size"]["value"] == 12
    assert outcome.json["data"]["items"][4]["state"] == "pending"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "--set", "double.factor"], "does not read STEP.PARAM=VALUE"),
        (["plan", "--set", "double.factor=many"], "factor must be a whole number"),
        (["plan", "--set", "double.factor=[2"], "factor must be a whole number"),
        (["plan", "--until", "nowhere"], "--until names no item"),
        (["plan", "nowhere.yaml"], "there is no workflow file"),
        (["plan", "--answers", "none.yaml"], "can not be read"),
        (["plan", "--answers", "steps.py"], "malformed"),
        (["nonsense"], "there is no command 'nonsense'"),
        (["plan", "--nonsense"], "No such option: --nonsense"),
        (["show", "nowhere"], "no checkpoint is called 'nowhere'"),
        (["-C", "nowhere", "status"], "nowhere"),
    ],
)
def test_wrong_use_is_two_lines_and_exit_2(here: Cli, arguments: list[str], text: str) -> None:
    outcome = here(*arguments)
    assert outcome.code == 2
    assert len(outcome.error) == 2
    assert text in outcome.error[0]
    assert "Traceback" not in outcome.err


def test_a_failing_step_ends_with_7_and_its_reason(project: Path, cli: Cli) -> None:
    (project / "data" / "number.txt").write_text("")
    outcome = cli("run")
    assert outcome.code == 7
    assert outcome.error == ["error: step look: number.txt is empty", "hint: give a file with lines"]
    (project / "data" / "number.txt").write_text("4\n")
    assert cli("run").code == 3


def test_a_step_that_crashes_ends_with_7_and_a_log_and_no_tag(project: Path, cli: Cli) -> None:
    (project / "data" / "number.txt").write_text("four\n")
    outcome = cli("run", "--answers", "answers.yaml")
    assert outcome.code == 7
    assert "ValueError" in outcome.error[0]
    log = outcome.error[1].removeprefix("hint: the traceback is in ")
    kept = Path(log).read_text()
    assert "number = int(" in kept
    assert "steps.py" in kept
    assert "Traceback" not in outcome.err
    tags = subprocess.run(["git", "tag"], cwd=project, capture_output=True, text=True, check=True).stdout.split()
    assert [tag.rpartition("/")[2] for tag in tags] == ["01-plan-approved"]


def test_a_check_that_does_not_hold_ends_with_7(project: Path, cli: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("size >= 1", "size >= 100"))
    outcome = cli("run", "--answers", "answers.yaml")
    assert outcome.code == 7
    assert outcome.error == [
        "error: step double: size >= 100 does not hold: observed 8",
        "hint: mend the data or the limit; then `churnflow build`",
    ]


def test_a_check_that_does_not_hold_sends_to_the_issues_that_its_step_found(project: Path, cli: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("size >= 1", "size >= 100"))
    (project / "data" / "number.txt").write_text("3\n")
    outcome = cli("run", "--answers", "answers.yaml", "--set", "double.factor=1")
    listed = "`churnflow issues` lists what the step found; mend the data or the limit"
    assert outcome.error[1] == f"hint: {listed}; then `churnflow build`"


@pytest.mark.parametrize(("rule", "code", "verdict"), [("[double.size >= 100]", 9, "rework")])
def test_a_requirement_that_fails_is_rework(project: Path, cli: Cli, rule: str, code: int, verdict: str) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("[double.size >= 2]", rule))
    outcome = cli("--json", "run", "--answers", "answers.yaml")
    assert outcome.code == code
    assert outcome.json["data"]["items"][-2]["record"]["verdict"] == verdict
    refused = cli("serve")
    assert refused.code == 4
    assert "the gate has not passed" in refused.error[0]


def test_a_critical_note_of_the_reviewer_is_fix_until_it_is_closed(project: Path, cli: Cli) -> None:
    path = project / "answers.yaml"
    path.write_text(path.read_text().replace("! label it", "!! label it"))
    outcome = cli("--json", "run", "--answers", "answers.yaml")
    assert outcome.code == 8
    found = [issue["id"] for issue in cli("--json", "issues").json["data"]["issues"] if issue["severity"] == "critical"]
    assert cli("issues", "waive", found[0]).code == 2
    assert cli("issues", "close", found[0]).code == 2
    bare = cli("issues", "close", found[0], "--reason", "because")
    assert (bare.code, bare.error[0]) == (4, f"error: a word alone does not close {found[0]}: evidence is missing")
    refused = cli("issues", "close", found[0], "--reason", "because", "--evidence", "reviewed")
    assert (refused.code, refused.error[0]) == (
        3,
        f"error: {found[0]} is critical: only a person at a terminal can close it",
    )
    for typed, code in (("yes", 4), (found[0], 0)):
        screen = at_terminal(project, "issues", "waive", found[0][:-3], "--reason", "labelled", "--by", "Cy")
        screen.expect_exact(f"type {found[0]} to waive it: ")
        screen.sendline(typed)
        assert ended(screen) == code
    assert cli("--json", "issues").json["data"]["issues"][0]["state"] == "waived"
    assert cli("decide").code == 0
    assert cli("issues", "close", "nobody-0000", "--reason", "because").code == 2


def test_a_changed_workflow_begins_a_new_run_and_says_so(project: Path, cli: Cli) -> None:
    assert cli("plan").code == 3
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("[double.size >= 2]", "[double.size >= 3]"))
    outcome = cli("plan")
    assert outcome.code == 3
    assert "a new run begins, which reuses what is unchanged" in outcome.err
