"""Whether a checkpoint released what it states: decided by the gate directly before it, and made by its own run."""

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Approval, Decision, Mark
from churnflow.domain.release import Release
from churnflow.engine.approvals import gate_before
from churnflow.engine.ports import Ports
from churnflow.errors import IntegrityError, UsageError


def has_shipped(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint follows a gate that said ship; a rescue follows none."""
    run = checkpoint.run
    last = run.entries[-1] if run.entries else None
    gate = gate_before(run, last.name) if isinstance(last, Mark) else None
    decision = run.latest(gate.name) if gate else None
    return isinstance(decision, Decision) and decision.verdict == "ship"


def is_released(release: Release, checkpoint: Checkpoint) -> bool:
    """Tell whether a release follows from the run of a checkpoint: shipped, made by it, and approved as it states."""
    run = checkpoint.run
    approvals = [entry for entry in run.current() if isinstance(entry, Approval)]
    approved = digest(approvals[-1]) if approvals else None
    made = {artifact.sha256 for artifact in checkpoint.artifacts if artifact.codec == "release"}
    return (
        has_shipped(checkpoint)
        and release.run == run.id
        and release.artifact.sha256 in made
        and release.approval_sha256 == approved
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
