"""The life of a project, in commands, and a user beside it whose work and whose git must never suffer."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from churnflow.domain.ledger import ledger
from churnflow.modelling.bundle import read_bundle
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.prediction_log import PredictionLog, PredictionRow
from churnflow.modelling.reference import REFERENCE_FILE, Reference
from churnflow.modelling.scorer import PortableModel
from churnflow.project import Project

PACKING = '''
"""Steps of a small project, done in a moment."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from churnflow import Evidence, Finding, Issue, Measure, StepResult
from churnflow.modelling.card import candidate_files, reference_of
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel


def packed(told: dict) -> dict[str, bytes]:
    """Return the files of the release that a JSON file describes."""
    encoding = Encoding(tuple(Column(name, "number") for name in told["features"]))
    arrays = {"weights": np.full(encoding.width, told["weight"]), "bias": np.array([0.1])}
    model = PortableModel("linear", "linear", encoding, arrays, (1.0, 0.0), told["threshold"], "yes", "no")
    columns = [
        {"name": name, "role": "feature", "kind": "number", "integer": False, "required": True, "low": 0, "high": 9}
        for name in told["features"]
    ]
    columns.append({"name": "left", "role": "target", "kind": "category", "required": True, "levels": ["no", "yes"]})
    schema = {"schema": "churnflow/table@1", "target": "left", "positive": "yes", "negative": "no", "id": None}
    frame = pd.DataFrame({name: np.arange(40.0) for name in told["features"]})
    return candidate_files(model, {**schema, "columns": columns}, {}, {}, reference_of(model, frame, frame))
'''
STEPS = f'''{PACKING}

def look(source: Path) -> StepResult:
    """Count what the file tells."""
    return StepResult(metrics={{"rows": float(len(source.read_text().splitlines()))}}, outputs={{"seen": source.name}})


def pack(source: Path) -> StepResult:
    """Return the release, and what is to be noticed of it."""
    size = Measure(value=0.8, low=0.7, high=0.9, n=40)
    issues = [Issue(text="the weight is a guess", severity="warning")]
    outputs = {{"candidate": packed(json.loads(source.read_text()))}}
    return StepResult(outputs=outputs, metrics={{"roc_auc": size}}, issues=issues)


def judge(evidence: Evidence) -> StepResult:
    """Review what was packed."""
    return StepResult(findings=[Finding(topic="quality", claim="it was packed", state="pass", evidence="it is there")])
'''
WORKFLOW = """name: life
task: Release what a file says
phases:
  plan:
    - step: look
      uses: steps:look
      with: {source: data/told.json}
      produces: {seen: text}
    - approval: plan
    - checkpoint: planned
  build:
    - step: pack
      uses: steps:pack
      with: {source: data/told.json}
      produces: {candidate: release}
      checks: [roc_auc >= 0.5]
    - checkpoint: built
  review:
    - step: judge
      uses: steps:judge
    - approval: release
    - checkpoint: reviewed
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""
MONITOR = """name: monitor
task: Watch what is served
phases:
  observe:
    - step: observe
      uses: churn.observe
      with: {against: served}
      produces: {observed: json}
  decision:
    - gate: healthy
      ship: 0
      fix: 0
"""
ANSWERS = """approvals:
  plan: {answer: approve, reviewer: Ann}
  release: {answer: approve-with-notes, reviewer: Bo, notes: ["! label it"]}
"""
MANY = 24
ISSUE = "ISSUE"
TOLD = {"features": ["tenure", "bill"], "weight": 0.5, "threshold": 0.5}


@dataclass(frozen=True)
class Command:
    """One command of the life: its arguments, the exit codes that are right, and what the user does before it.

    once: whether it must not be given again when it was killed after it had done its work (`undo` would undo itself).
    """

    arguments: tuple[str, ...]
    codes: tuple[int, ...] = (0,)
    before: Callable[[Path], None] | None = None
    once: bool = False

    @property
    def name(self) -> str:
        """The command as it is counted: by its first word."""
        return self.arguments[0]


def edit(root: Path, weight: float, word: str) -> None:
    """Do what a user does between two commands: change data and code, and leave it uncommitted."""
    (root / "data" / "told.json").write_text(json.dumps({**TOLD, "weight": weight}))
    for number in range(MANY):
        (root / "src" / f"module_{number}.py").write_text(f"word = {word!r}  # {number}\n")
    (root / f"note-{word}.txt").write_text(f"{word}\n")


def ask(root: Path) -> None:
    """Do what customers' programs do: ask the server, which takes its answers down."""
    project = Project.open(root)
    served = project.pointer.read()
    assert served is not None
    files = read_bundle(project.store.path(served.artifact))
    model, reference = PortableModel.from_bytes(files["model.bin"]), Reference.from_bytes(files[REFERENCE_FILE])
    names = [column.name for column in model.encoding.columns]
    columns = as_columns(pd.DataFrame({name: np.arange(40.0) for name in names}), model.encoding)
    rows = [
        PredictionRow(
            id=f"{served.version}-{number}", at=time.time() - number, customer=None, key=None, version=served.version,
            release=served.artifact.sha256, latency_ms=1.0, probability=float(probability), decision=1,
            bins=codes.tobytes().hex(), inputs=None,
        )
        for number, (codes, probability) in enumerate(zip(reference.codes(columns), model.score(columns), strict=True))
    ]  # fmt: skip
    log = PredictionLog.open(project.log_url)
    log.write(rows, [])
    log.close()


def age(root: Path) -> None:
    """Let all that is kept be of yesterday, for `gc` leaves what is new to the command that may be making it."""
    yesterday = time.time() - 86_400
    for path in (root / ".git" / "churnflow").rglob("*"):
        os.utime(path, (yesterday, yesterday), follow_symlinks=False)


LIFE: tuple[Command, ...] = (
    Command(("plan", "--until", "look")),
    Command(("plan",), codes=(3,)),
    Command(("approve", "plan", "--answers", "answers.yaml")),
    Command(("plan", "--answers", "answers.yaml")),
    Command(("build", "--until", "pack")),
    Command(("build",)),
    Command(("review",), codes=(3,)),
    Command(("review", "--answers", "answers.yaml")),
    Command(("issues", "waive", ISSUE, "--reason", "a guess will do", "--by", "Cy"), codes=(0, 5), once=True),
    Command(("decide",)),
    Command(("report",)),
    Command(("keys", "add", "web"), codes=(0, 5)),
    Command(("monitor",), codes=(0,), before=ask),
    Command(("run", "--answers", "answers.yaml"), before=lambda root: edit(root, 0.7, "second")),
    Command(("rollback", "v1.0.0"), before=lambda root: edit(root, 0.9, "third"), once=True),
    Command(("undo",), once=True),
    Command(("keys", "revoke", "web"), codes=(0, 2, 5)),
    Command(("rollback", "planned", "--reason", "begin again"), once=True),
    Command(("undo",), once=True),
    Command(("deploy", "--target", "docker")),
    Command(("gc", "--keep-days", "0"), before=age),
    Command(("run", "--answers", "answers.yaml"), before=lambda root: edit(root, 0.8, "fourth")),
)


def git(root: Path, *arguments: str, may_fail: bool = False) -> str:
    """Run git as the user does, without the machine's configuration; return what it printed, errors too if it fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert may_fail or done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout + (done.stderr if done.returncode else "")


def make_project(root: Path) -> Path:
    """Write the project, in a repository with a history, a stash, staged and unstaged changes, a hook, and a branch."""
    for folder in ("workflows", "data", "src"):
        (root / folder).mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", ".")
    for key, value in (("user.name", "Ann"), ("user.email", "ann@example.org"), ("alias.st", "status")):
        git(root, "config", key, value)
    files = {"steps.py": STEPS, "workflows/churn.yaml": WORKFLOW, "workflows/monitor.yaml": MONITOR}
    files |= {"answers.yaml": ANSWERS, ".gitignore": "/data/\n/reports/\n/deploy/\n__pycache__/\n"}
    for name, text in files.items():
        (root / name).write_text(text)
    edit(root, 0.5, "first")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "begin")
    git(root, "branch", "other")
    (root / "src" / "module_0.py").write_text("stashed\n")
    git(root, "stash")
    (root / "src" / "staged.py").write_text("staged = 1\n")
    git(root, "add", "src/staged.py")
    (root / "src" / "staged.py").write_text("staged = 2\n")
    (root / "loose.txt").write_text("neither staged nor ignored\n")
    hook = root / ".git" / "hooks" / "reference-transaction"
    hook.write_text("#!/bin/sh\ntouch hook-was-run\n")
    hook.chmod(0o755)
    return root


def given(command: Command, root: Path) -> list[str]:
    """Return the arguments of a command, the id of an issue filled in: it is another one in each run."""
    if ISSUE not in command.arguments:
        return list(command.arguments)
    line = next(line for line in ledger(Project.open(root).run()) if line.source == "pack")
    return [line.id if word == ISSUE else word for word in command.arguments]


def names(commands: Sequence[Command]) -> list[str]:
    """Return the first words of commands, each once, in order."""
    return list(dict.fromkeys(command.name for command in commands))
