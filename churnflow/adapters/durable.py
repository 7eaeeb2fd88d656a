"""How a file is written so that it is whole or absent after a kill or a power cut."""

import ctypes
import errno
import fcntl
import json
import os
import re
import secrets
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from churnflow.errors import ConflictError

TEMPORARY_PREFIX = ".churnflow-"
TEMPORARY_SUFFIX = ".tmp"

_LIBC = ctypes.CDLL(None, use_errno=True)
_MANY = 16
# SYNC_FILE_RANGE_WRITE of linux/fs.h.
_WRITE = 2
# FS_IOC_GETFLAGS, FS_IOC_SETFLAGS and FS_TOPDIR_FL of linux/fs.h, for machines with 64 bits.
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_TOP_OF_TREES = 0x00020000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BROKEN = {errno.EIO, errno.EUCLEAN, errno.ESTALE}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full or failing disk or a missing permission into an error that says what to do; other failures pass.

    Raises ConflictError naming `path`.
    """
    try:
        yield
    except OSError as failure:
        place = failure.filename or path
        if failure.errno in _FULL:
            message = f"no space left on the disk of {path}"
            raise ConflictError(message, hint="free some space, then run the same command again") from failure
        if failure.errno in _BROKEN:
            message = f"the disk of {place} fails: {failure.strerror}"
            hint = "see what the system's log says of that disk, then run the same command again"
            raise ConflictError(message, hint=hint) from failure
        if failure.errno in _DENIED:
            message = f"no permission to write {place}"
            hint = "give yourself write permission to that path, then run the same command again"
            raise ConflictError(message, hint=hint) from failure
        if isinstance(failure, NotADirectoryError | FileExistsError | IsADirectoryError):
            message = f"something else stands where churnflow writes: {place}"
            raise ConflictError(message, hint="move it away, then run the same command again") from failure
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: what was created, renamed or removed there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable, whoever wrote them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begin_writing(descriptor: int, start: int, count: int) -> None:
    """Let the kernel begin to bring written bytes to the disk, so that a later fsync has less to wait for.

    It makes nothing durable by itself, and where the system has no sync_file_range(2) it does nothing.
    """
    begin = getattr(_LIBC, "sync_file_range", None)
    if begin is not None:
        begin(descriptor, ctypes.c_int64(start), ctypes.c_int64(count), _WRITE)


def sync_all(paths: Sequence[Path | str], place: Path) -> None:
    """Make the bytes of files, and the names in folders, durable: many at once by one barrier, syncfs(2).

    A link has no bytes of its own, and is passed over. place: a folder on the file system of them all. The barrier
    waits for what others have written there too, so that it pays from a few files on; it tells a failed write as fsync
    does (Linux 5.8 and later).
    """
    barrier = getattr(_LIBC, "syncfs", None)
    if len(paths) < _MANY or barrier is None:
        for path in map(Path, paths):
            if not path.is_symlink():
                (sync_folder if path.is_dir() else sync_file)(path)
        return
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if barrier(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(place))
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create `folder` and what is missing above it, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    with suppress(FileExistsError):
        folder.mkdir(mode)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    sync_folder(folder.parent)


def spread(folder: Path) -> None:
    """Ask the file system to place the folders that will be in `folder` far from one another: `chattr +T`, on ext4.

    Raises OSError where it can not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = bytearray(struct.calcsize("l"))
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
        (found,) = struct.unpack_from("i", flags)
        fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", found | _TOP_OF_TREES))
    finally:
        os.close(descriptor)


def make_private(folder: Path) -> None:
    """Create `folder` for its owner alone, whatever the umask; one that others could enter is closed to them.

    A folder of another owner stays as it is: the group that shares a repository decides who is in it.
    """
    make_folder(folder, 0o700)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        with suppress(PermissionError):
            folder.chmod(mode & 0o700)


def temporary_in(folder: Path, suffix: str = TEMPORARY_SUFFIX) -> Path:
    """Return a name in `folder` that nothing else uses; snapshots leave such names out."""
    return folder / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(6)}{suffix}"


def recall(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file of the project's state holds, an empty one where it is gone or spoiled."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
    return {}


def read_texts(path: Path) -> dict[str, str]:
    """Return the same where all values are texts."""
    return {name: str(value) for name, value in recall(path).items()}


def remember(path: Path, known: Mapping[str, object]) -> None:
    """Write what `recall` returns, whole, but neither durably nor surely: for what only saves time when it is there."""
    with suppress(OSError):
        make_folder(path.parent)
        temporary = temporary_in(path.parent)
        temporary.write_text(json.dumps(known))
        temporary.replace(path)


def beginning_of(path: Path, most: int) -> bytes:
    """Return the first bytes of a file, no more than `most`; none where there is no file that can be read."""
    with suppress(OSError):
        # A pipe has no beginning: it would be waited for.
        if path.is_file():
            with path.open("rb") as stream:
                return stream.read(most)
    return b""


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replace the file at `path`, whole or not at all; `mode` is subject to the umask. The folder must exist.

    Raises ConflictError when the disk is full or permission is missing; nothing is left behind then.
    """
    temporary = temporary_in(path.parent)
    with explained(path):
        try:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def append_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Add whole lines to the end of a file, durably; a torn last line of a killed writer is cut off before.

    mode: of a file that is not there yet, subject to the umask.

    Raises ConflictError when the disk is full or permission is missing; the file is as before then.
    """
    with explained(path):
        is_new = not path.exists()
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, mode)
        try:
            end = whole_lines_end(descriptor)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(path.parent)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls the kernel needs for it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def whole_lines_end(descriptor: int, block: int = 1 << 16) -> int:
    """Return the offset after the last line end of an open file, 0 when it has none."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def remove_leftovers(folder: Path, prefix: str = TEMPORARY_PREFIX) -> None:
    """Remove what killed processes left in `folder`: names of `prefix`, a dead process id, and chance in hex.

    Nothing else is touched, since `folder` may be one of the user's.
    """
    for path in leftovers(folder, prefix):
        remove(path)


def leftovers(folder: Path, prefix: str = TEMPORARY_PREFIX) -> list[Path]:
    """Return what `remove_leftovers` removes."""
    ours = re.compile(rf"{re.escape(prefix)}(\d+)(-[0-9a-f]+)?(\..*)?")
    found = ((path, ours.fullmatch(path.name)) for path in (folder.iterdir() if folder.is_dir() else ()))
    return [path for path, match in found if match and not _is_alive(int(match[1]))]


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it; what is already gone is no error."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        with suppress(FileNotFoundError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
