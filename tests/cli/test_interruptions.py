"""What is left when a command is interrupted, killed or kept out, and how the next one goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, at_terminal, ended, environment

SLOW = """
    here = Path(__file__).parent / "data"
    if (here / "slow").exists():
        (here / "started").touch()
        __import__("time").sleep(60)
    number = int"""


@pytest.fixture
def slow(project: Path) -> Path:
    """The project, whose step `double` sleeps for as long as there is a file `slow`."""
    path = project / "steps.py"
    path.write_text(path.read_text().replace("\n    number = int", SLOW))
    (project / "data" / "slow").touch()
    return project


def started(project: Path) -> None:
    """Wait until the slow step is at work."""
    for _ in range(400):
        if (project / "data" / "started").exists():
            return
        time.sleep(0.05)
    pytest.fail("the slow step has not begun")


def run(project: Path) -> "subprocess.Popen[str]":
    """Start a run and return it with the slow step at work."""
    command = [sys.executable, "-m", "churnflow", "run", "--answers", "answers.yaml"]
    process = subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started(project)
    return process


def records(cli: Cli) -> dict[str, Any]:
    return {item["name"]: item["record"] for item in cli("--json", "status").json["data"]["items"]}


def test_ctrl_c_in_a_step_keeps_what_is_done_and_names_the_command_that_goes_on(slow: Path, cli: Cli) -> None:
    screen = at_terminal(slow, "run", "--new", "--answers", "answers.yaml")
    started(slow)
    screen.sendintr()
    screen.expect_exact("error: interrupted; everything finished so far is kept")
    screen.expect_exact("hint: `churnflow run --answers answers.yaml` goes on from there")
    screen.expect_exact("next: churnflow run --answers answers.yaml")
    assert ended(screen) == 130
    before = records(cli)
    assert [name for name, record in before.items() if record] == ["look", "plan", "plan-approved"]
    (slow / "data" / "slow").unlink()
    outcome = cli("--json", "run", "--answers", "answers.yaml")
    assert (outcome.code, outcome.json["run"]) == (0, cli("--json", "status").json["run"])
    after = records(cli)
    assert {name: after[name] for name in ("look", "plan", "plan-approved")} == {
        name: before[name] for name in ("look", "plan", "plan-approved")
    }
    assert all(record["passed"] for record in after.values())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_run_loses_at_most_the_step_in_progress(slow: Path, cli: Cli, number: signal.Signals) -> None:
    with run(slow) as process:
        process.send_signal(number)
        process.communicate(timeout=20)
    before = records(cli)
    assert [name for name, record in before.items() if record] == ["look", "plan", "plan-approved"]
    (slow / "data" / "slow").unlink()
    outcome = cli("run", "--answers", "answers.yaml")
    assert outcome.code == 0, outcome.err
    after = records(cli)
    assert after["look"] == before["look"]
    assert after["double"]["reused"] is None
    assert cli("verify").code == 0


def test_json_of_an_interrupted_run_is_one_object(slow: Path) -> None:
    command = [sys.executable, "-m", "churnflow", "--json", "run", "--answers", "answers.yaml"]
    with subprocess.Popen(command, cwd=slow, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        started(slow)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    found = json.loads(out)
    assert found["exit"] == {"code": 130, "name": "interrupted"}
    assert found["next"][0]["command"] == "churnflow --json run --answers answers.yaml"


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("approve", "plan", "--reject"),
        ("issues", "close", "x", "--reason", "because"),
        ("rollback", "plan-approved"),
        ("undo",),
    ],
    ids=lambda command: command[0],
)
def test_while_one_command_writes_another_is_refused_and_told_which(
    slow: Path, cli: Cli, command: tuple[str, ...]
) -> None:
    with run(slow) as process:
        outcome = cli(*command)
        process.kill()
        process.communicate(timeout=20)
    assert outcome.code == 5
    assert outcome.err.splitlines() == [
        f"error: another churnflow command is writing in this project: process {process.pid}, `churnflow run`",
        "hint: wait until it has ended, or stop it, then run the same command again",
    ]


def test_while_one_command_writes_another_can_read(slow: Path, cli: Cli) -> None:
    with run(slow) as process:
        outcomes = [cli("status"), cli("log"), cli("show", "plan-approved"), cli("verify")]
        process.kill()
        process.communicate(timeout=20)
    assert [outcome.code for outcome in outcomes] == [0] * 4


def test_the_lock_of_a_dead_process_is_taken_over(slow: Path, cli: Cli) -> None:
    with run(slow) as process:
        process.kill()
        process.communicate(timeout=20)
    lock = slow / ".git" / "churnflow" / "root" / "lock"
    assert json.loads(lock.read_text())["pid"] == process.pid
    (slow / "data" / "slow").unlink()
    assert cli("run", "--answers", "answers.yaml").code == 0
    assert json.loads(lock.read_text())["pid"] not in {process.pid, os.getpid()}


def test_output_that_nobody_reads_any_more_is_no_error(shipped: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "churnflow", "status"]
    done = subprocess.run(
        command, cwd=shipped, env=environment(), stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_answer_for_which_the_disk_has_no_room_is_said_and_is_no_success(shipped: Path) -> None:
    command = [sys.executable, "-m", "churnflow", "status"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=shipped, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "error: the answer could not be written: No space left on device",
        "hint: the command itself ended with ok; see `churnflow status`",
    ]


def test_a_kill_between_the_first_checkpoint_and_its_tag_is_mended_by_the_same_command(project: Path, cli: Cli) -> None:
    assert cli("plan", "--answers", "answers.yaml").code == 0
    tag = cli("--json", "show", "plan-approved").json["checkpoint"]
    # As a kill leaves it right after the run's ref has moved: without tag, copy, note and the journal's last line.
    (path,) = (project / ".git" / "churnflow" / "root" / "runs").glob("*/journal.jsonl")
    *lines, last = path.read_bytes().splitlines(keepends=True)
    assert b'"kind":"checkpoint"' in last
    path.write_bytes(b"".join(lines))
    (project / ".git" / "churnflow" / "root" / "derived").unlink()
    subprocess.run(["git", "update-ref", "-d", f"refs/tags/{tag}"], cwd=project, check=True)
    for copy in (project / "checkpoints").rglob("*.yaml"):
        copy.unlink()
    broken = cli("verify")
    assert (broken.code, f"the tag {tag} is gone" in broken.err) == (6, True)
    assert cli("plan").code == 0
    assert cli("verify").code == 0
    assert cli("--json", "show", "plan-approved").json["checkpoint"] == tag
