"""Delimited text: separator, encoding and header are found, lines counted, and what is no table refused."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.separators import LONGEST_FIELD
from tests.modelling.written import read, refused, written

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = "id;näme;churn\n1;Zoë;Yes\n2;Bo;No\n"
LANGUAGES = {
    "German": "id;name;stadt\n1;Jörg Müller;Köln\n2;Zoë Weiß;Düsseldorf\n3;Bärbel Größe;Nürnberg\n",
    "French": "id;prénom;ville;résilié\n1;Hélène;Besançon;oui\n2;François;Orléans;non\n3;Zoé;Nîmes;non\n",
    "Polish": "id;imię;miasto\n1;Łukasz;Łódź\n2;Małgorzata;Gdańsk\n3;Święta;Kraków\n4;Żaneta;Częstochowa\n",
    "Czech": "id;jméno;město\n1;Jiří Dvořák;Plzeň\n2;Žaneta Šťastná;České Budějovice\n3;Ondřej Růžička;Ústí\n",
    "Russian": "id;имя;город\n1;Иван;Москва\n2;Ольга;Казань\n3;Сергей;Тверь\n",
    "Turkish": "id;ad;şehir\n1;Ayşe Yıldız;İstanbul\n2;Çağrı Şahin;Eskişehir\n",  # noqa: RUF001 - so they are written
    "Japanese": "id,名前,市,解約\n1,田中太郎,東京,はい\n2,鈴木花子,大阪,いいえ\n3,佐藤一郎,名古屋,いいえ\n",
    "Chinese": "id,姓名,城市\n1,王小明,北京\n2,李丽,上海\n3,张伟,广州\n",
    "prices": "id;price;churn\n1;€ 5;Yes\n2;€ 7;No\n",
}


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("customers.csv", content)
        archive.writestr("__MACOSX/._customers.csv", b"\0\5\x16\7")
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
    "zip": zipped,
}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("utf-32-be"), "utf-32-be"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.replace("\n", "\r\n").encode(), "utf-8"),
        (TEXT.replace("\n", "\r").encode(), "utf-8"),
        (b"\n\r\n" + TEXT.encode(), "utf-8"),
        (b"sep=;\n" + TEXT.encode(), "utf-8"),
    ],
)
def test_encodings_and_line_ends_are_found(tmp_path: Path, content: bytes, encoding: str) -> None:
    found = read(written(tmp_path, content))
    assert found.header == ("id", "näme", "churn")
    assert found.rows == [["1", "Zoë", "Yes"], ["2", "Bo", "No"]]
    assert (found.form.encoding, found.form.separator, found.ragged, found.folded) == (encoding, ";", (), ())


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_text_is_read_whatever_its_name(tmp_path: Path, packer: str) -> None:
    found = read(written(tmp_path, PACKERS[packer](TEXT.encode())))
    assert found.rows == [["1", "Zoë", "Yes"], ["2", "Bo", "No"]]
    assert found.form.compression == packer
    assert f"{packer}-compressed" in found.form.shown()


@pytest.mark.parametrize("packer", PACKERS)
def test_a_compressed_text_that_was_cut_off_is_refused(tmp_path: Path, packer: str) -> None:
    content = "a,b\n" + "".join(f"{row},{row * 7919 % 10007}\n" for row in range(20_000))
    packed = PACKERS[packer](content.encode())
    message, hint = refused(written(tmp_path, packed[: len(packed) // 2]))
    assert message == f"customers.csv is a damaged or truncated {packer} file"
    assert hint == "copy or download it again"


@pytest.mark.parametrize(
    ("language", "encoding", "known_as"),
    [
        ("German", "cp1252", "cp1252"),
        ("German", "latin-1", "cp1252"),
        ("French", "cp1252", "cp1252"),
        ("Polish", "cp1250", "cp1250"),
        ("Polish", "iso8859-2", "iso-8859-2"),
        ("Czech", "cp1250", "cp1250"),
        ("Russian", "cp1251", "cp1251"),
        ("Russian", "koi8-r", "koi8-r"),
        ("Turkish", "cp1254", "cp1254"),
        ("Japanese", "shift_jis", "cp932"),
        ("Japanese", "euc-jp", "euc-jp"),
        ("Chinese", "gb18030", "gb18030"),
        ("prices", "cp1252", "cp1252"),
    ],
)
def test_the_likeliest_encoding_is_found_and_doubted(
    tmp_path: Path, language: str, encoding: str, known_as: str
) -> None:
    text = LANGUAGES[language]
    found = read(written(tmp_path, text.encode(encoding)))
    first, *rows = [line.split(";" if ";" in text else ",") for line in text.splitlines()]
    assert (list(found.header), list(found.rows)) == (first, rows)
    assert found.form.encoding == known_as
    assert found.notes == (f"the file is not UTF-8; it was read as {known_as}, the likeliest: encoding names another",)


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-le"])
def test_a_named_encoding_is_used_and_leaves_no_mark_in_the_header(tmp_path: Path, encoding: str) -> None:
    content = TEXT.encode(encoding)
    marked = codecs.BOM_UTF16_LE + content if encoding == "utf-16-le" else content
    found = read(written(tmp_path, marked), encoding=encoding)
    assert (found.header, found.notes) == (("id", "näme", "churn"), ())


def test_a_byte_order_mark_is_no_part_of_the_first_name_when_utf_8_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, codecs.BOM_UTF8 + TEXT.encode())
    assert read(path, encoding="utf-8").header[0] == "id"


def test_letters_beyond_ascii_may_come_late_in_a_long_file(tmp_path: Path) -> None:
    text = "id,name\n" + "".join(f"{row},Smith\n" for row in range(100_000)) + "x,Müller\n"
    found = read(written(tmp_path, text.encode("cp1252")))
    assert found.rows[-1] == ["x", "Müller"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_separator_is_found_and_others_in_values_or_quoted_names_do_not_matter(
    tmp_path: Path, separator: str
) -> None:
    others = "".join(other for other in ",;\t|" if other != separator) * 3
    lines = [["id", f'"a{others}"', "churn"], ["1", f"x{others}", "Yes"], ["2", f'"q{separator}"', "No"]]
    path = written(tmp_path, "".join(separator.join(line) + "\n" for line in lines))
    found = read(path)
    assert found.separator == separator
    assert found.rows == [["1", f"x{others}", "Yes"], ["2", f"q{separator}", "No"]]


def test_a_separator_that_splits_the_rows_as_the_header_wins_over_one_in_a_name(tmp_path: Path) -> None:
    found = read(written(tmp_path, "id;fee, monthly, net, paid;churn\n1;2;Yes\n3;4;No\n"))
    assert found.header == ("id", "fee, monthly, net, paid", "churn")


@pytest.mark.parametrize(("separator", "mark"), [(":", ":"), ("^", "^"), ("\t", "\\t"), ("\x01", "\x01")])
def test_a_separator_of_ones_own_is_used(tmp_path: Path, separator: str, mark: str) -> None:
    path = written(tmp_path, f"id{separator}churn,x\n1{separator}Yes,2\n")
    assert read(path, separator=mark).rows == [["1", "Yes,2"]]


def test_a_text_in_columns_of_blanks_is_split_at_every_run_of_them(tmp_path: Path) -> None:
    path = written(tmp_path, '  id   name  paid\n 00001 "Bo  B"   1.50\n\n 00002 Al\t2 \n')
    found = read(path)
    assert found.rows == [["00001", "Bo  B", "1.50"], ["00002", "Al", "2"]]
    assert list(found.lines) == [2, 4]
    assert "separated by blanks" in found.form.shown()
    assert read(path, separator=" ").rows == found.rows


def test_a_real_log_in_columns_of_blanks_is_read_whole(shared_data: Callable[[str], Path]) -> None:
    found = read(shared_data("cdnow/CDNOW_master.txt"))
    assert found.header == ("customer_id", "date", "number_of_cds", "dollar_value")
    assert (len(found.rows), found.ragged) == (69_659, ())
    assert found.rows[0] == ["00001", "19970101", "1", "11.77"]


def test_rows_end_on_the_lines_that_an_editor_shows(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,note,churn\n1,"two\nlines",Yes\n\n2,one,No\n3,cut\n4,a,b,c\n')
    found = read(path)
    assert found.rows == [["1", "two\nlines", "Yes"], ["2", "one", "No"]]
    assert list(found.lines) == [3, 5]
    assert [(row.line, row.fields, row.text) for row in found.ragged] == [(6, 2, "3,cut"), (7, 4, "4,a,b,c")]


def test_lines_are_counted_through_a_long_file_with_line_ends_in_values(tmp_path: Path) -> None:
    rows = "".join(f'{row},"a\r\nb"\r\n' if row % 7 == 0 else f"{row},c\r\n" for row in range(5_000))
    found = read(written(tmp_path, "id,note\r\n" + rows + "last\r\n"))
    ends = [1 + row + 1 + (row // 7 + 1) for row in range(5_000)]
    assert list(found.lines) == ends
    assert [row.line for row in found.ragged] == [ends[-1] + 1]


def test_blanks_in_column_names_are_folded_and_said(tmp_path: Path) -> None:
    found = read(written(tmp_path, " Call  Failure ,Age,Churn\n1,2,3\n"))
    assert (found.header, found.folded) == (("Call Failure", "Age", "Churn"), ("Call Failure",))


def test_a_header_further_down_is_used_where_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "Customers of 2026\n\nid,plan,churn\n1,a,Yes\n")
    message, hint = refused(path)
    assert "only one column" in message
    assert "header: 3" in hint
    found = read(path, header=3)
    assert (found.header, list(found.lines)) == (("id", "plan", "churn"), [4])


def test_a_header_that_stands_again_is_left_out_and_said(tmp_path: Path) -> None:
    found = read(written(tmp_path, "id,churn\n1,Yes\nid,churn\n2,No\nid,churn\n"))
    assert found.rows == [["1", "Yes"], ["2", "No"]]
    assert list(found.lines) == [2, 4]
    assert found.notes == ("the header stands again on line 3, 5; left out, as in files joined end to end",)


@pytest.mark.parametrize("total", ["Total", "GRAND TOTAL", "Summe:"])
def test_a_last_line_that_adds_the_others_up_is_left_out_and_said(tmp_path: Path, total: str) -> None:
    found = read(written(tmp_path, f"id,bill,churn\n1,5,Yes\n2,6,No\n{total},11,\n"))
    assert found.rows == [["1", "5", "Yes"], ["2", "6", "No"]]
    assert list(found.values("id").distinct()) == [["1", "2"]]
    assert found.notes == (f"the last line (4) adds the others up ({total!r}); left out",)


@pytest.mark.parametrize("last", ["Total,11,Yes", "x,11,"])
def test_a_last_line_that_is_a_customer_stays(tmp_path: Path, last: str) -> None:
    found = read(written(tmp_path, f"id,bill,churn\n1,5,Yes\n{last}\n"))
    assert (len(found.rows), found.notes) == (2, ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\r\n1,2\n3,4\r\n", "its lines end in different ways: '\\n', '\\r\\n'"),
        ("a,b\r1,2\r", "its lines end in a carriage return alone"),
        ("a,b\n1," + "x" * 5_000_000 + "\n", "a value of the column b has 5,000,000 characters"),
        (
            ",".join(f"c{number}" for number in range(5_000)) + "\n" + "1," * 4_999 + "2\n",
            "the table has 5,000 columns, so the search for a model takes long",
        ),
    ],
)
def test_what_is_odd_about_a_text_is_said(tmp_path: Path, content: str, said: str) -> None:
    assert read(written(tmp_path, content)).notes == (said,)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)))
def test_whatever_the_text_every_value_is_kept(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    quoted = ["a,b", *(",".join('"' + value.replace('"', '""') + '"' for value in row) for row in rows), "x,y"]
    # What a line of its own begins with is looked at wherever it stands; a row that is the header is none.
    if any(row == ["a", "b"] or any("<<<<<<< " in value for value in row) for row in rows):
        return
    path = written(tmp_path_factory.mktemp("table"), "\n".join(quoted))
    assert read(path, separator=",", encoding="utf-8").rows == [*rows, ["x", "y"]]


@pytest.mark.parametrize(
    ("content", "given", "said", "hint"),
    [
        (b"a,b\n1,2\n", {"separator": "ab"}, "one character", "','"),
        (b"a,b\n1,2\n", {"separator": "\\"}, "only one column", "separator: ','"),
        (b"a,b\n1,2\n", {"separator": '"'}, "one character", "auto"),
        (b"a,b\n1,2\n", {"separator": "\n"}, "one character", "auto"),
        (b"a,b\n1,2\n", {"separator": ""}, "one character", "auto"),
        (b"a,b\n1,2\n", {"header": 9}, "is empty", "header and rows"),
        (b"a,b\n1,2\n", {"encoding": "hex"}, "unknown encoding 'hex'", "utf-8"),
        (b"a,b\n1,2\n", {"encoding": "undefined"}, "unknown encoding", "utf-8"),
        (b"a,b\n1,\xe9\n", {"encoding": "utf-8"}, "not utf-8 (line 2)", "auto"),
        (b"a,b\n1,\x81\n", {}, "no encoding that was tried (line 2)", "encoding"),
        (codecs.BOM_UTF16_LE + b"a", {}, "no encoding that was tried", "encoding"),
        ("a,b\n1,é\n2,ü\n3,ß\n4,".encode() + b"\xe9\n", {}, "UTF-8 but for some bytes (line 5)", "mend that line"),
        (b"alone\n1\n2\n", {}, "only one column", "at least two columns"),
        (b"a,,c\n1,2,3\n", {}, "column 2 of 3 has no name", "first line"),
        (b"00001,19970101,2\n00002,19970102,1\n", {}, "no header: its first line holds numbers only", "first line"),
        (b'a,b\n1,"x"y\n', {}, "from line 2", "double the quote"),
        (b'a,b\n1,"x\n2,y\n', {}, "never closed (from line 2)", "if the file was cut off"),
        (b"\n \r\n\n", {}, "is empty", "header and rows"),
        (gzip.compress(b""), {}, "is empty", "header and rows"),
        (gzip.compress(b"a,b\n1,2\n") + b"\x1f\x8bjunk", {}, "damaged or truncated gzip", "again"),
        (b"a,b\n1,x\0y\n", {}, "NUL byte (line 2)", "export the table as CSV"),
        (b"a,b\n<<<<<<< HEAD\n1,2\n=======\n1,3\n>>>>>>> new\n", {}, "not finished (line 2)", "settle the conflict"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, given: dict[str, str], said: str, hint: str
) -> None:
    message, help_ = refused(written(tmp_path, content), **given)
    assert said in message
    assert hint in help_


def test_a_value_of_any_length_up_to_ten_million_is_read(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read(written(tmp_path, f"a,b\n{long},2\n")).rows == [[long, "2"]]
    assert "field larger" in refused(written(tmp_path, f"a,b\n{'x' * (LONGEST_FIELD + 1)},2\n"))[0]


def test_values_that_stray_quotes_stretch_over_many_lines_are_said(tmp_path: Path) -> None:
    lines = [f"{row},a,No" for row in range(2, 200)]
    lines[98], lines[147] = '100,"a,No', '149,a",No'
    found = read(written(tmp_path, "\n".join(["id,plan,churn", *lines])))
    assert found.notes == (
        "values of the column plan take more than 20 lines: 1 (up to line 149); "
        "does a quote stand there where none belongs?",
    )


def test_a_long_value_under_a_header_with_two_separators_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path, f"id;a,b;churn\n1;{'x' * 200_000};No\n"))
    assert found.header == ("id", "a,b", "churn")


def test_a_name_in_the_header_may_hold_a_line_end(tmp_path: Path) -> None:
    assert read(written(tmp_path, '"customer\nid",churn\n1,No\n')).header == ("customer id", "churn")


def test_lines_of_blanks_and_the_end_mark_of_old_programs_are_no_rows(tmp_path: Path) -> None:
    found = read(written(tmp_path, "id,churn\n1,No\n   \n\t\n2,Yes\n\x1a"))
    assert (list(found.rows), found.ragged) == ([["1", "No"], ["2", "Yes"]], ())
    assert list(found.lines) == [2, 5]
