"""What the run behind a release has made, read from the store as it is asked for."""

from collections.abc import Iterator, Mapping

from churnflow.domain.evidence import Artifact
from churnflow.domain.release import Release
from churnflow.engine.ports import ArtifactStore, Ports
from churnflow.errors import IntegrityError, UsageError


def artifacts_of(release: Release, ports: Ports) -> Mapping[str, object]:
    """Return the artifacts of the checkpoint that shipped `release`, by name, those whose bytes are kept here.

    Empty where there is no such checkpoint or it does not prove whole; `churnflow verify` names what is broken.
    """
    try:
        run = ports.checkpoints.load(release.checkpoint).run
    except (UsageError, IntegrityError):
        return {}
    return _Stored({name: one for name, one in run.artifacts().items() if ports.store.has(one)}, ports.store)


class _Stored(Mapping[str, object]):
    """Values by name that are read from the store, and hashed, at every look."""

    def __init__(self, artifacts: Mapping[str, Artifact], store: ArtifactStore) -> None:
        self._artifacts = artifacts
        self._store = store

    def __getitem__(self, name: str) -> object:
        return self._store.get(self._artifacts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifacts)

    def __len__(self) -> int:
        return len(self._artifacts)
