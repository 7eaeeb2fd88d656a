"""The columns of a source are known from the head of its file, before any of it is read."""

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.headers import SMALL, header_of
from churnflow.modelling.read_options import ReadOptions

NAMES = ("id", "plan type", "churn")
ROW = "C1,basic,Yes\n"
LONG = "id,plan  type,churn\n" + ROW * SMALL


def text(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_text(LONG)
    return path


def short(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_text(LONG[:200])
    return path


def packed(folder: Path) -> Path:
    path = folder / "customers.csv.gz"
    path.write_bytes(gzip.compress(LONG.encode()))
    return path


def wide(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_bytes(LONG.encode("utf-16"))
    return path


def western(folder: Path) -> Path:
    path = folder / "customers.csv"
    path.write_bytes(LONG.replace("basic", "Süd").encode("cp1252"))
    return path


def parquet(folder: Path) -> Path:
    path = folder / "customers.parquet"
    duckdb.sql("SELECT 'C1' AS id, 1 AS \"plan  type\", 'Yes' AS churn").write_parquet(str(path))
    return path


def workbook(folder: Path) -> Path:
    path = folder / "customers.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["id", "plan type", "churn"])
    book.active.append(["C1", "basic", "Yes"])
    book.save(path)
    return path


def database(folder: Path) -> Path:
    path = folder / "customers.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id TEXT, 'plan type' TEXT, churn TEXT)")
    connection.close()
    return path


@pytest.mark.parametrize("make", [text, short, packed, wide, western, parquet, workbook, database])
def test_the_columns_of_every_kind_of_source_are_found(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert header_of(make(tmp_path), ReadOptions()) == NAMES


def test_the_columns_of_a_query_are_found_without_running_it_to_its_end(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, 'a:%' AS text FROM n"
    assert header_of(database(tmp_path), ReadOptions(query=endless)) == ("i", "text")


def test_of_json_lines_that_go_on_nothing_is_said_for_a_later_record_may_have_more_fields(tmp_path: Path) -> None:
    path = tmp_path / "customers.jsonl"
    path.write_text('{"id": "C1", "churn": "Yes"}\n' * 2)
    assert header_of(path, ReadOptions()) == ("id", "churn")
    path.write_text('{"id": "C1", "churn": "Yes"}\n' * SMALL)
    assert header_of(path, ReadOptions()) is None


def test_a_row_that_the_head_cuts_is_left_to_whoever_reads_all(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text('id,note\nC1,"' + "many lines\n" * SMALL + '"\n')
    assert header_of(path, ReadOptions()) is None


def test_what_is_no_table_is_refused_as_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("<!doctype html>" + "<p>" * SMALL)
    with pytest.raises(UsageError, match="a web page"):
        header_of(path, ReadOptions())
    (tmp_path / "customers.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UsageError, match="can not be read as Parquet"):
        header_of(tmp_path / "customers.parquet", ReadOptions())
    with pytest.raises(UsageError, match="no table 'clients'"):
        header_of(database(tmp_path), ReadOptions(table="clients"))
    with pytest.raises(UsageError, match="no such column"):
        header_of(tmp_path / "customers.db", ReadOptions(query="SELECT plam FROM customers"))
