"""A sheet of a workbook as text: what a person sees in its cells, below the titles."""

import datetime as dt
import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.modelling.written import read, refused, written

HEADER = ("id", "big", "since", "seen", "flag", "share")
ROW = ("00123", 1234567890123456, dt.date(2024, 1, 5), dt.datetime(2024, 1, 5, 3, 4, 5), True, 0.1)  # noqa: DTZ001 - a sheet has no zones
TEXTS = ["00123", "1234567890123456", "2024-01-05", "2024-01-05 03:04:05", "true", "0.1"]


def saved(folder: Path, **sheets: list[tuple[Any, ...]]) -> Path:
    """Save a workbook with these sheets, in this order."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(folder / "customers.xlsx")
    return folder / "customers.xlsx"


def test_cells_keep_leading_zeros_and_every_digit_and_dates_are_iso(tmp_path: Path) -> None:
    found = read(saved(tmp_path, customers=[HEADER, ROW]))
    assert found.header == HEADER
    assert found.rows == [TEXTS]
    assert found.form.shown() == "Excel, sheet 'customers'"
    assert found.notes == ()


def test_a_formula_gives_the_value_that_was_saved_with_it(tmp_path: Path) -> None:
    path = saved(tmp_path, customers=[("id", "bill"), ("1", "=2*21")])
    cells = {}
    with zipfile.ZipFile(path) as book:
        cells = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    cells[sheet] = (
        cells[sheet].replace(b"<v></v>", b"<v>42</v>").replace(b"<v />", b"<v>42</v>").replace(b"<v/>", b"<v>42</v>")
    )
    with zipfile.ZipFile(path, "w") as book:
        for name, content in cells.items():
            book.writestr(name, content)
    assert read(path).rows == [["1", "42"]]


def test_titles_above_the_header_are_left_out_and_said(tmp_path: Path) -> None:
    path = saved(tmp_path, customers=[("Customers of 2026",), (), ("id", "plan", "churn"), ("1", None, "Yes"), ()])
    found = read(path)
    assert found.header == ("id", "plan", "churn")
    assert (list(found.rows), list(found.lines)) == ([["1", "", "Yes"]], [4])
    assert found.notes == ("the header was found in row 3; what stands above it is left out",)
    named = read(path, header=3)
    assert (named.rows, named.notes) == (found.rows, ())


def test_a_table_that_begins_inside_a_sheet_is_found_with_its_row_numbers(tmp_path: Path) -> None:
    rows = [(), (), (None, None, "id", "churn"), (None, None, "1", "Yes"), (), (None, None, "2", "No")]
    found = read(saved(tmp_path, customers=rows))
    assert (found.header, list(found.lines)) == (("id", "churn"), [4, 6])


def test_the_first_visible_sheet_with_anything_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = saved(
        tmp_path, hidden=[("a", "b"), ("1", "2")], empty=[], first=[HEADER, ROW], notes=[("a", "b"), ("x", "y")]
    )
    book = openpyxl.load_workbook(path)
    book["hidden"].sheet_state = "hidden"
    book.save(path)
    found = read(path)
    assert found.header == HEADER
    assert found.notes == ("the sheet 'first' was read, of 4; sheet names another",)
    assert read(path, sheet="notes").rows == [["x", "y"]]
    assert refused(path, sheet="note") == ("customers.xlsx has no sheet 'note'", "did you mean 'notes'?")
    assert refused(path, sheet="zzz")[1] == "its sheets: hidden, empty, first, notes"
    assert "no sheet with anything in it" in refused(path, sheet="empty")[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("id", None, "churn"), ("1", "a", "Yes")], "column 2 of 3 has no name"),
        ([("id", "churn", "churn"), ("1", "a", "Yes")], "the header names 'churn' twice"),
        ([(1, 2, 3), (4, 5, 6)], "no header: its first line holds numbers only"),
        ([("id", "churn")], "a header and no whole row under it"),
    ],
)
def test_a_sheet_without_a_whole_header_or_rows_is_refused(
    tmp_path: Path, rows: list[tuple[Any, ...]], said: str
) -> None:
    assert said in refused(saved(tmp_path, customers=rows))[0]


def test_a_row_for_the_header_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message, _ = refused(saved(tmp_path, customers=[HEADER, ROW]), header=7)
    assert message == "customers.xlsx has nothing in row 7, which `header` names"


def test_an_old_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    message, hint = refused(written(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "customers.xls"))
    assert "can not be read as a workbook" in message
    assert "save it as .xlsx" in hint


def test_an_open_document_is_read(tmp_path: Path) -> None:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="1.5"><text:p>1,5</text:p></table:table-cell>'
    rows = "".join(
        f"<table:table-row>{cells}</table:table-row>"
        for cells in (cell.format("id") + cell.format("bill"), cell.format("007") + number)
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces}><office:body><office:spreadsheet>'
        f'<table:table table:name="one">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("content.xml", content)
        book.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest/>')
    assert read(written(tmp_path, packed.getvalue(), "customers.ods")).rows == [["007", "1.5"]]


def test_a_workbook_that_is_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = saved(tmp_path, customers=[HEADER, ROW])
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book,
        book.open("xl/media/x.xml", "w", force_zip64=True) as out,
    ):
        for _ in range(205):
            out.write(bytes(1_000_000))
    message, hint = refused(path)
    assert message.startswith("customers.xlsx unpacks to 205 MB from 0.2 MB")
    assert "export the sheet" in hint


def xlsb(rows: dict[int, dict[int, str | float | None]]) -> bytes:
    """Return a binary workbook of one sheet ([MS-XLSB]); None for a cell that is formatted and blank."""

    def record(kind: int, data: bytes = b"") -> bytes:
        number = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
        size = len(data)
        return number + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + data

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode("utf-16-le")

    def cell(column: int, value: str | float | None) -> bytes:
        place = struct.pack("<II", column, 0)
        if value is None:
            return record(1, place)
        return record(6, place + text(value)) if isinstance(value, str) else record(5, place + struct.pack("<d", value))

    cells = b"".join(
        record(0, struct.pack("<I", row) + bytes(21)) + b"".join(cell(*one) for one in values.items())
        for row, values in rows.items()
    )
    size = struct.pack("<IIII", min(rows), max(rows), 0, max(max(values) for values in rows.values()))
    sheet = record(129) + record(148, size) + record(145) + cells + record(146) + record(130)
    named = struct.pack("<II", 0, 1) + text("rId1") + text("customers")
    book = record(131) + record(143) + record(156, named) + record(144) + record(132)
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relation = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.bin", book)
        archive.writestr("xl/worksheets/sheet1.bin", sheet)
        target = f'<Relationship Id="rId1" Type="{kind}/worksheet" Target="worksheets/sheet1.bin"/>'
        archive.writestr("xl/_rels/workbook.bin.rels", relation.format(target))
    return packed.getvalue()


def ods(rows: str) -> bytes:
    """Return an OpenDocument workbook of one sheet with these rows, as its XML has them."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces}><office:body><office:spreadsheet>'
        f'<table:table table:name="one">{rows}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        book.writestr("content.xml", content)
        book.writestr("META-INF/manifest.xml", '<?xml version="1.0"?><manifest/>')
    return packed.getvalue()


def ods_row(*cells: str, times: int = 1, formula: str = "") -> str:
    filled = f'<table:table-cell {formula} office:value-type="string"><text:p>{{}}</text:p></table:table-cell>'
    written = "".join(filled.format(cell) if cell else "<table:table-cell/>" for cell in cells)
    return f'<table:table-row table:number-rows-repeated="{times}">{written}</table:table-row>'


def test_a_cell_far_away_is_refused_before_memory_is_taken_for_all_between(tmp_path: Path) -> None:
    path = saved(tmp_path, customers=[HEADER, ROW])
    book = openpyxl.load_workbook(path)
    book["customers"]["XFD1048576"] = 1
    book.save(path)
    message, hint = refused(path)
    assert "spans 17,179,869,184 cells" in message
    assert "far away" in hint


FAR = 1 << 20


@pytest.mark.parametrize(
    ("name", "content", "cells"),
    [
        ("far.xlsb", xlsb({0: {0: "id", 1: "bill"}, 1: {0: "7", 1: 2.0}, FAR - 1: {99: 1.0}}), 100 * FAR),
        ("far.xlsb", xlsb({0: {0: "id", 16_383: "x"}, 20_000: {0: "7"}}), 16_384 * 20_001),
        ("far.ods", ods(ods_row("id", "bill") + ods_row("", times=FAR - 2) + ods_row(*[""] * 99, "x")), 100 * FAR),
        ("far.ods", ods(ods_row(*["id"] * 60) + ods_row("x", times=FAR, formula='table:formula="[.A1]&gt;5>4"')), 0),
    ],
    ids=["xlsb down", "xlsb across", "ods", "ods repeated"],
)
def test_a_cell_far_away_is_refused_in_every_kind_of_workbook(
    tmp_path: Path, name: str, content: bytes, cells: int
) -> None:
    message, hint = refused(written(tmp_path, content, name))
    assert f"spans {cells or 60 * (FAR + 1):,} cells" in message
    assert "far away" in hint


def test_formatted_cells_and_repeated_rows_that_hold_nothing_take_no_room(tmp_path: Path) -> None:
    blank = xlsb({0: {0: "id", 1: "bill"}, 1: {0: "007", 1: 1.5}, FAR - 1: {9_999: None}})
    assert read(written(tmp_path, blank, "blank.xlsb")).rows == [["007", "1.5"]]
    empty = ods(ods_row("id", "bill") + ods_row("007", "1.5") + ods_row("", *[""] * 200, times=FAR - 2))
    assert read(written(tmp_path, empty, "empty.ods")).rows == [["007", "1.5"]]
