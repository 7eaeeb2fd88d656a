"""How far the cells of a workbook lie apart, found in its parts one after another, before memory is taken for them."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final, cast

_XLSX: Final = re.compile(r"xl/worksheets/[^/]+\.xml")
_XLSB: Final = re.compile(r"xl/worksheets/[^/]+\.bin")
_ODS: Final = re.compile(r"content\.xml")
_CELL: Final = re.compile(rb'<(?:\w+:)?c [^<>]{0,200}?\br="([A-Z]{1,3})([0-9]{1,7})"')
_TAG: Final = re.compile(rb'<table:(table|table-row|table-cell|covered-table-cell)(?=[\s/>])((?:[^<>"]|"[^"]*")*)>')
_REPEATED: Final = re.compile(rb'table:number-(?:rows|columns)-repeated="(\d{1,9})"')
_FILLED: Final = b"office:value-type="
_LONGEST_TAG: Final = 4096
_LONGEST_CELL: Final = 256
_BLOCK: Final = 1 << 20
# Records of [MS-XLSB]: BrtRowHdr begins a row, 2 to 11 are cells with a value, BrtCellBlank (1) has none.
_ROW: Final = 0
_VALUES: Final = frozenset(range(2, 12))
_CONTINUES: Final = 0x80


@dataclass
class _Span:
    """The rectangle that holds all cells with a value; rows and columns are numbers from any start."""

    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)

    def add(self, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        """Stretch it over the cells from the first to the last of each."""
        self.rows = [min([*self.rows, *rows]), max([*self.rows, *rows])]
        self.columns = [min([*self.columns, *columns]), max([*self.columns, *columns])]

    @property
    def cells(self) -> int:
        """How many cells it holds."""
        if not self.rows:
            return 0
        return (self.rows[1] - self.rows[0] + 1) * (self.columns[1] - self.columns[0] + 1)


def widest_span(archive: zipfile.ZipFile) -> int:
    """Return how many cells lie between the first and the last one of a sheet, of the sheet where these are most."""
    widest = 0
    for name in archive.namelist():
        spans = next((spans for form, spans in _FORMS if form.fullmatch(name)), None)
        if spans is not None:
            with archive.open(name) as packed:
                part = cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", packed), _BLOCK))
                widest = max([widest, *(span.cells for span in spans(part))])
    return widest


def _of_xlsx(sheet: IO[bytes]) -> Iterator[_Span]:
    """Look at every cell's reference, such as AB12."""
    span, rest = _Span(), b""
    while block := sheet.read(_BLOCK):
        found = _CELL.findall(rest + block)
        if found:
            rows = [int(row) for _, row in found]
            columns = [_place(column) for column in {column for column, _ in found}]
            span.add((min(rows), max(rows)), (min(columns), max(columns)))
        # A reference that is cut by the end of a block stands whole in the next.
        rest = block[-_LONGEST_CELL:]
    yield span


def _place(letters: bytes) -> int:
    """Return the number of a column: 1 for A, 27 for AA."""
    place = 0
    for letter in letters:
        place = 26 * place + letter - ord("A") + 1
    return place


def _of_xlsb(sheet: IO[bytes]) -> Iterator[_Span]:
    """Walk the records of a binary sheet: kind, size, and of rows and cells the number that they begin with."""
    span, row = _Span(), 0
    while (kind := _number(sheet, 2)) is not None and (size := _number(sheet, 4)) is not None:
        data = sheet.read(size)
        number = int.from_bytes(data[:4], "little")
        if kind == _ROW:
            row = number
        elif kind in _VALUES:
            span.add((row, row), (number, number))
    yield span


def _number(sheet: IO[bytes], most: int) -> int | None:
    """Return a number of seven bits a byte, the lowest first, None at the end of the sheet."""
    number = 0
    for place in range(most):
        byte = sheet.read(1)
        if not byte:
            return None
        number |= (byte[0] & ~_CONTINUES) << (7 * place)
        if byte[0] < _CONTINUES:
            break
    return number


def _of_ods(content: IO[bytes]) -> Iterator[_Span]:
    """Count rows and cells, of which one may stand for many alike that follow each other."""
    span, row, last, column = _Span(), 0, -1, 0
    for kind, said in _tags(content):
        repeated = _REPEATED.search(said)
        count = int(repeated[1]) if repeated else 1
        if kind == b"table":
            yield span
            span, row, last = _Span(), 0, -1
        elif kind == b"table-row":
            row, last, column = last + 1, last + count, 0
        else:
            if _FILLED in said:
                span.add((row, last), (column, column + count - 1))
            column += count
    yield span


def _tags(content: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    rest = b""
    while block := content.read(_BLOCK):
        text, end = rest + block, 0
        for found in _TAG.finditer(text):
            end = found.end()
            yield found[1], found[2]
        # A tag that is cut by the end of a block stands whole in the next, and none stands in both.
        rest = text[max(end, len(text) - _LONGEST_TAG) :]


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[IO[bytes]], Iterator[_Span]]], ...]] = (
    (_XLSX, _of_xlsx),
    (_XLSB, _of_xlsb),
    (_ODS, _of_ods),
)
