"""Every bad source: the steps that read it say in one line what is wrong, and in the next what to do."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow import InputError, StepResult
from churnflow.modelling.unpacking import BOMB_BYTES
from churnflow.steps.ingest import ingest
from churnflow.steps.scope import scope
from tests.customers import write_customers

Reader = Callable[..., StepResult]
GOOD = "customer_id,plan,churn\nC1,basic,Yes\nC2,plus,No\nC3,plus,No\n"


def missing(folder: Path) -> Path:
    return folder / "customers.csv"


def directory(folder: Path) -> Path:
    (folder / "customers.csv").mkdir()
    return folder / "customers.csv"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "customers.csv")
    return folder / "customers.csv"


def holding(content: bytes | str) -> Callable[[Path], Path]:
    """Make a source that holds `content`."""

    def make(folder: Path) -> Path:
        path = folder / "customers.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def cut_gzip(folder: Path) -> Path:
    packed = gzip.compress(write_customers(folder, 5000).read_bytes())
    return holding(packed[: len(packed) // 2])(folder)


def labelled(*values: str) -> Callable[[Path], Path]:
    return holding("customer_id,churn\n" + "".join(f"C{row},{value}\n" for row, value in enumerate(values)))


BAD = {
    "a missing file": (missing, {}, "no such file: customers.csv", "source: ..."),
    "a directory": (directory, {}, "customers.csv is a directory, not a file", "name a file in it"),
    "an empty file": (holding(""), {}, "customers.csv is empty", "a header and rows"),
    "a header alone": (holding("customer_id,churn\n"), {}, "a header and no whole row", "with customers in it"),
    "a gzip file cut in the middle": (cut_gzip, {}, "damaged or truncated gzip file", "copy or download it again"),
    "a file cut inside a quote": (
        holding(GOOD + 'C4,"ba'),
        {},
        "customers.csv: a quote that is never closed (from line 5)",
        "if the file was cut off there, copy it again",
    ),
    "another separator": (
        holding(GOOD.replace(",", ";")),
        {"separator": ","},
        "only one column when split at ','; ';' stands 2 times in its header",
        "separator: ';'",
    ),
    "an unknown encoding": (holding(GOOD), {"encoding": "utf-9"}, "unknown encoding 'utf-9'", "write utf-8, utf-16"),
    "another encoding": (
        holding(GOOD.replace("basic", "gr\u00f6\u00dfe").encode("cp1252")),
        {"encoding": "utf-8"},
        "customers.csv is not utf-8 (line 2)",
        "leave `encoding` to auto",
    ),
    "no target": (
        holding(GOOD.replace("churn", "churned")),
        {},
        "the file has no column 'churn'",
        "did you mean 'churned'?",
    ),
    "one class": (
        labelled("Yes", "Yes", "Yes"),
        {},
        "the target 'churn' has 1 value only (each of fewer than 10 rows), not two",
        "Yes and No",
    ),
    "three classes": (labelled("Yes", "No", "Maybe"), {}, "the target 'churn' has 3 values", "Yes and No"),
    "no label at all": (labelled("", "NA", "?"), {}, "has 0 values (none)", "name a column with two values"),
    "an unclear class": (labelled("a", "b", "b"), {}, "which value of 'churn' means", "positive: 'a'"),
    "no such class": (
        labelled("Yes", "No", "No"),
        {"positive": "gone"},
        "no value 'gone'",
        "its values: 'No' and 'Yes'",
    ),
    "a doubled header": (
        holding(GOOD.replace("plan", "churn")),
        {},
        "the header names 'churn' twice",
        "rename one of the two",
    ),
    "numbers for a header": (
        holding("0001,3,1\n0002,4,0\n"),
        {},
        "customers.csv has no header: its first line holds numbers only",
        "a first line of their own",
    ),
    "a merge that was not finished": (
        holding(GOOD + "<<<<<<< HEAD\nC4,basic,No\n=======\nC4,basic,Yes\n>>>>>>> theirs\n"),
        {},
        "the marks of a merge that was not finished (line 5)",
        "git checkout --ours or --theirs",
    ),
    "a web page": (holding("<!doctype html><title>Sign in</title>"), {}, "a web page, not a table", "the file itself"),
    "a Git LFS pointer": (
        holding("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"),
        {},
        "customers.csv is a Git LFS pointer, not the data",
        "git lfs pull",
    ),
    "a DVC pointer": (holding("outs:\n- md5: a304\n  path: a.csv\n"), {}, "a DVC pointer, not the data", "dvc pull"),
    "a JSON document": (holding('[{"customer_id": 1, "churn": 1}]'), {}, "one JSON document", "jq -c"),
    "a PDF document": (holding(b"%PDF-1.7\n\xe2\xe3"), {}, "a PDF document, not a table", "as CSV or Excel"),
    "a workbook by another name": (
        holding(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        {},
        "customers.csv is an Excel workbook, not delimited text",
        "format: excel",
    ),
    "a named pipe": (pipe, {}, "customers.csv is a named pipe, not a file", "to a file first"),
    "a table and a query": (holding(GOOD), {"table": "a", "query": "b"}, "a table and a query are named", "leave"),
    "a NUL byte": (
        holding(GOOD.replace("plus", "pl\0s")),
        {},
        "customers.csv holds a NUL byte (line 3), so it is no text file",
        "export the table as CSV with UTF-8",
    ),
}


@pytest.mark.parametrize("read", [scope, ingest])
@pytest.mark.parametrize("bad", BAD)
def test_a_source_that_is_no_table_of_customers_is_refused(tmp_path: Path, bad: str, read: Reader) -> None:
    make, given, said, hint = BAD[bad]
    with pytest.raises(InputError) as raised:
        read(make(tmp_path), "churn", "customer_id", **given)
    assert said in str(raised.value)
    assert hint in raised.value.hint
    assert "\n" not in str(raised.value) + raised.value.hint
    assert str(tmp_path) not in str(raised.value) + raised.value.hint
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("read", [scope, ingest])
def test_an_unknown_id_or_dropped_column_is_refused_with_the_nearest_name(tmp_path: Path, read: Reader) -> None:
    path = write_customers(tmp_path)
    for given, near in (({"id": "customerid"}, "customer_id"), ({"drop": ("plans",)}, "plan")):
        with pytest.raises(InputError, match="no column") as raised:
            read(path, "churn", **given)
        assert raised.value.hint == f"did you mean {near!r}?"


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv.gz"
    with gzip.open(path, "wb", 9) as stream:
        stream.write(GOOD.encode())
        for _ in range(BOMB_BYTES // 1_000_000 + 5):
            stream.write(b"\n" * 1_000_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"customers\.csv\.gz unpacks to more than 20\d MB from 0\.\d MB") as raised:
        ingest(path, "churn", "customer_id")
    assert "unpack it yourself" in raised.value.hint


def test_rows_of_the_wrong_width_are_named_by_their_line_and_the_others_kept(tmp_path: Path) -> None:
    path = holding(GOOD + "C4,basic\nC5,basic,Yes,more\nC6,basic,Yes\n")(tmp_path)
    result = ingest(path, "churn", "customer_id")
    assert result.metrics["records"] == 4
    assert result.metrics["rejected_ragged"] == 2
    assert "rows set apart as ragged: 2 (line 5, 6)" in [issue.text for issue in result.issues]


def test_a_file_cut_off_in_a_row_gives_that_row_as_ragged(tmp_path: Path) -> None:
    result = ingest(holding(GOOD[:-5])(tmp_path), "churn", "customer_id")
    assert result.metrics["records"] == 2
    assert "rows set apart as ragged: 1 (line 4)" in [issue.text for issue in result.issues]
