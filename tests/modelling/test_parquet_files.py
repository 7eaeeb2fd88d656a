"""Parquet and data frames as text: every digit, times in one form, nested columns spread or named."""

from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from churnflow.errors import UsageError
from churnflow.modelling import dates
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.sources import read_table
from tests.modelling.written import read, refused, written


def made(folder: Path, select: str, name: str = "customers.parquet") -> Path:
    """Write the rows of a query as Parquet."""
    duckdb.sql(f"SELECT {select}").write_parquet(str(folder / "made.parquet"))
    return (folder / "made.parquet").rename(folder / name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'00123'", "00123"),
        ("9007199254740993::BIGINT", "9007199254740993"),
        ("12345678901234567890.123456789::DECIMAL(38, 9)", "12345678901234567890.123456789"),
        ("0.1::DOUBLE", "0.1"),
        ("0.1::FLOAT", "0.1"),
        ("12345::DOUBLE", "12345"),
        ("1e300::DOUBLE", "1e+300"),
        ("'nan'::DOUBLE", "nan"),
        ("true", "true"),
        ("NULL::VARCHAR", ""),
        ("DATE '2024-01-05'", "2024-01-05"),
        ("TIMESTAMP '2024-01-05 03:04:05.25'", "2024-01-05 03:04:05.25"),
        ("TIMESTAMPTZ '2024-01-05 03:04:05+02'", "2024-01-05 01:04:05+00"),
        ("'5b3c2c1e-0000-4000-8000-000000000001'::UUID", "5b3c2c1e-0000-4000-8000-000000000001"),
        ("'plain'::BLOB", "plain"),
    ],
)
def test_a_value_becomes_the_text_that_keeps_all_of_it(tmp_path: Path, value: str, text: str) -> None:
    found = read(made(tmp_path, f"'1' AS id, {value} AS v"))
    assert (found.header, list(found.rows)) == (("id", "v"), [["1", text]])


def test_fields_of_a_struct_become_columns_and_deeper_nesting_is_named(tmp_path: Path) -> None:
    found = read(made(tmp_path, "'1' AS id, {'name': 'a', 'it''s': 2} AS plan"))
    assert (found.header, list(found.rows)) == (("id", "plan.name", "plan.it's"), [["1", "a", "2"]])
    message, hint = refused(made(tmp_path, "'1' AS id, [1, 2] AS tags"))
    assert message == "customers.parquet: the column 'tags' holds INTEGER[], not single values"
    assert "spread it over columns" in hint
    assert "'plan.deep' holds STRUCT" in refused(made(tmp_path, "'1' AS id, {'deep': {'a': 1}} AS plan"))[0]


def test_many_rows_keep_their_order_and_numbers(tmp_path: Path) -> None:
    rows = 300_000
    path = tmp_path / "customers.parquet"
    duckdb.sql("SELECT i AS id, i % 7 AS plan FROM range(300000) AS t(i)").write_parquet(str(path))
    found = read(path)
    assert found.column("id") == [str(row) for row in range(rows)]
    assert found.lines[-1] == rows


def test_a_name_that_reads_as_a_pattern_means_the_file_alone(tmp_path: Path) -> None:
    made(tmp_path, "'2' AS id, 'b' AS plan", "customers 1.parquet")
    assert read(made(tmp_path, "'1' AS id, 'a' AS plan", "customers [1]?*.parquet")).rows == [["1", "a"]]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = made(tmp_path, "'1' AS id, 'a' AS plan").read_bytes()
    message, hint = refused(written(tmp_path, content[:-20], "customers.parquet"))
    assert message.startswith("customers.parquet can not be read as Parquet: ")
    assert "copy it again" in hint


def test_a_frame_of_an_earlier_step_is_a_source(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": pd.Series(["007", "008", None], dtype="str"),
            " bill ": [1.5, np.nan, 2.0],
            "big": pd.Series([2**53 + 1, 2, 3], dtype="Int64"),
            "exact": [Decimal("1.10"), None, Decimal(2)],
            "since": pd.to_datetime(["2024-01-05 00:00:00", None, "2024-01-05 03:04:05"]),
            "left": [True, False, True],
        }
    )
    found = read_table(frame, ReadOptions(missing=["-"], decimal="."))
    assert (found.header, found.folded) == (("id", "bill", "big", "exact", "since", "left"), ("bill",))
    assert found.rows == [
        ["007", "1.5", "9007199254740993", "1.10", "2024-01-05 00:00:00", "true"],
        ["008", "", "2", "", "", "false"],
        ["", "2", "3", "2", "2024-01-05 03:04:05", "true"],
    ]
    assert (found.missing, found.decimal) == (frozenset({"", "-"}), ".")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (7, "the source is int, neither a file nor a table"),
        (pd.DataFrame({"id": [], "churn": []}), "the source has no row"),
        (pd.DataFrame({"id": ["1"], "tags": [["a"]]}), "the column 'tags' holds list, not single values"),
        (pd.DataFrame({"id": ["1"], "raw": [b"a"]}), "the column 'raw' holds bytes, not single values"),
        (pd.DataFrame([["1", "2"]], columns=["id", "id"]), "the header names 'id' twice"),
    ],
)
def test_what_is_no_frame_of_rows_is_refused(source: pd.DataFrame, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_table(source)
    assert said in str(raised.value)
    assert raised.value.hint


def test_an_instant_is_a_date() -> None:
    assert dates.parse("2024-01-05 01:04:05+00", "ymd") == dates.parse("2024-01-05 01:04:05", "ymd")
    assert dates.parse("2024-01-05 01:04:05-05", "ymd") == dates.parse("2024-01-05 06:04:05Z", "ymd")
