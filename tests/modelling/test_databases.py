"""Databases as text, a real PostgreSQL first: every digit, in pieces, read only, and no password anywhere."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.databases import query_database
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Table
from tests.databases import execute
from tests.modelling.written import read, refused

SECRET = "gehe1m"  # noqa: S105 - of this test alone


def asked(postgres: str, password_env: str | None = None, **declared: Any) -> Table:
    return query_database(postgres, ReadOptions(**declared), password_env)


def failed(postgres: str, password_env: str | None = None, **declared: Any) -> tuple[str, str]:
    with pytest.raises(UsageError) as raised:
        asked(postgres, password_env, **declared)
    message, hint = str(raised.value), raised.value.hint
    assert "\n" not in message + hint
    assert SECRET not in message + hint
    return message, hint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'00123'", "00123"),
        ("9007199254740993::bigint", "9007199254740993"),
        ("12345678901234567890.123456789::numeric", "12345678901234567890.123456789"),
        ("1.10::numeric", "1.10"),
        ("1e20::numeric", "100000000000000000000"),
        ("0.1::float8", "0.1"),
        ("0.1::float4", "0.1"),
        ("'NaN'::float8", "nan"),
        ("true", "true"),
        ("NULL", ""),
        ("date '2024-01-05'", "2024-01-05"),
        ("timestamp '2024-01-05 03:04:05.25'", "2024-01-05 03:04:05.250000"),
        ("timestamptz '2024-01-05 03:04:05+02'", "2024-01-05 01:04:05+00:00"),
        ("time '03:04'", "03:04:00"),
        ("interval '30 hours'", "108000"),
        ("'5b3c2c1e-0000-4000-8000-000000000001'::uuid", "5b3c2c1e-0000-4000-8000-000000000001"),
        ("'100%, a:b and :c'", "100%, a:b and :c"),
    ],
)
def test_a_value_becomes_the_text_that_keeps_all_of_it(postgres: str, value: str, text: str) -> None:
    found = asked(postgres, query=f"SELECT '1' AS id, {value} AS v;")
    assert (found.header, list(found.rows)) == (("id", "v"), [["1", text]])
    assert found.form.shown() == "postgresql, a query"


def test_a_table_comes_in_the_order_of_its_key(postgres: str) -> None:
    execute(
        postgres,
        "CREATE SCHEMA crm",
        'CREATE TABLE crm."Customers" (id bigint PRIMARY KEY, "Plan" text)',
        "INSERT INTO crm.\"Customers\" VALUES (2, 'b'), (1, 'a'), (3, NULL)",
    )
    found = asked(postgres, table="crm.Customers")
    assert (found.header, list(found.rows)) == (("id", "Plan"), [["1", "a"], ["2", "b"], ["3", ""]])
    assert failed(postgres, table="crm.customers")[1] == "did you mean 'Customers'?"


def test_a_large_answer_comes_whole_and_in_order(postgres: str) -> None:
    found = asked(postgres, query="SELECT i AS id, i % 7 AS plan FROM generate_series(1, 120000) AS i ORDER BY i")
    assert found.column("id") == [str(number) for number in range(1, 120_001)]
    assert found.lines[-1] == 120_000


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FRM a", 'syntax error at or near "FRM"'),
        ("SELECT 1 / 0 AS a, 2 AS b", "division by zero"),
        ("DELETE FROM kept", "the query does not read: it begins with 'DELETE'"),
        ("", "the query does not read: it begins with 'nothing'"),
        ("WITH gone AS (DELETE FROM kept RETURNING *) SELECT * FROM gone", "data-modifying"),
        ("SELECT drop_all() AS a, 1 AS b", "read-only transaction"),
        ("SELECT 1 AS a; DROP TABLE kept", "multiple commands"),
        ("SELECT ARRAY[1] AS tags, 2 AS b", "the column 'tags' holds list, not single values"),
        ("SELECT '\\x01'::bytea AS raw, 2 AS b", "the column 'raw' holds bytes, not single values"),
        ("SELECT 1 AS a, 2 AS a", "the header names 'a' twice"),
        ("SELECT 1 AS a, 2 AS b WHERE false", "a header and no whole row"),
    ],
)
def test_a_query_that_fails_or_would_change_something_is_refused_and_nothing_is_changed(
    postgres: str, query: str, said: str
) -> None:
    execute(
        postgres,
        "CREATE TABLE IF NOT EXISTS kept (id int)",
        "TRUNCATE kept",
        "INSERT INTO kept VALUES (1)",
        "CREATE OR REPLACE FUNCTION drop_all() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM kept RETURNING 1'",
    )
    message, hint = failed(postgres, query=query)
    assert said in message
    assert hint
    assert asked(postgres, query="SELECT count(*) AS n, 'x' AS b FROM kept").rows == [["1", "x"]]


@pytest.mark.parametrize(
    ("address", "said", "hint"),
    [
        (f"postgresql+psycopg://user:{SECRET}@host/db", "holds a password", "~/.pgpass"),
        (f"postgresql+psycopg://user@host/db?password={SECRET}", "holds a password", "password_env"),
        (f"user:{SECRET} at host", "can not be read", "postgresql+psycopg://"),
        ("nosuch://host/db", "no kind of database", "postgresql+psycopg://"),
        ("mysql+pymysql://user@host/db", "the driver 'pymysql' is not installed", "pip install pymysql"),
        ("postgresql+psycopg2://user@host/db", "the driver 'psycopg2' is not installed", "churnflow[sql]"),
        ("postgresql+psycopg://user@127.0.0.1:1/db", "connection refused", "mend"),
    ],
)
def test_an_address_that_leads_nowhere_or_holds_a_password_is_refused(address: str, said: str, hint: str) -> None:
    message, help_ = failed(address, table="a")
    assert said in message.replace("Connection refused", "connection refused")
    assert hint in help_


def test_a_password_comes_from_the_environment_and_stands_in_no_error(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(postgres, "DROP ROLE IF EXISTS reader", f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'")
    address = postgres.replace("postgres@", "reader@")
    message, hint = failed(address, "CRM_PASSWORD", table="a")
    assert message == "the environment variable CRM_PASSWORD is not set, which password_env names"
    assert "export CRM_PASSWORD" in hint
    monkeypatch.setenv("CRM_PASSWORD", SECRET)
    assert asked(address, "CRM_PASSWORD", query="SELECT current_user AS a, 1 AS b").rows == [["reader", "1"]]
    assert "***" in failed(address, "CRM_PASSWORD", query=f'SELECT "{SECRET}"')[0]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, paid REAL, plan TEXT)")
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", [("002", 1.5, None), ("001", 7, "a")])
    connection.close()
    return path


def test_the_only_table_of_an_sqlite_file_is_read(database: Path) -> None:
    found = read(database)
    assert (found.header, list(found.rows)) == (("id", "paid", "plan"), [["001", "7", "a"], ["002", "1.5", ""]])
    assert found.form.shown() == "sqlite, customers"


def test_a_query_on_an_sqlite_file_reads_and_never_writes(database: Path) -> None:
    before = database.read_bytes()
    assert read(database, query="SELECT id, plan FROM customers WHERE paid > 2").rows == [["001", "a"]]
    assert "does not read" in refused(database, query="DROP TABLE customers")[0]
    assert "readonly" in refused(database, query="WITH a AS (SELECT 1) INSERT INTO customers SELECT 'x', 1, 'y'")[0]
    assert database.read_bytes() == before


def test_of_several_tables_one_has_to_be_named(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE VIEW rich AS SELECT id, plan FROM customers WHERE paid > 2")
    connection.close()
    assert refused(database) == (
        "which table of crm.db? it has customers, rich",
        "name one: with: {table: ...}, or write a query: with: {query: ...}",
    )
    assert read(database, table="rich").rows == [["001", "a"]]
    assert refused(database, table="custmers") == ("crm.db has no table 'custmers'", "did you mean 'customers'?")
    assert refused(database, table="zzz")[1] == "its tables: customers, rich"


def test_a_file_that_only_begins_like_sqlite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    path.write_bytes(b"SQLite format 3\0" + b"x" * 200)
    assert "crm.db: " in refused(path)[0]


def test_a_database_of_sqlite_that_an_address_names_is_never_written_to(database: Path) -> None:
    before = database.read_bytes()
    delete = "WITH a AS (SELECT 1) DELETE FROM customers RETURNING id, plan"
    assert "readonly" in failed(f"sqlite:///{database}", query=delete)[0]
    assert database.read_bytes() == before
    assert asked(f"sqlite:///{database}", query="SELECT id, plan FROM customers WHERE paid > 2").rows == [["001", "a"]]


def test_a_database_of_sqlite_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    assert failed(f"sqlite:///{tmp_path / 'none.db'}", table="a")[0] == "no such database: none.db"
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_database_repeats_no_value_of_the_query(postgres: str) -> None:
    message, _ = failed(postgres, query="SELECT 'Anna' + 1, CAST('anna@example.org' AS integer) AS a")
    assert "Anna" not in message
    assert "example" not in message


@pytest.mark.parametrize("query", ["odbc_connect=UID%3Du%3BPWD%3Dx", "token=x", "passphrase=x"])
def test_an_address_with_a_secret_among_its_parameters_is_refused(query: str) -> None:
    assert "holds a password" in failed(f"postgresql+psycopg://user@host/db?{query}", table="a")[0]
