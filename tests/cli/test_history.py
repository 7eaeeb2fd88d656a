"""Checkpoints from the command line: log, show, diff, verify, rollback, undo, and what they leave alone."""

import subprocess
import time
from pathlib import Path

import pytest

from churnflow.engine.ports import Intent
from churnflow.project import Project
from tests.cli.conftest import Cli, environment


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_log_and_show_read_the_checkpoints(shipped: Path, here: Cli) -> None:
    found = here("--json", "log").json["data"]["checkpoints"]
    assert [item["name"] for item in found] == ["plan-approved", "built", "reviewed", "shipped"]
    assert [item["reviewer"] for item in found] == ["Ann", None, "Bo", None]
    assert "plan-approved" in here("log").out

    shown = here("show", "checkpoint-built")
    assert shown.code == 0
    assert "double.size" in shown.out or "size" in shown.out
    assert "of its tests hold" in shown.out
    by_tag = here("--json", "show", found[1]["tag"]).json["data"]
    assert by_tag["sha256"] == found[1]["sha256"]
    assert here("--json", "show", "HEAD~2").json["checkpoint"] == found[1]["tag"]


def test_the_yaml_copies_and_tags_are_there(shipped: Path, here: Cli) -> None:
    run = here("--json", "status").json["run"]
    copies = sorted(path.name for path in (shipped / "checkpoints" / run).iterdir())
    assert copies == ["01-plan-approved.yaml", "02-built.yaml", "03-reviewed.yaml", "04-shipped.yaml"]
    tags = git(shipped, "tag", "--list", f"churnflow/{run}/*").split()
    assert [tag.rpartition("/")[2] for tag in tags] == [name.removesuffix(".yaml") for name in copies]
    assert {git(shipped, "cat-file", "-t", tag).strip() for tag in tags} == {"tag"}


def test_git_alone_shows_the_files_of_the_moment(shipped: Path, here: Cli) -> None:
    run = here("--json", "status").json["run"]
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


def test_a_secret_that_a_rollback_lays_open_shuts_no_way_and_stays_out_of_git(shipped: Path, cli: Cli) -> None:
    with (shipped / ".gitignore").open("a") as file:
        file.write(".env\n")
    (shipped / ".env").write_text("TOKEN=abc-def-ghi\n")
    for command in (("rollback", "built"), ("undo",), ("rollback", "built")):
        done = cli(*command)
        assert done.code == 0, done.err
        assert (shipped / ".env").read_text() == "TOKEN=abc-def-ghi\n"
    assert ".env" not in (shipped / ".gitignore").read_text()
    assert ".env" not in git(shipped, "log", "--all", "--name-only", "--format=").split()
    # What lies open is told when it would enter a checkpoint of its own accord.
    (shipped / "data" / "number.txt").write_text("6\n")
    assert ".env, line 1" in cli("run", "--new", "--answers", "answers.yaml").error[0]


def test_a_copy_of_the_customers_stays_out_of_git_and_is_told(project: Path, cli: Cli) -> None:
    (project / "data" / "number.txt").write_text("4,who,since,plan\nA1,Ada,2026,basic\n")
    (project / "copy.csv").write_text("who,since,plan\nAda,2026,basic\n")
    steps = (project / "steps.py").read_text()
    (project / "steps.py").write_text(steps.replace("splitlines()[0])", "splitlines()[0].split(',')[0])"))
    done = cli("run", "--answers", "answers.yaml")
    assert done.code == 0, done.err
    assert "warning: copy.csv stays out of checkpoints: it has rows as in data/number.txt" in done.err + done.out
    assert "copy.csv" not in git(project, "log", "--all", "--name-only", "--format=").split()
    assert cli("rollback", "built").code == 0
    assert (project / "copy.csv").exists()
    assert "copy.csv" not in git(project, "log", "--all", "--name-only", "--format=").split()


def test_after_a_rollback_the_run_goes_on_and_unchanged_steps_are_reused(shipped: Path, cli: Cli) -> None:
    cli("rollback", "plan-approved")
    outcome = cli("--json", "run", "--answers", "answers.yaml")
    assert outcome.code == 0
    double = next(item["record"] for item in outcome.json["data"]["items"] if item["name"] == "double")
    assert double["reused"]["run"] == outcome.json["run"]


def test_diff_names_what_differs(shipped: Path, cli: Cli) -> None:
    first = cli("--json", "show", "built").json["checkpoint"]
    (shipped / "steps.py").write_text((shipped / "steps.py").read_text().replace("factor: int = 2", "factor: int = 40"))
    cli("run", "--new", "--answers", "answers.yaml")
    second = cli("--json", "show", "built").json["checkpoint"]
    found = cli("--json", "diff", first, second).json["data"]
    assert found["files"] == ["steps.py"]
    assert {"section": "metric", "name": "double.size", "older": "8", "newer": "160"} in found["differences"]
    assert "nothing differs" in cli("diff", first, first).out


def test_nothing_to_undo_is_two_lines(shipped: Path, here: Cli) -> None:
    outcome = here("undo")
    assert outcome.code == 2
    assert "no rollback to undo" in outcome.error[0]


def test_a_lost_artifact_is_named_and_nothing_is_touched(shipped: Path, here: Cli) -> None:
    store = shipped / ".git" / "churnflow" / "store" / "sha256"
    artifact = here("--json", "show", "built").json["data"]["checkpoint"]["artifacts"][0]
    (store / artifact["sha256"][:2] / artifact["sha256"][2:]).unlink()
    (shipped / "steps.py").write_text("# edited\n")
    outcome = here("rollback", "built")
    assert outcome.code == 6
    assert "doubled" in outcome.error[0]
    assert (shipped / "steps.py").read_text() == "# edited\n"
    assert here("verify").code == 6


def test_a_moved_tag_is_found(shipped: Path, cli: Cli) -> None:
    run = cli("--json", "status").json["run"]
    git(shipped, "tag", "-f", f"churnflow/{run}/02-built", f"churnflow/{run}/01-plan-approved^{{}}")
    assert cli("verify").code == 6
    assert cli("rollback", "built").code == 6


@pytest.mark.parametrize("command", [["log"], ["show"], ["report"], ["issues"]])
def test_before_the_first_run_there_is_nothing_to_read(here: Cli, command: list[str]) -> None:
    outcome = here(*command)
    assert outcome.code in {2, 5}
    assert len(outcome.error) == 2


def test_status_before_the_first_run_says_so(here: Cli) -> None:
    assert "no run has begun" in here("status").out


def test_a_change_of_the_same_size_in_the_second_of_the_last_snapshot_is_seen(shipped: Path) -> None:
    project = Project.open(shipped)
    run = project.journal.current()
    head = project.checkpoints.head(run.id) if run else None
    assert head is not None
    path = shipped / "steps.py"
    text = path.read_text()
    time.sleep(1 - time.time() % 1)
    path.write_text(text.replace("factor: int = 2", "factor: int = 4"))
    assert [change.path for change in project.checkpoints.changes(head)] == ["steps.py"]
    path.write_text(text)
    time.sleep(1 - time.time() % 1)
    assert list(project.checkpoints.changes(head)) == []


def test_of_many_files_a_screen_shows_the_first_and_the_json_all(shipped: Path, cli: Cli) -> None:
    for number in range(120):
        (shipped / "many" / f"{number:03d}.txt").parent.mkdir(exist_ok=True)
        (shipped / "many" / f"{number:03d}.txt").write_text("mine\n")
    screen = cli("rollback", "built", "--dry-run").out
    assert "many/030.txt" in screen
    assert "many/110.txt" not in screen
    files = cli("--json", "rollback", "built", "--dry-run").json["data"]["files"]
    assert len(files) == 120
    assert "70 more: churnflow --json rollback churnflow/" in " ".join(screen.split())
    first = cli("--json", "show", "built").json["checkpoint"]
    cli("run", "--new", "--answers", "answers.yaml")
    second = cli("--json", "show", "built").json["checkpoint"]
    assert len(cli("--json", "diff", first, second).json["data"]["files"]) == 120
    assert "70 more" in cli("diff", first, second).out


def test_a_secret_that_an_older_checkpoint_has_shuts_no_way_back_and_is_told_by_the_next_run(
    shipped: Path, cli: Cli
) -> None:
    (shipped / ".gitignore").write_text(".churnflow-secrets-allow\n")
    (shipped / "config.yaml").write_text("password: hunter2222\n")
    refused = cli("run", "--new", "--answers", "answers.yaml")
    assert refused.code == 4
    allowed = shipped / ".churnflow-secrets-allow"
    allowed.write_text(refused.err.partition("echo '")[2].partition("'")[0])
    assert cli("run", "--answers", "answers.yaml").code == 0
    tag = cli("--json", "show", "built").json["checkpoint"]
    allowed.unlink()
    (shipped / "config.yaml").unlink()
    assert cli("run", "--new", "--answers", "answers.yaml").code == 0
    assert cli("rollback", tag).code == 0
    assert (shipped / "config.yaml").exists()
    assert cli("undo").code == 0
    following = cli("run", "--new", "--answers", "answers.yaml")
    assert (following.code, "config.yaml, line 1" in following.err) == (4, True)
    assert cli("verify").code == 0


def test_status_tells_of_a_rollback_that_stopped_half_way_until_a_command_has_finished_it(
    shipped: Path, here: Cli
) -> None:
    target, before = (here("--json", "show", ref).json["checkpoint"] for ref in ("built", "shipped"))
    Project.open(shipped).journal.intend(Intent(target=target, before=before, reason=None))
    said = f"warning: a rollback to {target} stopped half way; the next command that writes finishes it\n"
    assert said in here("status").err
    assert here("run", "--answers", "answers.yaml").code == 0
    assert "half way" not in here("status").err
