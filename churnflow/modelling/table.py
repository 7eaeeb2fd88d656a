"""A delimited text file as rows of text, with its line numbers, and what is wrong with the file as a whole."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from churnflow.errors import UsageError
from churnflow.modelling.texts import missing_words, present

SEPARATORS: Final = (",", ";", "\t", "|")
MOST_BYTES: Final = 2_000_000_000
BOMB_BYTES: Final = 200_000_000
BOMB_RATIO: Final = 200
LONGEST_FIELD: Final = 10_000_000
SHOWN_COLUMNS: Final = 20
_QUOTED: Final = re.compile(r'"[^"]*"')
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Ragged:
    """A row with another number of fields than the header."""

    line: int
    fields: int
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text as they stand in a file; `lines` gives the line on which each row ends.

    missing: the words that stand for a missing value, folded.
    """

    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    ragged: tuple[Ragged, ...]
    separator: str
    encoding: str
    folded: tuple[str, ...]
    missing: frozenset[str] = missing_words()

    def column(self, name: str) -> list[str]:
        """Return the values of one column. Raises UsageError, with the nearest name, for one that is not there."""
        if name not in self.header:
            plain = {known.casefold(): known for known in reversed(self.header)}
            near = get_close_matches(name.casefold(), plain, n=1)
            more = ", ..." if len(self.header) > SHOWN_COLUMNS else ""
            shown = f"its columns: {', '.join(self.header[:SHOWN_COLUMNS])}{more}"
            message = f"the file has no column {name!r}"
            raise UsageError(message, hint=f"did you mean {plain[near[0]]!r}?" if near else shown)
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    def texts(self, name: str) -> list[str | None]:
        """Return the values of a column without the blanks around them, None where missing. Raises as `column` does."""
        return [present(value, self.missing) for value in self.column(name)]


def read_table(
    path: Path, separator: str = "auto", encoding: str = "auto", missing: Iterable[str] | None = None
) -> Table:
    """Read a delimited text file, plain or gzip-compressed, with every value as text.

    missing: the words that stand for a missing value, None for the usual ones.

    Raises UsageError, with what to do, for a file that is missing, a directory, empty, truncated, too large, of unknown
    encoding or separator, or with a header that is empty, doubled or alone. Rows of the wrong width are set apart.
    """
    content = _decompressed(_content(path), path)
    text, used = _decoded(content, encoding, path)
    if not text.strip():
        raise _empty(path)
    _refuse_foreign(text, path)
    chosen = _separator(text, separator, path)
    rows, lines = _rows(text, chosen, path)
    header, folded = _header(rows[0], path)
    whole: list[list[str]] = []
    places: list[int] = []
    ragged: list[Ragged] = []
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) == len(header):
            whole.append(row)
            places.append(line)
        else:
            ragged.append(Ragged(line, len(row), chosen.join(row)))
    if not whole:
        message = f"{path.name} has a header and no whole row under it"
        raise UsageError(message, hint="name a file with customers in it")
    return Table(header, whole, places, tuple(ragged), chosen, used, folded, missing_words(missing))


def _content(path: Path) -> bytes:
    if path.is_dir():
        message = f"{path.name} is a directory, not a file"
        raise UsageError(message, hint="name a file in it")
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MOST_BYTES else b""
    except FileNotFoundError:
        message = f"no such file: {path.name}"
        raise UsageError(message, hint="name the file of the customers under with: {source: ...}") from None
    except OSError as error:
        message = f"{path.name} can not be read: {error.strerror}"
        raise UsageError(message, hint="name a file that you may read") from None
    if size > MOST_BYTES:
        message = f"{path.name} takes {size / 1e6:,.0f} MB, more than the {MOST_BYTES / 1e6:,.0f} MB that are read"
        raise UsageError(message, hint="name a sample of it, or a part")
    if not content:
        raise _empty(path)
    return content


def _empty(path: Path) -> UsageError:
    message = f"{path.name} is empty"
    return UsageError(message, hint="name a file with a header and rows")


def _decompressed(content: bytes, path: Path) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    out = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
                _refuse_bomb(out.tell(), len(content), path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        message = f"{path.name} is a damaged or truncated gzip file"
        raise UsageError(message, hint="copy or download it again") from None
    return out.getvalue()


def _refuse_bomb(size: int, packed: int, path: Path) -> None:
    if size > MOST_BYTES or (size > BOMB_BYTES and size > BOMB_RATIO * packed):
        message = f"{path.name} unpacks to more than {size / 1e6:,.0f} MB from {packed / 1e6:,.1f} MB"
        raise UsageError(message, hint="unpack it yourself, look at it, and name the part that you mean")


def _decoded(content: bytes, encoding: str, path: Path) -> tuple[str, str]:
    if encoding != "auto":
        try:
            return content.decode(codecs.lookup(encoding).name).removeprefix("\ufeff"), encoding
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            message = f"{path.name} is not {encoding} (line {line})"
            raise UsageError(message, hint="leave `encoding` to auto, or name the right one") from None
        except (LookupError, ValueError):
            message = f"unknown encoding {encoding!r}"
            raise UsageError(message, hint="write utf-8, utf-16, cp1252 or latin-1, or leave it to auto") from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strictly(content, "utf-16", path), "utf-16"
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        return _strictly(content, "cp1252", path), "cp1252"


def _strictly(content: bytes, encoding: str, path: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path.name} is text of no encoding that was tried (line {line})"
        raise UsageError(message, hint="name its encoding: with: {encoding: ...}") from None


def _refuse_foreign(text: str, path: Path) -> None:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = f"{path.name} holds a NUL byte (line {line}), so it is no text file"
        raise UsageError(message, hint="export the table as CSV with UTF-8 encoding")
    start = text[:200].lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<?xml")):
        message = f"{path.name} is a web page, not a table"
        raise UsageError(message, hint="download the file itself, not the page that shows it")
    if start.startswith("version https://git-lfs"):
        message = f"{path.name} is a Git LFS pointer, not the data"
        raise UsageError(message, hint="fetch the data: git lfs pull")


def _separator(text: str, wanted: str, path: Path) -> str:
    first = _QUOTED.sub("", text.lstrip("\r\n").partition("\n")[0])
    counts = {candidate: first.count(candidate) for candidate in SEPARATORS}
    likely = max(counts, key=lambda candidate: counts[candidate])
    chosen = likely if wanted == "auto" else wanted.replace("\\t", "\t")
    if len(chosen) != 1 or chosen in '"\r\n':
        message = f"the separator is one character, not {wanted!r}"
        raise UsageError(message, hint="write ',', ';', '|' or '\\t', or leave it to auto")
    if chosen not in first:
        better = f"; {likely!r} stands {counts[likely]} times in its header" if counts[likely] else ""
        message = f"{path.name} has only one column when split at {chosen!r}{better}"
        hint = f"with: {{separator: {likely!r}}}" if better else "name a table with at least two columns"
        raise UsageError(message, hint=hint)
    return chosen


def _rows(text: str, separator: str, path: Path) -> tuple[list[list[str]], list[int]]:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        cut = "unexpected end" in str(error)
        what = "a quote that is never closed" if cut else str(error)
        start = (lines[-1] if lines else 0) + 1
        message = f"{path.name}: {what} (from line {start})"
        again = "; if the file was cut off there, copy it again" if cut else ""
        raise UsageError(message, hint=f"close or double the quote in that row{again}") from None
    return rows, lines


def _header(names: list[str], path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column names with blanks folded, and those that were changed by it."""
    folded = tuple(" ".join(name.split()) for name in names)
    empty = [place for place, name in enumerate(folded, start=1) if not name]
    if empty:
        message = f"{path.name}: column {empty[0]} of {len(folded)} has no name"
        raise UsageError(message, hint="give every column a name in the first line")
    doubled = [name for name, count in Counter(folded).items() if count > 1]
    if doubled:
        message = f"{path.name}: the header names {doubled[0]!r} twice"
        raise UsageError(message, hint="rename one of the two columns")
    return folded, tuple(name for name, raw in zip(folded, names, strict=True) if name != raw)
