"""What a database answers, as a table of text: in a read-only transaction, in pieces, with no password written down."""

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import sqlalchemy as sql
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.exact_text import exact_text, holds_texts
from churnflow.modelling.personal import masked
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Form, Table, named_columns

CONNECT_SECONDS: Final = 10
_CELLS: Final = 100_000
_LONGEST_ERROR: Final = 300
_SECRET: Final = re.compile(r"(password|passwd|pwd|passphrase|token|secret)(?=$|\s*=)", re.IGNORECASE)
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|(?<=: )\"[^\"]*\"")
_ADDRESS: Final = "write it as postgresql+psycopg://USER@HOST/DATABASE"
_READING: Final = ("select", "with", "values", "table", "(")
# These keep a transaction, or the whole file, from being written to; elsewhere a WITH may delete.
_GUARDED: Final = frozenset({"postgresql", "sqlite"})


def query_database(url: str, options: ReadOptions, password_env: str | None = None) -> Table:
    """Ask a database, as SQLAlchemy addresses it, for the rows of a table or of a query that only reads.

    password_env: the environment variable that holds the password; without it the driver looks where it always does,
    which for PostgreSQL is PGPASSWORD, PGPASSFILE or ~/.pgpass. Numbers come with every digit, times in UTC.

    Raises UsageError for an address that is none or holds a password, a missing driver, a table that is not there, and
    whatever the database answers with an error; nothing that is raised names the password.
    """
    address, secret = _address(url, password_env)
    name = f"the database {address.database!r}" if address.database else address.drivername
    return answered(_connectable(address), options, name, secret)


def wrong_address(given: Mapping[str, Any]) -> Iterator[tuple[str, UsageError]]:
    """Yield what is wrong with the address in `database` before anything is asked: its driver is not there, say."""
    try:
        _connectable(_address(given["database"], None)[0])
    except UsageError as error:
        yield "database", error


def _connectable(address: URL) -> sql.Engine:
    try:
        return _engine(address)
    except ImportError as error:
        message = f"the driver {error.name!r} is not installed, which {address.drivername} needs"
        package = "'churnflow[sql]'" if address.get_backend_name() == "postgresql" else str(error.name)
        raise UsageError(message, hint=f"pip install {package}") from None
    except (NoSuchModuleError, ArgumentError):
        message = f"{address.drivername!r} is no kind of database that SQLAlchemy knows here"
        raise UsageError(message, hint=_ADDRESS) from None


def sqlite_engine(path: Path) -> sql.Engine:
    """Return an engine that opens an SQLite file for reading alone, and makes none where there is none."""
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sql.create_engine("sqlite://", creator=lambda: sqlite3.connect(place, uri=True), poolclass=sql.NullPool)


def _engine(address: URL) -> sql.Engine:
    """Return the engine of an address. Raises UsageError for an SQLite file that is not there."""
    if address.get_backend_name() != "sqlite" or address.database in {None, "", ":memory:"}:
        return sql.create_engine(address, poolclass=sql.NullPool, connect_args=_patience(address))
    path = Path(str(address.database).removeprefix("file:"))
    if not path.is_file():
        message = f"no such database: {path.name}"
        raise UsageError(
            message, hint="name a file that is there: sqlite:///customers.db, or sqlite:////an/absolute.db"
        )
    return sqlite_engine(path)


def answered(engine: sql.Engine, options: ReadOptions, source: str, secret: str = "") -> Table:
    """Return the rows of a table or query. Raises UsageError, in which `secret` never stands, as `query_database`."""
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(postgresql_readonly=True)
            statement, part = _statement(connection, options, source)
            return _fetched(connection, statement, Form(connection.dialect.name, "", "", part=part), options, source)
    except (SQLAlchemyError, OSError) as error:
        raise _failed(source, error, secret) from None


def columns_of(engine: sql.Engine, options: ReadOptions, source: str) -> tuple[str, ...]:
    """Return the columns of a table or query without reading a row. Raises UsageError as `answered` does."""
    try:
        with engine.connect() as connection:
            statement, _ = _statement(connection, options, source)
            asked = f"SELECT * FROM ({statement}) AS asked LIMIT 0"  # noqa: S608 - what `answered` runs as it is
            with connection.execution_options(no_parameters=True).exec_driver_sql(asked) as result:
                return named_columns(list(result.keys()), source)[0]
    except (SQLAlchemyError, OSError) as error:
        raise _failed(source, error, "") from None


def _address(url: str, password_env: str | None) -> tuple[URL, str]:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password in a place where none is looked for, so it is not repeated.
        message = "the address of the database can not be read"
        raise UsageError(message, hint=_ADDRESS) from None
    query = (
        text for key, value in address.query.items() for text in (key, *([value] if isinstance(value, str) else value))
    )
    if address.password is not None or any(map(_SECRET.search, query)):
        message = "the address of the database holds a password, which would stand in every record of the run"
        hint = "take it out, and put it into ~/.pgpass, PGPASSWORD, or a variable that password_env names"
        raise UsageError(message, hint=hint)
    if password_env is None:
        return address, ""
    if password_env not in os.environ:
        message = f"the environment variable {password_env} is not set, which password_env names"
        raise UsageError(message, hint=f"export {password_env}=... in the shell that runs churnflow")
    secret = os.environ[password_env]
    return address.set(password=secret), secret


def _patience(address: URL) -> dict[str, Any]:
    """Return arguments that end the wait for a server which does not answer."""
    waits = address.get_backend_name() == "postgresql" and "connect_timeout" not in address.query
    return {"connect_timeout": CONNECT_SECONDS} if waits else {}


def _statement(connection: Connection, options: ReadOptions, source: str) -> tuple[str, str]:
    """Return the query, and what it reads in a word."""
    if options.query is not None:
        query = options.query.strip().rstrip(";").rstrip()
        guarded = connection.dialect.name in _GUARDED
        if not query.casefold().startswith(_READING if guarded else "select"):
            message = f"the query does not read: it begins with {query.split(maxsplit=1)[0] if query else 'nothing'!r}"
            raise UsageError(message, hint=f"write one that begins with SELECT{' or WITH' if guarded else ''}")
        return query, "a query"
    inspector = sql.inspect(connection)
    name = options.table or _only_table(inspector, source)
    *schemas, bare = name.rsplit(".", 1)
    schema = schemas[0] if schemas else None
    _refuse_unknown(inspector, bare, schema, source)
    quote = connection.dialect.identifier_preparer.quote
    place = ".".join(map(quote, filter(None, (schema, bare))))
    key = inspector.get_pk_constraint(bare, schema)["constrained_columns"]
    # Without an order of its own a table may answer the same question with another one tomorrow.
    order = f" ORDER BY {', '.join(map(quote, key))}" if key else ""
    return f"SELECT * FROM {place}{order}", name  # noqa: S608 - names of the database itself, quoted


def _refuse_unknown(inspector: sql.Inspector, name: str, schema: str | None, source: str) -> None:
    known = _tables(inspector, schema)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        message = f"{source} has no table {name!r}"
        shown = f"did you mean {near[0]!r}?" if near else f"its tables: {', '.join(known[:20]) or 'none'}"
        raise UsageError(message, hint=shown)


def _only_table(inspector: sql.Inspector, source: str) -> str:
    names = _tables(inspector, None)
    if len(names) != 1:
        message = f"which table of {source}? it has {', '.join(names[:20]) or 'none'}"
        raise UsageError(message, hint="name one: with: {table: ...}, or write a query: with: {query: ...}")
    return names[0]


def _tables(inspector: sql.Inspector, schema: str | None) -> list[str]:
    return sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)])


def _fetched(connection: Connection, statement: str, form: Form, options: ReadOptions, source: str) -> Table:
    # As it was written: neither colons nor percent signs of the query stand for parameters.
    reading = connection.execution_options(stream_results=True, no_parameters=True)
    with reading.exec_driver_sql(statement) as result:
        names = list(result.keys())
        assembly, texts = Assembly(names, source, form, options), set[int]()
        for first, rows in _pieces(result, max(1, _CELLS // len(names))):
            assembly.add(_texts(names, rows, source), range(first, first + len(rows)))
            texts |= {place for place, values in enumerate(zip(*rows, strict=True)) if holds_texts(values)}
    return assembly.table(texts=texts)


def _pieces(result: sql.CursorResult[Any], size: int) -> Iterator[tuple[int, Sequence[Any]]]:
    first = 1
    while rows := result.fetchmany(size):
        yield first, rows
        first += len(rows)


def _texts(names: list[str], rows: Sequence[Any], source: str) -> list[list[str]]:
    texts = [[exact_text(value) for value in row] for row in rows]
    for row, values in zip(texts, rows, strict=True):
        if None in row:
            place = row.index(None)
            message = f"{source}: the column {names[place]!r} holds {type(values[place]).__name__}, not single values"
            raise UsageError(message, hint="leave it out, or make it text: CAST(... AS text)")
    return cast("list[list[str]]", texts)


def _failed(source: str, error: Exception, secret: str) -> UsageError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    # PostgreSQL points at the place in a second line and gives its own hint in another.
    text = "; ".join(line for line in lines if not set(line) <= {"^"})
    text = text.replace(secret, "***") if secret else text
    text = masked(_LITERAL.sub("'...'", text))
    message = f"{source}: {text[:_LONGEST_ERROR]}"
    return UsageError(message, hint="mend the query or the address; nothing was read")
