"""Whether the commits of checkpoints hold the code trees that the records state, also where those trees are gone.

A commit holds the record beside the code, so its tree is another one than the record can state. Git keeps that one only
until it tidies up, and takes it to no clone; but it is the commit's without the copies of the run's records.
"""

import hashlib
import os
from collections.abc import Sequence

from churnflow.adapters.git_chain import Link, split_tag
from churnflow.adapters.git_commit import Tree, parse_tree
from churnflow.adapters.git_plumbing import GitFailure, Plumbing
from churnflow.adapters.repository import Repository
from churnflow.domain.checkpoint import Checkpoint, file_of
from churnflow.errors import IntegrityError


class StatedTrees:
    """Proves the trees of a run's checkpoints against their records."""

    def __init__(self, plumbing: Plumbing, repository: Repository) -> None:
        """Take the repository's plumbing."""
        self._plumbing = plumbing
        self._repository = repository

    def prove(self, links: Sequence[Link], records: Sequence[Checkpoint]) -> None:
        """Raise IntegrityError for the first commit that holds other files than its record states."""
        paths = [self._path(link).split("/") for link in links]
        names = [
            f"{link.commit}:{'/'.join(path[:depth])}"
            for link, path in zip(links, paths, strict=True)
            for depth in range(len(path))
        ]
        found = iter(self._plumbing.read(names) if names else ())
        for link, path, record in zip(links, paths, records, strict=True):
            trees = [parse_tree(next(found)) for _ in path]
            if record.code.tree not in _without_copies(trees, path) and not self._differs_in_copies(link, record):
                message = f"{link.tag} holds other files than the code tree {record.code.tree[:12]} of its record"
                raise IntegrityError(message, hint="compare with another clone: git fetch --all --tags")

    def _path(self, link: Link) -> str:
        file = file_of(*split_tag(link.tag))
        return f"{self._repository.prefix}/{file}" if self._repository.prefix else file

    def _differs_in_copies(self, link: Link, record: Checkpoint) -> bool:
        """Tell whether the stated tree is there, and is the commit's but for records' copies."""
        copies = self._path(link).rpartition("/")[0].rpartition("/")[0]
        try:
            listed = self._plumbing.run("diff-tree", "-r", "-z", "--name-only", record.code.tree, link.commit)
        except GitFailure:
            return False
        return all(os.fsdecode(name).startswith(f"{copies}/") for name in listed.split(b"\0") if name)


def _without_copies(trees: Sequence[Tree], path: Sequence[str]) -> set[str]:
    """Return the ids of the tree without the record at `path`, and without the folder of the run's records at all.

    trees: those that lead to the record, from the top. The work tree had the earlier records there, or none.
    """
    *_, last = trees
    earlier = {name: entry for name, entry in last.items() if name != path[-1]}
    return {_rooted([*trees[:-1], content], path[:-1]) for content in (earlier, Tree())}


def _rooted(trees: Sequence[Tree], folders: Sequence[str]) -> str:
    content = trees[-1]
    for above, name in zip(reversed(trees[:-1]), reversed(folders), strict=True):
        changed = {child: entry for child, entry in above.items() if child != name or content}
        if content and name in changed:
            changed[name] = (above[name][0], _id_of(content, width=len(above[name][1])))
        content = changed
    return _id_of(content, width=len(next(iter(content.values()))[1]) if content else 40)


def _id_of(tree: Tree, width: int) -> str:
    """Return the id that git gives a tree; width: how many hex digits ids have, which tells the repository's hash."""
    content = b"".join(
        f"{mode} ".encode() + os.fsencode(name) + b"\0" + bytes.fromhex(oid) for name, (mode, oid) in tree.items()
    )
    whole = b"tree %d\0" % len(content) + content
    sha1 = 40
    return (hashlib.sha1(whole, usedforsecurity=False) if width == sha1 else hashlib.sha256(whole)).hexdigest()
