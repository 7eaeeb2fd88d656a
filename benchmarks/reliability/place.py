"""A real project with two releases, a rollback and approvals, and the hands of somebody who tampers with it."""

import io
import json
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random

from life import PACKING, TOLD

from churnflow.cli import app
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Parent
from churnflow.domain.journal import Entry, Run
from churnflow.project import Project

STEPS = f'''{PACKING}

def look(source: Path) -> StepResult:
    """Count what a file tells."""
    return StepResult(metrics={{"told": len(json.loads(source.read_text()))}}, facts={{"kind": "numbers"}})


def pack(source: Path) -> StepResult:
    """Return the release that a file describes."""
    told = json.loads(source.read_text())
    auc = Measure(value=0.85 + told["weight"] / 100, low=0.83, high=0.87, n=1000)
    outputs = {{"candidate": packed(told), "notes": {{"weight": told["weight"]}}}}
    return StepResult(outputs=outputs, metrics={{"roc_auc": auc}})


def judge(evidence: Evidence) -> StepResult:
    """Review what was packed."""
    return StepResult(findings=[Finding(topic="quality", claim="it was measured", state="pass", evidence="roc_auc")])
'''
WORKFLOW = """name: small
task: Release what a file says
requirements: [pack.roc_auc >= 0.8]
phases:
  plan:
    - step: look
      uses: steps:look
      with: {source: data/told.json}
    - approval: plan
    - checkpoint: planned
  build:
    - step: pack
      uses: steps:pack
      with: {source: data/told.json}
      produces: {candidate: release, notes: json}
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
ANSWERS = "approvals:\n  plan: {answer: approve, reviewer: Ann}\n  release: {answer: approve, reviewer: Bo}\n"


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, the link that it names, and its error."""

    code: int
    link: str
    error: str


class Place:
    """A copy of the project, to be spoiled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def project(self) -> Project:
        """The project, opened anew: nothing is remembered of before."""
        return Project.open(self.root)

    @property
    def state(self) -> Path:
        """Where journal and pointer are."""
        return self.root / ".git/churnflow/root"

    @property
    def runs(self) -> list[str]:
        """The ids of the runs, the oldest first."""
        times = {path.name: path.stat().st_mtime for path in (self.state / "runs").iterdir()}
        served = [json.loads(line)["run"] for line in (self.state / "served.jsonl").read_text().splitlines()]
        return sorted(times, key=served.index)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git as anybody with a shell can."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=environment(), input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def verify(self, *arguments: str) -> Ended:
        """Run `churnflow verify`, in this process: nothing of a call before is remembered."""
        said, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(said), redirect_stderr(errors):
            code = app.run(["-C", str(self.root), "--json", "verify", *arguments])
        try:
            found = json.loads(said.getvalue())
        except ValueError:
            return Ended(code, "", errors.getvalue()[-300:])
        return Ended(code, found["data"].get("link", ""), (found["error"] or {}).get("text", ""))

    def tags(self, run: str) -> list[str]:
        """Return the tags of a run, oldest first."""
        return sorted(self.git("tag", "-l", f"churnflow/{run}/*").splitlines())

    def loose(self, oid: str) -> Path:
        """Return where an object is that no pack holds."""
        return self.root / ".git/objects" / oid[:2] / oid[2:]

    def rewrite(self, run_id: str, change: Callable[[Checkpoint], Checkpoint]) -> None:
        """Write the whole chain of a run again, every digest of it computed anew, as its forger would."""
        project = self.project
        history = project.checkpoints.history(run_id)
        self.git("update-ref", "-d", f"refs/churnflow/runs/{run_id}")
        self.git("tag", "-d", *self.tags(run_id))
        shutil.rmtree(self.root / "checkpoints" / run_id)
        before: Checkpoint | None = None
        for checkpoint in history:
            parent = Parent(tag=before.tag, sha256=digest(before)) if before else None
            before = change(checkpoint).model_copy(update={"parent": parent})
            project.checkpoints.save(before)

    def rewrite_journal(self, run: Run, entries: Sequence[Entry]) -> None:
        """Write the journal of a run again, every seal of it computed anew."""
        current = (self.state / "current").read_bytes()
        (self.state / "runs" / run.id / "journal.jsonl").unlink()
        journal = self.project.journal
        journal.start(run)
        for entry in entries:
            journal.append(run, entry)
        (self.state / "current").write_bytes(current)


def make(root: Path) -> Place:
    """Make the project: v1.0.0, v1.1.0, a report of each form, a rollback within the second run, and its undo."""
    for folder in ("workflows", "data"):
        (root / folder).mkdir(parents=True)
    (root / "steps.py").write_text(STEPS)
    (root / "workflows/churn.yaml").write_text(WORKFLOW)
    (root / "answers.yaml").write_text(ANSWERS)
    (root / ".gitignore").write_text("/data/\n/reports/\n__pycache__/\n")
    place = Place(root)
    place.git("init", "-q", "-b", "main", ".")
    place.git("add", "-A")
    place.git("commit", "-qm", "begin")
    for weight in (0.5, 0.7):
        (root / "data/told.json").write_text(json.dumps({**TOLD, "weight": weight}))
        churnflow(root, "run", "--new", "--answers", "answers.yaml")
    for form in ("md", "html", "json"):
        churnflow(root, "report", "-o", f"reports/now.{form}")
        churnflow(root, "report", "reviewed", "-o", f"reports/then.{form}")
    churnflow(root, "rollback", "built")
    churnflow(root, "undo")
    return place


def churnflow(root: Path, *arguments: str) -> None:
    """Run the program. Raises CalledProcessError where it fails."""
    subprocess.run(
        [sys.executable, "-m", "churnflow", *arguments], cwd=root, env=environment(), capture_output=True, check=True
    )


def environment() -> dict[str, str]:
    """Return an environment in which git finds no configuration but the project's, and an identity."""
    who = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **who}


def flip(path: Path, random: Random, most: int = 3) -> None:
    """Turn up to `most` bytes of a file into others."""
    data = bytearray(path.read_bytes())
    for place in {random.randrange(len(data)) for _ in range(random.randint(1, most))}:
        data[place] ^= random.randint(1, 255)
    path.chmod(0o644)
    path.write_bytes(data)


def put_in_place(place: Place, oid: str, kind: str, content: bytes) -> None:
    """Put other content, well packed, in the place of a loose object: git shows it and complains of nothing."""
    path = place.loose(oid)
    path.chmod(0o644)
    path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))
