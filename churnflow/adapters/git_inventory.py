"""Every checkpoint that a repository holds, of whichever project and work tree; what can not be read is an error."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from churnflow.adapters.git_chain import Chain, Link, is_tag, link_of, split_tag
from churnflow.adapters.git_plumbing import Found, GitFailure, Plumbing
from churnflow.adapters.repository import Repository
from churnflow.domain.checkpoint import Checkpoint, file_of
from churnflow.errors import IntegrityError

RUNS = "refs/churnflow/runs/"
TAGS = "refs/tags/churnflow/"
_FORMAT = "%(refname) %(objectname) %(*objectname)"


@dataclass(frozen=True)
class Ref:
    """A ref with its object, and the commit it leads to where that is an annotated tag."""

    name: str
    oid: str
    commit: str

    @property
    def run(self) -> str | None:
        """The run whose checkpoints it names, None for a ref that is not churnflow's."""
        if self.name.startswith(RUNS):
            return self.name.removeprefix(RUNS)
        tag = self.name.removeprefix("refs/tags/")
        return split_tag(tag)[0] if is_tag(tag) else None


@dataclass(frozen=True)
class Line:
    """The checkpoints of a run, oldest first, and the project's folder in the work tree ("" at the top)."""

    run: str
    prefix: str
    links: Sequence[Link]


class Inventory:
    """Reads all refs of a repository, and every chain of checkpoints that one of them leads to."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the plumbing of any work tree of the repository."""
        self._plumbing = plumbing
        self._repository = repository

    def refs(self) -> list[Ref]:
        """Return all refs. Raises IntegrityError when one of them, or its object, can not be read."""
        common = self._repository.common_dir
        for folder in (common / RUNS, common / TAGS):
            # Git passes over a folder of refs that it may not enter, and would count what is in it as not there.
            for _ in os.walk(folder, onerror=_refuse_unreadable):
                pass
        with _readable():
            output, said = self._plumbing.run_noting("for-each-ref", f"--format={_FORMAT}")
        if said.strip():
            raise _unreadable(said.strip().splitlines()[0])
        return [_ref_of(line) for line in output.decode(errors="surrogateescape").splitlines()]

    def lines(self, refs: Sequence[Ref]) -> Iterator[Line]:
        """Yield the chain of each run among `refs`; a ref of the user's that leads to a checkpoint counts as well.

        Raises IntegrityError for a chain that is not whole, and for a tag or a run's ref that lies in none.
        """
        placed: dict[str, set[str]] = {}
        with _readable():
            for ref, tip in self._tips(refs):
                _refuse_foreign(ref, tip)
                run = split_tag(tip.tag)[0]
                if tip.commit in placed.get(run, ()):
                    continue
                if run in placed and ref.run is not None:
                    raise _stray(ref)
                links = Chain(self._plumbing, self._repository).links_to(tip)
                placed[run] = placed.get(run, set()) | {link.commit for link in links}
                yield Line(run, self._prefix(links[-1]), links)

    def checkpoints(self, line: Line) -> list[Checkpoint]:
        """Return the records of a chain, each proved by its digest and that of its parent."""
        with _readable():
            return self._chain(line.prefix).records(line.links)

    def _chain(self, prefix: str) -> Chain:
        root = self._repository.work_tree / prefix if prefix else self._repository.work_tree
        return Chain(self._plumbing, replace(self._repository, root=root))

    def _tips(self, refs: Sequence[Ref]) -> list[tuple[Ref, Link]]:
        """Return the refs that lead to a checkpoint: those of runs first, then the tags from the newest to the oldest.

        So a chain is read once, from its end, and whatever else leads into it is found in it.
        """
        found = self._read([ref.commit for ref in refs])
        tips = []
        for ref, commit in zip(refs, found, strict=True):
            if ref.run is not None:
                tips.append((ref, link_of(commit, ref.name)))
            elif commit is not None:
                link = _link_or_none(commit)
                tips += [] if link is None else [(ref, link)]
        return sorted(tips, key=lambda pair: (not pair[0].name.startswith(RUNS), pair[0].run is None, -pair[1].number))

    def _read(self, oids: Sequence[str]) -> list[Found | None]:
        kinds = self._plumbing.line("cat-file", "--batch-check", stdin="".join(f"{oid}\n" for oid in oids).encode())
        # What a user's tag may name can be a file of any size: only commits are read.
        commits = [oid for oid, line in zip(oids, kinds.splitlines(), strict=True) if " commit " in line]
        read = dict(zip(commits, self._plumbing.read(commits), strict=True))
        return [read.get(oid) for oid in oids]

    def _prefix(self, link: Link) -> str:
        """Return the folder of the project that made a checkpoint, found by where its YAML is in its commit."""
        file = file_of(*split_tag(link.tag))
        own = self._repository.prefix
        names = [f"{link.commit}:{folder}{file}" for folder in (f"{own}/" if own else "", "")]
        for folder, found in zip((own, ""), self._plumbing.read(names), strict=True):
            if found is not None:
                return folder
        listed = self._plumbing.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", link.commit)
        paths = [os.fsdecode(path) for path in listed.split(b"\0") if path.endswith(b"/" + file.encode())]
        if not paths:
            message = f"the YAML of {link.tag} is missing from its commit {link.commit[:12]}"
            raise IntegrityError(message, hint="fetch it from another clone: git fetch --all --tags")
        return min(paths, key=len).removesuffix(f"/{file}")


@contextmanager
def _readable() -> Iterator[None]:
    """Turn a failure of git, as over an object that is missing, into one of the history."""
    try:
        yield
    except GitFailure as failure:
        raise _unreadable(str(failure)) from failure


def _ref_of(line: str) -> Ref:
    name, oid, peeled = line.split(" ")
    return Ref(name, oid, peeled or oid)


def _link_or_none(commit: Found) -> Link | None:
    try:
        return link_of(commit, "")
    except IntegrityError:
        return None


def _refuse_foreign(ref: Ref, tip: Link) -> None:
    """Raise IntegrityError for a ref of churnflow's that leads to another checkpoint than its name says."""
    tag = ref.name.removeprefix("refs/tags/")
    if (is_tag(tag) and tag != tip.tag) or (ref.run is not None and ref.run != split_tag(tip.tag)[0]):
        raise _stray(ref)


def _stray(ref: Ref) -> IntegrityError:
    name = ref.name.removeprefix("refs/tags/")
    message = f"{name} was moved, or lies in no chain of checkpoints"
    return IntegrityError(message, hint="`churnflow verify` names the first link that is broken, and what mends it")


def _refuse_unreadable(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):
        return
    msg = f"{Path(error.filename)}: {error.strerror}"
    raise _unreadable(msg) from error


def _unreadable(why: str) -> IntegrityError:
    message = f"not every checkpoint of this repository can be read: {why}"
    return IntegrityError(
        message, hint="see what `git fsck` says; `churnflow verify` names what is broken of this project"
    )
