"""What the tests of adapters work with: a repository as a user has it, and records to keep in it."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from churnflow.adapters.git_checkpoints import GitCheckpoints
from churnflow.adapters.repository import open_repository
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Parent, Restore
from churnflow.domain.evidence import Artifact, Confidence, Measure
from churnflow.domain.journal import Mark, Run, StepRecord
from churnflow.domain.workflow import CheckpointRequest, Step, Workflow
from churnflow.engine.ports import CheckpointStore

NOW = datetime(2026, 11, 23, 12, 30, 45, tzinfo=UTC)
KEY = "0" * 64
RUN = "261123-7qd2"
TAG = f"churnflow/{RUN}/01-features-validated"


class Work:
    """A work tree with the commands a user would type in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def hash(self, kind: str, data: bytes) -> str:
        """Write an object as it is, whatever git thinks of it, and return its id."""
        command = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        done = subprocess.run(command, cwd=self.path, input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def commit(self, **files: str) -> str:
        for name, text in (files or {"code.py": "x = 1\n"}).items():
            self.write(name.replace("_py", ".py"), text)
        self.git("add", "-A")
        self.git("commit", "-qm", "work")
        return self.git("rev-parse", "HEAD")

    def files_at(self, rev: str) -> set[str]:
        return set(self.git("ls-tree", "-r", "--name-only", "--full-tree", rev).splitlines())


def state_of(git_dir: Path) -> dict[str, str]:
    """Hash everything in a git folder but what belongs to churnflow: its state, its refs, and new objects."""
    ours = ("churnflow/", "refs/churnflow", "refs/tags/churnflow", "logs/refs/churnflow", "objects/")
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(git_dir.rglob("*"))
        if path.is_file() and not (name := path.relative_to(git_dir).as_posix()).startswith(ours)
    }


def objects_of(git_dir: Path) -> set[str]:
    return {path.relative_to(git_dir).as_posix() for path in (git_dir / "objects").rglob("*") if path.is_file()}


def files_of(work_tree: Path) -> dict[str, tuple[str, int]]:
    return {
        path.relative_to(work_tree).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(work_tree.rglob("*"))
        if path.is_file() and ".git" not in path.parts and "checkpoints" not in path.parts
    }


def make_run(run_id: str = RUN, entries: int = 1) -> Run:
    declared = Workflow(
        name="churn",
        task="Predict churn",
        phases={
            "build": (Step(step="ingest", uses="a.b:c"), CheckpointRequest(checkpoint="features-validated")),
        },
    )
    record = StepRecord(
        name="ingest",
        phase="build",
        passed=True,
        key=KEY,
        at=NOW,
        uses="a.b:c",
        params={"version": "1.10", "codes": ["0012345", "no", "12:30:45", 1e-7, None]},
        metrics={"roc_auc": Measure(value=0.85, low=0.8, high=0.9, n=1000)},
        facts={"note": 'two\nlines: "quoted" # and é'},
        confidence=Confidence(score=80, because="its checks held"),
    )
    mark = Mark(name="features-validated", phase="build", key=KEY, at=NOW)
    return Run(
        id=run_id,
        workflow_path="workflows/churn.yaml",
        workflow_sha256=KEY,
        declared=declared,
        started_at=NOW,
        entries=(record, *[mark] * entries),
    )


class Drafts:
    """The steps that the engine takes to save a checkpoint in any store."""

    def __init__(self, checkpoints: CheckpointStore) -> None:
        self.checkpoints = checkpoints

    def draft(
        self,
        name: str = "features-validated",
        run_id: str = RUN,
        data: Mapping[str, Artifact] | None = None,
        also: Sequence[str] = (),
    ) -> Checkpoint:
        before = self.checkpoints.head(run_id)
        return Checkpoint(
            name=name,
            number=1 if before is None else before.number + 1,
            created_at=NOW,
            phase="build",
            confidence=Confidence(score=80, because="fine"),
            restore=Restore(command="churnflow rollback x", git="git checkout x"),
            run=make_run(run_id),
            data=dict(data or {}),
            code=self.checkpoints.snapshot(data or {}, also),
            environment=self.checkpoints.environment(),
            parent=None if before is None else Parent(tag=before.tag, sha256=digest(before)),
        )

    def save(
        self,
        name: str = "features-validated",
        run_id: str = RUN,
        data: Mapping[str, Artifact] | None = None,
        also: Sequence[str] = (),
    ) -> Checkpoint:
        checkpoint = self.draft(name, run_id, data, also)
        self.checkpoints.save(checkpoint)
        return checkpoint


class Store(Drafts):
    """The checkpoint store of a repository."""

    def __init__(self, path: Path) -> None:
        self.repository = open_repository(path)
        self.git = GitCheckpoints(self.repository, KEY)
        super().__init__(self.git)


def artifact(name: str, data: bytes) -> Artifact:
    return Artifact(name=name, codec="file", sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
