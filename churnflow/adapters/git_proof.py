"""What git keeps of a run, proved link by link: nothing hidden, every tag in place, every object hashed again."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from churnflow.adapters.git_chain import Chain, Link, ref_of, split_tag
from churnflow.adapters.git_plumbing import Plumbing, hash_named
from churnflow.adapters.git_stated_tree import StatedTrees
from churnflow.adapters.repository import Repository
from churnflow.domain.checkpoint import file_of
from churnflow.errors import IntegrityError

# Git ends each of these with the hash of all that stands before it (gitformat-pack(5), gitformat-commit-graph(5)).
_SUMMED: Final = ("pack/*.pack", "pack/*.idx", "pack/*.rev", "pack/*.bitmap", "pack/multi-pack-index")
_GRAPHS: Final = ("info/commit-graph", "info/commit-graphs/*.graph")
_CLONE: Final = "fetch the true one from another clone: git fetch --all --tags"


class GitProof:
    """The checks of one run, each raising IntegrityError that says what is wrong and what mends it.

    They go beyond what every command proves: git itself believes replacements, grafts and shallow boundaries, and reads
    an object without hashing it.
    """

    def __init__(self, plumbing: Plumbing, repository: Repository, chain: Chain) -> None:
        """Take the repository's plumbing and the chains in it."""
        self._plumbing = plumbing
        self._repository = repository
        self._chain = chain
        self.trees = StatedTrees(plumbing, repository)

    def checks(self, run_id: str) -> Sequence[tuple[str, Callable[[], None]]]:
        """Return the checks by the name of their link, in the order in which they build on each other."""
        return (
            ("history", lambda: self._history(run_id)),
            ("commit", lambda: self._commits(run_id)),
            ("tag", lambda: self._tags(run_id)),
            ("record", lambda: self._records(run_id)),
            ("snapshot", lambda: self._snapshots(run_id)),
            ("copy", lambda: self._copies(run_id)),
        )

    def _history(self, run_id: str) -> None:
        """Refuse what makes git show another history than the one that was kept."""
        commits = set(self._ours(run_id))
        replaced = self._plumbing.line("for-each-ref", "--format=%(refname:lstrip=2)", "refs/replace/").splitlines()
        for oid in replaced:
            if oid in commits or self._is_held(oid, commits):
                message = f"git replace shows another object in the place of {oid[:12]}, which the run {run_id} holds"
                raise IntegrityError(message, hint=f"git replace -d {oid}")
        common = self._repository.common_dir
        for oid in _first_words(common / "info/grafts"):
            if oid in commits:
                message = f"a graft gives the commit {oid[:12]} of the run {run_id} other parents"
                raise IntegrityError(message, hint=f"remove its line from {common / 'info/grafts'}")
        for oid in _first_words(common / "shallow"):
            if oid in commits:
                message = f"a shallow boundary at {oid[:12]} hides the checkpoints of the run {run_id} before it"
                raise IntegrityError(message, hint="git fetch --unshallow")

    def _ours(self, run_id: str) -> list[str]:
        """Return the commits and tag objects that refs of the run lead to, whatever else is wrong with them."""
        tip = self._chain.tip(run_id)
        if tip is None:
            return []
        where = f"refs/tags/churnflow/{run_id}/"
        listed = self._plumbing.line("for-each-ref", "--format=%(objectname) %(*objectname)", where).split()
        return [
            *self._plumbing.line("rev-list", "--first-parent", f"--max-count={tip.number}", tip.commit).split(),
            *listed,
        ]

    def _is_held(self, oid: str, commits: set[str]) -> bool:
        """Tell whether a snapshot of the run holds the object."""
        roots = [found.oid for found in self._plumbing.read(sorted(commits)) if found and found.kind == "commit"]
        listed = self._plumbing.line("rev-list", "--objects", "--no-object-names", "--no-walk", *roots)
        return oid in listed.splitlines()

    def _commits(self, run_id: str) -> None:
        ref = ref_of(run_id)
        named = self._plumbing.line_or_none("rev-parse", "-q", "--verify", ref)
        tip = self._chain.tip(run_id)
        if named is None and tip is None:
            return
        self._refuse_altered_files(len(self._plumbing.line("hash-object", "--stdin")))
        if tip is None:
            message = f"the ref {ref} leads to an object that is missing"
            raise IntegrityError(message, hint=_CLONE)
        if named is None:
            message = f"the ref {ref} is gone; only tags are left of the run {run_id}"
            hint = f"`churnflow pull` fetches it; where no remote has it: git update-ref {ref} {tip.tag}^{{commit}}"
            raise IntegrityError(message, hint=hint)
        self._chain.links(run_id)

    def _refuse_altered_files(self, digits: int) -> None:
        objects = self._repository.common_dir / "objects"
        for path in sorted(path for pattern in (*_SUMMED, *_GRAPHS) for path in objects.glob(pattern)):
            if not _ends_with_its_hash(path, digits):
                message = f"git's file {path.relative_to(self._repository.common_dir)} was altered"
                raise IntegrityError(message, hint=f"git fsck names what is lost; {_CLONE}")

    def _tags(self, run_id: str) -> None:
        links = self._chain.links(run_id)
        self._chain.refuse_strays(run_id, links)
        names = set(self._chain.tags(run_id))
        for link in links:
            if link.tag not in names:
                message = f"the tag {link.tag} is gone"
                raise IntegrityError(
                    message, hint="the next command that writes, such as `churnflow run`, makes it again where it was"
                )
            self._chain.tagged(link.tag)

    def _records(self, run_id: str) -> None:
        self._chain.records(self._chain.links(run_id))

    def _snapshots(self, run_id: str) -> None:
        """Hash every tree and blob that a snapshot holds, and the commit that HEAD stood at."""
        links = self._chain.links(run_id)
        if not links:
            return
        records = self._chain.records(links)
        heads = {record.code.head for record in records} - {None}
        listed = self._plumbing.line("rev-list", "--objects", "--no-walk", *(link.commit for link in links))
        names = dict(line.partition(" ")[::2] for line in listed.splitlines())
        wanted = [*names, *sorted(str(head) for head in heads)]
        for oid, found in zip(wanted, self._plumbing.hashes(wanted), strict=True):
            if found != oid:
                what = "missing" if found is None else "altered"
                message = f"git's object {oid[:12]} ({names.get(oid) or 'a commit or folder'}) is {what}"
                raise IntegrityError(message, hint=_CLONE)
        self.trees.prove(links, records)

    def _copies(self, run_id: str) -> None:
        """Compare the YAML copies in the work tree with what git holds; one of no checkpoint is a trace of a lost one.

        A copy that is missing is made again by the next command: `git clean` takes them, and a clone has none.
        """
        links = self._chain.links(run_id)
        known = {file_of(*split_tag(link.tag)): link for link in links}
        folder = self._repository.root / "checkpoints" / run_id
        for path in sorted(folder.glob("*.yaml")):
            name = path.relative_to(self._repository.root).as_posix()
            if name not in known:
                message = f"{name} is the copy of a checkpoint that the run {run_id} does not have (any more)"
                raise IntegrityError(message, hint=f"git reflog show {ref_of(run_id)} tells whether it was moved back")
            # Line ends may be git's own doing, when the copy was committed and checked out.
            if path.read_bytes().replace(b"\r\n", b"\n") != self._chain.blob(known[name]):
                message = f"{name} was edited by hand: it is not what {known[name].tag} holds"
                raise IntegrityError(message, hint=f"rm {name}; the next churnflow command writes the true one")

    def bundle(self, tag: str, path: Path) -> None:
        """Write the tags of a run up to `tag`, with all that they lead to, as a git bundle."""
        names = [f"refs/tags/{link.tag}" for link in self._until(tag)]
        # Deltas that another packing has left would make other bytes of the same history.
        plain = ("-c", "pack.threads=1", "-c", "pack.window=0", "-c", "pack.depth=0")
        self._plumbing.run(*plain, "bundle", "create", "-q", str(path), *names)

    def held(self, tag: str, paths: Sequence[str]) -> Sequence[str]:
        """Return those of `paths`, relative to the project, that a commit behind the run's snapshots holds."""
        prefix = f"{self._repository.prefix}/" if self._repository.prefix else ""
        commits = [link.commit for link in self._until(tag)]

        def is_held(path: str) -> bool:
            where = f":(top,literal){prefix}{path}"
            return bool(self._plumbing.line("rev-list", "--max-count=1", *commits, "--", where))

        return [path for path in paths if is_held(path)]

    def _until(self, tag: str) -> "Sequence[Link]":
        run_id, number, _ = split_tag(tag)
        return self._chain.links(run_id)[:number]


def _first_words(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    yield from (line.split()[0] for line in lines if line.strip())


def _ends_with_its_hash(path: Path, digits: int) -> bool:
    """Tell whether the file ends with the hash of what stands before; digits: those of an object's name, 40 or 64."""
    size = digits // 2
    hasher = hash_named("0" * digits)
    left = path.stat().st_size - size
    with path.open("rb") as stream:
        while left > 0:
            chunk = stream.read(min(left, 1 << 20))
            hasher.update(chunk)
            left -= len(chunk) or left
        return hasher.digest() == stream.read()
