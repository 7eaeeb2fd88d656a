"""Text as UTF-8."""

from pathlib import Path

from churnflow.errors import IntegrityError

SUFFIX = ".txt"


def dump(value: object, path: Path) -> None:
    """Write text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        message = f"the codec text stores text, not {type(value).__name__}"
        raise TypeError(message)
    path.write_bytes(value.encode())


def load(path: Path) -> str:
    """Read the text back. Raises IntegrityError when the bytes are no UTF-8."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        message = f"{path.name} is no text in UTF-8: {error}"
        raise IntegrityError(message, hint="churnflow verify names what is broken, and what restores it") from None
