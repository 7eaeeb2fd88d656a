"""Where the predictions log is kept: its URL as an engine of SQLAlchemy, with what each kind of database needs."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from churnflow.errors import UsageError

BUSY_SECONDS: Final = 2
_DRIVERS: Final = {"sqlite": "pysqlite", "postgresql": "psycopg"}
_FORM: Final = "give sqlite:///FILE or postgresql://USER@HOST/DATABASE"
# So that a server which went away without a word is noticed within seconds, not after the quarter of an hour of TCP.
_PATIENCE: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "churnflow",
}


def engine_at(url: str, *, create: bool) -> Engine:
    """Return the engine of a URL; of SQLite the file is there then, for its owner alone, others are not asked yet.

    Raises UsageError for a URL of another kind, a driver that is not installed, a file that can not be made, or, unless
    `create`, one that is not there. No message repeats the URL, which may hold a password.
    """
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        _prepare_file(address, create=create)
        return _sqlite(address)
    return _postgresql(address)


def place_of(engine: Engine) -> str:
    """Return the file or the name of a database, as a message names it."""
    return str(engine.url.database or engine.url.host or engine.dialect.name)


def _address(url: str) -> URL:
    try:
        given = make_url(url)
    except (ArgumentError, ValueError):
        message = "the URL of the predictions log is not one of a database"
        raise UsageError(message, hint=_FORM) from None
    backend, _, driver = given.drivername.partition("+")
    # Hosts of databases hand out the short form, which SQLAlchemy does not know.
    backend = "postgresql" if backend == "postgres" else backend
    if backend not in _DRIVERS or driver not in {"", _DRIVERS[backend]}:
        message = f"the predictions log can not be kept in {given.drivername}"
        raise UsageError(message, hint=_FORM)
    return given.set(drivername=f"{backend}+{_DRIVERS[backend]}")


def _prepare_file(address: URL, *, create: bool) -> None:
    if address.database in {None, "", ":memory:"}:
        message = "a predictions log in memory is lost with its process"
        raise UsageError(message, hint="name a file: sqlite:///FILE")
    if address.query:
        message = "the URL of a file ends with its name, and this one goes on after a question mark"
        raise UsageError(message, hint="give sqlite:///FILE, of a name without a question mark")
    path = Path(str(address.database))
    if not create and not path.exists():
        message = f"there is no predictions log at {path}"
        raise UsageError(
            message, hint="`churnflow serve` begins one with its first prediction; --log URL names another"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives the journals beside it the same mode.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        message = f"the predictions log can not be made at {path}: {reason}"
        raise UsageError(message, hint="name another file with --log sqlite:///FILE") from None


def _sqlite(address: URL) -> Engine:
    path = Path(str(address.database)).absolute()

    def connect() -> sqlite3.Connection:
        # A file that went away is not made here, where everybody could read it, but when the log is opened again.
        return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_SECONDS)

    # A connection for each transaction: one that is kept goes on writing into a file that was moved or removed.
    engine = sa.create_engine(address, creator=connect, poolclass=NullPool, hide_parameters=True)

    def set_up(connection: Any, _: Any) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", set_up)
    return engine


def _postgresql(address: URL) -> Engine:
    given = {name: value for name, value in _PATIENCE.items() if name not in address.query}
    try:
        # Kept as long as it answers: to connect takes longer than to write a batch.
        engine = sa.create_engine(address, pool_size=1, pool_pre_ping=True, connect_args=given, hide_parameters=True)
    except ImportError:
        message = "PostgreSQL needs its driver psycopg, which is not installed"
        raise UsageError(message, hint="pip install 'churnflow[sql]'") from None

    def set_up(connection: Any, _: Any) -> None:
        connection.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        # Every row of an answer is read: a plan that has the first ones soon takes minutes for all of them.
        connection.execute("SET cursor_tuple_fraction = 1.0")
        connection.commit()

    sa.event.listen(engine, "connect", set_up)
    return engine
