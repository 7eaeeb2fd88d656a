"""The places where releases were deployed: what each was given last, and how it comes to what is served here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnflow.adapters.deployed_file import DeployedFile
from churnflow.adapters.kubectl import require_kubectl, run_kubectl
from churnflow.cli.answer import Next
from churnflow.deployment import commands
from churnflow.deployment.layout import MANIFESTS
from churnflow.errors import ChurnflowError, ConflictError, UsageError
from churnflow.project import Project, SystemClock

if TYPE_CHECKING:
    from churnflow.domain.deployment import Deployed, How


@dataclass(frozen=True)
class Move:
    """A place that is to have another release. last: what it was given last. made: the release as written for it."""

    last: Deployed
    version: str
    made: Deployed | None
    command: str

    @property
    def line(self) -> str:
        """What is to be done, as a line of an answer."""
        return f"{self.last.place.label}: {self.command}"

    @property
    def state(self) -> str:
        """How the place stands beside what is served here, and what brings it there."""
        told = self.last.how == "told" and self.last.version == self.version
        has = f"was to go to {self.version}" if told else f"was last given {self.last.version}"
        return f"{self.last.place.label} {has}; to serve {self.version} there: {self.command}"

    def as_json(self, *, applied: bool = False) -> dict[str, Any]:
        """Return the move for programs."""
        place = self.last.place
        named = {name: getattr(place, name) for name in ("target", "context", "namespace", "name")}
        return {**named, "was": self.last.version, "version": self.version, "command": self.command, "applied": applied}


def record_of(project: Project) -> DeployedFile:
    """Return the record of what was deployed."""
    return DeployedFile(project.serving_dir / "deployed.json")


def folder_of(project: Project, made: Deployed) -> Path:
    """Return where a release is written."""
    return project.root / made.folder


def moves(project: Project, version: str | None) -> list[Move]:
    """Return what brings each place to a release; nothing where nothing is served, or nothing was ever deployed."""
    record = record_of(project).read()
    return [_move(project, last, record.of(last.place, version), version) for last in record.current() if version]


def lagging(project: Project, version: str | None) -> list[Move]:
    """Return the places that were last given another release, or of which nobody knows whether they were."""
    return [move for move in moves(project, version) if move.last.version != version or move.last.how == "told"]


def following(found: Sequence[Move]) -> tuple[Next, ...]:
    """Return what comes next for places that are to have another release."""
    return tuple(Next(move.command, f"{move.last.place.label} has {move.last.version} last") for move in found)


def tell(project: Project, found: Sequence[Move]) -> None:
    """Take down that a person was told how to bring the places to a release."""
    for move in found:
        if move.made is not None:
            note(project, move.made, "told")


def note(project: Project, made: Deployed, how: How) -> None:
    """Take down what became of a release that is written for a place."""
    record_of(project).add(made.model_copy(update={"how": how, "at": SystemClock().now()}))


def require_appliable(project: Project, version: str | None) -> None:
    """Raise UsageError or ConflictError unless every cluster can be brought to `version`, before anything changes."""
    found = _clusters(moves(project, version))
    if not found:
        message = "--apply is for Kubernetes, and nothing was deployed there"
        raise UsageError(
            message, hint="go without --apply; `churnflow deploy --target kubernetes` writes what it needs"
        )
    for move in found:
        if move.made is None:
            message = f"{version} is not written for {move.last.place.label}"
            raise ConflictError(message, hint=f"go without --apply, then `{move.command}`")
    require_kubectl()


def apply(project: Project, version: str | None, state: str) -> list[Move]:
    """Bring every cluster to a release, wait for it, take it down, and return what was done.

    state: what is already done here, which the error says. Raises ConflictError when kubectl fails.
    """
    found = _clusters(moves(project, version))
    for move in found:
        try:
            put(project, move)
        except ChurnflowError as failure:
            message = f"{state}, and {move.last.place.label} does not have it: {failure}"
            raise ConflictError(message, hint=f"{failure.hint}: {move.command}") from failure
    return found


def put(project: Project, move: Move) -> None:
    """Bring one cluster to the release that is written for it. Raises ConflictError when kubectl fails."""
    assert move.made is not None  # noqa: S101 - asked for before; for the type checker
    run_kubectl(commands.rollout(move.made, folder_of(project, move.made)))
    # The lock is not held while a cluster works, for minutes perhaps, and another writer must not make this one fail.
    note(project, move.made, "applied")


def _clusters(found: Sequence[Move]) -> list[Move]:
    return [move for move in found if move.last.place.target == "kubernetes"]


def _move(project: Project, last: Deployed, made: Deployed | None, version: str) -> Move:
    if made is None or not _is_written(project, made):
        return Move(last, version, None, _again(last))
    folder = folder_of(project, made)
    return Move(last, version, made, commands.put(made, folder, project.serving_dir))


def _is_written(project: Project, made: Deployed) -> bool:
    folder = folder_of(project, made)
    return (folder / MANIFESTS).is_dir() or made.place.target != "kubernetes"


def _again(last: Deployed) -> str:
    """Return the command that writes what is served for a place that has no files of it."""
    place = last.place
    words = ["churnflow deploy --target", place.target, "--name", place.name]
    words += ["--namespace", place.namespace] if place.namespace else []
    words += ["--context", place.context] if place.context else []
    return " ".join(words)
