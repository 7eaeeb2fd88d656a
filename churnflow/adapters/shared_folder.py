"""Files in a folder that a team shares: for those who can enter it, never for all others on the machine."""

import errno
import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from churnflow.adapters.durable import make_folder, sync_folder

_DRAFTS = "drafts"


def put(root: Path, source: Path, target: Path) -> None:
    """Copy a file to `target` below `root`, whole and durable or not at all. Raises OSError.

    Folders and file get the rights of the root's group, where they belong to that group, and nobody else's: what is
    shared may hold rows of customers. A root that is missing is made for its owner alone.
    """
    make_folder(root, 0o700)
    draft = root / _DRAFTS / f"{target.parent.name}{target.name}-{secrets.token_hex(6)}"
    for folder in (draft.parent, target.parent):
        _make(folder, root)
    try:
        created = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(created, "wb") as writing, source.open("rb") as reading:
            shutil.copyfileobj(reading, writing)
            writing.flush()
            _adopt(writing.fileno(), root, 0o400)
            os.fsync(writing.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read; unlike open(2), do not wait for a writer where a pipe stands. Raises OSError, for it too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise OSError(errno.EINVAL, "this is no regular file", str(path))


def regular_size(path: Path) -> int | None:
    """Return the bytes of a file, None where none is or something else stands there."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _make(folder: Path, root: Path) -> None:
    """Create a folder and what is missing between it and the root."""
    if folder == root or folder.is_dir():
        return
    _make(folder.parent, root)
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _adopt(descriptor, root, 0o700)
    finally:
        os.close(descriptor)
    sync_folder(folder.parent)


def _adopt(descriptor: int, root: Path, mode: int) -> None:
    """Give what was made the root's group and its rights as far as `mode` has them for the owner."""
    given, above = os.fstat(descriptor), root.stat()
    if given.st_gid != above.st_gid:
        with suppress(PermissionError):
            os.fchown(descriptor, -1, above.st_gid)
    if os.fstat(descriptor).st_gid == above.st_gid:
        mode |= above.st_mode & 0o070 & (mode >> 3)
    os.fchmod(descriptor, mode | (above.st_mode & stat.S_ISGID if stat.S_ISDIR(given.st_mode) else 0))
