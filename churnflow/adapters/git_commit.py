"""Writes the commit and tag objects of a checkpoint, and moves the refs that name them."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from churnflow.adapters.durable import explained, sync_file, sync_folder
from churnflow.adapters.git_chain import ref_of
from churnflow.adapters.git_plumbing import Found, GitFailure, Plumbing
from churnflow.adapters.repository import Repository

_OWN_NAME = "churnflow"
_OWN_EMAIL = "churnflow@localhost.invalid"
_CRUD = re.compile(r"[<>\x00-\x1f]")
_LOCK_PATIENCE_SECONDS = 1.0

Tree = dict[str, tuple[str, str]]


class Revision(NamedTuple):
    """What a commit is made of, beside its tree."""

    parents: tuple[str, ...]
    message: str
    at: datetime


class CommitWriter:
    """Makes objects in a quarantine and moves refs by compare-and-swap; HEAD, branches and index stay."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the repository's plumbing."""
        self._plumbing = plumbing
        self._repository = repository

    @cached_property
    def identity(self) -> tuple[str, bool]:
        """The `Name <email>` of the user, or our own when none is configured, and whether it is the user's."""
        found: dict[str, str] = {}
        pattern = r"^(user|committer)\.(name|email)$"
        with suppress(GitFailure):
            listed = self._plumbing.line("config", "-z", "--get-regexp", pattern)
            for line in listed.split("\0"):
                key, _, value = line.partition("\n")
                found[key] = value
        parts = {}
        for part in ("name", "email"):
            given = os.environ.get(f"GIT_COMMITTER_{part.upper()}")
            text = given or found.get(f"committer.{part}") or found.get(f"user.{part}") or ""
            # Bytes of another encoding would make a commit that no reader decodes.
            parts[part] = _CRUD.sub("", os.fsencode(text).decode(errors="replace")).strip()
        if parts["name"] and parts["email"]:
            return f"{parts['name']} <{parts['email']}>", True
        return f"{_OWN_NAME} <{_OWN_EMAIL}>", False

    def tree_with(self, tree: str, path: str, data: bytes, kept_from: str | None, env: Mapping[str, str]) -> str:
        """Return `tree` with a file at `path`; its folder is as in the commit `kept_from`, if given.

        So the YAML of earlier checkpoints comes from the chain, not from a work tree where it may have been edited.
        Raises GitFailure when the tree is gone, by a `git gc` for one.
        """
        *folders, name = path.split("/")
        above = ["/".join(folders[:depth]) for depth in range(len(folders))]
        names = [tree, *(f"{tree}:{folder}" for folder in above[1:])]
        names.append(f"{kept_from}:{'/'.join(folders)}" if kept_from else f"{tree}:{'/'.join(folders)}")
        found = self._plumbing.read(names)
        if found[0] is None:
            command, answer = "cat-file", f"fatal: the tree {tree} is gone"
            raise GitFailure(command, 1, answer)
        trees = [parse_tree(item) for item in found]
        entry = ("100644", self._plumbing.answer("hash-object", "-w", "--stdin", stdin=data, env=env))
        for content, child in zip(reversed(trees), reversed([*folders, name]), strict=True):
            content[child] = entry
            entry = ("40000", self._plumbing.answer("mktree", "-z", "--missing", stdin=_tree_lines(content), env=env))
        return entry[1]

    def commit(self, tree: str, revision: Revision, env: Mapping[str, str]) -> str:
        """Return the id of a new commit, unsigned; the same input gives the same id."""
        person = self._signature(revision.at)
        parents = "".join(f"parent {parent}\n" for parent in revision.parents)
        text = f"tree {tree}\n{parents}author {person}\ncommitter {person}\n\n{revision.message}"
        return self._plumbing.answer("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode(), env=env)

    def advance(self, run_id: str, new: str, old: str | None, tag: str) -> None:
        """Move the run's ref from `old` to `new`, durably: the commit point. Raises GitFailure if it moved."""
        self.move(ref_of(run_id), new, old, f"checkpoint: {tag}")

    def move(self, ref: str, new: str, old: str | None, message: str) -> None:
        """Move one of our commit refs from `old` to `new`, durably. Raises GitFailure if it moved."""
        expected = old or "0" * len(new)
        self._update(ref, "--create-reflog", "-m", message, ref, new, expected)

    def create_ref(self, ref: str, new: str) -> None:
        """Create a ref, durably. Raises GitFailure if it exists."""
        self._update(ref, ref, new, "0" * len(new))

    def _update(self, ref: str, *arguments: str) -> None:
        started = time.monotonic()
        while True:
            try:
                self._plumbing.run("update-ref", *arguments)
                break
            except GitFailure as failure:
                if "File exists" not in failure.stderr or not self._wait_for_lock(ref, started):
                    raise
        self._sync_ref(ref)

    def _wait_for_lock(self, ref: str, started: float) -> bool:
        """Wait for a lock on our own ref; remove one that a killed process left. False when it is not that lock."""
        lock = self._repository.common_dir / f"{ref}.lock"
        if not lock.exists():
            return time.monotonic() - started < _LOCK_PATIENCE_SECONDS
        if time.monotonic() - started > _LOCK_PATIENCE_SECONDS:
            # The project's lock is ours, so no living churnflow writes this ref, and nothing else does.
            lock.unlink(missing_ok=True)
        time.sleep(0.05)
        return True

    def _sync_ref(self, ref: str) -> None:
        common = self._repository.common_dir
        with explained(common):
            for path in (common / ref, common / "logs" / ref):
                with suppress(FileNotFoundError):
                    sync_file(path)
                    for folder in _folders_up_to(path.parent, common):
                        sync_folder(folder)

    def _signature(self, at: datetime) -> str:
        return f"{self.identity[0]} {int(at.timestamp())} +0000"


def _folders_up_to(folder: Path, top: Path) -> Sequence[Path]:
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(top))]


def parse_tree(found: Found | None) -> Tree:
    """Return the entries of a tree object in git's order, name to mode and id; none of what is no tree."""
    entries: Tree = {}
    if found is None or found.kind != "tree":
        return entries
    content, width, position = found.content, len(found.oid) // 2, 0
    while position < len(content):
        end = content.index(b"\0", position)
        mode, name = content[position:end].split(b" ", 1)
        position = end + 1 + width
        entries[os.fsdecode(name)] = (mode.decode(), content[end + 1 : position].hex())
    return entries


def _tree_lines(tree: Tree) -> bytes:
    kinds = {"40000": "tree", "160000": "commit"}
    return b"".join(
        f"{mode:0>6} {kinds.get(mode, 'blob')} {oid}\t".encode() + os.fsencode(name) + b"\0"
        for name, (mode, oid) in tree.items()
    )
