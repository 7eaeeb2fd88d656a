"""Text as UTF-8."""

from pathlib import Path

SUFFIX = ".txt"


def dump(value: object, path: Path) -> None:
    """Write text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        message = f"the codec text stores text, not {type(value).__name__}"
        raise TypeError(message)
    path.write_bytes(value.encode())


def load(path: Path) -> str:
    """Read the text back."""
    return path.read_bytes().decode()
