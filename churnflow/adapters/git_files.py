"""The files of a tree in git: all of them, or those in which it differs from another."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from churnflow.adapters.git_plumbing import GitFailure, Plumbing

LISTING: Final = ("ls-tree", "-r", "-z", "--full-tree")
COMPARING: Final = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
_REGULAR: Final = frozenset({"100644", "100755"})
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Blob(NamedTuple):
    """A file of a tree: its mode in git's octal notation, its id, and its path from the top of the work tree."""

    mode: str
    oid: str
    path: str


def listed(output: bytes) -> Iterator[Blob]:
    """Yield what git lists of a tree when it is asked by `LISTING`; links and submodules are among it."""
    for line in output.split(b"\0")[:-1]:
        description, _, path = line.partition(b"\t")
        mode, _, oid = description.decode().split(" ")
        yield Blob(mode, oid, os.fsdecode(path))


def compared(output: bytes) -> Iterator[tuple[str, Blob, Blob]]:
    """Yield what git lists of two trees when it is asked by `COMPARING`: status, and the file in each of them."""
    fields = [os.fsdecode(field) for field in output.split(b"\0")]
    for raw, path in zip(fields[:-1:2], fields[1::2], strict=True):
        old_mode, new_mode, old, new, status = raw.removeprefix(":").split(" ")
        yield status, Blob(old_mode, old, path), Blob(new_mode, new, path)


def regular_files(plumbing: Plumbing, tree: str, env: Mapping[str, str], base: str | None = None) -> list[Blob]:
    """Return the regular files of `tree`, whose objects lie where `env` says: those that `base` has not just so.

    All of them where there is no such base any more: a snapshot that no checkpoint kept is taken by `git gc`.
    """
    if base is not None and _ID.fullmatch(base):
        with suppress(GitFailure):
            changes = compared(plumbing.run(*COMPARING, "--diff-filter=AMT", base, tree, env=env))
            return [new for _, _, new in changes if new.mode in _REGULAR]
    return [blob for blob in listed(plumbing.run(*LISTING, tree, env=env)) if blob.mode in _REGULAR]
