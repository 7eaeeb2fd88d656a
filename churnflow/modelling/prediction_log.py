"""The predictions log: what the API answered, how it did, and what became of customers; SQLite or PostgreSQL.

Times are seconds since the epoch, in UTC. The same SQLAlchemy code writes and reads both.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from churnflow.errors import ChurnflowError, ConflictError
from churnflow.modelling.log_database import engine_at
from churnflow.modelling.log_tables import ensure_tables
from churnflow.modelling.log_tables import outcomes as _outcomes
from churnflow.modelling.log_tables import predictions as _predictions
from churnflow.modelling.log_tables import service as _service

BATCH: Final = 5_000
# Routes of the table of the service; the second is a sign of life.
PREDICT: Final = "predict"
ALIVE: Final = "alive"
# Rows in one statement: few enough to be written within a millisecond.
_PIECE: Final = 50
# Names in one query; SQLite takes 32,766 parameters, PostgreSQL 65,535.
_NAMES: Final = 10_000
_LONGEST_REASON: Final = 200


class LogError(ConflictError):
    """The log could not be written or read; the text says why in a few words, without a value or a password."""

    def __init__(self, reason: str, *, hint: str = "see that its database runs, lets you in and has room") -> None:
        """Take the reason, and a next action that is better than the usual one."""
        super().__init__(reason, hint=hint)


class PredictionRow(NamedTuple):
    """One predicted customer. customer: a pseudonym, an id, or None. bins: one byte for each feature, in hex."""

    id: str
    at: float
    customer: str | None
    key: str | None
    version: str | None
    release: str
    latency_ms: float
    probability: float
    decision: int
    bins: str | None
    inputs: str | None


class ServiceRow(NamedTuple):
    """How many requests a worker answered in a minute of the epoch, by route and status; route `alive` is a sign of it.

    latency_ms_sum: over these requests. lost: predictions that the log could not take.
    """

    minute: int
    worker: str
    route: str
    status: int
    requests: int
    latency_ms_sum: float
    lost: int


class OutcomeRow(NamedTuple):
    """What became of a prediction, or of a customer: label 1 where the positive class came true."""

    at: float
    prediction: str | None
    customer: str | None
    label: int
    key: str | None


class Labelled(NamedTuple):
    """A prediction with the newest that was told of its outcome."""

    prediction: PredictionRow
    label: int


class Forgotten(NamedTuple):
    """How many rows of a person were removed."""

    predictions: int
    outcomes: int


class PredictionLog:
    """An open log. Every method opens a connection of its own, so that a database that went away is found again."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine; `open` makes one."""
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> "PredictionLog":
        """Open the log at a URL of SQLAlchemy; `postgresql://` and `postgres://` mean its driver psycopg.

        create: make the tables, and of SQLite the file, where there are none. Processes may begin together.

        Raises UsageError for a URL of another kind, a missing driver, a log of a newer churnflow, or, unless `create`,
        none at all; LogError when the database can not be reached.
        """
        log = cls(engine_at(url, create=create))
        try:
            with _explained(log._engine):
                ensure_tables(log._engine, create=create)
        except ChurnflowError:
            log.close()
            raise
        return log

    def write(
        self,
        predictions: Sequence[PredictionRow],
        service: Sequence[ServiceRow],
        between: Callable[[], object] | None = None,
    ) -> None:
        """Add predictions, those that are there already left as they are, and to the counts of the service.

        All or nothing. between: called before each few rows. Raises LogError.
        """
        with self._transaction() as connection:
            if predictions:
                insert = self._insert(_predictions).on_conflict_do_nothing(index_elements=["id"])
                for start in range(0, len(predictions), _PIECE):
                    if between is not None:
                        between()
                    connection.execute(insert, [row._asdict() for row in predictions[start : start + _PIECE]])
            if service:
                # In one order, so that two writers never wait for each other.
                connection.execute(self._adding(), [row._asdict() for row in sorted(service)])

    def add_outcomes(self, outcomes: Sequence[OutcomeRow]) -> None:
        """Add outcomes, all or nothing. Raises LogError."""
        if outcomes:
            with self._transaction() as connection:
                connection.execute(sa.insert(_outcomes), [row._asdict() for row in outcomes])

    def known(self, predictions: Sequence[str], customers: Sequence[str]) -> tuple[set[str], set[str]]:
        """Return which of some prediction ids and customers are in the log. Raises LogError."""
        with self._transaction() as connection:
            return (
                _among(connection, _predictions.c.id, predictions),
                _among(connection, _predictions.c.customer, customers),
            )

    def told(self, customers: Sequence[str]) -> dict[str, int]:
        """Return the newest label that was told of each of some customers, none of the others. Raises LogError."""
        found: dict[str, int] = {}
        with self._transaction() as connection:
            for start in range(0, len(customers), _NAMES):
                named = _outcomes.c.customer.in_(customers[start : start + _NAMES])
                query = sa.select(_outcomes.c.customer, _outcomes.c.label).where(named)
                rows = connection.execute(query.order_by(_outcomes.c.at, _outcomes.c.id))
                found.update((str(customer), int(label)) for customer, label in rows)
        return found

    def forget(self, *names: str) -> Forgotten:
        """Remove the predictions of a person under each of some names, and the outcomes told of them or of the person.

        A file of SQLite holds no byte of it afterwards; PostgreSQL frees the room in its own time. Raises LogError: the
        rows are there as before, or they are removed and may still stand in the file, which another call mends.
        """
        theirs = sa.select(_predictions.c.id).where(_predictions.c.customer.in_(names))
        of_them = sa.or_(_outcomes.c.customer.in_(names), _outcomes.c.prediction.in_(theirs))
        with self._transaction() as connection:
            outcomes = connection.execute(sa.delete(_outcomes).where(of_them)).rowcount
            predictions = connection.execute(sa.delete(_predictions).where(_predictions.c.customer.in_(names))).rowcount
        if self._is_sqlite:
            self._rewrite_file()
        return Forgotten(predictions, outcomes)

    def prune(self, before: float) -> int:
        """Remove what is older than a time, the counts of the service among it; return how many predictions that were.

        Raises LogError.
        """
        with self._transaction() as connection:
            removed = connection.execute(sa.delete(_predictions).where(_predictions.c.at < before)).rowcount
            connection.execute(sa.delete(_outcomes).where(_outcomes.c.at < before))
            connection.execute(sa.delete(_service).where(_service.c.minute < int(before // 60)))
        if removed and self._is_sqlite:
            # What was overwritten in the file still stands in the journal beside it; a reader may hold that.
            self._empty_journal()
        return removed

    def predictions(self, start: float, end: float, release: str | None = None) -> Iterator[list[PredictionRow]]:
        """Yield the predictions from `start` on and before `end`, of one release or all, in batches, oldest first.

        Raises LogError.
        """
        query = sa.select(_predictions).where(_predictions.c.at >= start, _predictions.c.at < end)
        if release is not None:
            query = query.where(_predictions.c.release == release)
        ordered = query.order_by(_predictions.c.at, _predictions.c.id)
        for batch in self._batches(ordered):
            yield [PredictionRow(*row) for row in batch]

    def labelled(self, start: float, end: float, release: str | None = None) -> Iterator[list[Labelled]]:
        """Yield the predictions of a time that an outcome was told of, in batches, oldest first.

        An outcome belongs to the prediction that it names, or else to the customer's newest prediction before it was
        told. Of several the newest counts. Raises LogError.
        """
        named = sa.select(_outcomes.c.prediction.label("of"), _outcomes.c.at, _outcomes.c.id, _outcomes.c.label).where(
            _outcomes.c.prediction.is_not(None)
        )
        earlier = (
            sa.select(_predictions.c.id)
            .where(_predictions.c.customer == _outcomes.c.customer, _predictions.c.at <= _outcomes.c.at)
            .order_by(_predictions.c.at.desc(), _predictions.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        of_customer = sa.select(earlier.label("of"), _outcomes.c.at, _outcomes.c.id, _outcomes.c.label).where(
            _outcomes.c.prediction.is_(None)
        )
        told = sa.union_all(named, of_customer).subquery()
        newest = sa.func.row_number().over(partition_by=told.c.of, order_by=(told.c.at.desc(), told.c.id.desc()))
        ranked = sa.select(told.c.of, told.c.label, newest.label("place")).subquery()
        query = (
            sa.select(_predictions, ranked.c.label)
            .join(ranked, sa.and_(ranked.c.of == _predictions.c.id, ranked.c.place == 1))
            .where(_predictions.c.at >= start, _predictions.c.at < end)
            .order_by(_predictions.c.at, _predictions.c.id)
        )
        if release is not None:
            query = query.where(_predictions.c.release == release)
        for batch in self._batches(query):
            yield [Labelled(PredictionRow(*row[:-1]), row[-1]) for row in batch]

    def service(self, start_minute: int, end_minute: int) -> list[ServiceRow]:
        """Return the counts from one minute on and before another, oldest first. Raises LogError."""
        query = (
            sa.select(_service)
            .where(_service.c.minute >= start_minute, _service.c.minute < end_minute)
            .order_by(_service.c.minute, _service.c.worker, _service.c.route, _service.c.status)
        )
        with self._transaction() as connection:
            return [ServiceRow(*row) for row in connection.execute(query)]

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _explained(self._engine), self._engine.begin() as connection:
            yield connection

    def _batches(self, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
        with _explained(self._engine), self._engine.connect() as connection:
            reading = connection.execution_options(stream_results=True, yield_per=BATCH)
            # Closed by itself, for who reads may stop before the end.
            with reading.execute(query) as rows:
                yield from rows.partitions(BATCH)

    def _insert(self, table: sa.Table) -> Any:
        return (sqlite if self._is_sqlite else postgresql).insert(table)

    def _adding(self) -> Any:
        insert = self._insert(_service)
        sums = {name: _service.c[name] + insert.excluded[name] for name in ("requests", "latency_ms_sum", "lost")}
        return insert.on_conflict_do_update(index_elements=list(_service.primary_key.columns), set_=sums)

    def _rewrite_file(self) -> None:
        """Have SQLite write its file anew: pages keep copies of rows that were moved before they were removed."""
        with _explained(self._engine), self._engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
        if not self._empty_journal():
            reason = "the rows are removed, but another process reads, and keeps a copy of the file from being emptied"
            raise LogError(reason, hint="run it again when that one has ended")

    def _empty_journal(self) -> bool:
        """Empty SQLite's journal; return whether it is empty, which a process that reads may prevent."""
        with _explained(self._engine), self._engine.connect() as connection:
            return connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar() == 0

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise LogError(_reason(error, engine.url.password)) from None
    except (OSError, UnicodeError, ValueError, OverflowError) as error:
        raise LogError(type(error).__name__) from None


def _reason(error: SQLAlchemyError, password: str | None) -> str:
    """Return what the driver says, in one line, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().partition("\n")[0]
    # Of data that it does not take, PostgreSQL repeats the values.
    if cause is error or not said or isinstance(error, DataError | IntegrityError):
        return type(cause).__name__
    return (said.replace(password, "***") if password else said)[:_LONGEST_REASON]


def _among(connection: Connection, column: Any, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(names), _NAMES):
        query = sa.select(column).distinct().where(column.in_(names[start : start + _NAMES]))
        found.update(connection.execute(query).scalars())
    return found
