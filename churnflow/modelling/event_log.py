"""From a log in a file to events in a database on disk: one typed row each, what can not be used set apart by rule."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Final

import duckdb
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.event_amounts import number_of
from churnflow.modelling.event_files import SETTINGS, EventFile, Ragged, quoted, ragged_rows
from churnflow.modelling.event_times import PLACEHOLDERS, TimeFormat
from churnflow.modelling.numerals import Numerals
from churnflow.modelling.personal import masked

_OF_VALUES: Final[Mapping[str, str]] = {
    "no_customer": "{customer} has no value",
    "no_time": "{time} has no value, or a placeholder for one",
    "not_a_time": "{time} is not a time",
    "future": "{time} is later than the log can know",
    "not_a_number": "{amount} is not a number",
    "infinite": "{amount} is infinite",
    "out_of_range": "{amount} is out of range",
}
_REMEDIES: Final[Mapping[str, str]] = {
    "not_a_time": "check the column that `time` names, or say how times are written: with: {log: {time_format: ...}}",
    "future": "check `until`, if it is given, and how times are written: with: {log: {time_format: ...}}",
    "not_a_number": "check the column that `amount` names, or the mark before decimals: with: {decimal: ...}",
}
RULES: Final = ("ragged", *_OF_VALUES)
# Amounts are kept as decimals with six places: their sums do not depend on the order of the rows, as those of binary
# fractions do, and eighteen digits leave twelve before the point.
LARGEST_AMOUNT: Final = 1e12
MOST_SHOWN: Final = 10_000
MOST_SPANNING: Final = 100
FEW: Final = 0.001
FEWEST: Final = 100
# So much of a row tells which one it is.
LONGEST_ROW: Final = 4_000
# So many events at a time are taken through the features, which bounds the memory whatever the length of the log.
BUCKET_EVENTS: Final = 2_000_000


@dataclass(frozen=True)
class Columns:
    """Which columns of a log say what; amount and type may be absent."""

    customer: str
    time: str
    amount: str | None = None
    type: str | None = None


@dataclass(frozen=True)
class Reading:
    """How the values of a log are read.

    numerals: how amounts are written. zone: of the days, and of times without an offset. until: no event can be later.
    returns: whether a negative amount is a return, which is no activity. active_types: the types of events that show a
    customer who stays; all if empty.
    """

    columns: Columns
    format: TimeFormat
    numerals: Numerals
    zone: str
    until: datetime
    missing: tuple[str, ...] | None = None
    returns: bool = True
    active_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Log:
    """A log that was read: its counts, and the rows that were set apart.

    first, newest: the days of the oldest and the newest event. buckets: into how many parts of whole customers the
    events are divided. rejected: line, rule, reason and text of the first rows that were set apart, without what reads
    as personal data; counts: of all. spanning: on which lines the first rows begin that take very many. stray: what is
    to be said of days far away from nearly all others.
    """

    first: date
    newest: date
    events: int
    negative: int
    buckets: int
    counts: Mapping[str, int]
    rejected: pd.DataFrame
    spanning: tuple[int, ...] = ()
    stray: tuple[str, ...] = ()

    @property
    def invalid(self) -> int:
        """How many rows were set apart."""
        return sum(self.counts.values())


@contextmanager
def database(folder: Path, memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in `folder` that takes at most `memory`, such as 1GB, and goes on in files beyond it.

    Raises UsageError when neither is enough, and for what DuckDB can not read.
    """
    try:
        with duckdb.connect(str(folder / "events.duckdb"), config=SETTINGS) as connection:
            connection.execute(f"SET memory_limit = {quoted(memory)}")
            connection.execute(f"SET temp_directory = {quoted(str(folder / 'spilled'))}")
            yield connection
    except duckdb.OutOfMemoryException:
        message = f"the log does not fit into {memory} of memory and the space on disk beside it"
        raise UsageError(message, hint="give more memory, or free space in the temporary folder (TMPDIR)") from None
    except duckdb.Error as error:
        message = f"the log can not be read: {told(error)}"
        raise UsageError(message, hint="close quotes that are open, or name separator and encoding") from error


def read_log(connection: duckdb.DuckDBPyConnection, file: EventFile, reading: Reading) -> Log:
    """Read a log into the table `events` (customer, day, amount, type, active, returned, place, content).

    place: a hash of the customer; content: one of the whole row. Raises UsageError where no event can be used.
    """
    _stage(connection, file, reading)
    _refuse_unknown_types(connection, reading)
    summary = "SELECT min(day), max(day), count(*), count(*) FILTER (amount < 0) FROM events"
    first, newest, events, negative = connection.execute(summary).fetchall()[0]
    ragged = ragged_rows(connection, file)
    found = connection.execute("SELECT rule, count(*) FROM rows WHERE rule IS NOT NULL GROUP BY rule").fetchall()
    counts = dict.fromkeys(RULES, 0) | dict(found) | {"ragged": len(ragged)}
    if not events:
        worst = max(counts, key=lambda rule: counts[rule])
        message = f"{file.name} holds no event that can be used; most rows are set apart as {worst}"
        raise UsageError(message, hint=_REMEDIES.get(worst, "check the names of the columns, and the separator"))
    rows = [(row.line, "ragged", row.reason, _shown(row.text)) for row in ragged[:MOST_SHOWN]]
    if found:
        rows += _unusable(connection, file, reading, ragged)
    spanning = _spanning(connection, file, ragged)
    rejected = pd.DataFrame(sorted(rows)[:MOST_SHOWN], columns=["line", "rule", "reason", "row"])
    rejected = rejected.astype({"line": "int64", "rule": "str", "reason": "str", "row": "str"})
    return Log(
        first,
        newest,
        events,
        negative,
        -(-events // BUCKET_EVENTS),
        counts,
        rejected,
        spanning,
        tuple(_strays(connection)),
    )


def _strays(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield what is to be said where a thousandth of the events spans more than half of the days of the log."""
    found = connection.execute("SELECT day, count(*) FROM events GROUP BY day ORDER BY day").fetchall()
    days, counts = [day for day, _ in found], list(accumulate(count for _, count in found))
    if counts[-1] < FEWEST:
        return
    few, half = max(1.0, counts[-1] * FEW), (days[-1] - days[0]) / 2
    begins = next(day for day, count in zip(days, counts, strict=True) if count > few)
    ends = next(day for day, count in zip(days, counts, strict=True) if count >= counts[-1] - few)
    if begins - days[0] > half:
        yield f"nearly all events are of {begins} and later, and the oldest is of {days[0]}: a stray time?"
    if days[-1] - ends > half:
        yield f"nearly all events are of {ends} and earlier, and the newest is of {days[-1]}: a stray time?"


def _shown(row: str) -> str:
    return masked(row[:LONGEST_ROW])


def _spanning(connection: duckdb.DuckDBPyConnection, file: EventFile, ragged: Sequence[Ragged]) -> tuple[int, ...]:
    """Return the lines on which the first rows begin that take more lines than a text that anyone wrote."""
    if not connection.execute("SELECT 1 FROM rows WHERE spans LIMIT 1").fetchall():
        return ()
    connection.execute("SET preserve_insertion_order = true")
    query = f"SELECT line FROM ({file.rows.numbered}) WHERE {file.rows.spans} ORDER BY line LIMIT {MOST_SPANNING}"
    return tuple(_lines(file, [line for (line,) in connection.execute(query).fetchall()], ragged))


def _lines(file: EventFile, numbers: list[int], ragged: Sequence[Ragged]) -> list[int]:
    return numbers if file.rows.lines is None else file.rows.lines.of(numbers, [row.line for row in ragged])


def _refuse_unknown_types(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    if not reading.active_types:
        return
    query = "SELECT type FROM rows WHERE type IS NOT NULL GROUP BY type ORDER BY count(*) DESC, type LIMIT 10000"
    known = [kind for (kind,) in connection.execute(query).fetchall()]
    for kind in reading.active_types:
        if kind not in known:
            near = get_close_matches(kind, known, n=1)
            message = f"no event is of the type {kind!r}, which active_types names"
            shown = f"the types of {reading.columns.type!r}: {', '.join(map(masked, known[:20])) or 'none'}"
            raise UsageError(message, hint=f"did you mean {near[0]!r}?" if near else shown)


def _stage(connection: duckdb.DuckDBPyConnection, file: EventFile, reading: Reading) -> None:
    values = "rule, customer, CAST(moment AS DATE) AS day, CAST(amount AS DECIMAL(18, 6)) AS amount, type"
    marks = "returned, active, spans, CAST(hash(customer) >> 40 AS INTEGER) AS place, content"
    connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"CREATE TABLE rows AS SELECT {values}, {marks} FROM ({_parsed(file, reading)})")
    connection.execute("CREATE VIEW events AS SELECT * EXCLUDE (rule, spans) FROM rows WHERE rule IS NULL")


def _parsed(file: EventFile, reading: Reading, *, numbered: bool = False) -> str:
    """Return SQL for the rows of a file with typed values, the rule that sets a row apart, and lines if numbered."""
    columns = reading.columns
    texts = {
        "who": file.text(columns.customer, reading.missing),
        "spelled": file.text(columns.time, reading.missing),
        "figure": file.text(columns.amount, reading.missing) if columns.amount else "CAST(NULL AS VARCHAR)",
        "type": file.text(columns.type, reading.missing) if columns.type else "CAST(NULL AS VARCHAR)",
    }
    moment = reading.format.reads("raw" if reading.format.typed else "spelled", reading.zone)
    raw = f"{file.column(columns.time)} AS raw"
    selected = ", ".join(f"{text} AS {name}" for name, text in texts.items())
    relation, more = (
        (file.rows.numbered, f", line, {file.rows.written} AS written") if numbered else (file.rows.plain, "")
    )
    read = f"SELECT {selected}, {raw}, {file.rows.same} AS content, {file.rows.spans} AS spans{more} FROM ({relation})"
    typed = f"SELECT *, {moment} AS moment, {number_of('figure', reading.numerals)} AS number FROM ({read})"
    returned = "coalesce(number < 0, false)" if reading.returns else "false"
    types = ", ".join(map(quoted, reading.active_types))
    active = f"coalesce(type IN ({types}), false)" if types else "true"
    kept = f"abs(number) < {LARGEST_AMOUNT:.0f}"
    values = f"moment, CASE WHEN {kept} THEN number END AS amount, type, {returned} AS returned, content, spans"
    whole = (
        f"SELECT CASE {_tests(reading)} END AS rule, who AS customer, {values}, {active} AND NOT {returned} AS active"
    )
    return f"{whole}{', line, written' if numbered else ''} FROM ({typed})"


def _tests(reading: Reading) -> str:
    placeholders = ", ".join(f"DATE {quoted(day)}" for day in PLACEHOLDERS)
    tests = {
        "no_customer": "who IS NULL",
        "no_time": f"spelled IS NULL OR coalesce(CAST(moment AS DATE) IN ({placeholders}), false)",
        "not_a_time": "moment IS NULL OR NOT isfinite(moment)",
        "future": f"moment > TIMESTAMP {quoted(reading.until.isoformat(' '))}",
        "not_a_number": "figure IS NOT NULL AND (number IS NULL OR isnan(number))",
        "infinite": "isinf(number)",
        "out_of_range": f"abs(number) >= {LARGEST_AMOUNT:.0f}",
    }
    return " ".join(f"WHEN {test} THEN {quoted(rule)}" for rule, test in tests.items())


def _unusable(
    connection: duckdb.DuckDBPyConnection, file: EventFile, reading: Reading, ragged: Sequence[Ragged]
) -> list[tuple[int, str, str, str]]:
    """Return line, rule, reason and text of the first rows with a value that can not be used, from a second reading."""
    connection.execute("SET preserve_insertion_order = true")
    parsed = _parsed(file, reading, numbered=True)
    query = f"SELECT line, rule, written FROM ({parsed}) WHERE rule IS NOT NULL ORDER BY line LIMIT {MOST_SHOWN}"
    found = connection.execute(query).fetchall()
    lines = _lines(file, [line for line, _, _ in found], ragged)
    names = {name: getattr(reading.columns, name) for name in ("customer", "time", "amount")}
    said = {rule: reason.format(**names) for rule, reason in _OF_VALUES.items()}
    return [(line, rule, said[rule], _shown(text)) for line, (_, rule, text) in zip(lines, found, strict=True)]
