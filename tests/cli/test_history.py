"""Checkpoints from the command line: log, show, diff, verify, rollback, undo, and what they leave alone."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, environment


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_log_and_show_read_the_checkpoints(shipped: Path, cli: Cli) -> None:
    found = cli("--json", "log").json["data"]["checkpoints"]
    assert [item["name"] for item in found] == ["plan-approved", "built", "reviewed", "shipped"]
    assert [item["reviewer"] for item in found] == ["Ann", "Ann", "Bo", "Bo"]
    assert "plan-approved" in cli("log").out

    shown = cli("show", "checkpoint-built")
    assert shown.code == 0
    assert "double.size" in shown.out or "size" in shown.out
    assert "of its tests hold" in shown.out
    by_tag = cli("--json", "show", found[1]["tag"]).json["data"]
    assert by_tag["sha256"] == found[1]["sha256"]
    assert cli("--json", "show", "HEAD~2").json["checkpoint"] == found[1]["tag"]


def test_the_yaml_copies_and_tags_are_there(shipped: Path, cli: Cli) -> None:
    run = cli("--json", "status").json["run"]
    copies = sorted(path.name for path in (shipped / "checkpoints" / run).iterdir())
    assert copies == ["01-plan-approved.yaml", "02-built.yaml", "03-reviewed.yaml", "04-shipped.yaml"]
    tags = git(shipped, "tag", "--list", f"churnflow/{run}/*").split()
    assert [tag.rpartition("/")[2] for tag in tags] == [name.removesuffix(".yaml") for name in copies]
    assert {git(shipped, "cat-file", "-t", tag).strip() for tag in tags} == {"tag"}


def test_git_alone_shows_the_files_of_the_moment(shipped: Path, cli: Cli) -> None:
    run = cli("--json", "status").json["run"]
    steps = (shipped / "steps.py").read_text()
    (shipped / "steps.py").write_text("# gone\n")
    assert git(shipped, "show", f"churnflow/{run}/02-built:steps.py") == steps


def test_rollback_brings_files_and_data_back_and_keeps_what_was_changed(shipped: Path, cli: Cli) -> None:
    steps = (shipped / "steps.py").read_text()
    (shipped / "steps.py").write_text(steps + "\n# edited\n")
    (shipped / "data" / "number.txt").write_text("6\n")
    (shipped / "later.txt").write_text("mine\n")

    planned = cli("--json", "rollback", "built", "--dry-run").json["data"]
    assert {"action": "restore", "path": "steps.py"} in planned["files"]
    assert {"action": "keep", "path": "later.txt"} in planned["files"]
    assert planned["source_data"] == ["data/number.txt"]
    assert (shipped / "steps.py").read_text().endswith("# edited\n")

    done = cli("rollback", "built", "--reason", "try again")
    assert done.code == 0, done.err
    assert (shipped / "steps.py").read_text() == steps
    assert (shipped / "data" / "number.txt").read_text() == "4\n"
    assert (shipped / "later.txt").read_text() == "mine\n"
    assert "verified: every file and artifact was hashed again" in done.out
    assert "predictions already returned to callers" in done.out
    assert "rescue" in done.out
    states = [item["state"] for item in cli("--json", "status").json["data"]["items"]]
    assert states == ["done"] * 5 + ["pending"] * 5

    assert cli("undo").code == 0
    assert (shipped / "steps.py").read_text().endswith("# edited\n")
    assert (shipped / "data" / "number.txt").read_text() == "6\n"
    assert [item["name"] for item in cli("--json", "log").json["data"]["checkpoints"]][-3:] == [
        "rescue",
        "built",
        "rescue",
    ]
    assert cli("verify").code == 0


def test_after_a_rollback_the_run_goes_on_and_unchanged_steps_are_reused(shipped: Path, cli: Cli) -> None:
    cli("rollback", "plan-approved")
    outcome = cli("--json", "run", "--answers", "answers.yaml")
    assert outcome.code == 0
    double = next(item["record"] for item in outcome.json["data"]["items"] if item["name"] == "double")
    assert double["reused"] is not None


def test_diff_names_what_differs(shipped: Path, cli: Cli) -> None:
    (shipped / "steps.py").write_text((shipped / "steps.py").read_text().replace("factor: int = 2", "factor: int = 4"))
    cli("run", "--new", "--answers", "answers.yaml")
    first = [tag for tag in git(shipped, "tag").split() if tag.endswith("02-built")]
    old, new = sorted(first, key=lambda tag: git(shipped, "log", "-1", "--format=%ct", tag))
    if "16" not in cli("show", new).out:
        old, new = new, old
    found = cli("--json", "diff", old, new).json["data"]
    assert "steps.py" in found["files"]
    assert {"section": "metric", "name": "double.size", "older": "8", "newer": "16"} in found["differences"]


def test_nothing_to_undo_is_two_lines(shipped: Path, cli: Cli) -> None:
    outcome = cli("undo")
    assert outcome.code == 2
    assert "no rollback to undo" in outcome.error[0]


def test_a_lost_artifact_is_named_and_nothing_is_touched(shipped: Path, cli: Cli) -> None:
    store = shipped / ".git" / "churnflow" / "store" / "sha256"
    artifact = cli("--json", "show", "built").json["data"]["checkpoint"]["artifacts"][0]
    (store / artifact["sha256"][:2] / artifact["sha256"][2:]).unlink()
    (shipped / "steps.py").write_text("# edited\n")
    outcome = cli("rollback", "built")
    assert outcome.code == 6
    assert "doubled" in outcome.error[0]
    assert (shipped / "steps.py").read_text() == "# edited\n"
    assert cli("verify").code == 6


def test_an_altered_artifact_is_named(shipped: Path, cli: Cli) -> None:
    store = shipped / ".git" / "churnflow" / "store" / "sha256"
    artifact = cli("--json", "show", "built").json["data"]["checkpoint"]["artifacts"][0]
    path = store / artifact["sha256"][:2] / artifact["sha256"][2:]
    path.chmod(0o644)
    path.write_bytes(b"x" * artifact["size_bytes"])
    assert cli("rollback", "built").code == 6


def test_a_moved_tag_is_found(shipped: Path, cli: Cli) -> None:
    run = cli("--json", "status").json["run"]
    git(shipped, "tag", "-f", f"churnflow/{run}/02-built", f"churnflow/{run}/01-plan-approved^{{}}")
    assert cli("verify").code == 6
    assert cli("rollback", "built").code == 6


def test_a_yaml_edited_by_hand_is_no_evidence(shipped: Path, cli: Cli) -> None:
    run = cli("--json", "status").json["run"]
    path = shipped / "checkpoints" / run / "02-built.yaml"
    path.write_text(path.read_text().replace("score: 100", "score: 99"))
    outcome = cli("verify")
    assert outcome.code == 6
    assert "02-built" in outcome.error[0]


@pytest.mark.parametrize("command", [["log"], ["show"], ["report"], ["issues"]])
def test_before_the_first_run_there_is_nothing_to_read(cli: Cli, command: list[str]) -> None:
    outcome = cli(*command)
    assert outcome.code in {2, 5}
    assert len(outcome.error) == 2


def test_status_before_the_first_run_says_so(cli: Cli) -> None:
    assert "no run has begun" in cli("status").out


def test_outside_a_repository_every_command_says_what_to_do(tmp_path: Path, cli: Cli) -> None:
    outcome = cli("-C", str(tmp_path), "status")
    assert outcome.code == 2
    assert "not a git repository" in outcome.error[0]


def test_without_git_every_command_says_what_to_do(tmp_path: Path, cli: Cli) -> None:
    outcome = cli("status", env={"PATH": str(tmp_path)})
    assert outcome.code == 2
    assert "git is not installed" in outcome.error[0]
