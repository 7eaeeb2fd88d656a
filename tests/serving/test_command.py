"""The command `churnflow serve` in a real project: what it refuses to serve, and how it follows ship and rollback."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.domain.release import object_path
from tests.serving.conftest import ROOT, Api, eventually

BODY = json.dumps({"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}).encode()
STEPS = """
from churnflow import StepResult
from tests.serving.conftest import bundle_files

def make(bias: float) -> StepResult:
    return StepResult(outputs={"candidate": bundle_files(bias)}, metrics={"bias": bias})
"""
WORKFLOW = """
name: small
task: Serve a model
phases:
  build:
    - step: make
      uses: steps:make
      with: {bias: 0.25}
      produces: {candidate: release}
    - checkpoint: built
  decision:
    - gate: ship
      rules: [make.bias >= 0]
    - checkpoint: shipped
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose one step makes a release."""
    return make_project(tmp_path / "project")


def make_project(root: Path) -> Path:
    """Write the project into a new folder."""
    (root / "workflows").mkdir(parents=True)
    (root / "steps.py").write_text(STEPS)
    (root / "workflows" / "churn.yaml").write_text(WORKFLOW)
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=root, check=True)
    return root


def churnflow(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "churnflow", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def ship(project: Path, bias: float) -> None:
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("0.25", str(bias)))
    done = churnflow(project, "run")
    assert done.returncode == 0, done.stderr


def error(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what it said, which is two lines and no more."""
    said = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in said] == ["error", "hint"]
    return said


@pytest.fixture
def serve(project: Path, start) -> Callable[..., Api]:
    """Start `churnflow serve` in the project on a free port."""
    return lambda *more: start(list(more), command="churnflow serve", folder=project)


def test_before_the_gate_nothing_is_served_and_what_is_missing_is_said(project) -> None:
    done = churnflow(project, "serve")
    assert (done.returncode, error(done)[0]) == (4, "error: nothing to serve: no run has begun")
    assert churnflow(project, "run", "--until", "built").returncode == 0
    done = churnflow(project, "serve")
    assert done.returncode == 4
    assert error(done)[0] == "error: nothing to serve: the gate has not passed; missing: ship, shipped"


def test_a_gate_that_said_no_is_named(project) -> None:
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("0.25", "-0.5"))
    assert churnflow(project, "run").returncode in {8, 9}
    done = churnflow(project, "serve")
    assert done.returncode == 4
    assert "missing: ship, shipped" in error(done)[0]


def test_a_workflow_that_releases_nothing_has_nothing_to_serve(project) -> None:
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("      produces: {candidate: release}\n", ""))
    (project / "steps.py").write_text(STEPS.replace('outputs={"candidate": bundle_files(bias)}, ', ""))
    assert churnflow(project, "run").returncode == 0
    done = churnflow(project, "serve")
    assert done.returncode == 4
    assert "no step of the workflow produces a release" in error(done)[0]


def test_a_gate_that_passed_without_its_checkpoint_asks_for_it(project) -> None:
    assert churnflow(project, "run", "--until", "ship").returncode == 0
    done = churnflow(project, "serve")
    assert done.returncode == 4
    assert "`churnflow decide`" in error(done)[1]


def test_a_running_server_follows_ship_rollback_and_undo(project, serve) -> None:
    ship(project, 0.25)
    api = serve("--workers", "2")
    first = api.get("/api/v1/version")[1]
    assert first["version"] == "v1.0.0"
    assert first["checkpoint"].endswith("/02-shipped")
    assert f"serving v1.0.0 ({first['sha256'][:12]}) of {first['checkpoint']}; docs at http://127.0.0.1:" in api.log[1]
    probability = scored(api)

    ship(project, 0.75)
    eventually(lambda: served(api) == {"v1.1.0"}, seconds=1.0)
    second = scored(api)
    assert second > probability

    assert churnflow(project, "rollback", first["checkpoint"]).returncode == 0
    eventually(lambda: served(api) == {"v1.0.0"}, seconds=1.0)
    assert scored(api) == probability

    assert churnflow(project, "undo").returncode == 0
    eventually(lambda: served(api) == {"v1.1.0"}, seconds=1.0)
    assert scored(api) == second
    assert api.stop(signal.SIGINT) == 0
    assert api.complaints == []


def served(api: Api) -> set[str]:
    return {api.get("/api/v1/version")[1]["version"] for _ in range(8)}


def scored(api: Api) -> float:
    status, answer = api.predict(BODY)
    assert status == 200
    return answer["predictions"][0]["probability"]


def test_a_damaged_release_is_not_served(project) -> None:
    ship(project, 0.25)
    [pointer] = (project / ".git" / "churnflow").rglob("served.json")
    path = project / ".git" / "churnflow" / "store" / object_path(json.loads(pointer.read_text())["artifact"]["sha256"])
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    done = churnflow(project, "serve", "--port", "0")
    assert done.returncode == 6
    assert error(done)


def test_a_taken_port_is_a_conflict_of_two_lines(project) -> None:
    ship(project, 0.25)
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = churnflow(project, "serve", "--port", str(other.getsockname()[1]))
    assert done.returncode == 5
    assert error(done)[0].startswith("error: cannot listen on 127.0.0.1 port")
