"""A real project in a real repository, and the real program run in it as its own process."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pytest

from churnflow.cli import app
from tests.cli import packing
from tests.cli.cluster import Cluster, running_cluster
from tests.keys import make_key

STEPS = '''
"""Steps of a small project."""

from pathlib import Path

from churnflow import Evidence, Finding, InputError, Issue, Measure, StepResult, reports


@reports("rows")
def look(source: Path) -> StepResult:
    """Count the lines of a file."""
    lines = source.read_text().splitlines()
    if not lines:
        raise InputError(f"{source.name} is empty", hint="give a file with lines")
    return StepResult(metrics={"rows": len(lines)}, facts={"first": "a line"})


@reports("size")
def double(source: Path, factor: int = 2) -> StepResult:
    """Double what a file says."""
    number = int(source.read_text().splitlines()[0]) * factor
    issues = [Issue(text="odd number", severity="warning")] if number % 2 else []
    size = Measure(value=number, low=number - 1, high=number + 1, n=10)
    return StepResult(outputs={"doubled": {"number": number}}, metrics={"size": size}, issues=issues)


def judge(evidence: Evidence, doubled: dict) -> StepResult:
    """Review what was doubled."""
    ask = Finding(topic="quality", claim="Is the number kind?", state="ask", evidence="no machine knows")
    held = Finding(topic="quality", claim="the number is even", state="pass", evidence=str(doubled["number"]))
    return StepResult(findings=[held, ask], metrics={"asked": 1})
'''
WORKFLOW = """name: small
task: Double a number
requirements: [double.size >= 2]
phases:
  plan:
    - step: look
      uses: steps:look
      with: {source: data/number.txt}
    - approval: plan
      questions: ["Is the plan complete?"]
    - checkpoint: plan-approved
  build:
    - step: double
      uses: steps:double
      with: {source: data/number.txt}
      produces: {doubled: json}
      checks: [size >= 1]
    - checkpoint: built
  review:
    - step: judge
      uses: steps:judge
    - approval: release
    - checkpoint: reviewed
  decision:
    - gate: ship
    - checkpoint: shipped
"""
ANSWERS = """approvals:
  plan: {answer: approve, reviewer: Ann, answers: {"Is the plan complete?": yes it is}}
  release: {answer: approve-with-notes, reviewer: Bo, notes: ["! label it"], answers: {"Is the number kind?": very}}
"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> list[str]:
        """The lines of the error; there are two, or none."""
        return [line for line in self.err.splitlines() if line.startswith(("error: ", "hint: "))]


Cli = Callable[..., Outcome]


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which git finds no configuration but the test's own."""
    return {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **more}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of three small steps, in a repository without a commit."""
    return make_project(tmp_path / "project")


def make_project(root: Path) -> Path:
    """Write the project into a new folder."""
    for folder in ("workflows", "data"):
        (root / folder).mkdir(parents=True)
    (root / "steps.py").write_text(STEPS)
    (root / "workflows" / "churn.yaml").write_text(WORKFLOW)
    (root / "data" / "number.txt").write_text("4\n")
    (root / ".gitignore").write_text("/data/\n__pycache__/\n")
    (root / "answers.yaml").write_text(ANSWERS)
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=root, check=True, env=environment())
    return root


@pytest.fixture
def cli(project: Path) -> Cli:
    """Run the program in the project, without a terminal; return how it ended."""

    def run(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Outcome:
        return churnflow(project, *arguments, env=env, stdin=stdin)

    return run


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the program as `cli` does, but in this process: many times faster, for what reads or is refused."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(project)

    def run(*arguments: str) -> Outcome:
        code = app.run(arguments)
        sys.modules.pop("steps", None)
        return Outcome(code, *capsys.readouterr())

    return run


def churnflow(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Outcome:
    """Run the program in a folder, without a terminal; return how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", "churnflow", *arguments],
        cwd=folder,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        input=stdin,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def shipped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run that shipped, to copy and never to change."""
    root = make_project(tmp_path_factory.mktemp("shipped") / "project")
    outcome = churnflow(root, "run", "--answers", "answers.yaml")
    assert outcome.code == 0, outcome.err
    return root


@pytest.fixture
def shipped(project: Path, shipped_once: Path) -> Path:
    """The project after a run that shipped."""
    shutil.rmtree(project)
    shutil.copytree(shipped_once, project)
    return project


@pytest.fixture(scope="session")
def released_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has shipped v1.0.0 and v1.1.0, to copy and never to change."""
    root = make_project(tmp_path_factory.mktemp("released") / "project")
    (root / "packing.py").write_text(packing.STEPS)
    (root / "workflows" / "churn.yaml").write_text(packing.WORKFLOW)
    for weight in (0.5, 0.7):
        (root / "data" / "told.json").write_text(json.dumps({**packing.FIRST, "weight": weight}))
        outcome = churnflow(root, "run", "--new")
        assert outcome.code == 0, outcome.err
    return root


@pytest.fixture
def released(project: Path, released_once: Path) -> Path:
    """The same, of the test's own; v1.1.0 is served."""
    shutil.rmtree(project)
    shutil.copytree(released_once, project)
    return project


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An empty cluster, to which the real kubectl that is installed beside this Python is led."""
    with running_cluster(tmp_path) as (running, settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield running


def at_terminal(project: Path, *arguments: str, columns: int = 120) -> "pexpect.spawn[str]":
    """Start the program on a pseudo-terminal."""
    return python_at_terminal(project, "-m", "churnflow", *arguments, columns=columns)


def python_at_terminal(project: Path, *arguments: str, columns: int = 120) -> "pexpect.spawn[str]":
    """Start Python on a pseudo-terminal."""
    return pexpect.spawn(
        sys.executable,
        list(arguments),
        cwd=str(project),
        env={**environment(), "TERM": "xterm", "COLUMNS": str(columns)},
        encoding="utf-8",
        codec_errors="replace",  # the echo of Ctrl-C may come between the bytes of one character
        timeout=30,
        dimensions=(50, columns),
    )


def ended(screen: "pexpect.spawn[str]") -> int | None:
    """Read the terminal to its end and return the exit code."""
    screen.expect(pexpect.EOF)
    screen.close()
    return screen.exitstatus


def serving_dir(project: Path) -> Path:
    """Return where keys, secret, log and deployments of the project are."""
    return project / ".git" / "churnflow" / "root" / "serving"


def digest_served(project: Path) -> str:
    """Return the digest of the release that the project serves."""
    pointer = json.loads((project / ".git" / "churnflow" / "root" / "served.json").read_text())
    return str(pointer["artifact"]["sha256"])


def journal(project: Path) -> dict[str, bytes]:
    """Return what the journal's files hold."""
    folder = project / ".git" / "churnflow" / "root"
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


SIGNED_BY_RISK = "    - approval: release\n      grade: signed\n      role: risk\n"


@pytest.fixture(scope="session")
def waiting_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project whose release waits for a signature, and the keys beside it; never to be changed."""
    root = make_project(tmp_path_factory.mktemp("waiting") / "project")
    path = root / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace("    - approval: release\n", SIGNED_BY_RISK))
    ann = str(make_key(root.parent, "ann"))
    bo = str(make_key(root.parent, "bo"))
    listed = ("reviewers", "add", "--role", "risk", "--sign-with", ann)
    assert churnflow(root, *listed, "ann", "--key", f"{ann}.pub", "--role", "admin").code == 0
    assert churnflow(root, *listed, "bo", "--key", f"{bo}.pub").code == 0
    assert churnflow(root, "plan", "--answers", "answers.yaml").code == 0
    assert churnflow(root, "run").code == 3
    return root.parent
