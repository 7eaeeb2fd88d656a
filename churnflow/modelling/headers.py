"""The names of a source's columns, from the head of its file: what can be known of it before it is read."""

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from churnflow.errors import UsageError
from churnflow.modelling.decoding import by_bytes
from churnflow.modelling.formats import format_of
from churnflow.modelling.read_options import Format, ReadOptions
from churnflow.modelling.sources import read_table
from churnflow.modelling.unpacking import unpacked

Header = tuple[str, ...]

# To read so much takes no longer than to look at it.
SMALL: Final = 200_000
_WORKBOOK: Final = 2_000_000
_UNIT: Final = 4
# Their names stand in one place, so that no value is read.
_APART: Final[dict[Format, str]] = {
    "parquet": "churnflow.modelling.parquet",
    "sqlite": "churnflow.modelling.sqlite_files",
}


def header_of(path: Path, options: ReadOptions) -> Header | None:
    """Return the columns of a file, None where only all of it tells: JSON lines, a workbook of more than 2 MB.

    Raises UsageError as `read_table` does for what is no table, as far as that shows in the first 200 kB.
    """
    with unpacked(path, None) as opened:
        head = opened.head()
        found = format_of(path, head, options)
        whole = found not in _APART and len(opened.stream.read(SMALL + 1)) <= SMALL
    if found in _APART:
        names: Header = importlib.import_module(_APART[found]).header(path, options)
        return names
    if whole or (found == "excel" and path.stat().st_size <= _WORKBOOK):
        return read_table(path, options).header
    return _of_head(head, options) if found == "csv" else None


def _of_head(head: bytes, options: ReadOptions) -> Header | None:
    """Return the columns of the first lines, read as the file would be; None where a row is cut by their end."""
    try:
        with first_lines(head) as copy:
            return read_table(copy, options).header
    except UsageError:
        return None


@contextmanager
def first_lines(head: bytes) -> Iterator[Path]:
    """Lay the whole lines of the head of a text into a file of their own."""
    wide = by_bytes(head) not in {None, "utf-8-sig"}
    lines = head[: len(head) - len(head) % _UNIT] if wide else head[: head.rfind(b"\n") + 1]
    with tempfile.TemporaryDirectory(prefix="churnflow-head-") as folder:
        copy = Path(folder) / "head.csv"
        copy.write_bytes(lines)
        yield copy
