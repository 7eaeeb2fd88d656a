"""A log in whatever form it comes is the same log: compressions, encodings, separators, JSON, workbooks, tables."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import pandas as pd
import pytest

from churnflow import InputError, StepResult
from churnflow.modelling.event_log import database
from churnflow.steps.from_events import LogFormat
from tests.events import make_events, run, write_events

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EVENTS: Final = make_events()
RECORDS: Final = json.loads(EVENTS.assign(time=EVENTS["time"].astype(str)).to_json(orient="records"))


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Return the customers of the log as plain CSV."""
    return customers(run(write_events(tmp_path_factory.mktemp("plain"), EVENTS)))


def customers(result: StepResult) -> pd.DataFrame:
    return pd.DataFrame(result.outputs["customers"])


def said(result: StepResult) -> str:
    return "; ".join(issue.text for issue in result.issues if issue.severity != "note")


def refused(path: Path, **given: Any) -> tuple[str, str]:
    with pytest.raises(InputError) as raised:
        run(path, **given)
    assert len(f"{raised.value}{raised.value.hint}".splitlines()) == 1
    return str(raised.value), raised.value.hint


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.csv", content)
    return packed.getvalue()


def test_a_column_that_stands_twice_is_refused_and_none_of_both_is_read(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    duckdb.sql("SELECT {'id': 1} AS customer, 2 AS \"customer.id\", DATE '2024-05-01' AS time").write_parquet(str(path))
    assert (
        refused(path, customer="customer.id", amount=None)[0] == "events.parquet: the header names 'customer.id' twice"
    )


def test_no_log_makes_the_database_fetch_code(tmp_path: Path) -> None:
    with database(tmp_path, "1GB") as events:
        assert events.execute("SELECT current_setting('autoinstall_known_extensions')").fetchall() == [(False,)]


def test_names_are_refused_for_a_table_that_a_step_before_has_read() -> None:
    with pytest.raises(InputError, match="the source has one"):
        run(EVENTS, log=LogFormat(names=("customer", "time", "amount")))


PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "zip": zipped,
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_compressed_log_is_the_log_in_any_encoding_and_says_how_it_was_read(
    tmp_path: Path, wanted: pd.DataFrame, packer: str, encoding: str
) -> None:
    text = write_events(tmp_path, EVENTS).read_text()
    (tmp_path / "packed").write_bytes(PACKERS[packer](text.encode(encoding)))
    result = run(tmp_path / "packed")
    pd.testing.assert_frame_equal(customers(result), wanted)
    assert result.facts["read as"].startswith(f"CSV, {packer}-compressed, {encoding}, separated by ','")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_log_that_was_cut_off_is_refused(tmp_path: Path, packer: str) -> None:
    content = PACKERS[packer](write_events(tmp_path, EVENTS).read_bytes())
    (tmp_path / "packed").write_bytes(content[: len(content) // 2])
    assert "a damaged or truncated" in refused(tmp_path / "packed")[0]


def test_archives_joined_end_to_end_are_one_log(tmp_path: Path, wanted: pd.DataFrame) -> None:
    content = write_events(tmp_path, EVENTS).read_bytes()
    for name, pack in (("joined.gz", gzip.compress), ("joined.zst", zstd.compress)):
        (tmp_path / name).write_bytes(pack(content[:3000]) + pack(content[3000:]))
        pd.testing.assert_frame_equal(customers(run(tmp_path / name)), wanted)


def test_a_first_line_that_names_the_separator_is_no_header_and_lines_count_it(tmp_path: Path) -> None:
    lines = write_events(tmp_path, EVENTS, sep=";").read_text().splitlines()
    (tmp_path / "excel.csv").write_text("\n".join(["sep=;", *lines[:5], "a;b", "x;never;1;y", *lines[5:]]))
    result = run(tmp_path / "excel.csv")
    assert pd.DataFrame(result.outputs["rejected"])["line"].tolist() == [7, 8]


def test_a_header_further_down_and_any_separator_are_declared(tmp_path: Path, wanted: pd.DataFrame) -> None:
    text = write_events(tmp_path, EVENTS, sep="^").read_text()
    (tmp_path / "titled.csv").write_text(f"Events of the shop\nas of today\n\n{text}")
    result = run(tmp_path / "titled.csv", header=4, separator="^")
    pd.testing.assert_frame_equal(customers(result), wanted)


def test_quotes_hold_blanks_together_in_a_log_set_apart_by_blanks(tmp_path: Path, wanted: pd.DataFrame) -> None:
    rows = [f'{row.customer}   "{row.time}" {row.amount} {row.kind}' for row in EVENTS.itertuples()]
    (tmp_path / "events.txt").write_text("\n".join(["customer time amount kind", *rows]))
    pd.testing.assert_frame_equal(customers(run(tmp_path / "events.txt")), wanted)


def test_json_lines_are_a_log_with_fields_in_fields_as_columns(tmp_path: Path, wanted: pd.DataFrame) -> None:
    nested = [{"who": {"id": one["customer"]}, "what": {"at": {"t": one["time"]}}, **one} for one in RECORDS]
    text = "\n".join(map(json.dumps, nested))
    (tmp_path / "events.jsonl").write_text(text)
    (tmp_path / "events.json.xz").write_bytes(lzma.compress(text.encode("utf-16")))
    pd.testing.assert_frame_equal(customers(run(tmp_path / "events.jsonl")), wanted)
    result = run(tmp_path / "events.json.xz", customer="who.id", time="what.at.t")
    pd.testing.assert_frame_equal(customers(result).rename(columns={"who.id": "customer"}), wanted)
    assert result.facts["read as"].startswith("JSON lines, xz-compressed, utf-16, times as ISO 8601")


def test_lines_that_are_no_record_are_set_apart_with_their_line(tmp_path: Path, wanted: pd.DataFrame) -> None:
    lines = [json.dumps(one) for one in RECORDS]
    bad = ["{broken", "[1]", '{"customer": "A", "customer": "B"}', "", '{"customer": "A", "time": "never"}']
    (tmp_path / "events.jsonl").write_text("\n".join([*lines[:3], *bad, *lines[3:]]))
    result = run(tmp_path / "events.jsonl")
    frame = pd.DataFrame(result.outputs["rejected"])
    found = list(zip(frame["line"], frame["reason"], strict=True))
    reasons = [(4, "no JSON"), (5, "no record"), (6, "a key stands twice"), (8, "time is not a time")]
    assert found == reasons
    pd.testing.assert_frame_equal(customers(result), wanted)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{}]", "one JSON document"),
        ('{"a": 1}\n', "has no column 'time'"),
        ("{}\n{}\n", "no JSON record with a field"),
        ('{"customer": [1], "time": "2024-01-01", "amount": 1}\n' * 3, "the column 'customer' holds LIST"),
        (
            '{"customer": "A", "time": "2024-01-01", "amount": 1}\n' + "{broken\n" * 100_001,
            "100,000 lines or more are no JSON records",
        ),
    ],
)
def test_json_that_is_no_log_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "events.jsonl").write_text(content)
    assert message in refused(tmp_path / "events.jsonl")[0]


def test_a_workbook_a_database_file_and_a_frame_are_logs(tmp_path: Path, wanted: pd.DataFrame) -> None:
    with pd.ExcelWriter(tmp_path / "events.xlsx") as book:
        EVENTS.to_excel(book, sheet_name="log", index=False)
        pd.DataFrame({"about": ["this file"]}).to_excel(book, sheet_name="about", index=False)
    with sqlite3.connect(tmp_path / "events.db") as connection:
        EVENTS.assign(time=EVENTS["time"].astype(str)).to_sql("events", connection, index=False)
    connection.close()
    for source, given in ((tmp_path / "events.xlsx", {"sheet": "log"}), (tmp_path / "events.db", {}), (EVENTS, {})):
        pd.testing.assert_frame_equal(customers(run(source, **given)), wanted)
    assert "the sheet 'log' was read, of 2" in said(run(tmp_path / "events.xlsx"))
    message, hint = refused(tmp_path / "events.xlsx", sheet="about")
    assert "has no column 'time'" in message
    assert "its columns: about" in hint


def test_rows_of_a_sheet_that_can_not_be_used_are_set_apart_with_their_row(tmp_path: Path) -> None:
    frame = EVENTS.assign(time=EVENTS["time"].astype(str))
    frame.loc[3, "time"] = "never"
    frame.to_excel(tmp_path / "events.xlsx", index=False)
    assert pd.DataFrame(run(tmp_path / "events.xlsx").outputs["rejected"])["line"].tolist() == [5]


def test_parquet_may_hold_structs_lie_in_a_named_folder_and_be_compressed_again(
    tmp_path: Path, wanted: pd.DataFrame
) -> None:
    (tmp_path / "kind=x [1]").mkdir()
    path = tmp_path / "kind=x [1]" / "events.parquet"
    with duckdb.connect() as connection:
        connection.register("events", EVENTS.astype({"customer": object, "kind": object}))
        query = "SELECT struct_pack(id := customer) AS who, time, amount, [1] AS many, kind FROM events"
        connection.execute(f"COPY ({query}) TO '{tmp_path / 'plain.parquet'}' (FORMAT parquet)")
    path.write_bytes((tmp_path / "plain.parquet").read_bytes())
    (tmp_path / "packed.parquet.gz").write_bytes(gzip.compress(path.read_bytes()))
    for source in (path, tmp_path / "packed.parquet.gz"):
        found = customers(run(source, customer="who.id")).rename(columns={"who.id": "customer"})
        pd.testing.assert_frame_equal(found, wanted)
    assert "the column 'many' holds INTEGER[], not single values" in refused(path, customer="many")[0]


@pytest.mark.parametrize("size", [4, 500])
def test_half_a_parquet_file_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "events.parquet").write_bytes(b"PAR1".ljust(size, b"x"))
    assert "events.parquet can not be read as Parquet" in refused(tmp_path / "events.parquet")[0]


@pytest.mark.parametrize("packer", [bytes, gzip.compress, lzma.compress])
def test_the_marks_of_a_merge_are_refused_with_their_line(tmp_path: Path, packer: Callable[[bytes], bytes]) -> None:
    lines = write_events(tmp_path, EVENTS).read_text().splitlines()
    many = [*lines[:1], *lines[1:] * 100, ">>>>>>> theirs"]
    (tmp_path / "packed").write_bytes(packer("\n".join(many).encode()))
    assert f"a merge that was not finished (line {len(many)})" in refused(tmp_path / "packed")[0]


def test_nul_bytes_are_refused_with_their_line(tmp_path: Path) -> None:
    content = write_events(tmp_path, EVENTS).read_bytes()
    (tmp_path / "events.csv").write_bytes(content * 50 + b"A,2024-01-01,\0,x\n")
    line = content.count(b"\n") * 50 + 1
    assert f"holds a NUL byte (line {line})" in refused(tmp_path / "events.csv")[0]


def test_a_log_of_another_format_than_its_name_is_read_where_the_workflow_says_so(
    tmp_path: Path, wanted: pd.DataFrame
) -> None:
    EVENTS.to_excel(tmp_path / "events.xlsx", index=False)
    (tmp_path / "events.xlsx").rename(tmp_path / "events.csv")
    message, hint = refused(tmp_path / "events.csv")
    assert "is an Excel workbook, not delimited text as its name says" in message
    assert "with: {format: excel}" in hint
    pd.testing.assert_frame_equal(customers(run(tmp_path / "events.csv", format="excel")), wanted)


def test_names_are_for_a_text_without_a_header(tmp_path: Path) -> None:
    path = write_events(tmp_path, EVENTS)
    assert "2 columns are named, and events.csv has 4" in refused(path, log=LogFormat(names=("a", "b")))[0]
    (tmp_path / "bare.csv").write_text("1,20240101,3\n" * 9)
    message, hint = refused(tmp_path / "bare.csv")
    assert "has no header" in message
    assert "with: {log: {names: [...]}}" in hint
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, RECORDS)))
    assert "events.jsonl has one" in refused(tmp_path / "events.jsonl", log=LogFormat(names=("a", "b")))[0]
