"""The one door to whatever holds customers: a file of any form that ingestion reads, or a database."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from churnflow.batch.customers import ROWS, Customers, Piece, Wanted
from churnflow.batch.job import Job
from churnflow.batch.parquet_input import ParquetCustomers
from churnflow.errors import UsageError
from churnflow.modelling.databases import query_database
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table
from churnflow.modelling.values import Values

_PARQUET: Final = b"PAR1"
# How ingestion says what to write into a workflow: with: {sheet: ...}.
_DECLARED: Final = re.compile(r"with: \{(?P<name>\w+): (?P<value>[^{}]*)\}")
_OPTIONS: Final = ("table", "query", "sheet", "separator", "encoding")


class TableCustomers(Customers):
    """Customers of a source that ingestion has read as a table of text."""

    def __init__(self, table: Table, name: str) -> None:
        """Take the table, and what its source is called."""
        self._table = table
        self.name = name
        self.header = table.header
        self.rows = len(table.lines)
        self.typed = table.typed
        self.kinds = {}
        self.ragged = table.ragged
        self.notes = table.notes

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """Yield all rows in order."""
        names = list(dict.fromkeys((*wanted.features, *wanted.texts)))
        for first, columns in self._table.batches([self._table.place(name) for name in names]):
            by_name = dict(zip(names, columns, strict=True))
            for start in range(0, columns[0].rows, ROWS):
                some = slice(start, start + ROWS)
                yield Piece(
                    np.array(self._table.lines[first + start : first + min(start + ROWS, columns[0].rows)], np.int64),
                    {name: Values(by_name[name].texts, by_name[name].codes[some]) for name in wanted.features},
                    {name: _spread(by_name[name], some) for name in wanted.texts},
                )


def open_customers(job: Job) -> Customers:
    """Open what the job names. Raises UsageError for what can not be read, as ingestion does."""
    if "://" not in job.source and not Path(job.source).exists():
        message = f"no such file: {job.source}"
        raise UsageError(message, hint="name a file that is there, or the address of a database")
    try:
        return _opened(job)
    except UsageError as error:
        raise UsageError(str(error), hint=_in_options(error.hint)) from error


def _opened(job: Job) -> Customers:
    if "://" in job.source:
        table = query_database(job.source, job.options, job.password_env)
        return TableCustomers(table, "what the database answered")
    path = Path(job.source)
    if _is_parquet(path):
        return ParquetCustomers(path)
    return TableCustomers(read_table(path, job.options), path.name)


def _in_options(hint: str) -> str:
    """Return a hint of ingestion with the options of the command line in the place of what a workflow declares."""
    told = _DECLARED.sub(_as_option, hint)
    return "put it into such a form, CSV for instance, and score that" if "with:" in told else told


def _as_option(found: re.Match[str]) -> str:
    return f"--{found['name']} {found['value']}" if found["name"] in _OPTIONS else found[0]


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _spread(values: Values, some: slice) -> npt.NDArray[Any]:
    texts = np.empty(len(values.texts), dtype=object)
    texts[:] = values.texts
    spread: npt.NDArray[Any] = texts[values.codes[some]]
    return spread
