"""The bytes of a source: a plain file or a compressed one, never more than asked for, never a moving target."""

import bz2
import gzip
import io
import lzma
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from churnflow.errors import UsageError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_BYTES: Final = 2_000_000_000
BOMB_BYTES: Final = 200_000_000
BOMB_RATIO: Final = 200
MOST_MEMBERS: Final = 1_000
_BUFFER: Final = 1 << 18
_DAMAGED: Final = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, zstd.ZstdError)
_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_PACKED: Final[tuple[tuple[bytes, str, Callable[[IO[bytes]], Any]], ...]] = (
    (b"\x1f\x8b", "gzip", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"BZh", "bzip2", bz2.BZ2File),
    (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd.ZstdFile),
)


@dataclass(frozen=True)
class Unpacked:
    """The bytes of a source, to be read once from their beginning, and how they were compressed, "" for not at all."""

    stream: io.BufferedReader
    compression: str

    def head(self) -> bytes:
        """Return the first bytes, at most 256 kB, which stay to be read."""
        return self.stream.peek(_BUFFER)[:_BUFFER]

    def refuse_damage(self) -> None:
        """Unpack a compressed file to its end, which is quick, before anything slow is done with it.

        Raises UsageError for one that is damaged, cut off or a bomb.
        """
        while self.compression and self.stream.read(_BUFFER):
            pass


@contextmanager
def unpacked(path: Path, most: int | None = MOST_BYTES) -> Iterator[Unpacked]:
    """Open a file, and what a compressed one holds. A workbook is a zip file, too, and is left as it is.

    most: bytes that may come out of it, for a reader who keeps them in memory; None for one who lets them pass.
    Raises UsageError for what is missing, no file, too large, damaged, encrypted, a bomb, or changed while it was read.
    """
    before = regular(path)
    if most is not None and before.st_size > most:
        message = f"{path.name} takes {before.st_size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} MB that are read"
        raise UsageError(message, hint="name a sample of it, or a part")
    try:
        with path.open("rb") as raw:
            stream, compression = _opened(raw, path)
            guarded = _Guarded(stream, _Limits(path, compression, before.st_size, most))
            yield Unpacked(io.BufferedReader(guarded, _BUFFER), compression)
    except OSError as error:
        raise _unreadable(path, error) from None
    if _signature(before) != _signature(regular(path)):
        message = f"{path.name} changed while it was read"
        raise UsageError(message, hint="wait until it is written, then run again")


def regular(path: Path) -> os.stat_result:
    """Return the status of a file. Raises UsageError for what is missing, empty, or no file, such as a pipe."""
    try:
        status = path.stat()
    except FileNotFoundError:
        message = f"no such file: {path.name}"
        raise UsageError(message, hint="name a file that is there under with: {source: ...}") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        message = f"{path.name} is a directory, not a file"
        raise UsageError(message, hint="name a file in it")
    if not stat.S_ISREG(status.st_mode):
        message = f"{path.name} is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no file')}, not a file"
        raise UsageError(message, hint="write what comes out of it to a file first")
    if status.st_size == 0:
        raise empty(path)
    return status


def empty(path: Path) -> UsageError:
    """Return the error for a source without anything in it."""
    message = f"{path.name} is empty"
    return UsageError(message, hint="name a file with a header and rows")


def _unreadable(path: Path, error: OSError) -> UsageError:
    message = f"{path.name} can not be read: {error.strerror or error}"
    return UsageError(message, hint="name a file that you may read")


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _opened(raw: IO[bytes], path: Path) -> tuple[IO[bytes], str]:
    head = raw.read(8)
    raw.seek(0)
    for magic, name, unpack in _PACKED:
        if head.startswith(magic):
            return unpack(raw), name
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(raw, path)
    return raw, ""


def _zipped(raw: IO[bytes], path: Path) -> tuple[IO[bytes], str]:
    try:
        archive = zipfile.ZipFile(raw)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError):
        raise _damaged(path, "zip") from None
    names = {member.filename for member in members}
    if "[Content_Types].xml" in names or "mimetype" in names:
        raw.seek(0)
        return raw, ""
    # macOS packs a twin of every file.
    real = [member for member in members if not member.filename.startswith("__MACOSX/")]
    if len(real) != 1:
        message = f"{path.name} holds {len(real):,} files, not one"
        raise UsageError(message, hint="unpack it, and name the file that you mean")
    if real[0].flag_bits & 1:
        message = f"{path.name} is encrypted"
        raise UsageError(message, hint="unpack it with its password, and name the file that comes out")
    try:
        return archive.open(real[0]), "zip"
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        raise _damaged(path, "zip") from None


def _damaged(path: Path, compression: str) -> UsageError:
    message = f"{path.name} is a damaged or truncated {compression} file"
    return UsageError(message, hint="copy or download it again")


@dataclass(frozen=True)
class _Limits:
    """What may come out of a file: packed is its size in bytes, most the bytes that are wanted of it at most."""

    path: Path
    compression: str
    packed: int
    most: int | None

    def refuse(self, seen: int) -> None:
        """Raise UsageError where more has come out than anyone can have meant."""
        too_many = self.most is not None and seen > self.most
        if too_many or (seen > BOMB_BYTES and seen > BOMB_RATIO * self.packed):
            message = f"{self.path.name} unpacks to more than {seen / 1e6:,.0f} MB from {self.packed / 1e6:,.1f} MB"
            raise UsageError(message, hint="unpack it yourself, look at it, and name the part that you mean")


class _Guarded(io.RawIOBase):
    """A stream that ends with two lines where its bytes are damaged, or more than anyone can have meant."""

    def __init__(self, stream: IO[bytes], limits: _Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        try:
            chunk = self._stream.read(len(buffer))
        except _DAMAGED:
            raise _damaged(self._limits.path, self._limits.compression) from None
        except OSError as error:
            if error.errno is None:
                raise _damaged(self._limits.path, self._limits.compression) from None
            raise
        self._seen += len(chunk)
        self._limits.refuse(self._seen)
        buffer[: len(chunk)] = chunk
        return len(chunk)
