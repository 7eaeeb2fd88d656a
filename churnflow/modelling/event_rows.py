"""The rows of a log that is text, as SQL: fields set apart by a separator or by runs of blanks, or JSON records."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from churnflow.errors import UsageError
from churnflow.modelling.duckdb_errors import told
from churnflow.modelling.event_files import (
    MOST_RAGGED,
    EventFile,
    EventRows,
    RowLines,
    fields_of,
    hashed,
    joined,
    quoted,
    row_numbered,
)
from churnflow.modelling.event_texts import EventText, open_text, source_of
from churnflow.modelling.read_options import BLANKS, ReadOptions
from churnflow.modelling.separators import LONGEST_FIELD, rows_of, separator_of
from churnflow.modelling.table import Form, named_columns

# A comment may have a few lines; more of them in one row speak for a quote that stands where none belongs.
MOST_LINES: Final = 20
SAMPLE_RECORDS: Final = 100_000
_NUMBERS: Final = frozenset({"DOUBLE", "BIGINT", "UBIGINT", "HUGEINT"})
# Several fields where quotes stand, which may hold blanks; the plain way is the quick one.
_QUOTED_FIELDS: Final = r"""list_transform(regexp_extract_all(text, '(?:"(?:[^"]|"")*"|[^ \t"])+'),
  lambda field: CASE WHEN starts_with(field, '"') THEN replace(field[2:-2], '""', '"') ELSE field END)"""
_BARE: Final = "trim(text, chr(32) || chr(9) || chr(13))"
_BLANK_FIELDS: Final = (
    rf"""CASE WHEN contains(text, '"') THEN {_QUOTED_FIELDS} ELSE string_split_regex({_BARE}, '[ \t]+') END"""
)


def delimited(path: Path, folder: Path, options: ReadOptions, names: Sequence[str]) -> EventFile:
    """Return a delimited text as a log. names: of its columns, for a file without a header.

    Raises UsageError for what is no such text, or one whose header names no columns, or one of them twice.
    """
    text = open_text(path, folder, options)
    separator = separator_of(text.start, options, path)
    header, folded = _header(text, separator, path, names)
    form = Form("CSV", text.encoding, separator, text.compression)
    width, has_header = len(header), not names
    if separator == BLANKS:
        rows = _split_at_blanks(text, width, has_header=has_header)
    else:
        rows = _separated(text, separator, width, has_header=has_header)
    return EventFile(
        path.name, header, ("VARCHAR",) * width, form, rows, notes=(*filter(None, [text.note]), *folded_note(folded))
    )


def folded_note(folded: Sequence[str]) -> tuple[str, ...]:
    """Return what is to be said of column names whose blanks were folded, if there are any."""
    return (f"blanks in column names were folded: {', '.join(folded)}",) if folded else ()


def _header(
    text: EventText, separator: str, path: Path, names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        first: list[str] = next(rows_of(text.start.sample, separator))
    except csv.Error:
        message = f"{path.name}: a quote in the header is never closed"
        raise UsageError(message, hint="mend the first line of the file") from None
    if names and len(names) != len(first):
        message = f"{len(names)} columns are named, and {path.name} has {len(first)}"
        raise UsageError(message, hint="name each of its columns, in their order: with: {log: {names: [...]}}")
    try:
        return named_columns(names or first, path.name)
    except UsageError as error:
        raise UsageError(
            str(error), hint=f"{error.hint}, or name all of them: with: {{log: {{names: [...]}}}}"
        ) from None


def _separated(text: EventText, separator: str, width: int, *, has_header: bool) -> EventRows:
    fields = fields_of(width)
    columns = ", ".join(f"'{field}': 'VARCHAR'" for field in fields)
    style = f"""delim={quoted(separator)}, quote='"', escape='"', header={str(has_header).lower()}"""
    kept = f"store_rejects=true, rejects_limit={MOST_RAGGED}"
    rows = f"SELECT * FROM read_csv({_reading(text, text.start.skipped)}, {style}, columns={{{columns}}}, {kept})"
    # Each reading adds its own rejected rows to DuckDB's table; the last one went through the whole file.
    last = "scan_id = (SELECT max(scan_id) FROM reject_errors)"
    found = "line_byte_position AS line, min(lower(error_type)), any_value(csv_line), count(*)"
    broken = " OR ".join(f"contains({field}, chr(10))" for field in fields)
    ends = f"strlen(regexp_replace({joined(fields, separator)}, '[^\\n]', '', 'g'))"
    return EventRows(
        rows,
        row_numbered(rows),
        joined(fields, separator),
        hashed(fields),
        f"CASE WHEN {broken} THEN {ends} > {MOST_LINES} ELSE false END",
        f"SELECT {found} FROM reject_errors WHERE {last} GROUP BY line_byte_position",
        RowLines(text.readable, separator, text.start.skipped, has_header),
    )


def _split_at_blanks(text: EventText, width: int, *, has_header: bool) -> EventRows:
    above = text.start.skipped + has_header
    lines = f"SELECT text, {_BLANK_FIELDS} AS parts FROM ({_lines(text, above)})"
    numbered = f"SELECT *, row_number() OVER () + {above} AS line FROM ({lines})"
    fields = ", ".join(f"parts[{place + 1}] AS {field}" for place, field in enumerate(fields_of(width)))
    ragged = f"SELECT line, len(parts) || ' fields', text, 1 FROM ({numbered}) WHERE {_BARE} <> ''"
    return EventRows(
        f"SELECT {fields} FROM ({lines}) WHERE len(parts) = {width}",
        f"SELECT {fields}, line FROM ({numbered}) WHERE len(parts) = {width}",
        joined(fields_of(width), BLANKS),
        hashed(fields_of(width)),
        ragged=f"{ragged} AND len(parts) <> {width}",
    )


def _reading(text: EventText, above: int) -> str:
    given = f"compression='{text.packed}', skip={above}, max_line_size={LONGEST_FIELD}, auto_detect=false"
    return f"{quoted(source_of(text.readable))}, {given}"


def _lines(text: EventText, above: int) -> str:
    """Return SQL for the lines of a text as `text`, NULL where empty. No text holds the separator of fields here."""
    style = "delim=chr(0), quote='', escape='', header=false, columns={'text': 'VARCHAR'}"
    return f"SELECT text FROM read_csv({_reading(text, above)}, {style})"


def json_lines(path: Path, folder: Path, options: ReadOptions) -> EventFile:
    """Return JSON lines as a log: fields within fields are named with dots, as in `user.id`.

    Which columns there are is found in the first 100,000 records. A line that is no record, or in which a key stands
    twice, is a row that does not fit. Raises UsageError for what is no text, or without any record.
    """
    text = open_text(path, folder, options)
    lines = f"SELECT text, {_FAULT} AS fault FROM ({_lines(text, 0)}) WHERE trim(text) <> ''"
    try:
        found = _structure(lines)
    except duckdb.Error as error:
        message = f"{path.name} can not be read as JSON lines: {told(error)}"
        raise UsageError(message, hint="write one record a line") from error
    known = list(_leaves(found, (), ()))
    if not known:
        message = f"{path.name} holds no JSON record with a field"
        raise UsageError(message, hint='write one record a line, such as {"customer": 7, "time": "2024-05-01"}')
    header, folded = named_columns([name for name, _, _ in known], path.name)
    fields = ", ".join(
        f"json_extract_string(text, {quoted(pointer)}) AS {field}"
        for (_, pointer, _), field in zip(known, fields_of(len(known)), strict=True)
    )
    # Empty lines count as lines.
    numbered = f"SELECT *, {_FAULT} AS fault FROM ({row_numbered(_lines(text, 0))})"
    return EventFile(
        path.name,
        header,
        tuple("LIST" if kind == "LIST" else "VARCHAR" for _, _, kind in known),
        Form("JSON lines", text.encoding, "", text.compression),
        EventRows(
            f"SELECT {fields}, text FROM ({lines}) WHERE fault IS NULL",
            f"SELECT {fields}, text, line FROM ({numbered}) WHERE fault IS NULL AND trim(text) <> ''",
            "text",
            "hash(text)",
            ragged=f"SELECT line, fault, text, 1 FROM ({numbered}) WHERE fault IS NOT NULL AND trim(text) <> ''",
        ),
        frozenset(name for name, (_, _, kind) in zip(header, known, strict=True) if kind in _NUMBERS),
        (*filter(None, [text.note]), *folded_note(folded)),
    )


_FAULT: Final = """CASE WHEN NOT json_valid(text) THEN 'no JSON' WHEN json_type(text) <> 'OBJECT' THEN 'no record'
  WHEN len(json_keys(text)) <> list_unique(json_keys(text)) THEN 'a key stands twice' END"""


def _structure(lines: str) -> Mapping[str, Any]:
    some = f"SELECT text FROM ({lines}) WHERE fault IS NULL LIMIT {SAMPLE_RECORDS}"
    with duckdb.connect() as connection:
        query = f"SELECT json_group_structure(CAST(text AS JSON)) FROM ({some})"
        found = json.loads(connection.execute(query).fetchall()[0][0] or "{}")
    return found if isinstance(found, dict) else {}


def _leaves(
    found: Mapping[str, Any], name: tuple[str, ...], pointer: tuple[str, ...]
) -> Iterator[tuple[str, str, str]]:
    """Yield name, JSON pointer (RFC 6901) and type of each field of a record."""
    for key, kind in found.items():
        names, steps = (*name, key), (*pointer, key.replace("~", "~0").replace("/", "~1"))
        if isinstance(kind, dict):
            yield from _leaves(kind, names, steps)
        else:
            yield ".".join(names), "/" + "/".join(steps), "LIST" if isinstance(kind, list) else str(kind)
