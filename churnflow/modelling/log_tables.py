"""The tables of the predictions log, and the number of their schema, by which a later version knows an older log."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from churnflow.errors import UsageError
from churnflow.modelling.log_database import place_of

SCHEMA: Final = 1
# Any number that no other program locks; these are the letters of `churn`.
_LOCK: Final = 0x636875726E

_metadata = sa.MetaData()
_text = sa.Text()
_number: sa.Double[float] = sa.Double()
predictions = sa.Table(
    "predictions",
    _metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("at", _number, nullable=False, index=True),
    sa.Column("customer", _text),
    sa.Column("key", _text),
    sa.Column("version", _text),
    sa.Column("release", _text, nullable=False),
    sa.Column("latency_ms", _number, nullable=False),
    sa.Column("probability", _number, nullable=False),
    sa.Column("decision", sa.Integer, nullable=False),
    sa.Column("bins", _text),
    sa.Column("inputs", _text),
    # With the time in it, a database without statistics finds the newest prediction of a customer by it, too.
    sa.Index("ix_predictions_customer_at", "customer", "at"),
)
service = sa.Table(
    "service",
    _metadata,
    sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("worker", _text, primary_key=True),
    sa.Column("route", _text, primary_key=True),
    sa.Column("status", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("latency_ms_sum", _number, nullable=False),
    sa.Column("lost", sa.BigInteger, nullable=False),
)
outcomes = sa.Table(
    "outcomes",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", _number, nullable=False, index=True),
    sa.Column("prediction", _text, index=True),
    sa.Column("customer", _text, index=True),
    sa.Column("label", sa.Integer, nullable=False),
    sa.Column("key", _text),
)
_schema = sa.Table("log_schema", _metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))


def ensure_tables(engine: Engine, *, create: bool) -> None:
    """Have the tables be there; processes may begin together.

    Raises UsageError when they are of a newer schema, or, unless `create`, when they are not there; SQLAlchemyError
    when the database can not be asked.
    """
    with engine.connect() as connection:
        complete = _complete(connection)
        if complete:
            _refuse_newer(connection)
    if complete:
        return
    if not create:
        message = f"there is no predictions log in {place_of(engine)}"
        raise UsageError(message, hint="`churnflow serve` begins one; --log URL names another")
    with engine.begin() as connection:
        _wait_for_others(connection)
        _metadata.create_all(connection)
        if connection.scalar(sa.select(_schema.c.version)) is None:
            connection.execute(sa.insert(_schema).values(version=SCHEMA))
        _refuse_newer(connection)


def _complete(connection: Connection) -> bool:
    return set(_metadata.tables) <= set(sa.inspect(connection).get_table_names())


def _refuse_newer(connection: Connection) -> None:
    version = connection.scalar(sa.select(sa.func.max(_schema.c.version))) or SCHEMA
    if version > SCHEMA:
        message = f"the predictions log is of schema {version}, and this churnflow knows {SCHEMA}"
        raise UsageError(message, hint="upgrade churnflow, or name another log with --log URL")


def _wait_for_others(connection: Connection) -> None:
    """Be the only process that makes tables: to make one only where there is none is no protection by itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
