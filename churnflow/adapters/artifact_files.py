"""The artifact store: outputs as files named by the sha256 of their bytes, written once and never changed."""

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from churnflow.adapters.durable import (
    begin_writing,
    explained,
    make_folder,
    remove_leftovers,
    sync_file,
    sync_folder,
    temporary_in,
    write_all,
)
from churnflow.domain.evidence import Artifact
from churnflow.domain.release import object_path
from churnflow.errors import IntegrityError, UsageError

FILE_CODEC = "file"

Signature = tuple[int, int, int, int]

_CHUNK_BYTES = 1 << 20
_PIECE_BYTES = 16 << 20
# From another file system, of a kind without such files, in a container that does not let it, or on a kernel that does
# not know the call.
_NOT_BY_THE_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}
_NOT_BY_THE_KERNEL |= {errno.EPERM, errno.EACCES, errno.ETXTBSY, errno.EOVERFLOW}
_FICLONE = 0x40049409
_GROUP = "churnflow.codecs"


class Codec(Protocol):
    """A module that turns an output into a file and back."""

    SUFFIX: str

    def dump(self, value: object, path: Path) -> None:
        """Write `value` to `path`, the same bytes for the same value."""

    def load(self, path: Path) -> object:
        """Read the value back without running code from the file."""


class ArtifactFiles:
    """Objects as `sha256/ab/cdef...`, mode 0400, below a root that survives `git clean`."""

    def __init__(self, root: Path, codecs: Mapping[str, str]) -> None:
        """Take the folder of the store, and the built-in codecs: module by name. Others come from entry points."""
        self._root = root
        self._codecs = dict(codecs)
        self._verified: dict[str, Signature] = {}
        self._swept = False

    @property
    def root(self) -> Path:
        """The folder of the store."""
        return self._root

    def codecs(self) -> Collection[str]:
        """Return the names of the codecs that an output can be stored with."""
        return (*self._codecs, *(name for name in _installed_codecs() if name not in self._codecs))

    def put(self, name: str, value: object, codec: str) -> Artifact:
        """Store `value` in the form that `codec` writes.

        Raises UsageError for an unknown codec, ConflictError when the disk is full or permission is missing.
        """
        module = self._codec(codec)

        def write(temporary: Path) -> str:
            module.dump(value, temporary)
            return sha256_of(temporary)

        return self._publish(name, codec, module.SUFFIX, write)

    def put_file(self, name: str, path: Path) -> Artifact:
        """Store the bytes of an existing file, read once: hashed while they are copied (codec `file`)."""
        if not path.is_file():
            message = f"no such file: {path}"
            raise UsageError(message, hint="check the path in the workflow")
        return self._publish(name, FILE_CODEC, path.suffix, lambda temporary: copy_hashing(path, temporary))

    def receive(self, artifact: Artifact, chunks: Iterable[bytes], source: str) -> None:
        """Store bytes that come from elsewhere, if they are those of `artifact`; `source` says where they are from.

        Raises IntegrityError for any other bytes, of which nothing is kept.
        """

        def write(temporary: Path) -> str:
            found, size = write_hashing(chunks, temporary)
            if (found, size) != (artifact.sha256, artifact.size_bytes):
                message = f"the bytes of {artifact.name} at {source} are not those of sha256 {artifact.sha256[:12]}"
                hint = "remove that object there, then `churnflow push` from a clone in which `churnflow verify` passes"
                raise IntegrityError(message, hint=hint)
            return found

        self._publish(artifact.name, artifact.codec, "", write)

    def get(self, artifact: Artifact) -> object:
        """Return the value after its bytes were hashed (once per process); codec `file` gives the path.

        Raises IntegrityError when the bytes are missing or altered.
        """
        path = self.path(artifact)
        if not self._is_verified(artifact.sha256, path):
            self.verify(artifact)
        return path if artifact.codec == FILE_CODEC else self._codec(artifact.codec).load(path)

    def path(self, artifact: Artifact) -> Path:
        """Return where the bytes of `artifact` lie; they are not to be changed."""
        return self._root / object_path(artifact.sha256)

    def has(self, artifact: Artifact) -> bool:
        """Tell whether there are bytes of that digest and size; they are not hashed."""
        try:
            status = self.path(artifact).lstat()
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == artifact.size_bytes

    def verify(self, artifact: Artifact) -> None:
        """Hash the stored bytes. Raises IntegrityError when they are missing or altered."""
        path = self.path(artifact)
        try:
            status = path.lstat()
            # A link could be turned elsewhere after it was verified, and a pipe would never be read to its end.
            is_whole = stat.S_ISREG(status.st_mode) and status.st_size == artifact.size_bytes
            found = sha256_of(path) if is_whole else None
        except (FileNotFoundError, NotADirectoryError):
            raise _broken(artifact, path, "missing from the store") from None
        except OSError as failure:
            raise _broken(artifact, path, "not readable in the store") from failure
        if found != artifact.sha256:
            raise _broken(artifact, path, "altered in the store")
        self._verified[artifact.sha256] = signature_of(status)

    def _publish(self, name: str, codec: str, suffix: str, write: Callable[[Path], str]) -> Artifact:
        with explained(self._root):
            temporary = self._temporary(suffix)
            try:
                sha256 = write(temporary)
                artifact = Artifact(name=name, codec=codec, sha256=sha256, size_bytes=temporary.stat().st_size)
                if self._holds(artifact):
                    # Whoever moved it in may have been killed before its name was durable.
                    sync_folder(self.path(artifact).parent)
                else:
                    self._move_in(temporary, artifact)
            except Exception as failure:
                # Libraries that write files themselves wrap the kernel's answer in errors of their own.
                if isinstance(failure, OSError) or "No space left on device" not in str(failure):
                    raise
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from failure
            finally:
                with suppress(FileNotFoundError):
                    temporary.unlink()
        return artifact

    def _move_in(self, temporary: Path, artifact: Artifact) -> None:
        path = self.path(artifact)
        temporary.chmod(0o400)
        sync_file(temporary)
        make_folder(path.parent, 0o700)
        temporary.replace(path)
        sync_folder(path.parent)
        self._verified[artifact.sha256] = signature_of(path.lstat())

    def _holds(self, artifact: Artifact) -> bool:
        path = self.path(artifact)
        if self._is_verified(artifact.sha256, path):
            return True
        try:
            self.verify(artifact)
        except IntegrityError:
            # Missing, or spoiled since: the good bytes are at hand and take its place.
            return False
        return True

    def _is_verified(self, sha256: str, path: Path) -> bool:
        try:
            return self._verified.get(sha256) == signature_of(path.lstat())
        except OSError:
            return False

    def _temporary(self, suffix: str) -> Path:
        folder = self._root / "tmp"
        make_folder(folder, 0o700)
        if not self._swept:
            remove_leftovers(folder)
            self._swept = True
        return temporary_in(folder, suffix)

    def _codec(self, name: str) -> Codec:
        target = self._codecs.get(name) or _installed_codecs().get(name)
        if target is None:
            known = sorted({*self._codecs, *_installed_codecs()})
            near = get_close_matches(name, known, n=1)
            message = f"unknown codec: {name}"
            hint = f"did you mean {near[0]}?" if near else f"the codecs are: {', '.join(known)}"
            raise UsageError(message, hint=hint)
        try:
            return cast("Codec", import_module(target))
        except ImportError as failure:
            message = f"the codec {name} cannot be loaded: {failure}"
            raise UsageError(message, hint="install what it needs, or choose another codec in `produces`") from failure


def sha256_of(path: Path) -> str:
    """Return the sha256, in hex, of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy_hashing(source: Path, target: Path) -> str:
    """Copy a file and return the sha256 of what was copied; blocks are shared where the file system can.

    Never a hard link: an edit of one name would reach the other.
    """
    reading = os.open(source, os.O_RDONLY)
    try:
        writing = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            if _share_blocks(reading, writing):
                return sha256_of(target)
            return _copy_blocks(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def write_hashing(chunks: Iterable[bytes], target: Path) -> tuple[str, int]:
    """Write chunks to a new file; return the sha256 and the number of the bytes that were written."""
    hasher, size = hashlib.sha256(), 0
    writing = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        for chunk in chunks:
            hasher.update(chunk)
            write_all(writing, chunk)
            size += len(chunk)
    finally:
        os.close(writing)
    return hasher.hexdigest(), size


def _share_blocks(reading: int, writing: int) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        return False
    return True


def _copy_blocks(reading: int, writing: int) -> str:
    """Copy, and return the sha256 of what the copy holds, read from it: the kernel needs no help to copy."""
    hasher = hashlib.sha256()
    view = memoryview(bytearray(_CHUNK_BYTES))
    # Both let go of the interpreter's lock: a large file takes the longer of the two, not their sum.
    with ThreadPoolExecutor(1) as beside:
        ahead = beside.submit(_copy_piece, reading, writing, 0)
        place = 0
        while end := ahead.result():
            ahead = beside.submit(_copy_piece, reading, writing, end)
            while place < end:
                count = os.preadv(writing, [view[: end - place]], place)
                if not count:
                    raise OSError(errno.EIO, "a copy was cut short while it was made")
                hasher.update(view[:count])
                place += count
    return hasher.hexdigest()


def _copy_piece(reading: int, writing: int, start: int) -> int:
    """Copy the next piece, begin to write it to the disk, and return where it ends; 0 after the last."""
    try:
        count = os.copy_file_range(reading, writing, _PIECE_BYTES, start, start)
    except OSError as failure:
        if failure.errno not in _NOT_BY_THE_KERNEL:
            raise
        count = 0
    if not count:
        # The end, or a file that the kernel makes up while it is read.
        piece = os.pread(reading, _CHUNK_BYTES, start)
        os.lseek(writing, start, os.SEEK_SET)
        write_all(writing, piece)
        count = len(piece)
    begin_writing(writing, start, count)
    return start + count if count else 0


def signature_of(status: os.stat_result) -> Signature:
    """Return what changes when a file's bytes do, read without reading the file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _broken(artifact: Artifact, path: Path, how: str) -> IntegrityError:
    return IntegrityError(
        f"the artifact {artifact.name} (sha256 {artifact.sha256[:12]}) is {how}",
        hint=f"`churnflow pull` fetches it from the remote; without one bring {path} back from a backup or another "
        "clone, or make it again: churnflow run --new",
    )


@cache
def _installed_codecs() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=_GROUP)}
