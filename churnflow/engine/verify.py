"""Every digest and link of a history, followed; the first broken one ends it with an error that names it."""

from collections.abc import Sequence
from dataclasses import dataclass

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Decision
from churnflow.domain.release import Release
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import trusted
from churnflow.engine.verify_approvals import prove_approvals
from churnflow.errors import IntegrityError, UsageError


@dataclass(frozen=True)
class Verified:
    """What was found whole."""

    checkpoints: int
    artifacts: int
    served: str | None


def verify(run_id: str, ports: Ports) -> Verified:
    """Follow tag, commit, digest, parent link, artifacts and release. Raises IntegrityError at the first broken one."""
    return _verified([_run(run_id, ports)], ports)


def verify_all(ports: Ports) -> Verified:
    """Follow the same for every run of the project, the oldest first."""
    return _verified([_run(run_id, ports) for run_id in ports.checkpoints.runs()], ports)


def verify_one(tag: str, ports: Ports) -> Verified:
    """Follow the same for one checkpoint, with its place in the chain but not those before it."""
    return _verified([_hashed([ports.checkpoints.load(tag)], ports)], ports)


def _run(run_id: str, ports: Ports) -> tuple[int, int]:
    history = ports.checkpoints.history(run_id)
    _links(history)
    return _hashed(history, ports)


def _hashed(checkpoints: Sequence[Checkpoint], ports: Ports) -> tuple[int, int]:
    """Return how many checkpoints and how many artifacts of theirs were found whole."""
    seen: set[str] = set()
    lists = trusted(ports)
    for checkpoint in checkpoints:
        # Loading by tag also finds a moved or deleted tag, and a copy in the work tree that was edited by hand.
        ports.checkpoints.load(checkpoint.tag)
        released = [checkpoint.release.artifact] if checkpoint.release else []
        for artifact in [*checkpoint.artifacts, *checkpoint.data.values(), *released]:
            if artifact.sha256 not in seen:
                ports.store.verify(artifact)
                seen.add(artifact.sha256)
        prove_approvals(checkpoint, lists, ports)
    return len(checkpoints), len(seen)


def _verified(found: Sequence[tuple[int, int]], ports: Ports) -> Verified:
    served = verify_served(ports)
    checkpoints, artifacts = (sum(one[place] for one in found) for place in (0, 1))
    return Verified(checkpoints, artifacts, served.version if served else None)


def verify_served(ports: Ports) -> Release | None:
    """Return what is served, None if nothing is. Raises IntegrityError unless a checkpoint after a gate released it."""
    served = ports.pointer.read()
    if served is None:
        return None
    ports.store.verify(served.artifact)
    try:
        made = ports.checkpoints.load(served.checkpoint)
    except UsageError:
        made = None
    shipped = made is not None and any(
        isinstance(entry, Decision) and entry.verdict == "ship" for entry in made.run.current()
    )
    if made is None or made.release != served or not shipped:
        message = f"what is served ({served.version}) is not what {served.checkpoint} released"
        raise IntegrityError(
            message, hint="`churnflow log` lists what was released; `churnflow rollback REF` serves it"
        )
    prove_approvals(made, trusted(ports), ports)
    return served


def _links(history: Sequence[Checkpoint]) -> None:
    previous: Checkpoint | None = None
    for checkpoint in history:
        expected = digest(previous) if previous else None
        found = checkpoint.parent.sha256 if checkpoint.parent else None
        if found != expected:
            message = f"{checkpoint.tag} does not follow on {previous.tag if previous else 'nothing'}"
            raise IntegrityError(message, hint="restore the tags from a clone: `git fetch --tags`")
        previous = checkpoint
