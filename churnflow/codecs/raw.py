"""Bytes, stored as they are."""

from pathlib import Path

SUFFIX = ".bin"


def dump(value: object, path: Path) -> None:
    """Write bytes. Raises TypeError for anything else."""
    if not isinstance(value, bytes | bytearray | memoryview):
        message = f"the codec bytes stores bytes, not {type(value).__name__}"
        raise TypeError(message)
    path.write_bytes(value)


def load(path: Path) -> bytes:
    """Read the bytes back."""
    return path.read_bytes()
