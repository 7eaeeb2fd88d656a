"""Files as a test wants them, and what is said of those that are refused."""

from pathlib import Path
from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table


def written(folder: Path, content: str | bytes, name: str = "customers.csv") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **declared: Any) -> Table:
    """Read a file with what is declared of it."""
    return read_table(path, ReadOptions(**declared))


def refused(path: Path, **declared: Any) -> tuple[str, str]:
    """Return the two lines with which a file is refused, after a look that they are two."""
    with pytest.raises(UsageError) as raised:
        read(path, **declared)
    message, hint = str(raised.value), raised.value.hint
    assert "\n" not in message + hint
    assert str(path.parent) not in message + hint
    return message, hint
