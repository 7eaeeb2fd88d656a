"""How commands end: what counts for the exit code, what is refused before anything is kept, what a hint names."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, journal


def test_a_failed_build_is_no_failure_of_the_plan(project: Path, here: Cli) -> None:
    (project / "data" / "number.txt").write_text("four\n")
    assert here("run", "--answers", "answers.yaml").code == 7
    outcome = here("plan")
    assert (outcome.code, outcome.error) == (0, [])
    assert outcome.out.splitlines()[-1] == "next: churnflow build"
    assert here("build", "--until", "double").code == 7


def test_the_verdict_is_no_failure_of_what_stands_before_the_gate(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("[double.size >= 2]", "[double.size >= 100]"))
    assert here("run", "--answers", "answers.yaml").code == 9
    for arguments in (["build", "--until", "double"], ["run", "--until", "double"], ["review"]):
        assert here(*arguments).code == 0
    assert here("run").code == 9
    assert here("decide").code == 9


@pytest.mark.parametrize(
    "settings",
    [["nope.x=1"], ["double.factor=3", "nope.x=1"], ["double.factor=3", "double.factor=many"], ["double.nope=1"]],
)
def test_a_new_run_with_a_wrong_setting_leaves_the_current_one(shipped: Path, here: Cli, settings: list[str]) -> None:
    before = journal(shipped), here("--json", "status").json["run"]
    outcome = here("run", "--new", *(word for setting in settings for word in ("--set", setting)))
    assert (outcome.code, len(outcome.error)) == (2, 2)
    assert (journal(shipped), here("--json", "status").json["run"]) == before


def test_of_several_settings_none_is_kept_when_one_is_refused(project: Path, here: Cli) -> None:
    assert here("plan", "--until", "look").code == 0
    before = journal(project)
    assert here("plan", "--set", "double.factor=3", "--set", "look.nope=1").code == 2
    assert here("plan", "--set", "double.factor=3", "--set", "look.source=other.txt").code == 5
    assert journal(project) == before


@pytest.mark.parametrize(
    ("phases", "command", "hint"),
    [
        ({"plan": "prepare"}, "build", "`churnflow run`"),
        ({"review": "decision", "decision": "review"}, "review", "`churnflow decide`"),
    ],
)
def test_a_hint_names_the_command_that_does_a_phase(
    project: Path, here: Cli, phases: dict[str, str], command: str, hint: str
) -> None:
    path = project / "workflows" / "churn.yaml"
    lines = path.read_text().splitlines()
    renamed = {f"  {old}:": f"  {new}:" for old, new in phases.items()}
    path.write_text("\n".join(renamed.get(line, line) for line in lines) + "\n")
    here("run", "--answers", "answers.yaml", "--until", "look" if "plan" in phases else "built")
    outcome = here(command)
    assert outcome.code == 5
    assert outcome.error[1] == f"hint: {hint}"
    assert outcome.out.splitlines()[-1] == f"next: {hint.strip('`')}"


def test_a_report_on_stdout_as_json_says_what_is_next(shipped: Path, here: Cli) -> None:
    assert here("--json", "report", "-o", "-").json["next"][0]["command"] == "churnflow report"
