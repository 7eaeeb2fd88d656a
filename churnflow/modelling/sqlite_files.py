"""An SQLite database in a file, opened for reading alone."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sql

from churnflow.modelling.databases import answered
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Table


def read(path: Path, options: ReadOptions) -> Table:
    """Read the table or query that is declared, or the only table of the file. Raises UsageError as `answered` does."""
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    engine = sql.create_engine("sqlite://", creator=lambda: sqlite3.connect(place, uri=True), poolclass=sql.NullPool)
    return answered(engine, options, path.name)
