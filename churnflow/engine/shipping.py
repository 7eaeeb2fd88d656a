"""Whether a checkpoint released what it states: decided by the gate directly before it, and made by its own run."""

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Decision, Mark, Run
from churnflow.domain.release import Release
from churnflow.domain.workflow import Gate
from churnflow.engine.approvals import gate_before
from churnflow.engine.ports import Ports
from churnflow.errors import IntegrityError, UsageError


def shipping_gate(run: Run, name: str) -> Gate | None:
    """Return the gate directly before the item called `name`, if it said ship; None otherwise."""
    gate = gate_before(run, name)
    decision = run.latest(gate.name) if gate else None
    return gate if isinstance(decision, Decision) and decision.verdict == "ship" else None


def last_approval_sha256(run: Run) -> str | None:
    """Return the digest of the last approval of a run, as a release states it; None where nobody was asked."""
    approvals = run.approvals()
    return digest(approvals[-1]) if approvals else None


def has_shipped(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint follows a gate that said ship; a rescue follows none."""
    run = checkpoint.run
    last = run.entries[-1] if run.entries else None
    return isinstance(last, Mark) and shipping_gate(run, last.name) is not None


def is_released(release: Release, checkpoint: Checkpoint) -> bool:
    """Tell whether a release follows from the run of a checkpoint: shipped, made by it, and approved as it states."""
    run = checkpoint.run
    made = {artifact.sha256 for artifact in checkpoint.artifacts if artifact.codec == "release"}
    return (
        has_shipped(checkpoint)
        and release.run == run.id
        and release.artifact.sha256 in made
        and release.approval_sha256 == last_approval_sha256(run)
    )


def maker_of(release: Release, ports: Ports) -> Checkpoint | None:
    """Return the checkpoint that made a release, None where the one that it names is not here, or made another."""
    try:
        made = ports.checkpoints.load(release.checkpoint)
    except UsageError:
        return None
    return made if made.release == release and is_released(release, made) else None


def proved_maker_of(release: Release, ports: Ports) -> Checkpoint:
    """Return the checkpoint that made a release. Raises IntegrityError where none did that is here."""
    made = maker_of(release, ports)
    if made is None:
        message = f"{release.version} is not what {release.checkpoint} released, as far as is known here"
        raise IntegrityError(message, hint="`churnflow pull` brings what is elsewhere; `churnflow log` lists the rest")
    return made
