"""What `gc` removes, and how: listed first, then unlinked one by one, what is named before what it names."""

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.durable import explained, leftovers, remove, sync_folder
from churnflow.adapters.git_inventory import Inventory
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.repository import Repository
from churnflow.adapters.shared_state import SharedState
from churnflow.engine.reachable import Marked, mark

Kind = Literal["result", "journal", "monitoring run", "object", "left-over"]

# Whatever was put into the store this short ago may be named by a record that is only about to be written.
GRACE_SECONDS: Final = 3600.0
_FANNED = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{62}")


@dataclass(frozen=True)
class Garbage:
    """Something that nothing needs: where it is, what it is, and its bytes on the disk."""

    kind: Kind
    path: Path
    size_bytes: int


@dataclass(frozen=True)
class Found:
    """What can be freed, in the order in which it has to go; and what stays.

    young: objects that nothing needs, which are kept until they are an hour old.
    """

    garbage: tuple[Garbage, ...]
    checkpoints: int
    needed: int
    young: int


def find_garbage(repository: Repository, store: ArtifactFiles, keep_days: float) -> Found:
    """Return what nothing needs any more. Nothing is removed.

    Raises IntegrityError when a ref, a checkpoint or a record of any project and work tree can not be read.
    """
    now = time.time()
    state = SharedState(repository, now)
    inventory = Inventory(Plumbing(repository), repository)
    lines = inventory.lines(inventory.refs())
    marked = mark((one for line in lines for one in inventory.checkpoints(line)), state.kept(), keep_days)
    free, young = _objects(store, marked.needed, now)
    garbage = [*_results(marked), *_journals(marked), *free, *_left_over(repository, store, state.folders())]
    return Found(tuple(garbage), marked.checkpoints, len(marked.needed), young)


def sweep(garbage: Sequence[Garbage]) -> None:
    """Remove what was found, in its order. Killed anywhere, what is left is whole, and the next one goes on.

    Raises ConflictError when permission is missing.
    """
    # A result names objects: removed and synced before them, no power cut brings a name back without what it names.
    for kind in ("result", "journal", "monitoring run", "object", "left-over"):
        ours = [one for one in garbage if one.kind == kind]
        folders = set()
        for one in ours:
            with explained(one.path):
                remove(one.path)
            folders.add(one.path.parent)
        for folder in folders if kind != "object" else ():
            sync_folder(folder)


def _results(marked: Marked) -> Iterator[Garbage]:
    for result in marked.results:
        path = Path(result.place)
        yield Garbage("result", path, _size(path))


def _journals(marked: Marked) -> Iterator[Garbage]:
    for journal in marked.journals:
        file = Path(journal.place)
        # The folder says that the run was begun here: it stays as long as the run has checkpoints.
        path = file if journal.run.id in marked.with_checkpoints else file.parent
        yield Garbage("monitoring run" if journal.watches else "journal", path, _size(path))


def _objects(store: ArtifactFiles, needed: frozenset[str], now: float) -> tuple[list[Garbage], int]:
    free, young = [], 0
    for folder in _listed(store.root / "sha256", _FANNED):
        for path in _listed(folder, _REST):
            if folder.name + path.name in needed:
                continue
            if now - path.lstat().st_mtime < GRACE_SECONDS:
                young += 1
            else:
                free.append(Garbage("object", path, _size(path)))
    return free, young


def _left_over(repository: Repository, store: ArtifactFiles, folders: Sequence[Path]) -> Iterator[Garbage]:
    shared = repository.shared_dir
    for path in leftovers(shared, "objects-"):
        yield Garbage("left-over", path, _size(path))
    runs = [run for folder in folders for home in (folder, folder / "monitor") for run in _listed(home / "runs")]
    within = ("", "monitor", "monitor/tracked", "serving")
    for place in (
        shared,
        store.root / "tmp",
        shared / "steps",
        *(folder / name for folder in folders for name in within),
        *runs,
    ):
        for path in leftovers(place):
            yield Garbage("left-over", path, _size(path))


def _listed(folder: Path, form: re.Pattern[str] | None = None) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if form is None or form.fullmatch(path.name))


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names)
