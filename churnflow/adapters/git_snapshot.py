"""The work tree as a git tree, taken through a private index, so that the user's own index is never written."""

import os
import re
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from churnflow.adapters.durable import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    explained,
    make_folder,
    remove,
    remove_leftovers,
)
from churnflow.adapters.git_files import regular_files
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.left_out import LeftOut
from churnflow.adapters.repository import Repository
from churnflow.adapters.row_copies import RowCopies
from churnflow.adapters.secret_scan import SecretScan
from churnflow.errors import ConflictError, UsageError

_EMBEDDED = re.compile(r"^warning: adding embedded git repository: (.+)$", re.MULTILINE)
_UNBORN = re.compile(r"^error: '(.+)' does not have a commit checked out$", re.MULTILINE)
_UNREADABLE = re.compile(r"""error: (?:open\("|unable to stat '|could not open ')([^"'\n]+)["'].*: Permission denied""")
_MOST_NESTED = 50


class _Withheld(Exception):  # noqa: N818 - no error: the tree is taken anew without them
    """Files, from the top of the work tree, that a tree was to have and has to do without."""

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__(*paths)
        self.paths = paths


class _Files(NamedTuple):
    """Which files a tree is to have, by paths from the top of the work tree.

    excluded: not those. also: those, whatever git ignores. kept: of these and the tracked ones none is left out.
    """

    excluded: list[str]
    also: list[str]
    kept: frozenset[str]
    rows: RowCopies

    def without(self, paths: Collection[str]) -> "_Files":
        return self._replace(excluded=[*self.excluded, *paths])


class Snapshots:
    """Takes trees of the work tree. The private index is kept between snapshots: unchanged files are not read again."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the repository's plumbing; nothing is written before the first snapshot."""
        self._plumbing = plumbing
        self._repository = repository
        self._state = repository.state_dir
        self._index = self._state / "snapshot.index"
        self._left_out = LeftOut(self._state)
        self._scan = SecretScan(plumbing, repository)
        self._copies: dict[str, str] = {}

    def take(self, data: Iterable[str], also: Sequence[str] = ()) -> str:
        """Return the id of a tree with every file that is tracked, or neither ignored nor listed in `data`.

        data: source files, relative to the project; those that git tracks are in the tree all the same. They are
        remembered, so that no later snapshot takes their rows into git either; nor does any take a list of scored
        customers, or a copy of either (see `copies`). also: files, relative to the project, that are taken whatever git
        ignores, and whatever they hold. The tree is durable on return.
        Raises UsageError for a file that cannot be read, RefusedError for one that holds a secret, ConflictError when
        git fails.
        """
        with explained(self._state):
            make_folder(self._state)
            remove_leftovers(self._state, "index-")
            tables = self._from_top(self._left_out.with_sources(data))
            tracked = self._tracked()
            excluded = self._open(tables, tracked)
        wanted = self._from_top(also)
        rows = RowCopies(self._repository.work_tree, self._state, tables, tracked)
        files = _Files(excluded, wanted, frozenset({*tracked, *wanted}), rows)
        try:
            return self._settled(files, fresh=False)
        except GitFailure:
            # A power cut or `git gc` spoiled the private index, or what it relied on; it is only a cache.
            self.forget()
        try:
            return self._settled(files, fresh=True)
        except GitFailure as failure:
            raise _explain(failure) from failure

    @property
    def copies(self) -> Mapping[str, str]:
        """The files that were left out for the first time, and the table whose rows each holds."""
        return self._copies

    def hold(self, tree: str) -> None:
        """Let secrets in the files of `tree`, which git has anyway, keep no later snapshot of this process back."""
        self._scan.hold(tree)

    def forget(self) -> None:
        """Drop the private index; the next snapshot reads every file."""
        self._index.unlink(missing_ok=True)

    @contextmanager
    def scratch_index(self) -> Iterator[Path]:
        """Give the name of an index file that is removed at the end, with its lock if git was killed on it."""
        with explained(self._state):
            make_folder(self._state)
        path = self._state / f"index-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            yield path
        finally:
            remove(path)
            remove(path.with_name(path.name + ".lock"))

    def _settled(self, files: _Files, *, fresh: bool) -> str:
        while True:
            try:
                return self._attempt(files, fresh=fresh)
            except _Withheld as withheld:
                files = files.without(withheld.paths)

    def _attempt(self, files: _Files, *, fresh: bool) -> str:
        with self.scratch_index() as index:
            with self._plumbing.quarantine() as objects:
                env = {**objects, "GIT_INDEX_FILE": str(index)}
                if not fresh:
                    with suppress(FileNotFoundError):
                        # With its time: by it git tells which files may have changed in the second of the last one.
                        shutil.copy2(self._index, index)
                if not index.exists() and self._plumbing.line_or_none("rev-parse", "-q", "--verify", "HEAD"):
                    self._plumbing.run("read-tree", "HEAD", env=env)
                self._add(env, files.excluded)
                self._settle_ignored(env)
                self._include(env, files.also)
                tree = self._plumbing.answer("write-tree", env=env)
                # Before the objects leave their quarantine: what is refused or left out is never in the repository.
                self._leave_copies(tree, env, files)
                self._leave(self._scan.check(tree, env, files.kept.__contains__))
            # After they did: git believes what an index says of the objects that there are.
            with suppress(FileNotFoundError):
                index.replace(self._index)
        return tree

    def _leave_copies(self, tree: str, env: Mapping[str, str], files: _Files) -> None:
        checked = files.rows.checked() if files.rows.tables else tree
        if checked == tree:
            return
        new = (file.path for file in regular_files(self._plumbing, tree, env, checked))
        found = files.rows.find(path for path in new if path not in files.kept)
        if not found:
            files.rows.remember(tree)
        prefix = self._repository.prefix or "."
        for path, table in found.items():
            own = os.path.relpath(path, prefix)
            self._left_out.add_list(own)
            self._copies[own] = os.path.relpath(table, prefix)
        self._leave(found)

    @staticmethod
    def _leave(paths: Collection[str]) -> None:
        if paths:
            raise _Withheld(paths)

    def _add(self, env: dict[str, str], excluded: list[str]) -> None:
        nested: list[str] = []
        for _ in range(_MOST_NESTED):
            try:
                _, notes = self._plumbing.run_noting(
                    "add",
                    "-A",
                    "--pathspec-from-file=-",
                    "--pathspec-file-nul",
                    stdin=_pathspecs([*excluded, *nested]),
                    env=env,
                )
            except GitFailure as failure:
                found = _UNBORN.findall(failure.stderr)
                if not found:
                    raise
                nested.extend(found)
                continue
            self._drop(env, [*excluded, *_EMBEDDED.findall(notes)])
            return
        message = f"more than {_MOST_NESTED} repositories without a commit lie in the work tree"
        raise UsageError(message, hint="list them in .gitignore")

    def _settle_ignored(self, env: dict[str, str]) -> None:
        """Make the private index agree with the user's on ignored files: those added by force, or untracked since."""
        tracked = self._ignored({})
        present = self._ignored(env)
        self._include(env, sorted(tracked - present))
        self._drop(env, sorted(present - tracked))

    def _ignored(self, env: dict[str, str]) -> set[str]:
        return set(_paths(self._plumbing.run("ls-files", "-z", "-c", "-i", "--exclude-standard", env=env)))

    def _include(self, env: dict[str, str], paths: list[str]) -> None:
        if there := [path for path in paths if os.path.lexists(self._repository.work_tree / path)]:
            self._plumbing.run("update-index", "--add", "--remove", "-z", "--stdin", stdin=_listed(there), env=env)

    def _drop(self, env: dict[str, str], paths: list[str]) -> None:
        if paths:
            names = [path.rstrip("/") for path in paths]
            self._plumbing.run("update-index", "--force-remove", "-z", "--stdin", stdin=_listed(names), env=env)

    def _tracked(self) -> set[str]:
        try:
            return set(_paths(self._plumbing.run("ls-files", "-z", "-c", "--full-name")))
        except GitFailure as failure:
            raise _explain(failure) from failure

    def _open(self, paths: list[str], tracked: set[str]) -> list[str]:
        """Return those of the paths that git would take: they are neither tracked nor ignored."""
        open_paths = [path for path in paths if path not in tracked and not self._is_beyond(path, tracked)]
        ignored = self._ignored_among(open_paths)
        return [path for path in open_paths if path not in ignored]

    def _is_beyond(self, path: str, tracked: set[str]) -> bool:
        """Tell whether the path leads into a submodule or over a link: git takes neither in, and refuses its name."""
        folders = [str(folder) for folder in PurePosixPath(path).parents]
        return any(folder in tracked or (self._repository.work_tree / folder).is_symlink() for folder in folders)

    def _from_top(self, paths: Iterable[str]) -> list[str]:
        prefix = self._repository.prefix
        return [f"{prefix}/{path}" if prefix else path for path in map(os.path.normpath, paths)]

    def _ignored_among(self, paths: list[str]) -> set[str]:
        """Return those that git ignores anyway: `git add` refuses a pathspec that names one, even to leave it out."""
        try:
            return set(_paths(self._plumbing.run("check-ignore", "-z", "--stdin", stdin=_listed(paths))))
        except GitFailure as failure:
            if failure.status == 1:
                return set()
            raise


def _pathspecs(excluded: list[str]) -> bytes:
    ours = f":(top,exclude,glob)**/{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"
    literal = [f":(top,exclude,literal){path.rstrip('/')}" for path in excluded]
    return _listed([":(top)", ours, *literal])


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _paths(listed: bytes) -> list[str]:
    return [os.fsdecode(path) for path in listed.split(b"\0") if path]


def _explain(failure: GitFailure) -> ConflictError | UsageError:
    unreadable = _UNREADABLE.search(failure.stderr)
    if unreadable:
        name = unreadable[1]
        return UsageError(f"no permission to read {name}", hint=f"chmod u+r {name}, or list it in .gitignore")
    if failure.is_disk_full:
        return ConflictError("no space left on the disk of the repository", hint="free some space, then try again")
    return ConflictError(f"the work tree could not be kept: {failure}", hint="see `git status`, then try again")
