"""A file is what its bytes say: what is no table, or another format than it claims, is named with what to do."""

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pytest

from churnflow.errors import UsageError
from churnflow.modelling import unpacking
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.sources import read_table
from tests.modelling.written import read, refused, written

CSV = b"id,churn\n1,Yes\n2,No\n"
ROWS = [["1", "Yes"], ["2", "No"]]


def workbook() -> bytes:
    content = io.BytesIO()
    book = openpyxl.Workbook()
    for row in (("id", "churn"), ("1", "Yes"), ("2", "No")):
        book.active.append(row)
    book.save(content)
    return content.getvalue()


def parquet(folder: Path) -> bytes:
    path = folder / "made.parquet"
    duckdb.sql("SELECT * FROM (VALUES ('1', 'Yes'), ('2', 'No')) AS t(id, churn)").write_parquet(str(path))
    return path.read_bytes()


def archive(*names: str, flags: int = 0) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name in names:
            packed.writestr(name, CSV)
    # Bit 0 of the flags of a member says that it is encrypted.
    return content.getvalue().replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0" + bytes([flags]))


JSON = b'{"id": "1", "churn": "Yes"}\n{"id": "2", "churn": "No"}\n'
MISNAMED = [
    (workbook(), "customers.csv", "an Excel workbook, not delimited text as its name says", "excel"),
    (JSON, "customers.csv", "JSON lines, not delimited text as its name says", "jsonl"),
    (CSV, "customers.xlsx", "delimited text, not an Excel workbook as its name says", "csv"),
    (CSV, "customers.parquet", "delimited text, not Parquet as its name says", "csv"),
    (CSV, "customers.jsonl", "delimited text, not JSON lines as its name says", "csv"),
    (gzip.compress(JSON), "customers.csv.gz", "JSON lines, not delimited text as its name says", "jsonl"),
]


@pytest.mark.parametrize(("content", "name", "said", "format_"), MISNAMED)
def test_a_file_under_a_wrong_name_is_refused_until_the_workflow_says_what_it_is(
    tmp_path: Path, content: bytes, name: str, said: str, format_: str
) -> None:
    path = written(tmp_path, content, name)
    message, hint = refused(path)
    assert message == f"{name} is {said}"
    assert hint == f"if that is right: with: {{format: {format_}}}"
    assert read(path, format=format_).rows == ROWS


def test_parquet_under_the_name_of_a_text_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, parquet(tmp_path))
    assert refused(path)[0] == "customers.csv is Parquet, not delimited text as its name says"
    assert read(path, format="parquet").rows == ROWS


def test_parquet_that_is_compressed_once_more_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(parquet(tmp_path)), "customers.parquet.gz")
    assert refused(path) == (
        "customers.parquet.gz is compressed around a format that is so already",
        "unpack it, and name the file that comes out",
    )


def test_a_format_that_the_workflow_declares_has_to_be_right(tmp_path: Path) -> None:
    message, hint = refused(written(tmp_path, CSV), format="excel")
    assert message == "customers.csv is delimited text, not an Excel workbook as the workflow says"
    assert "csv" in hint


@pytest.mark.parametrize("name", ["customers", "customers.dat", "customers.2026"])
@pytest.mark.parametrize("content", [CSV, JSON, workbook()])
def test_a_name_that_says_nothing_is_left_to_the_bytes(tmp_path: Path, name: str, content: bytes) -> None:
    assert read(written(tmp_path, content, name)).rows == ROWS


FOREIGN = {
    "a web page": (b"<!DOCTYPE html>\n<p>Sign in, please</p>\n", "a web page, not a table", "download the file itself"),
    "a table in HTML": (b"\xef\xbb\xbf  <html><table>", "a web page, not a table", "download the file itself"),
    "XML": (b'<?xml version="1.0"?>\n<a/>', "XML, not a table", "CSV"),
    "an LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0, \n",
        "Git LFS pointer",
        "git lfs pull",
    ),
    "a DVC pointer": (b"outs:\n- md5: a304afb96060aad90176268345e10355\n  path: a\n", "DVC pointer", "dvc pull"),
    "a PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "CSV or Excel"),
    "ORC": (b"ORC\n\x03\0\0", "an ORC file", "Parquet"),
    "Arrow": (b"ARROW1\0\0", "an Arrow file", "Parquet"),
    "a pickle": (b"\x80\x04\x95\0\0\0", "a Python pickle", "run code"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive", "unpack it"),
    "a list of records": (b'[{"id": 1},\n {"id": 2}]\n', "one JSON document, not a record a line", "jq -c '.[]'"),
    "a list that is cut off": (b'[\n  {"id": 1},', "one JSON document", "jq -c '.[]'"),
}


@pytest.mark.parametrize("name", ["customers.csv", "customers.json", "customers"])
@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_table_is_named(tmp_path: Path, case: str, name: str) -> None:
    content, said, hint = FOREIGN[case]
    message, help_ = refused(written(tmp_path, content, name))
    assert said in message
    assert hint in help_


def test_a_text_whose_first_name_stands_in_brackets_is_a_table(tmp_path: Path) -> None:
    assert read(written(tmp_path, "[id],{churn}\n1,Yes\n")).header == ("[id]", "{churn}")


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (archive("a.csv", "b.csv"), "holds 2 files, not one", "name the file that you mean"),
        (archive(), "holds 0 files, not one", "name the file that you mean"),
        (archive("a.csv", flags=1), "is encrypted", "with its password"),
        (archive("a.csv")[:-30], "damaged or truncated zip", "again"),
        (workbook()[:-30], "damaged or truncated zip", "again"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "damaged or truncated zip", "again"),
    ],
)
def test_a_zip_file_that_is_no_single_table_is_refused(tmp_path: Path, content: bytes, said: str, hint: str) -> None:
    message, help_ = refused(written(tmp_path, content, "customers.zip"))
    assert said in message
    assert hint in help_


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "customers.csv")
    return folder / "customers.csv"


def loop(folder: Path) -> Path:
    (folder / "customers.csv").symlink_to("customers.csv")
    return folder / "customers.csv"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "customers.csv", "no such file: customers.csv"),
        (lambda folder: folder, "is a directory, not a file"),
        (fifo, "customers.csv is a named pipe, not a file"),
        (lambda _: Path("/dev/zero"), "zero is a device, not a file"),
        (loop, "customers.csv can not be read: "),
        (lambda folder: written(folder, b""), "customers.csv is empty"),
    ],
)
def test_what_is_no_file_is_refused_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        read_table(make(tmp_path))
    assert said in str(raised.value)
    assert raised.value.hint


def test_a_workbook_too_large_is_refused_without_being_read(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "customers.xls")
    with path.open("r+b") as stream:
        stream.truncate(unpacking.MOST_BYTES + 1)
    message, hint = refused(path)
    assert "takes 2,000 MB" in message
    assert "sample" in hint


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, CSV)

    def read_slowly() -> None:
        with unpacking.unpacked(path) as opened, path.open("ab") as more:
            opened.stream.read()
            more.write(b"3,No\n")

    with pytest.raises(UsageError, match="changed while it was read") as raised:
        read_slowly()
    assert "wait until it is written" in raised.value.hint


def test_a_header_above_the_first_line_or_two_places_in_a_database_are_refused() -> None:
    with pytest.raises(UsageError, match="not on 0"):
        ReadOptions(header=0)
    with pytest.raises(UsageError, match="a table and a query"):
        ReadOptions(table="a", query="b")


@pytest.mark.parametrize("name", ["ORCID", "FEA1", "ARROW1"])
def test_a_name_that_begins_like_another_format_is_a_name(tmp_path: Path, name: str) -> None:
    assert read(written(tmp_path, f"{name},churn\n1,Yes\n")).header == (name, "churn")
