"""A failure of DuckDB is told without the value that it failed at, which can be a customer's own."""

from pathlib import Path

import duckdb
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.event_log import database

MAIL = "ann@example.org"


def failure_of(query: str, value: str) -> duckdb.Error:
    with pytest.raises(duckdb.Error) as raised, duckdb.connect() as connection:
        connection.execute(query, [value]).fetchall()
    return raised.value


def test_the_value_is_left_out_and_the_kind_of_failure_told() -> None:
    failure = failure_of("SELECT CAST(? AS INTEGER)", MAIL)
    assert MAIL in str(failure)
    assert told(failure) == "ConversionException"


def test_the_line_of_a_text_is_told_and_nothing_of_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"1\n2\n{MAIL} line: 7\n")
    failure = failure_of("SELECT * FROM read_csv(?, columns={'a': 'INT'}, header=false, auto_detect=false)", str(path))
    assert MAIL in str(failure)
    assert told(failure) == "line 3 (ConversionException)"


def test_a_log_that_can_not_be_read_is_refused_without_its_values(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised, database(tmp_path, "100MB") as connection:
        connection.execute("SELECT CAST(? AS INTEGER)", [MAIL]).fetchall()
    assert str(raised.value) == "the log can not be read: ConversionException"
