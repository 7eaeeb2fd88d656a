"""Scored rows on disk, as Parquet in parts, with SQL over all of them; any number of threads may write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.parquet_frames import rows_of
from churnflow.modelling.scratch import room_on_disk
from churnflow.modelling.table import Ragged

# What DuckDB may hold in memory while it sorts; what is more goes to the scratch folder.
MEMORY: Final = "400MB"
THREADS: Final = 2


class Parts:
    """The parts of one list."""

    def __init__(self, folder: Path, columns: dict[str, str]) -> None:
        """Take the folder, and the SQL type of each column."""
        self._folder = folder
        self._columns = columns
        self._paths: dict[int, str] = {}

    def write(self, number: int, frame: pd.DataFrame) -> None:
        """Write rows as the part of that number. Raises UsageError when the disk is full."""
        path = str(self._folder / f"{number:06}.parquet")
        # A column in which every value of a part is missing keeps its type all the same.
        typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in self._columns.items())
        with room_on_disk(), duckdb.connect(config={"threads": 1}) as connection:
            connection.register("part", frame)
            try:
                connection.execute(f"COPY (SELECT {typed} FROM part) TO ? (FORMAT parquet)", [path])  # noqa: S608
            except duckdb.IOException as error:
                raise OSError(None, str(error).splitlines()[0].replace(path, "")) from None
        self._paths[number] = path

    def write_ragged(self, rows: Sequence[Ragged], width: int) -> None:
        """Write rows that have another number of fields than the header, of which nothing is known but the line."""
        if not rows:
            return
        problems = [f"{row.fields} fields where the header has {width}" for row in rows]
        frame = pd.DataFrame({"line": [row.line for row in rows], "problem": problems})
        self.write(len(self._paths), frame.reindex(columns=list(self._columns)))

    @property
    def rows(self) -> str:
        """SQL for all rows, in their order."""
        return rows_of(self._paths[number] for number in sorted(self._paths))

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to ask about them, which keeps to its memory."""
        settings: dict[str, Any] = {
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": str(self._folder / "sorting"),
            "autoinstall_known_extensions": False,
        }
        return duckdb.connect(config=settings)


def explained_by_user(error: duckdb.Error) -> UsageError:
    """Return the error for what DuckDB could not do with the parts: mostly for want of room."""
    message = f"the list could not be sorted: {str(error).splitlines()[0]}"
    return UsageError(message, hint="free space in the temporary folder, or name one on a larger disk: TMPDIR=/folder")
