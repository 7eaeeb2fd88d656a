"""What differs between two checkpoints: data, parameters, metrics, environment and confidence."""

from churnflow.domain.base import Frozen
from churnflow.domain.checkpoint import Checkpoint


class Difference(Frozen):
    """One thing that differs, as it is in the older and in the newer checkpoint."""

    section: str
    name: str
    older: str
    newer: str


def compare(older: Checkpoint, newer: Checkpoint) -> tuple[Difference, ...]:
    """Return what differs, section by section; files are compared by the checkpoint store."""
    sections = (
        ("confidence", _confidence),
        ("data", _data),
        ("parameter", _parameters),
        ("metric", _metrics),
        ("artifact", _artifacts),
        ("environment", _environment),
        ("release", _release),
    )
    found: list[Difference] = []
    for section, view in sections:
        before, after = view(older), view(newer)
        for name in [*before, *(name for name in after if name not in before)]:
            old, new = before.get(name, "-"), after.get(name, "-")
            if old != new:
                found.append(Difference(section=section, name=name, older=old, newer=new))
    return tuple(found)


def _confidence(checkpoint: Checkpoint) -> dict[str, str]:
    scores = {record.name: str(record.confidence.score) for record in checkpoint.run.steps()}
    overall = {"overall": str(checkpoint.confidence.score)} if checkpoint.confidence else {}
    return {**overall, **scores}


def _data(checkpoint: Checkpoint) -> dict[str, str]:
    return {path: artifact.sha256[:12] for path, artifact in checkpoint.data.items()}


def _parameters(checkpoint: Checkpoint) -> dict[str, str]:
    return {
        f"{record.name}.{name}": str(value)
        for record in checkpoint.run.steps()
        for name, value in record.params.items()
    }


def _metrics(checkpoint: Checkpoint) -> dict[str, str]:
    return {
        f"{record.name}.{name}": f"{measure.value:.6g}"
        for record in checkpoint.run.steps()
        for name, measure in record.metrics.items()
    }


def _artifacts(checkpoint: Checkpoint) -> dict[str, str]:
    return {artifact.name: artifact.sha256[:12] for artifact in checkpoint.artifacts}


def _environment(checkpoint: Checkpoint) -> dict[str, str]:
    here = checkpoint.environment
    return {"python": here.python, "platform": here.platform, "packages": here.packages_sha256[:12]}


def _release(checkpoint: Checkpoint) -> dict[str, str]:
    return {"served": checkpoint.release.version} if checkpoint.release else {}
