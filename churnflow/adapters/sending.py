"""Push: bytes first, then the list of reviewers, then the records: none at a remote names what was not sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.git_inventory import Inventory, Line, Ref
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.git_remote import GitRemote
from churnflow.adapters.remote_store import RemoteStore, Report, transfer
from churnflow.adapters.repository import Repository
from churnflow.adapters.sharing import Shared, artifacts_of, lacking, leads_to, reviewers_of
from churnflow.domain.evidence import Artifact
from churnflow.domain.reviewers import ReviewerList
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import refuse_unknown, trusted
from churnflow.errors import ChurnflowError, ConflictError


@dataclass(frozen=True)
class Parcel:
    """A run to be sent: its checkpoints, the artifacts that they need, and the refs that the remote lacks."""

    line: Line
    artifacts: Sequence[Artifact]
    refs: Sequence[Ref]

    def is_at(self, sizes: Mapping[str, int]) -> bool:
        """Tell whether all of its bytes are among those of the remote."""
        return all(sizes.get(one.sha256) == one.size_bytes for one in self.artifacts)


class Push:
    """Sends every checkpoint of a repository, of all its projects and work trees."""

    def __init__(self, repository: Repository, store: ArtifactFiles, ports: Ports) -> None:
        """Take the repository, its store, and what proves its list of reviewers; nothing is reached yet."""
        self._ports = ports
        self._plumbing = Plumbing(repository)
        self._inventory = Inventory(self._plumbing, repository)
        self._store = store
        self._shared = Shared()

    def send(self, git: GitRemote, remote: RemoteStore, report: Report) -> Shared:
        """Send what the remote lacks; what is there by name and size is not sent again.

        A run is left out, and named, when the remote has other checkpoints of it, when one of its tags was moved there,
        when bytes of it are neither here nor there, or when it was approved under a list of reviewers that is not here.
        Raises IntegrityError when a ref, a record or the list of reviewers here is broken, ConflictError when a remote
        can not be reached, or has a list of reviewers that the one here does not go on from: then nothing is sent.
        """
        refs = self._inventory.refs()
        there = git.refs()
        lists = trusted(self._ports)
        listed = self._reviewers(refs, there)
        parcels = list(self._parcels(refs, there, lists))
        sizes = remote.sizes()
        self._send_bytes([one for parcel in parcels for one in parcel.artifacts], sizes, remote, report)
        sent = [parcel for parcel in parcels if parcel.is_at(sizes)]
        records = [ref for parcel in sent for ref in parcel.refs]
        # In a push of its own: of several refs in one, git moves those that it can, and a kill leaves some of them.
        git.send(listed)
        git.send(records)
        remote.remove_abandoned()
        self._shared.runs = [parcel.line.run for parcel in sent]
        self._shared.checkpoints = sum(len(parcel.line.links) for parcel in sent)
        self._shared.records = len(listed) + len(records)
        return self._shared

    def _parcels(self, refs: Sequence[Ref], there: Sequence[Ref], lists: Sequence[ReviewerList]) -> Iterator[Parcel]:
        own = {ref.name: ref for ref in refs}
        for line in self._inventory.lines([ref for ref in refs if ref.run is not None]):
            checkpoints = self._inventory.checkpoints(line)
            try:
                lacked = lacking(line, own, there)
                if lacked:
                    refuse_unknown(checkpoints, lists)
                yield Parcel(line, artifacts_of(checkpoints), lacked)
            except ChurnflowError as failure:
                self._shared.refused.append(failure)

    def _send_bytes(
        self, artifacts: Sequence[Artifact], sizes: dict[str, int], remote: RemoteStore, report: Report
    ) -> None:
        distinct = {one.sha256: one for one in artifacts}.values()
        missing = [one for one in distinct if sizes.get(one.sha256) != one.size_bytes]

        def send(artifact: Artifact) -> None:
            self._store.verify(artifact)
            remote.send(artifact, self._store.path(artifact))
            sizes[artifact.sha256] = artifact.size_bytes

        self._shared.refused += transfer(missing, send, report)
        sent = [one for one in missing if sizes.get(one.sha256) == one.size_bytes]
        self._shared.objects = len(sent)
        self._shared.size_bytes = sum(one.size_bytes for one in sent)

    def _reviewers(self, refs: Sequence[Ref], there: Sequence[Ref]) -> list[Ref]:
        """Return the ref of the list of reviewers where the remote lacks it. Raises ConflictError if it has another."""
        own, theirs = reviewers_of(refs), reviewers_of(there)
        if theirs is None:
            return [own] if own else []
        if own is None or not leads_to(theirs.oid, own.oid, self._plumbing):
            message = f"the list of reviewers at the remote ({theirs.oid[:12]}) does not lead up to the one here"
            hint = "`churnflow pull` takes it where it is only newer, and says what to do where both were changed"
            raise ConflictError(message, hint=hint)
        return [own] if own.oid != theirs.oid else []
