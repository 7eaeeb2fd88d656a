"""An SQLite database in a file, opened for reading alone."""

from pathlib import Path

from churnflow.modelling.databases import answered, columns_of, sqlite_engine
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Table


def read(path: Path, options: ReadOptions) -> Table:
    """Read the table or query that is declared, or the only table of the file. Raises UsageError as `answered` does."""
    return answered(sqlite_engine(path), options, path.name)


def header(path: Path, options: ReadOptions) -> tuple[str, ...]:
    """Return the columns of that table or query without reading a row. Raises UsageError as `answered` does."""
    return columns_of(sqlite_engine(path), options, path.name)
