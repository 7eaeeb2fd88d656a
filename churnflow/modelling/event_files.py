"""A log of events as it lies in a file: checked in one pass, then read by DuckDB, so that it may exceed the memory."""

import codecs
import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any, Final

import duckdb

from churnflow.errors import UsageError
from churnflow.modelling.decoding import declared
from churnflow.modelling.texts import missing_words
from churnflow.modelling.unpacking import regular

SEPARATORS: Final = (",", ";", "\t", "|")
BLANKS: Final = "blanks"
BLANK: Final = "chr(32) || chr(9) || chr(13) || chr(10) || chr(160)"
BOMB_BYTES: Final = 200_000_000
BOMB_RATIO: Final = 200
MOST_RAGGED: Final = 100_000
_CHUNK: Final = 1 << 20
_HEAD: Final = 1 << 16
_LONGEST_LINE: Final = 10_000_000
# A comment may have a few lines; more of them in one row speak for a quote that stands where none belongs.
MOST_LINES: Final = 20
csv.field_size_limit(_LONGEST_LINE)


@dataclass(frozen=True)
class Ragged:
    """A row that could not be split into the fields of the header."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class EventFile:
    """A log that can be read: `relation` is SQL whose columns are c0, c1, ... in the order of `header`.

    path: as named by the user; readable: what DuckDB reads. types: the SQL type of each column; VARCHAR throughout
    unless the file is Parquet. numbered: `relation` with a column `line`; where a row may take several lines it is the
    number of the row. ragged: SQL for line, reason and text of the rows that did not fit, after a reading of the whole.
    """

    path: Path
    readable: Path
    header: tuple[str, ...]
    types: tuple[str, ...]
    relation: str
    numbered: str
    ragged: str
    separator: str
    encoding: str
    has_header: bool = True

    def column(self, name: str) -> str:
        """Return the SQL name of a column. Raises UsageError, with the nearest name, for one that is not there."""
        if name not in self.header:
            plain = {known.casefold(): known for known in self.header}
            near = get_close_matches(name.casefold(), plain, n=1)
            message = f"{self.path.name} has no column {name!r}"
            shown = f"its columns: {', '.join(self.header[:20])}"
            raise UsageError(message, hint=f"did you mean {plain[near[0]]!r}?" if near else shown)
        return f"c{self.header.index(name)}"

    def text(self, name: str, missing: Iterable[str] | None = None) -> str:
        """Return SQL for the values of a column as text without the blanks around them, NULL where missing."""
        words = sorted(missing_words(missing))
        column = self.column(name)
        if self.type(name) in {"DOUBLE", "FLOAT"}:
            # An id that is missing somewhere may have become a float: 12345.0 is 12345.
            whole = f"CASE WHEN {column} = trunc({column}) THEN TRY_CAST({column} AS BIGINT) END"
            column = f"coalesce(CAST({whole} AS VARCHAR), CAST({column} AS VARCHAR))"
        bare = f"trim(CAST({column} AS VARCHAR), {BLANK})"
        found = f"lower({bare}) IN ({', '.join(map(quoted, words))})"
        # Most values are longer than any of the words.
        longest = max(len(word.encode()) for word in words)
        return f"CASE WHEN strlen({bare}) > {longest} THEN {bare} WHEN {found} THEN NULL ELSE {bare} END"

    def type(self, name: str) -> str:
        """Return the SQL type of a column."""
        return self.types[self.header.index(name)]

    @property
    def spans(self) -> str:
        """SQL that tells whether a row takes more lines than a text that anyone wrote into it."""
        if self.separator in {BLANKS, ""}:
            return "false"
        broken = " OR ".join(f"contains(c{place}, chr(10))" for place in range(len(self.header)))
        ends = f"strlen(regexp_replace({self.row}, '[^\\n]', '', 'g'))"
        return f"CASE WHEN {broken} THEN {ends} > {MOST_LINES} ELSE false END"

    @property
    def row(self) -> str:
        """SQL for a whole row as text, its fields as they were split."""
        between = {BLANKS: " ", "": ","}.get(self.separator, self.separator)
        fields = ", ".join(f"coalesce(CAST(c{place} AS VARCHAR), '')" for place in range(len(self.header)))
        return f"concat_ws({quoted(between)}, {fields})"


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def open_events(
    path: Path, folder: Path, separator: str = "auto", encoding: str = "auto", columns: Sequence[str] = ()
) -> EventFile:
    """Look a log through once, without keeping it, and return how DuckDB reads it.

    The file is delimited text, plain or gzip-compressed, or Parquet. separator: one character, `blanks` for columns
    set apart by any number of blanks, or auto. columns: their names, where the file has no header. A text that is not
    UTF-8 is written again as UTF-8 into `folder`. Raises UsageError for what is no such file.
    """
    regular(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        message = f"{path.name} can not be read: {error.strerror}"
        raise UsageError(message, hint="name the file of the events under with: {source: ...}") from None
    if start == b"PAR1":
        return _parquet(path, _plainly_named(path, folder))
    return _delimited(path, folder, separator, encoding, columns)


def _plainly_named(path: Path, folder: Path) -> Path:
    """Return a path to the file that DuckDB does not take for a pattern of names."""
    if not set("*?[") & set(str(path)):
        return path
    (folder / "source").symlink_to(path.resolve())
    return folder / "source"


def _delimited(path: Path, folder: Path, separator: str, encoding: str, columns: Sequence[str]) -> EventFile:
    used, readable, head = _readable(path, folder, encoding)
    first = next((line for line in head.splitlines() if line.strip()), "")
    if not first:
        raise _empty(path)
    _refuse_foreign(head, path)
    chosen = _separator(first, separator, path)
    header = tuple(columns) if columns else _header(_fields(first, chosen, path), path)
    _refuse_doubled(header, path)
    packed = "gzip" if _is_gzip(readable) else "none"
    settings = f"header={'false' if columns else 'true'}, auto_detect=false, compression='{packed}'"
    reading = f"{quoted(str(readable))}, {settings}"
    if chosen == BLANKS:
        queries = _split_at_blanks(reading, len(header), heads=0 if columns else 1)
    else:
        queries = _separated(reading, chosen, len(header))
    return EventFile(path, readable, header, ("VARCHAR",) * len(header), *queries, chosen, used, has_header=not columns)


def ragged_rows(connection: duckdb.DuckDBPyConnection, file: EventFile) -> list[Ragged]:
    """Return the rows that the last reading of the whole file could not split, in order.

    Raises UsageError where they are so many that the file must be read in another way.
    """
    rows = connection.execute(f"{file.ragged} ORDER BY line LIMIT {MOST_RAGGED}").fetchall() if file.ragged else []
    # One row may have several faults, and it is faults of which DuckDB keeps so many.
    if sum(row[3] for row in rows) >= MOST_RAGGED:
        message = f"{file.path.name}: {len(rows):,} rows or more do not fit its {len(file.header)} columns"
        raise UsageError(message, hint="name the separator under with: {separator: ...}, or mend the file")
    places = [row[0] for row in rows]
    lines = places if file.separator == BLANKS else _lines_at(file, places)
    found = [_ragged(line, reason, text or "") for line, (_, reason, text, _) in zip(lines, rows, strict=True)]
    for row in found:
        if "\n" in row.text.rstrip("\r\n"):
            message = f"{file.path.name}: a quote that is never closed (from line {row.line})"
            again = "; if the file was cut off there, copy it again"
            raise UsageError(message, hint=f"close or double the quote in that row{again}")
    return found


def _ragged(line: int, reason: str, text: str) -> Ragged:
    # DuckDB gives the empty lines before a row as a part of it.
    row = text.lstrip("\r\n")
    return Ragged(line + text[: len(text) - len(row)].count("\n"), reason, row)


def _lines_at(file: EventFile, places: Sequence[int]) -> list[int]:
    """Return the lines at which the bytes at `places`, counted from 1 in order, stand.

    DuckDB's own count of lines leaves out those within quotes.
    """
    lines: list[int] = []
    line, passed, left = 1, 0, list(reversed(places))
    for chunk in _chunks(file.readable) if places else ():
        at = 0
        while left and left[-1] - 1 < passed + len(chunk):
            until = left.pop() - 1 - passed
            line += chunk.count(b"\n", at, until)
            lines.append(line)
            at = until
        line, passed = line + chunk.count(b"\n", at), passed + len(chunk)
    return lines


def _separated(reading: str, separator: str, width: int) -> tuple[str, str, str]:
    """Return the SQL of a file with a separator: its rows, its numbered rows, and those that do not fit."""
    names = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
    style = f"""delim={quoted(separator)}, quote='"', escape='"', max_line_size={_LONGEST_LINE}"""
    kept = f"store_rejects=true, rejects_limit={MOST_RAGGED}"
    rows = f"SELECT * FROM read_csv({reading}, {style}, columns={{{names}}}, {kept})"
    # Each reading adds its own rejected rows to DuckDB's table; the last one went through the whole file.
    last = "scan_id = (SELECT max(scan_id) FROM reject_errors)"
    found = "line_byte_position AS line, min(lower(error_type)), any_value(csv_line), count(*)"
    ragged = f"SELECT {found} FROM reject_errors WHERE {last} GROUP BY line_byte_position"
    return rows, _numbered(rows), ragged


def _split_at_blanks(reading: str, width: int, heads: int) -> tuple[str, str, str]:
    """Return the SQL as `_separated` does, of a file split at runs of blanks: each line is read as one field."""
    one = f"{reading}, delim='\x01', quote='', escape='', columns={{'text': 'VARCHAR'}}"
    lines = f"SELECT text, string_split_regex(trim(text), '\\s+') AS parts FROM read_csv({one})"
    numbered = f"SELECT *, row_number() OVER () + {heads} AS line FROM ({lines})"
    fields = ", ".join(f"parts[{place + 1}] AS c{place}" for place in range(width))
    rows = f"SELECT {fields} FROM ({lines}) WHERE len(parts) = {width}"
    ragged = f"SELECT line, len(parts) || ' fields', text, 1 FROM ({numbered}) WHERE trim(text) <> ''"
    return (
        rows,
        f"SELECT {fields}, line FROM ({numbered}) WHERE len(parts) = {width}",
        f"{ragged} AND len(parts) <> {width}",
    )


def _numbered(rows: str) -> str:
    return f"SELECT *, row_number() OVER () AS line FROM ({rows})"


def lines_of(file: EventFile, rows: Sequence[int], rejected: Sequence[int]) -> list[int]:
    """Return the lines on which `rows` of a separated file begin, numbered in order from 1.

    rejected: the lines of rows that were not counted. The file is read up to the last of the rows.
    """
    wanted, skipped, found = set(rows), set(rejected), list[int]()
    number, line = int(not file.has_header), 1
    with _opened(file.readable) as stream:
        reader = csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline=""), delimiter=file.separator)
        for row in reader:
            if row and line not in skipped:
                if number in wanted:
                    found.append(line)
                number += 1
            line = reader.line_num + 1
            if len(found) == len(wanted):
                break
    return found


def _parquet(path: Path, readable: Path) -> EventFile:
    try:
        with duckdb.connect() as connection:
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(readable)]).fetchall()
    except duckdb.Error as error:
        message = f"{path.name} can not be read as Parquet: {str(error).splitlines()[0]}"
        raise UsageError(message, hint="write it again, or copy it again if it was cut off") from None
    header, types = tuple(row[0] for row in described), tuple(str(row[1]) for row in described)
    names = ", ".join(f"c{place}" for place in range(len(header)))
    rows = f"SELECT * FROM read_parquet({quoted(str(readable))}) AS events({names})"
    return EventFile(path, readable, header, types, rows, _numbered(rows), "", "", "Parquet")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if _is_gzip(path) else path.open("rb")  # type: ignore[return-value]


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked. Raises UsageError for a damaged archive, or one that grows out of hand."""
    packed, size = path.stat().st_size if _is_gzip(path) else 0, 0
    try:
        with _opened(path) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if packed and size > BOMB_BYTES and size > BOMB_RATIO * packed:
                    message = f"{path.name} unpacks to more than {size / 1e6:,.0f} MB from {packed / 1e6:,.1f} MB"
                    raise UsageError(message, hint="unpack it yourself, look at it, and name the part that you mean")
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile):
        message = f"{path.name} is a damaged or truncated gzip file"
        raise UsageError(message, hint="copy or download it again") from None


def _readable(path: Path, folder: Path, encoding: str) -> tuple[str, Path, str]:
    """Return the encoding of a text, the file in which it stands as UTF-8, and its beginning."""
    for tried in _encodings(path) if encoding == "auto" else (declared(encoding),):
        try:
            used = codecs.lookup(tried).name
            head, ends = _looked_through(path, used)
            if used == "utf-8" and ends in {"\n", "\r\n", None}:
                return tried, _plainly_named(path, folder), head
            with (folder / "events.txt").open("w", encoding="utf-8", newline="") as copy:
                _looked_through(path, used, copy)
            return tried, folder / "events.txt", head
        except UnicodeDecodeError:
            continue
    message = f"{path.name} is no text in the encoding {tried}"
    raise UsageError(message, hint="name its encoding: with: {encoding: ...}")


def _encodings(path: Path) -> tuple[str, ...]:
    start = next(_chunks(path), b"")
    return ("utf-16",) if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ("utf-8", "cp1252")


def _looked_through(path: Path, encoding: str, copy: IO[str] | None = None) -> tuple[str, Any]:
    """Return the beginning of a text and how its lines end, and write it to `copy` with one end for all of them.

    Raises UsageError where it is no text at all, UnicodeDecodeError where it is none in this encoding.
    """
    texts = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    decoder, head = io.IncrementalNewlineDecoder(texts, translate=True), ""
    for chunk in _chunks(path):
        text = decoder.decode(chunk)
        if "\0" in text:
            message = f"{path.name} holds a NUL byte, so it is no text file"
            raise UsageError(message, hint="export the log as CSV with UTF-8 encoding, or as Parquet")
        head = head or text[:_HEAD]
        if copy:
            copy.write(text)
    rest = decoder.decode(b"", final=True)
    if copy:
        copy.write(rest)
    return head or rest, decoder.newlines


def _refuse_foreign(head: str, path: Path) -> None:
    start = head[:200].lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<?xml")):
        message = f"{path.name} is a web page, not a log"
        raise UsageError(message, hint="download the file itself, not the page that shows it")
    if start.startswith("version https://git-lfs"):
        message = f"{path.name} is a Git LFS pointer, not the data"
        raise UsageError(message, hint="fetch the data: git lfs pull")


def _separator(first: str, wanted: str, path: Path) -> str:
    counts = {candidate: first.count(candidate) for candidate in SEPARATORS}
    likely = max(counts, key=lambda candidate: counts[candidate])
    chosen = wanted.replace("\\t", "\t")
    if wanted == "auto":
        chosen = likely if counts[likely] else BLANKS
    if chosen != BLANKS and (len(chosen) != 1 or chosen in '"\r\n'):
        message = f"the separator is one character or {BLANKS}, not {wanted!r}"
        raise UsageError(message, hint=f"write ',', ';', '|', '\\t' or {BLANKS}, or leave it to auto")
    if len(first.split() if chosen == BLANKS else first.split(chosen)) == 1:
        message = f"{path.name} has only one column"
        hint = f"with: {{separator: {likely!r}}}" if counts[likely] else "a log needs at least a customer and a time"
        raise UsageError(message, hint=hint)
    return chosen


def _fields(line: str, separator: str, path: Path) -> list[str]:
    if separator == BLANKS:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        message = f"{path.name}: a quote in the header is never closed"
        raise UsageError(message, hint="mend the first line of the file") from None


def _header(names: Sequence[str], path: Path) -> tuple[str, ...]:
    folded = tuple(" ".join(name.split()) for name in names)
    if "" in folded:
        message = f"{path.name}: column {folded.index('') + 1} of {len(folded)} has no name"
        raise UsageError(message, hint="give every column a name, or name them all under with: {columns: [...]}")
    return folded


def _refuse_doubled(header: Sequence[str], path: Path) -> None:
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if doubled:
        message = f"{path.name}: two columns are named {doubled[0]!r}"
        hint = "rename one of the two columns; for a file without a header, name them under with: {columns: [...]}"
        raise UsageError(message, hint=hint)


def _empty(path: Path) -> UsageError:
    message = f"{path.name} is empty"
    return UsageError(message, hint="name a file with events in it")
