"""Pull: the list of reviewers and records are proved before a ref names them, bytes before the store has them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.durable import explained, make_folder
from churnflow.adapters.git_commit import CommitWriter
from churnflow.adapters.git_inventory import RUNS, Inventory, Line, Ref
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.git_remote import GitRemote
from churnflow.adapters.git_reviewers import GitReviewers
from churnflow.adapters.remote_store import RemoteStore, Report, transfer
from churnflow.adapters.repository import Repository
from churnflow.adapters.sharing import Shared, artifacts_of, lacking, refs_by_run, reviewers_of
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.reviewers import ReviewerList
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import newer, pin, trusted
from churnflow.engine.verify_approvals import prove_approvals
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError


@dataclass(frozen=True)
class Offered:
    """A run of the remote: its refs there, and its checkpoints, each proved by its digest."""

    refs: Sequence[Ref]
    line: Line
    checkpoints: Sequence[Checkpoint]


class Pull:
    """Fetches every checkpoint of a remote; its user holds the project's lock."""

    def __init__(self, repository: Repository, store: ArtifactFiles, ports: Ports) -> None:
        """Take the repository, its store, and what proves approvals; nothing is reached yet."""
        self._ports = ports
        self._repository = repository
        self._plumbing = Plumbing(repository)
        self._inventory = Inventory(self._plumbing, repository)
        self._writer = CommitWriter(self._plumbing, repository)
        self._store = store
        self._shared = Shared()

    def fetch(self, git: GitRemote, remote: RemoteStore, report: Report) -> Shared:
        """Fetch the list of reviewers and the records that are new, then the bytes that are not whole here.

        A run is left out, and named, when its chain or a signature in it does not prove whole, when one of its tags was
        moved on either side, or when there are other checkpoints of it here. Raises ConflictError when a remote can not
        be reached, IntegrityError for a list of reviewers that does not follow on the one that was seen here: then no
        ref has moved.
        """
        here = self._inventory.refs()
        there = git.refs()
        # Only what a ref leads to is whole: of objects that lie here, a kill may have kept others away.
        held = {oid for ref in here for oid in (ref.oid, ref.commit)}
        git.fetch([ref for ref in there if ref.oid not in held])
        wanted: list[Artifact] = []
        offered = list(self._offered(there))
        lists = self._take_reviewers(here, there, offered)
        # The commits themselves say which is older, since no tag of ours names them yet.
        tagged = {link.tag: link.commit for one in offered for link in one.line.links}
        ports = replace(self._ports, reviewers=GitReviewers(self._repository, tagged=tagged))
        for one in offered:
            try:
                wanted += self._taken(one, here, lists, ports)
            except ChurnflowError as failure:
                self._shared.refused.append(failure)
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

    def _offered(self, there: Sequence[Ref]) -> Iterator[Offered]:
        for refs in refs_by_run(there).values():
            try:
                (line,) = self._inventory.lines(refs)
                yield Offered(refs, line, self._inventory.checkpoints(line))
            except ChurnflowError as failure:
                self._shared.refused.append(failure)

    def _taken(
        self, offered: Offered, here: Sequence[Ref], lists: Sequence[ReviewerList], ports: Ports
    ) -> list[Artifact]:
        """Take over the records of one run, once their signatures prove; return the artifacts that they name."""
        own = {ref.name: ref for ref in here}
        line = offered.line
        lacked = self._lacked(line, offered.refs, refs_by_run(here).get(line.run, []))
        for checkpoint in offered.checkpoints if lacked else ():
            prove_approvals(checkpoint, lists, ports)
        self._move_refs(line, lacked, own)
        self._shared.records += len(lacked)
        if line.prefix == self._repository.prefix:
            # So its checkpoints are found by name here, and verified with the others.
            with explained(self._repository.state_dir):
                make_folder(self._repository.state_dir / "runs" / line.run)
        self._shared.runs.append(line.run)
        self._shared.checkpoints += len(line.links)
        return artifacts_of(offered.checkpoints)

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

    def _take_reviewers(
        self, here: Sequence[Ref], there: Sequence[Ref], offered: Sequence[Offered]
    ) -> Sequence[ReviewerList]:
        """Take over the remote's list of reviewers where it is newer than ours; return the one to go by from now on."""
        own, theirs = reviewers_of(here), reviewers_of(there)
        if theirs is None:
            return trusted(self._ports)
        reviewers, seen = self._ports.reviewers, self._ports.reviewers.pinned()
        known = len(reviewers.history())
        fetched = (checkpoint for one in offered for checkpoint in one.checkpoints)
        lists = newer(GitReviewers(self._repository, theirs.oid), fetched, self._ports)
        if len(lists) > known:
            self._writer.move(theirs.name, theirs.oid, own.oid if own else None, f"reviewers: version {len(lists)}")
            self._shared.records += 1
            self._shared.notes.append(f"the list of reviewers is now version {len(lists)}: {lists[-1].sha256}")
        pin(lists, self._ports)
        if seen is None:
            first = f"the first list of reviewers, {lists[0].sha256}, is trusted from now on"
            self._shared.notes.append(f"{first}: compare it with what `churnflow reviewers` says to a colleague")
        return lists

    def _is_whole(self, artifact: Artifact) -> bool:
        try:
            self._store.verify(artifact)
        except IntegrityError:
            return False
        return True
