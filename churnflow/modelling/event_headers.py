"""The columns of a log of events, from the head of its file: what can be known of it before it is read."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.declared import unknown_column
from churnflow.modelling.event_sources import open_events
from churnflow.modelling.formats import format_of
from churnflow.modelling.headers import SMALL, Header, first_lines, header_of
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.unpacking import unpacked

_NAMING: Final = ("customer", "time", "amount", "event_type")


def misnamed_event_columns(given: Mapping[str, Any]) -> Iterator[tuple[str, UsageError]]:
    """Yield the parameters of `from_events` that name a column which the log has not.

    Of a log that an earlier step reads, and of one whose columns only all of it tells, nothing is known. Raises
    UsageError for a file that is no log.
    """
    source = given.get("source")
    if not isinstance(source, Path):
        return
    header = event_header(source, ReadOptions.of(given), given["log"].names)
    named = [(parameter, given[parameter]) for parameter in _NAMING if given.get(parameter) is not None]
    for parameter, name in named:
        if header is not None and name not in header:
            yield parameter, unknown_column(name, header, source.name)


def event_header(path: Path, options: ReadOptions, names: Sequence[str] = ()) -> Header | None:
    """Return the columns of a log, None where only all of it tells: JSON lines, or Parquet that is packed.

    names: of the columns of a text without a header. Raises UsageError as `open_events` does for what is no log, as far
    as that shows in the first 200 kB.
    """
    with unpacked(path, most=None) as opened:
        head = opened.head()
        found = format_of(path, head, options)
        whole = len(opened.stream.read(SMALL + 1)) <= SMALL or (found == "parquet" and not opened.compression)
    if found in {"excel", "sqlite"}:
        return header_of(path, options)
    with tempfile.TemporaryDirectory(prefix="churnflow-head-") as folder:
        if whole:
            return open_events(path, Path(folder), options, names).header
        return _of_head(head, Path(folder), options, names) if found == "csv" else None


def _of_head(head: bytes, folder: Path, options: ReadOptions, names: Sequence[str]) -> Header | None:
    try:
        with first_lines(head) as copy:
            return open_events(copy, folder, options, names).header
    except UsageError:
        # What is wrong with more than its name is said of the file itself, when all of it is read.
        return None
