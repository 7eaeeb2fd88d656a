"""A sheet of a workbook as columns of text: the values that a person sees, without titles above the header."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import python_calamine as calamine

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.exact_text import exact_text, holds_texts
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.spans import widest_span
from churnflow.modelling.table import Form, Table
from churnflow.modelling.unpacking import BOMB_BYTES, BOMB_RATIO, MOST_BYTES

MOST_CELLS: Final = 50_000_000
_TITLE_ROWS: Final = 30


def read(path: Path, options: ReadOptions) -> Table:
    """Read a sheet: the one that is named, else the first visible one that holds anything.

    A text cell keeps its letters, leading zeros included; a number all its digits; a date becomes ISO 8601; a formula
    gives its value as it was last saved. The header is the first row of texts that fills most of the width; what
    stands above it is left out, and said. Raises UsageError for a damaged or encrypted workbook, or an unknown sheet.
    """
    _refuse_bomb(path)
    try:
        with calamine.load_workbook(str(path)) as book:
            sheet = _sheet(book, options, path)
            others = len(book.sheet_names) - 1
    except calamine.PasswordError:
        message = f"{path.name} is encrypted"
        raise UsageError(message, hint="save it without a password, or export the sheet as CSV") from None
    except (calamine.CalamineError, OSError) as error:
        message = f"{path.name} can not be read as a workbook: {' '.join(str(error).split()) or type(error).__name__}"
        raise UsageError(message, hint="open it, save it as .xlsx, and name that file") from None
    chosen = [f"the sheet {sheet.name!r} was read, of {others + 1}; sheet names another"]
    return _table(sheet, options, path, chosen if others and not options.sheet else [])


def _refuse_bomb(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        packed = path.stat().st_size
        _refuse_size(path, size, packed)
        widest = widest_span(archive)
    if widest > MOST_CELLS:
        message = f"{path.name} has a sheet that spans {widest:,} cells, more than the {MOST_CELLS:,} that are read"
        raise UsageError(message, hint="delete what stands far away from the table, or export the sheet as CSV")


def _refuse_size(path: Path, size: int, packed: int) -> None:
    if size > MOST_BYTES or (size > BOMB_BYTES and size > BOMB_RATIO * packed):
        message = f"{path.name} unpacks to {size / 1e6:,.0f} MB from {packed / 1e6:,.1f} MB"
        raise UsageError(message, hint="open it, look at it, and export the sheet that you mean as CSV")


@dataclass(frozen=True)
class _Sheet:
    """A sheet's name, its cells, and how many empty rows stand above them."""

    name: str
    cells: list[list[Any]]
    above: int


def _sheet(book: Any, options: ReadOptions, path: Path) -> _Sheet:
    if options.sheet is not None:
        if options.sheet not in book.sheet_names:
            near = get_close_matches(options.sheet, book.sheet_names, n=1)
            message = f"{path.name} has no sheet {options.sheet!r}"
            shown = f"did you mean {near[0]!r}?" if near else f"its sheets: {', '.join(book.sheet_names[:20])}"
            raise UsageError(message, hint=shown)
        candidates = [options.sheet]
    else:
        seen = calamine.SheetVisibleEnum.Visible
        candidates = [sheet.name for sheet in book.sheets_metadata if sheet.visible == seen]
    for name in candidates:
        sheet = book.get_sheet_by_name(name)
        cells = sheet.to_python(skip_empty_area=True)
        if cells:
            return _Sheet(name, cells, sheet.start[0])
    message = f"{path.name} has no sheet with anything in it that is not hidden"
    raise UsageError(message, hint="name a workbook with customers in it, or the sheet: with: {sheet: ...}")


def _table(sheet: _Sheet, options: ReadOptions, path: Path, notes: list[str]) -> Table:
    cells, above = sheet.cells, sheet.above
    place = _header(cells) if options.header is None else options.header - above - 1
    if not 0 <= place < len(cells):
        message = f"{path.name} has nothing in row {options.header}, which `header` names"
        raise UsageError(message, hint="count the rows of the sheet from 1, or leave `header` out")
    titles = [row for row in cells[:place] if any(cell != "" for cell in row)]
    if titles and options.header is None:
        notes.append(f"the header was found in row {above + place + 1}; what stands above it is left out")
    form = Form("Excel", "", "", part=f"sheet {sheet.name!r}")
    used = [column for column in range(len(cells[place])) if any(row[column] != "" for row in cells[place:])]
    assembly = Assembly([_text(cells[place][column]) for column in used], path.name, form, options)
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, row in enumerate(cells[place + 1 :], start=above + place + 2):
        texts = [_text(row[column]) for column in used]
        if any(texts):
            rows.append(texts)
            lines.append(line)
    assembly.add(rows, lines)
    below = [[row[column] for row in cells[place + 1 :] if row[column] != ""] for column in used]
    return assembly.table(notes, {at for at, values in enumerate(below) if holds_texts(values)})


def _header(cells: Sequence[Sequence[Any]]) -> int:
    """Return the place of the first row of texts that fills most of the width."""
    filled = [[cell for cell in row if cell != ""] for row in cells[:_TITLE_ROWS]]
    most = max(map(len, filled))
    for place, row in enumerate(filled):
        if 2 * len(row) > most and all(isinstance(cell, str) for cell in row):
            return place
    return next(place for place, row in enumerate(filled) if row)


def _text(cell: Any) -> str:
    text = exact_text(cell)
    return repr(cell) if text is None else text
