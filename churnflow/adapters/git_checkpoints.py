"""Checkpoints in git: snapshot commits, annotated tags and YAML, beside the user's own git and never in its way."""

import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from churnflow.adapters.durable import explained, make_folder, remove_leftovers, write_durably
from churnflow.adapters.git_chain import (
    Chain,
    Link,
    check_parent,
    message_of,
    ref_of,
    split_tag,
)
from churnflow.adapters.git_commit import CommitWriter, Revision
from churnflow.adapters.git_names import Names
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.git_proof import GitProof
from churnflow.adapters.git_restore import Difference, Restorer
from churnflow.adapters.git_snapshot import Snapshots
from churnflow.adapters.places import refuse_blocked
from churnflow.adapters.record_yaml import MAX_BYTES, to_yaml
from churnflow.adapters.repository import Repository
from churnflow.adapters.secret_scan import SecretScan
from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Summary, file_of, summary_of
from churnflow.engine.ports import Change
from churnflow.errors import ConflictError, IntegrityError, UsageError

_TRIES = 3
_BLOCKED = ("File exists", "Permission denied", "cannot lock ref")


class GitCheckpoints:
    """The checkpoint store of a project. Writers hold the project's lock."""

    def __init__(self, repository: Repository, packages_sha256: str) -> None:
        """Take the project and the digest of the installed packages; nothing is run or written yet."""
        self._repository = repository
        self._packages_sha256 = packages_sha256
        self._plumbing = Plumbing(repository)
        self._snapshots = Snapshots(self._plumbing, repository)
        self._scan = SecretScan(self._plumbing, repository)
        self._chain = Chain(self._plumbing, repository)
        self._writer = CommitWriter(self._plumbing, repository)
        self._restorer = Restorer(self._plumbing, repository, self._snapshots)
        self._proof = GitProof(self._plumbing, repository, self._chain)
        self._names = Names(self._plumbing, self._chain, repository)

    @property
    def identity_note(self) -> str | None:
        """What to tell the user when no git identity is configured, None when there is one."""
        name, is_users = self._writer.identity
        return None if is_users else f"no git identity is configured: checkpoints are made as {name}"

    @property
    def copies(self) -> Mapping[str, str]:
        """The files that this process was the first to leave out, and the table whose rows each holds."""
        return self._snapshots.copies

    def snapshot(self, data: Collection[str], also: Sequence[str] = ()) -> Code:
        """Write the work tree as a git tree without `data` and with `also`, ignored or not; say where HEAD stands."""
        return Code(
            tree=self._snapshots.take(data, also),
            head=self._plumbing.line_or_none("rev-parse", "-q", "--verify", "HEAD^{commit}"),
            branch=self._plumbing.line_or_none("symbolic-ref", "-q", "--short", "HEAD"),
        )

    def environment(self) -> Environment:
        """Describe the interpreter, the platform and the installed packages."""
        system = os.uname()
        return Environment(
            python=platform.python_version(),
            platform=f"{system.sysname} {system.machine}",
            packages_sha256=self._packages_sha256,
        )

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep the checkpoint: whole, or not at all; one that is kept already is a success.

        Raises ConflictError if the run has moved on, RefusedError for a record that holds a secret.
        """
        data, summary = to_yaml(checkpoint), summary_of(checkpoint)
        if len(data) > MAX_BYTES:
            message = f"the record of {checkpoint.tag} is larger than {MAX_BYTES // 1_000_000} MB"
            raise UsageError(message, hint="steps state facts and metrics in few words; put the rest into artifacts")
        self._scan.refuse_record(file_of(checkpoint.run.id, checkpoint.number, checkpoint.name), data)
        for _ in range(_TRIES):
            tip = self._chain.tip(checkpoint.run.id)
            if tip is not None and tip.summary == summary:
                break
            _refuse_stale(checkpoint, tip)
            tip = self._try_to_save(checkpoint, data, summary, tip)
            if tip is not None and self._is_connected(tip, checkpoint, data):
                break
        else:
            message = "objects of the checkpoint vanished while it was made, maybe by a `git gc` at the same time"
            raise ConflictError(message, hint="wait for `git gc` to end, then run the same command again")
        self._derive(tip)

    def runs(self) -> Sequence[str]:
        """Return the ids of the runs begun in this work tree that have a checkpoint, by date."""
        folder = self._repository.state_dir / "runs"
        begun = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [run_id for run_id in begun if self._chain.tip(run_id) is not None]

    def head(self, run_id: str) -> Checkpoint | None:
        """Return the newest checkpoint of a run. Raises IntegrityError if it does not match its digest."""
        tip = self._chain.tip(run_id)
        return None if tip is None else self._proved(tip)

    def history(self, run_id: str) -> Sequence[Checkpoint]:
        """Return the checkpoints of a run, oldest first, each proved by its digest and that of its parent.

        Raises IntegrityError also for a tag of the run that lies in no chain.
        """
        links = self._chain.links(run_id)
        self._chain.refuse_strays(run_id, links)
        return self._chain.records(links)

    def summaries(self, run_id: str) -> Sequence[Summary]:
        """Return what the commits of a run state of its checkpoints, oldest first; records are not read.

        Raises IntegrityError for a chain that is not whole, or a tag of the run that lies in no chain.
        """
        links = self._chain.links(run_id)
        self._chain.refuse_strays(run_id, links)
        return [link.summary for link in links]

    def proofs(self, run_id: str) -> Sequence[tuple[str, Callable[[], None]]]:
        """Return the checks of all that git keeps of a run, by the name of the link that each proves, in order."""
        return self._proof.checks(run_id)

    def load(self, tag: str) -> Checkpoint:
        """Return the checkpoint that a tag names. Raises UsageError (unknown) or IntegrityError."""
        return self._proved(self._chain.tagged(tag))

    def find(self, run_id: str | None, name: str) -> str | None:
        """Return the tag that a name, a tag or a short form means (newest in the run first), None if none does."""
        return self._names.find(run_id, name)

    def changes(self, checkpoint: Checkpoint) -> Sequence[Change]:
        """Return what bringing back the checkpoint's files would do to the work tree; nothing is changed."""
        start = len(self._repository.prefix) + 1 if self._repository.prefix else 0
        differences = self._differences(checkpoint)
        return [Change(difference.path[start:], difference.action) for difference in differences]

    def differing_files(self, older: Checkpoint, newer: Checkpoint) -> Sequence[str]:
        """Return the paths whose content differs between two checkpoints, their own records left out."""
        start = len(self._repository.prefix) + 1 if self._repository.prefix else 0
        return [path[start:] for path in self._restorer.differing(self._files_of(older), self._files_of(newer))]

    def hold(self, checkpoint: Checkpoint) -> None:
        """Let no secret in a file that this checkpoint has, and so git, keep a later snapshot of this process back."""
        self._snapshots.hold(self._files_of(checkpoint))

    def restore_files(self, checkpoint: Checkpoint) -> int:
        """Bring back the files of the snapshot, each whole; return how many were verified by hash.

        Raises ConflictError before anything is written when a path is blocked, IntegrityError when a file is not what
        the snapshot holds after all.
        """
        differences = self._differences(checkpoint)
        self._restorer.refuse_blocked(differences)
        return self._restorer.restore(self._files_of(checkpoint), differences)

    def _files_of(self, checkpoint: Checkpoint) -> str:
        """Return what leads git to the checkpoint's files: the stated tree, or its commit where that is not here.

        Nothing refers to that tree once another follows, so that git tidies it away, and no clone has it. Raises
        IntegrityError for a commit that holds other files than were stated.
        """
        if self._plumbing.read([checkpoint.code.tree]) != [None]:
            return checkpoint.code.tree
        link = self._chain.tagged(checkpoint.tag)
        self._proof.trees.prove([link], [checkpoint])
        return link.commit

    def _differences(self, checkpoint: Checkpoint) -> Sequence[Difference]:
        """Compare the checkpoint's files with those of now, of which a `git gc` may take the snapshot meanwhile."""
        files = self._files_of(checkpoint)
        for _ in range(_TRIES):
            now = self._snapshots.take(checkpoint.outside_git)
            try:
                return self._restorer.compare(files, now)
            except IntegrityError:
                # Nothing refers to the snapshot; what is missing of the checkpoint itself will not come back.
                if self._plumbing.read([now]) != [None]:
                    raise
                self._snapshots.forget()
        message = "objects of a snapshot vanished while it was compared, maybe by a `git gc` at the same time"
        raise ConflictError(message, hint="wait for `git gc` to end, then run the same command again")

    def record_bytes(self, checkpoint: Checkpoint) -> bytes:
        """Return the YAML of a checkpoint as git has it."""
        return self._chain.blob(self._chain.tagged(checkpoint.tag))

    def bundle(self, checkpoint: Checkpoint, path: Path) -> None:
        """Write the run's commits and tags up to a checkpoint to `path`, as a git bundle without prerequisites."""
        self._proof.bundle(checkpoint.tag, path)

    def held_in_history(self, checkpoint: Checkpoint, paths: Sequence[str]) -> Sequence[str]:
        """Return those of `paths` that some commit of the user's, up to a checkpoint, holds."""
        return self._proof.held(checkpoint.tag, paths)

    def repair(self, run_id: str) -> Sequence[str]:
        """Make again what is derived and missing (tags, YAML copies); return what was made."""
        if self._is_settled(run_id):
            return []
        tip = self._chain.tip(run_id)
        if tip is None:
            return []
        tags = self._chain.tags(run_id)
        made = []
        for link in self._chain.links(run_id):
            made += self._make_tag(link) if link.tag not in tags else []
            made += self._make_copy(link)
        self._settle(tip)
        return made

    def _settle(self, tip: Link) -> None:
        """Note that all that derives from `tip` is there; losing the note costs only a second look."""
        with suppress(OSError):
            (self._repository.state_dir / "derived").write_text(f"{tip.number} {tip.commit}")

    def _is_settled(self, run_id: str) -> bool:
        """Tell by a note and by counting names whether nothing is missing: every command asks, so no git is started."""
        try:
            # The number first: a note that a power cut has shortened names no commit then.
            number, commit = (self._repository.state_dir / "derived").read_text().split()
            tip, tags = self._refs_on_disk(run_id, int(number))
            copies = [path for path in self._copies(run_id).iterdir() if path.suffix == ".yaml"]
            return tip == commit and min(len(copies), len(tags)) >= int(number)
        except (OSError, ValueError):
            return False

    def _refs_on_disk(self, run_id: str, number: int) -> tuple[str | None, set[str]]:
        """Read where the run's ref stands and the names of its tags, packed ones only if loose ones are too few."""
        common = self._repository.common_dir
        ref, folder = ref_of(run_id), f"refs/tags/churnflow/{run_id}/"
        tip = (common / ref).read_text().strip() if (common / ref).exists() else None
        tags = {path.name for path in (common / folder).glob("*") if path.suffix != ".lock"}
        packed = common / "packed-refs"
        if (tip is None or len(tags) < number) and packed.exists():
            refs = {name: oid for oid, _, name in (line.partition(" ") for line in packed.read_text().splitlines())}
            tip = tip or refs.get(ref)
            tags |= {name.removeprefix(folder) for name in refs if name.startswith(folder)}
        return tip, tags

    def _copies(self, run_id: str) -> Path:
        return self._repository.root / "checkpoints" / run_id

    def _try_to_save(self, checkpoint: Checkpoint, data: bytes, summary: Summary, tip: Link | None) -> Link | None:
        """Make the commit and move the ref. None when the objects were taken away beneath us."""
        before = None if tip is None else tip.commit
        try:
            link = self._written(checkpoint, data, summary, before)
            self._writer.advance(checkpoint.run.id, link.commit, before, checkpoint.tag)
        except GitFailure as failure:
            self._remake(checkpoint, failure)
            return None
        return link

    def _written(self, checkpoint: Checkpoint, data: bytes, summary: Summary, before: str | None) -> Link:
        """Write the objects of the checkpoint's commit, of which those that are there already stay."""
        file = file_of(checkpoint.run.id, checkpoint.number, checkpoint.name)
        path = f"{self._repository.prefix}/{file}" if self._repository.prefix else file
        parents = tuple(dict.fromkeys(commit for commit in (before, checkpoint.code.head) if commit))
        revision = Revision(parents, message_of(summary), checkpoint.created_at)
        with self._plumbing.quarantine() as env:
            tree = self._writer.tree_with(checkpoint.code.tree, path, data, before, env)
            commit = self._writer.commit(tree, revision, env)
        return Link(commit, summary, parents)

    def _is_connected(self, link: Link, checkpoint: Checkpoint, data: bytes) -> bool:
        """Tell whether every object of the new commit is there; if not, mend it or step back."""
        known = [f"^{parent}" for parent in link.parents]
        if self._is_whole(link, known):
            return True
        # From here on the ref keeps what is written from being taken again.
        try:
            self._remake(checkpoint, GitFailure("rev-list", 1, "objects are missing"))
        except ConflictError:
            self._step_back(link)
            raise
        with suppress(GitFailure):
            self._written(checkpoint, data, link.summary, link.parents[0] if link.number > 1 else None)
        if self._is_whole(link, known):
            return True
        self._step_back(link)
        return False

    def _is_whole(self, link: Link, known: list[str]) -> bool:
        try:
            self._plumbing.run("rev-list", "--objects", "--quiet", link.commit, *known)
        except GitFailure:
            return False
        return True

    def _step_back(self, link: Link) -> None:
        run_id, number, _ = split_tag(link.tag)
        ref = ref_of(run_id)
        if number > 1:
            self._plumbing.run("update-ref", ref, link.parents[0], link.commit)
            # Forward and back: `git fsck` complains of a reflog that names a commit whose objects are gone.
            for _ in range(2):
                self._plumbing.run("reflog", "delete", "--rewrite", f"{ref}@{{0}}")
        else:
            self._plumbing.run("update-ref", "-d", ref, link.commit)

    def _remake(self, checkpoint: Checkpoint, failure: GitFailure) -> None:
        """Write the snapshot's objects again. Raises ConflictError when the work tree is another one by now."""
        if failure.is_disk_full:
            message = "no space left on the disk of the repository"
            raise ConflictError(message, hint="free some space, then run the same command again") from failure
        if any(sign in failure.stderr for sign in _BLOCKED):
            message = f"the checkpoint {checkpoint.tag} could not be kept: {failure}"
            raise ConflictError(message, hint="see `git for-each-ref refs/churnflow`, then try again") from failure
        self._snapshots.forget()
        if self._snapshots.take(checkpoint.outside_git) != checkpoint.code.tree:
            message = f"the work tree changed while {checkpoint.tag} was made"
            raise ConflictError(message, hint="run the same command again") from failure

    def _proved(self, link: Link) -> Checkpoint:
        checkpoint = self._chain.record(link)
        check_parent(checkpoint, self._chain.parent(link))
        copy = self._repository.root / file_of(*split_tag(link.tag))
        # Line ends may be git's own doing, when the copy was committed and checked out.
        told = copy.read_bytes().replace(b"\r\n", b"\n") if copy.is_file() else None
        # What another version of churnflow wrote may say the same in other signs.
        if told is not None and told != to_yaml(checkpoint) and told != self._chain.blob(link):
            name = copy.relative_to(self._repository.root)
            message = f"{name} was edited by hand: it is not what {link.tag} holds"
            raise IntegrityError(message, hint=f"rm {name}; the next churnflow command writes the true one")
        return checkpoint

    def _derive(self, link: Link) -> None:
        (found,) = self._plumbing.read([f"refs/tags/{link.tag}^{{commit}}"])
        if found is None:
            self._make_tag(link)
        elif found.oid != link.commit:
            message = f"the tag {link.tag} was moved: it no longer names {link.commit[:12]}"
            raise IntegrityError(message, hint=f"git tag -d {link.tag}; the next churnflow command makes it again")
        self._make_copy(link)
        self._settle(link)

    def _make_tag(self, link: Link) -> list[str]:
        (found,) = self._plumbing.read([link.commit])
        if found is None:
            return []
        head, _, message = found.content.decode().partition("\n\n")
        tagger = next(line for line in head.splitlines() if line.startswith("committer "))
        text = f"object {link.commit}\ntype commit\ntag {link.tag}\ntagger {tagger[10:]}\n\n{message}"
        try:
            with self._plumbing.quarantine() as env:
                oid = self._plumbing.answer("mktag", stdin=text.encode(), env=env)
            self._writer.create_ref(f"refs/tags/{link.tag}", oid)
            if self._plumbing.read([oid]) == [None]:
                # A `git gc` took the object before the ref could hold it.
                with self._plumbing.quarantine() as env:
                    self._plumbing.run("mktag", stdin=text.encode(), env=env)
        except GitFailure as failure:
            message = f"the checkpoint is kept, but its tag could not be made: {failure}"
            hint = f"make room for the tag {link.tag}, then run churnflow status"
            raise ConflictError(message, hint=hint) from failure
        return [link.tag]

    def _make_copy(self, link: Link) -> list[str]:
        name = file_of(*split_tag(link.tag))
        path = self._repository.root / name
        if path.is_file():
            return []
        data = self._chain.blob(link)
        refuse_blocked(self._repository.root, name)
        with explained(path):
            make_folder(path.parent)
            remove_leftovers(path.parent)
        # A file that is neither tracked nor ignored would keep `git checkout TAG` from showing that moment.
        ignore = self._repository.root / "checkpoints/.gitignore"
        if not ignore.exists():
            remove_leftovers(ignore.parent)
            write_durably(ignore, b"*\n")
        write_durably(path, data)
        return [name]


def _refuse_stale(checkpoint: Checkpoint, tip: Link | None) -> None:
    expected = None if checkpoint.parent is None else (checkpoint.parent.tag, checkpoint.parent.sha256)
    found = None if tip is None else (tip.tag, tip.sha256)
    number = 1 if tip is None else tip.number + 1
    if expected != found or checkpoint.number != number:
        place = "its beginning" if tip is None else tip.tag
        message = f"the run {checkpoint.run.id} stands at {place}; {checkpoint.tag} does not follow it"
        raise ConflictError(message, hint="churnflow status shows where the run stands now")
