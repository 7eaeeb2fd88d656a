"""A checkpoint: a numbered, named prefix of a run, with what brings it back."""

from typing import Annotated, Literal

from pydantic import Field

from churnflow.domain.base import Frozen, Moment, Name, Score, Sha256, digest
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Mark, Run
from churnflow.domain.release import Release

# Never anything else than hex: it stands on git's command line, where a word like `--output=FILE` would write a file.
ObjectId = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]

NOT_RESTORED = (
    "predictions already returned to callers",
    "files that git ignores and no step reads",
    "installed packages (the environment's digest is recorded, not its content)",
)


class Parent(Frozen):
    """The checkpoint before this one in the same run."""

    tag: str
    sha256: Sha256


class Code(Frozen):
    """The work tree at the moment of the checkpoint, and where the user's HEAD stood."""

    tree: ObjectId
    head: ObjectId | None
    branch: str | None


class Environment(Frozen):
    """What the run was computed with; packages_sha256 is the digest of the installed names and versions."""

    python: str
    platform: str
    packages_sha256: Sha256


class Restore(Frozen):
    """How to come back: churnflow's command, the plain git line, and what neither can bring back."""

    command: str
    git: str
    cannot: tuple[str, ...] = NOT_RESTORED


class Checkpoint(Frozen):
    """A numbered, named prefix of a run. Its digest is that of its canonical JSON; the YAML is a view of it.

    release: what the API serves as of this checkpoint. restores: the tag that a rollback brought back. before: the
    tag of the state that a rollback left, to which `undo` returns. data: the source files that steps read, by path.
    """

    schema_: Literal["churnflow/checkpoint@1"] = Field(default="churnflow/checkpoint@1", alias="schema")
    name: Name
    number: int = Field(ge=1)
    created_at: Moment
    phase: str
    confidence: Confidence | None
    issues_open: tuple[str, ...] = ()
    restore: Restore
    restores: str | None = None
    before: str | None = None
    reason: str | None = None
    release: Release | None = None
    run: Run
    artifacts: tuple[Artifact, ...] = ()
    data: dict[str, Artifact] = {}
    code: Code
    environment: Environment
    parent: Parent | None

    @property
    def tag(self) -> str:
        """The annotated tag that names this checkpoint."""
        return tag_of(self.run.id, self.number, self.name)

    @property
    def outside_git(self) -> list[str]:
        """The files that hold customers, of which its commit has none."""
        return [*self.data, *self.run.workflow.databases()]


class Summary(Frozen):
    """What a list of checkpoints shows of one; its commit states it, so that a list needs no record.

    sha256: the digest of the record. reviewer: who answered an approval since the checkpoint before. serves: the
    version of the release that the API serves as of it.
    """

    tag: str
    sha256: Sha256
    created_at: Moment
    confidence: Score | None
    reviewer: str | None
    restores: str | None
    serves: str | None

    @property
    def number(self) -> int:
        """The checkpoint's number in its run."""
        return int(self.tag.rpartition("/")[2].partition("-")[0])

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.tag.rpartition("/")[2].partition("-")[2]


def summary_of(checkpoint: Checkpoint) -> Summary:
    """Return the summary of a checkpoint, computed from its record."""
    last = checkpoint.run.entries[-1] if checkpoint.run.entries else None
    reviewers = [entry.reviewer for entry in checkpoint.run.approvals_for(last)] if isinstance(last, Mark) else []
    return Summary(
        tag=checkpoint.tag,
        sha256=digest(checkpoint),
        created_at=checkpoint.created_at,
        confidence=checkpoint.confidence.score if checkpoint.confidence else None,
        reviewer=", ".join(reviewers) or None,
        restores=checkpoint.restores,
        serves=checkpoint.release.version if checkpoint.release else None,
    )


def tag_of(run_id: str, number: int, name: str) -> str:
    """Return the tag of a checkpoint: `churnflow/<run>/<NN>-<name>`."""
    return f"churnflow/{run_id}/{number:02d}-{name}"


def file_of(run_id: str, number: int, name: str) -> str:
    """Return the path of a checkpoint's YAML in the project: `checkpoints/<run>/<NN>-<name>.yaml`."""
    return f"checkpoints/{run_id}/{number:02d}-{name}.yaml"
