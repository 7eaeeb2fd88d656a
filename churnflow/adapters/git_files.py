"""The regular files of a tree in git, or only those in which it differs from an older one."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from churnflow.adapters.git_plumbing import GitFailure, Plumbing

_REGULAR: Final = frozenset({b"100644", b"100755"})
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class TreeFile(NamedTuple):
    """A file of a tree by the id of its content, and its path from the top of the work tree."""

    oid: str
    path: str


def files_of(plumbing: Plumbing, tree: str, env: Mapping[str, str], base: str | None = None) -> list[TreeFile]:
    """Return the files of `tree`, whose objects lie where `env` says: those that `base` has not, or has otherwise.

    All of them where there is no such base any more: a snapshot that no checkpoint kept is taken by `git gc`.
    """
    if base is not None and _ID.fullmatch(base):
        with suppress(GitFailure):
            options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--diff-filter=AMT")
            fields = plumbing.run("diff-tree", *options, base, tree, env=env).split(b"\0")
            return [
                TreeFile(new.decode(), os.fsdecode(path))
                for raw, path in zip(fields[:-1:2], fields[1::2], strict=True)
                for _, mode, _, new, _ in [raw.split(b" ")]
                if mode in _REGULAR
            ]
    lines = plumbing.run("ls-tree", "-r", "-z", "--full-tree", tree, env=env).split(b"\0")[:-1]
    entries = (line.partition(b"\t") for line in lines)
    split = ((description.split(b" "), path) for description, _, path in entries)
    return [TreeFile(oid.decode(), os.fsdecode(path)) for (mode, _, oid), path in split if mode in _REGULAR]
