"""The columns of a log of events are known from the head of its file, before any of it is read."""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.event_headers import event_header
from churnflow.modelling.headers import SMALL
from churnflow.modelling.read_options import ReadOptions

NAMES = ("customer", "time", "amount")
ROWS = "C1,2024-05-01,3.5\n" * SMALL
# A row that is set apart when the log is read, and no reason to refuse the log.
SHORT = 'customer,time,amount\n"C1"x,2024-05-01,3.5\n'


def text(folder: Path) -> Path:
    path = folder / "events.csv"
    path.write_text(f"{SHORT}{ROWS}")
    return path


def short(folder: Path) -> Path:
    path = folder / "events.csv"
    path.write_text(SHORT)
    return path


def packed(folder: Path) -> Path:
    path = folder / "events.csv.gz"
    path.write_bytes(gzip.compress(f"{SHORT}{ROWS}".encode()))
    return path


def blanks(folder: Path) -> Path:
    path = folder / "events.txt"
    path.write_text("customer   time  amount\n" + ROWS.replace(",", "  "))
    return path


def parquet(folder: Path) -> Path:
    path = folder / "events.parquet"
    duckdb.sql("SELECT 'C1' AS customer, DATE '2024-05-01' AS time, 3.5 AS amount").write_parquet(str(path))
    return path


def workbook(folder: Path) -> Path:
    path = folder / "events.xlsx"
    pd.DataFrame([["C1", "2024-05-01", 3.5]], columns=list(NAMES)).to_excel(path, index=False)
    return path


@pytest.mark.parametrize("make", [text, short, packed, blanks, parquet, workbook])
def test_the_columns_of_every_kind_of_log_are_found(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert event_header(make(tmp_path), ReadOptions()) == NAMES


def test_the_columns_of_a_text_without_a_header_are_those_that_are_named(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(ROWS)
    assert event_header(path, ReadOptions(), ("who", "when", "what")) == ("who", "when", "what")


def test_the_columns_of_json_lines_are_known_where_they_are_few_for_a_later_record_may_have_more(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    record = '{"customer": {"id": "C1"}, "time": "2024-05-01"}\n'
    path.write_text(record * 2)
    assert event_header(path, ReadOptions()) == ("customer.id", "time")
    path.write_text(record * SMALL)
    assert event_header(path, ReadOptions()) is None


def test_a_header_that_the_head_cuts_is_left_to_whoever_reads_all(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text('customer,time,"' + "many lines\n" * SMALL + '"\n')
    assert event_header(path, ReadOptions()) is None


def test_what_is_no_log_is_refused_as_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("<!doctype html>" + "<p>" * SMALL)
    with pytest.raises(UsageError, match="a web page"):
        event_header(path, ReadOptions())
    path.write_text("customer,time,time\nC1,2024-05-01,3.5\n")
    with pytest.raises(UsageError, match="the header names 'time' twice"):
        event_header(path, ReadOptions())
