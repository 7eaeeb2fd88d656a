"""What `status` says after something changed under a run, and that it stays quick."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from churnflow.adapters.remembered_code import RememberedCode
from churnflow.adapters.step_code import StepCode
from tests.cli.conftest import Cli, at_terminal, ended


def states(here: Cli) -> dict[str, str]:
    return {item["name"]: item["state"] for item in here("--json", "status").json["data"]["items"]}


def test_after_the_data_changed_the_run_is_stale_and_status_names_the_command_that_goes_on(
    shipped: Path, here: Cli
) -> None:
    assert set(states(here).values()) == {"done"}
    assert "stale" not in here("status").out
    (shipped / "data" / "number.txt").write_text("6\n")
    assert set(states(here).values()) == {"stale"}
    shown = here("status").out
    assert "Decision: SHIP (stale)  confidence" in shown
    assert shown.splitlines()[-1] == "next: churnflow plan"
    assert here("run", "--until", "look").code == 0
    assert states(here)["look"] == "done"
    assert here("--json", "status").json["next"][0]["command"] == "churnflow approve plan"


def test_after_the_code_of_one_step_changed_what_stands_before_it_holds(shipped: Path, here: Cli) -> None:
    (shipped / "more.py").write_text((shipped / "steps.py").read_text())
    path = shipped / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("steps:double", "more:double"))
    assert here("run", "--answers", "answers.yaml").code == 0
    assert set(states(here).values()) == {"done"}
    (shipped / "more.py").write_text((shipped / "more.py").read_text() + "# edited\n")
    found = states(here)
    assert [name for name, state in found.items() if state == "done"] == ["look", "plan", "plan-approved"]
    assert {state for name, state in found.items() if name not in {"look", "plan", "plan-approved"}} == {"stale"}
    assert here("--json", "status").json["next"][0]["command"] == "churnflow build"


def test_a_step_that_is_not_fed_by_what_changed_still_holds(project: Path, here: Cli) -> None:
    path = project / "workflows" / "churn.yaml"
    other = "    - step: other\n      uses: steps:look\n      with: {source: data/other.txt}\n    - checkpoint: built\n"
    path.write_text(path.read_text().replace("    - checkpoint: built\n", other))
    (project / "data" / "other.txt").write_text("1\n")
    assert here("run", "--answers", "answers.yaml").code == 0
    (project / "data" / "number.txt").write_text("6\n")
    assert [name for name, state in states(here).items() if state == "done"] == ["other"]


def test_a_failed_step_stays_failed_and_code_that_is_gone_makes_stale(project: Path, here: Cli) -> None:
    (project / "data" / "number.txt").write_text("four\n")
    assert here("run", "--answers", "answers.yaml").code == 7
    assert states(here)["double"] == "not passed"
    (project / "steps.py").unlink()
    assert (states(here)["look"], states(here)["double"]) == ("stale", "not passed")


def test_a_verdict_is_stale_once_an_issue_was_waived(project: Path, here: Cli) -> None:
    path = project / "answers.yaml"
    path.write_text(path.read_text().replace("! label it", "!! label it"))
    assert here("run", "--answers", "answers.yaml").code == 8
    assert here("--json", "status").json["next"][0]["command"] == "churnflow issues"
    issues = here("--json", "issues").json["data"]["issues"]
    number = next(issue["id"] for issue in issues if issue["severity"] == "critical")
    screen = at_terminal(project, "issues", "waive", number, "--reason", "labelled")
    screen.expect_exact("to waive it: ")
    screen.sendline(number)
    assert ended(screen) == 0
    assert states(here)["ship"] == "stale"
    assert here("--json", "status").json["next"][0]["command"] == "churnflow decide"


def test_status_as_json_names_the_newest_checkpoint(project: Path, here: Cli) -> None:
    assert here("plan", "--until", "look").code == 0
    assert here("--json", "status").json["checkpoint"] is None
    assert here("plan", "--answers", "answers.yaml").code == 0
    assert here("--json", "status").json["checkpoint"].endswith("/01-plan-approved")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A project with a package of steps, written some time ago."""
    folder = tmp_path / "kept_steps"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("def one() -> None:\n    pass\n")
    (folder / "deep").mkdir()
    (folder / "deep" / "two.py").write_text("")
    return tmp_path


def remembered(root: Path) -> RememberedCode:
    built_in = {"one": "kept_steps.one:one"}
    return RememberedCode(StepCode(root, built_in), built_in, root / "kept_steps", root / "memory.json")


def test_the_digest_of_a_step_is_remembered_until_a_file_of_its_package_changes(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(package))
    first = remembered(package).code_sha256("one")
    assert not (package / "memory.json").exists(), "written too short ago to be sure"
    time.sleep(2.1)
    assert remembered(package).code_sha256("one") == first
    kept: dict[str, Any] = json.loads((package / "memory.json").read_text())
    assert kept["code"] == {"one": first}
    (package / "memory.json").write_text(json.dumps({**kept, "code": {"one": "told"}}))
    assert remembered(package).code_sha256("one") == "told"
    (package / "kept_steps" / "one.py").write_text("def one() -> None:\n    return\n")
    os.utime(package / "kept_steps" / "one.py", (1, 1))
    second = remembered(package).code_sha256("one")
    assert second not in {first, "told"}


@pytest.mark.parametrize("spoiled", ["", "[]", '{"package": 1}', "\x00"])
def test_a_spoiled_memory_is_no_failure(package: Path, monkeypatch: pytest.MonkeyPatch, spoiled: str) -> None:
    monkeypatch.syspath_prepend(str(package))
    (package / "memory.json").write_text(spoiled)
    catalog = remembered(package)
    assert catalog.code_sha256("one") == StepCode(package, {"one": "kept_steps.one:one"}).code_sha256("one")
    assert "one" in catalog.names()
    assert callable(catalog.function("one"))
