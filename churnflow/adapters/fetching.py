"""Pull: records are proved before a ref names them, bytes before the store has them."""

from collections.abc import Iterable, Sequence

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.durable import explained, make_folder
from churnflow.adapters.git_commit import CommitWriter
from churnflow.adapters.git_inventory import RUNS, Inventory, Line, Ref
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.git_remote import GitRemote
from churnflow.adapters.remote_store import RemoteStore, Report, transfer
from churnflow.adapters.repository import Repository
from churnflow.adapters.sharing import Shared, artifacts_of, lacking, refs_by_run, reviewers_of
from churnflow.domain.evidence import Artifact
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError


class Pull:
    """Fetches every checkpoint of a remote; its user holds the project's lock."""

    def __init__(self, repository: Repository, store: ArtifactFiles) -> None:
        """Take the repository and its store; nothing is reached yet."""
        self._repository = repository
        self._plumbing = Plumbing(repository)
        self._inventory = Inventory(self._plumbing, repository)
        self._writer = CommitWriter(self._plumbing, repository)
        self._store = store
        self._shared = Shared()

    def fetch(self, git: GitRemote, remote: RemoteStore, report: Report) -> Shared:
        """Fetch the records that are new, then the bytes that are not whole here.

        A run is left out, and named, when its chain does not prove whole, when one of its tags was moved on either
        side, or when there are other checkpoints of it here. Raises ConflictError when a remote can not be reached.
        """
        here = self._inventory.refs()
        there = git.refs()
        # Only what a ref leads to is whole: of objects that lie here, a kill may have kept others away.
        held = {oid for ref in here for oid in (ref.oid, ref.commit)}
        git.fetch([ref for ref in there if ref.oid not in held])
        wanted: list[Artifact] = []
        for refs in refs_by_run(there).values():
            try:
                wanted += self._taken(refs, here)
            except ChurnflowError as failure:
                self._shared.refused.append(failure)
        self._take_reviewers(here, there)
        return self.fetch_bytes(wanted, remote, report)

    def fetch_bytes(self, artifacts: Iterable[Artifact], remote: RemoteStore, report: Report) -> Shared:
        """Fetch the bytes that are missing here or not whole; bytes that do not match their digest are refused."""
        distinct = {one.sha256: one for one in artifacts}.values()
        missing = [one for one in distinct if not self._is_whole(one)]

        def take(artifact: Artifact) -> None:
            self._store.receive(artifact, remote.chunks(artifact), remote.place(artifact))

        self._shared.refused += transfer(missing, take, report)
        taken = [one for one in missing if self._store.has(one)]
        self._shared.objects = len(taken)
        self._shared.size_bytes = sum(one.size_bytes for one in taken)
        return self._shared

    def _taken(self, refs: Sequence[Ref], here: Sequence[Ref]) -> list[Artifact]:
        """Take over the records of one run, once they are proved; return the artifacts that they name."""
        own = {ref.name: ref for ref in here}
        (line,) = self._inventory.lines(refs)
        checkpoints = self._inventory.checkpoints(line)
        lacked = self._lacked(line, refs, refs_by_run(here).get(line.run, []))
        self._move_refs(line, lacked, own)
        self._shared.records += len(lacked)
        if line.prefix == self._repository.prefix:
            # So its checkpoints are found by name here, and verified with the others.
            with explained(self._repository.state_dir):
                make_folder(self._repository.state_dir / "runs" / line.run)
        self._shared.runs.append(line.run)
        self._shared.checkpoints += len(line.links)
        return artifacts_of(checkpoints)

    def _lacked(self, line: Line, theirs: Sequence[Ref], ours: Sequence[Ref]) -> list[Ref]:
        """Return the refs of a run that are to be moved here; none where ours has all of theirs and more."""
        try:
            return lacking(line, {ref.name: ref for ref in theirs}, ours)
        except ConflictError:
            for own in self._inventory.lines(ours):
                lacking(own, {ref.name: ref for ref in ours}, theirs)
            return []

    def _move_refs(self, line: Line, lacked: Sequence[Ref], own: dict[str, Ref]) -> None:
        # The run's ref first: tags that a kill keeps away are made again from it, one before it would lie in no chain.
        for ref in lacked:
            if ref.name.startswith(RUNS):
                before = own.get(ref.name)
                self._writer.advance(line.run, ref.oid, before.oid if before else None, line.links[-1].tag)
            else:
                self._writer.create_ref(ref.name, ref.oid)

    def _take_reviewers(self, here: Sequence[Ref], there: Sequence[Ref]) -> None:
        """Take the list of reviewers where there is none; another one than ours is for people to compare."""
        own, theirs = reviewers_of(here), reviewers_of(there)
        if theirs is None or (own is not None and own.oid == theirs.oid):
            return
        if own is None:
            self._writer.create_ref(theirs.name, theirs.oid)
            self._shared.records += 1
            self._shared.notes.append(f"took the list of reviewers {theirs.oid[:12]}: compare it with whoever keeps it")
        else:
            self._shared.notes.append(f"the remote has another list of reviewers ({theirs.oid[:12]}); yours stays")

    def _is_whole(self, artifact: Artifact) -> bool:
        try:
            self._store.verify(artifact)
        except IntegrityError:
            return False
        return True
