"""The one door to every kind of source: a file of any format, or what a database has answered, as a table of text."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from churnflow.errors import UsageError
from churnflow.modelling.formats import format_of
from churnflow.modelling.read_options import Format, ReadOptions
from churnflow.modelling.unpacking import unpacked

if TYPE_CHECKING:
    import pandas as pd

    from churnflow.modelling.table import Table

# Reached by name: most sources need neither the workbook's nor the database's library.
_READERS: Final[dict[Format, str]] = {
    "csv": "churnflow.modelling.delimited",
    "parquet": "churnflow.modelling.parquet",
    "excel": "churnflow.modelling.spreadsheets",
    "jsonl": "churnflow.modelling.json_lines",
    "sqlite": "churnflow.modelling.sqlite_files",
}
_STREAMED: Final = frozenset({"csv", "jsonl"})
# Read at once; of the others a few rows at a time are in memory.
_WHOLE: Final = frozenset({"excel"})


def read_table(source: "Path | pd.DataFrame", options: ReadOptions = ReadOptions()) -> "Table":  # noqa: B008 - frozen
    """Read a source with every value as text.

    A file is CSV, plain or compressed (gzip, bzip2, xz, zstd, zip), Parquet, a workbook (xlsx, xlsm, xlsb, xls, ods),
    JSON lines, or an SQLite database. A data frame of text is what an earlier step has read elsewhere.

    Raises UsageError, with what to do, for a source that is missing, empty, damaged, of another format than it says,
    or that holds no table. Rows of the wrong width are set apart in the table.
    """
    if not isinstance(source, Path):
        return cast("Table", importlib.import_module("churnflow.modelling.frames").read(source, options))
    with unpacked(source, most=None) as opened:
        found = format_of(source, opened.head(), options)
        if opened.compression and found not in _STREAMED:
            message = f"{source.name} is compressed around a format that is so already"
            raise UsageError(message, hint="unpack it, and name the file that comes out")
        opened.refuse_damage()
    if found in _WHOLE:
        with unpacked(source):
            pass
    return cast("Table", importlib.import_module(_READERS[found]).read(source, options))
