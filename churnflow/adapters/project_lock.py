"""The one lock of a project: a second writer is refused, and the kernel frees it when the holder dies."""

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

    def __init__(self, state_dir: Path) -> None:
        """Take the folder that the lock file lies in; nothing is created before the first lock."""
        self._path = state_dir / "lock"

    @contextmanager
    def lock(self, command: str) -> Iterator[None]:
        """Hold the lock while the block runs. Raises ConflictError naming pid and command of the one that holds it."""
        with explained(self._path):
            make_folder(self._path.parent)
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o666)
        _HELD.add(descriptor)
        try:
            self._take(descriptor, command)
            yield
        finally:
            if descriptor in _HELD:
                _HELD.remove(descriptor)
                os.close(descriptor)

    def _take(self, descriptor: int, command: str) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            message = f"another churnflow command is writing in this project: {_holder(descriptor)}"
            raise ConflictError(
                message, hint="wait until it has ended, or stop it, then run the same command again"
            ) from busy
        with explained(self._path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "command": command}).encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {int(note['pid'])}, `{note['command']}`"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun"
