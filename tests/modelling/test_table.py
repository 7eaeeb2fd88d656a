"""Delimited text as rows: separator, encoding and header found, lines counted, and what is no table refused."""

import codecs
import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.errors import UsageError
from churnflow.modelling import table as module
from churnflow.modelling.table import Table, read_table

TEXT = "id;näme;churn\n1;Zoë;Yes\n2;Bo;No\n"


def written(folder: Path, content: str | bytes, name: str = "customers.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, **given: str) -> tuple[str, str]:
    with pytest.raises(UsageError) as raised:
        read_table(path, **given)
    return str(raised.value), raised.value.hint


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("cp1252"), "cp1252"),
        (gzip.compress(TEXT.encode()), "utf-8"),
        (TEXT.replace("\n", "\r\n").encode(), "utf-8"),
        (TEXT.replace("\n", "\r").encode(), "utf-8"),
        (b"\n\r\n" + TEXT.encode(), "utf-8"),
    ],
)
def test_encodings_compression_and_line_ends_are_found(tmp_path: Path, content: bytes, encoding: str) -> None:
    found = read_table(written(tmp_path, content))
    assert found.header == ("id", "näme", "churn")
    assert found.rows == [["1", "Zoë", "Yes"], ["2", "Bo", "No"]]
    assert (found.encoding, found.separator, found.ragged, found.folded) == (encoding, ";", (), ())


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le"])
def test_a_named_encoding_is_used_and_leaves_no_mark_in_the_header(tmp_path: Path, encoding: str) -> None:
    content = TEXT.encode(encoding)
    marked = codecs.BOM_UTF16_LE + content if encoding == "utf-16-le" else content
    assert read_table(written(tmp_path, marked), encoding=encoding).header == ("id", "näme", "churn")


def test_a_byte_order_mark_is_no_part_of_the_first_name_when_utf_8_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, codecs.BOM_UTF8 + TEXT.encode())
    assert read_table(path, encoding="utf-8").header[0] == "id"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_separator_is_found_and_others_in_values_or_quoted_names_do_not_matter(
    tmp_path: Path, separator: str
) -> None:
    others = "".join(other for other in ",;\t|" if other != separator) * 3
    lines = [["id", f'"a{others}"', "churn"], ["1", f"x{others}", "Yes"], ["2", f'"q{separator}"', "No"]]
    path = written(tmp_path, "".join(separator.join(line) + "\n" for line in lines))
    found = read_table(path)
    assert found.separator == separator
    assert found.rows == [["1", f"x{others}", "Yes"], ["2", f"q{separator}", "No"]]


def test_a_separator_of_ones_own_is_used(tmp_path: Path) -> None:
    path = written(tmp_path, "id:churn,x\n1:Yes,2\n")
    assert read_table(path, ":").rows == [["1", "Yes,2"]]
    tabbed = written(tmp_path, "id\tchurn,x\n1\tYes,2\n")
    assert read_table(tabbed, "\\t").rows == [["1", "Yes,2"]]


def test_rows_end_on_the_lines_that_an_editor_shows(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,note,churn\n1,"two\nlines",Yes\n\n2,one,No\n3,cut\n4,a,b,c\n')
    found = read_table(path)
    assert found.rows == [["1", "two\nlines", "Yes"], ["2", "one", "No"]]
    assert found.lines == [3, 5]
    assert [(row.line, row.fields, row.text) for row in found.ragged] == [(6, 2, "3,cut"), (7, 4, "4,a,b,c")]


def test_blanks_in_column_names_are_folded_and_said(tmp_path: Path) -> None:
    found = read_table(written(tmp_path, " Call  Failure ,Age,Churn\n1,2,3\n"))
    assert (found.header, found.folded) == (("Call Failure", "Age", "Churn"), ("Call Failure",))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)))
def test_whatever_the_text_every_value_is_kept(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    quoted = ["a,b", *(",".join('"' + value.replace('"', '""') + '"' for value in row) for row in rows), "x,y"]
    path = written(tmp_path_factory.mktemp("table"), "\n".join(quoted))
    assert read_table(path, ",", "utf-8").rows == [*rows, ["x", "y"]]


@pytest.mark.parametrize(
    ("content", "given", "said", "hint"),
    [
        (b"a,b\n1,2\n", {"separator": "ab"}, "one character", "','"),
        (b"a,b\n1,2\n", {"separator": "\\"}, "only one column", "separator: ','"),
        (b"a,b\n1,2\n", {"separator": '"'}, "one character", "auto"),
        (b"a,b\n1,2\n", {"separator": "\n"}, "one character", "auto"),
        (b"a,b\n1,2\n", {"separator": ""}, "one character", "auto"),
        (b"a,b\n1,2\n", {"encoding": "hex"}, "unknown encoding 'hex'", "utf-8"),
        (b"a,b\n1,2\n", {"encoding": "undefined"}, "unknown encoding", "utf-8"),
        (b"a,b\n1,\xe9\n", {"encoding": "utf-8"}, "not utf-8 (line 2)", "auto"),
        (b"a,b\n1,\x81\n", {}, "no encoding that was tried (line 2)", "encoding"),
        (codecs.BOM_UTF16_LE + b"a", {}, "no encoding that was tried", "encoding"),
        (b"<!DOCTYPE html>\n<p>Sign in, please</p>\n", {}, "web page", "download"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0, \n", {}, "Git LFS pointer", "git lfs pull"),
        (b"alone\n1\n2\n", {}, "only one column", "at least two columns"),
        (b"a,,c\n1,2,3\n", {}, "column 2 of 3 has no name", "first line"),
        (b'a,b\n1,"x"y\n', {}, "from line 2", "double the quote"),
        (b"\n \r\n\n", {}, "is empty", "header and rows"),
        (gzip.compress(b""), {}, "is empty", "header and rows"),
        (gzip.compress(b"a,b\n1,2\n") + b"\x1f\x8bjunk", {}, "damaged or truncated gzip", "again"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", {}, "NUL byte (line 1)", "export the table as CSV"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, given: dict[str, str], said: str, hint: str
) -> None:
    message, help_ = refused(written(tmp_path, content), **given)
    assert said in message
    assert hint in help_


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    message, hint = refused(loop)
    assert "loop.csv can not be read" in message
    assert hint


def test_a_file_too_large_is_refused_without_being_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,2\n")
    with path.open("r+b") as stream:
        stream.truncate(module.MOST_BYTES + 1)
    message, hint = refused(path)
    assert "takes 2,000 MB" in message
    assert "sample" in hint


def test_a_value_of_any_length_up_to_ten_million_is_read(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read_table(written(tmp_path, f"a,b\n{long},2\n")).rows == [[long, "2"]]
    assert "field larger" in refused(written(tmp_path, f"a,b\n{'x' * (module.LONGEST_FIELD + 1)},2\n"))[0]


def make_table(*header: str) -> Table:
    return Table(header, [[name.upper() for name in header]], [2], (), ",", "utf-8", ())


def test_a_column_that_is_not_there_is_answered_with_the_nearest_name_whatever_its_case() -> None:
    found = make_table("customerID", "Tenure", "Churn")
    assert found.column("Churn") == ["CHURN"]
    for wrong, near in {"CHURN": "Churn", "churned": "Churn", "tenur": "Tenure"}.items():
        with pytest.raises(UsageError, match=f"no column '{wrong}'") as raised:
            found.column(wrong)
        assert raised.value.hint == f"did you mean {near!r}?"


def test_without_a_near_name_the_columns_are_listed_but_not_hundreds_of_them() -> None:
    with pytest.raises(UsageError) as raised:
        make_table("a", "b").column("zzz")
    assert raised.value.hint == "its columns: a, b"
    with pytest.raises(UsageError) as raised:
        make_table(*(f"c{number:03d}" for number in range(300))).column("zzz")
    assert len(raised.value.hint) < 150
    assert raised.value.hint.endswith("...")
