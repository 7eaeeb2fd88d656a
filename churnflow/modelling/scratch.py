"""A folder for what memory should not hold, which goes when nobody holds it any more."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnflow.errors import UsageError


class Scratch:
    """A temporary folder (below TMPDIR, where that is set) with files that are appended to and read in parts."""

    def __init__(self) -> None:
        """Make the folder. Raises UsageError when there is no place for one."""
        with room_on_disk():
            self.path = Path(tempfile.mkdtemp(prefix="churnflow-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def append(self, name: str, data: "bytes | npt.NDArray[Any]") -> int:
        """Write bytes, or the items of an array, to the end of a file; return where they begin, in bytes."""
        with room_on_disk(), (self.path / name).open("ab") as file:
            start = file.tell()
            file.write(data if isinstance(data, bytes) else np.ascontiguousarray(data).data)
        return start

    def read(self, name: str, start: int, size: int) -> bytes:
        """Return so many bytes of a file from `start`."""
        with (self.path / name).open("rb") as file:
            file.seek(start)
            return file.read(size)

    def items(self, name: str, kind: npt.DTypeLike, start: int = 0, count: int = -1) -> "npt.NDArray[Any]":
        """Return so many items of a file of items of one type, from the one with the number `start`; -1 for all."""
        return np.fromfile(self.path / name, kind, count, offset=start * np.dtype(kind).itemsize)


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Raise UsageError, with what to do, where the disk is full or nothing may be written."""
    try:
        yield
    except OSError as error:
        message = f"the table is too large for memory, and the temporary folder can not hold it: {error.strerror}"
        raise UsageError(message, hint="free space there, or name a folder on a larger disk: TMPDIR=/folder") from None
