"""The one lock of a project: a second writer is refused, and the kernel frees it when the holder dies.

Beside it there is one for the store, which work trees and projects share: writers hold it together, `gc` alone.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churnflow.adapters.durable import explained, make_folder
from churnflow.errors import ConflictError

_HELD: set[int] = set()


def _let_go() -> None:
    # A step may fork workers. They share the lock with us, and one that outlives us would hold it forever.
    while _HELD:
        os.close(_HELD.pop())


os.register_at_fork(after_in_child=_let_go)


class ProjectLock:
    """An flock on a file in the project's state; the file's text says who holds it, the lock itself is the kernel's."""

    def __init__(self, state_dir: Path, shared_dir: Path | None = None) -> None:
        """Take the project's folder and that of the store, if others share it; nothing is created before a lock."""
        self._path = state_dir / "lock"
        self._shared = (shared_dir or state_dir) / "store-lock"

    @contextmanager
    def lock(self, command: str, *, alone: bool = False) -> Iterator[None]:
        """Hold the lock while the block runs; alone: while nobody writes in any project that shares the store.

        Raises ConflictError naming pid and command of the one that holds it.
        """
        with _opened(self._path) as own, _opened(self._shared) as shared:
            _take(own, fcntl.LOCK_EX, "another churnflow command is writing in this project: {holder}")
            _note(own, command, self._path)
            if alone:
                _take(shared, fcntl.LOCK_EX, "another churnflow command is writing in a project that shares this store")
                _note(shared, command, self._shared)
            else:
                _take(shared, fcntl.LOCK_SH, "the store that projects share is being tidied by {holder}")
            yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with explained(path):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    _HELD.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _HELD:
            _HELD.remove(descriptor)
            os.close(descriptor)


def _take(descriptor: int, how: int, taken: str) -> None:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        message = taken.format(holder=_holder(descriptor))
        raise ConflictError(
            message, hint="wait until it has ended, or stop it, then run the same command again"
        ) from busy


def _note(descriptor: int, command: str, path: Path) -> None:
    with explained(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {int(note['pid'])}, `{note['command']}`"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun"
