"""What a file really is, whatever its name says: by its first bytes, and what is no table is named."""

import json
import re
from pathlib import Path
from typing import Final

from churnflow.errors import UsageError
from churnflow.modelling.decoding import by_bytes
from churnflow.modelling.read_options import Format, ReadOptions

_TITLES: Final[dict[str, str]] = {
    "csv": "delimited text",
    "parquet": "Parquet",
    "excel": "an Excel workbook",
    "jsonl": "JSON lines",
    "sqlite": "an SQLite database",
}
_BINARY: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"PAR1", "parquet"),
    (b"PK\x03\x04", "excel"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
    (b"SQLite format 3\0", "sqlite"),
)
_ENDINGS: Final[dict[str, Format]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".tab", ".psv"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "excel"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db", ".db3"), "sqlite"),
}
_NO_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")
_PACKED: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
# How the lines begin that git leaves in a file where both sides have changed it.
CONFLICT: Final = ("<<<<<<< ", "||||||| ", ">>>>>>> ")
_EXPORT: Final = "export the table as CSV with UTF-8 encoding"
_FOREIGN_BYTES: Final = (
    (b"%PDF-", "a PDF document", "ask for the table behind it, as CSV or Excel"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and name the file that comes out"),
    (b"Rar!", "a RAR archive", "unpack it, and name the file that comes out"),
    (b"\x80\x04\x95", "a Python pickle", "it can run code when it is read: write it as Parquet where it was made"),
    (b"\x80\x05\x95", "a Python pickle", "it can run code when it is read: write it as Parquet where it was made"),
    (b"\x89PNG", "a picture", _EXPORT),
    (b"\xff\xd8\xff", "a picture", _EXPORT),
    (b"{\\rtf", "an RTF document", _EXPORT),
)
_PAGE: Final = ("a web page, not a table", "download the file itself, not the page that shows it")
_POINTED: Final = ("a DVC pointer, not the data", "fetch the data: dvc pull")
_FOREIGN_TEXT: Final = (
    ("<!doctype html", *_PAGE),
    ("<html", *_PAGE),
    ("<table", *_PAGE),
    ("<?xml", "XML, not a table", _EXPORT),
    ("version https://git-lfs", "a Git LFS pointer, not the data", "fetch the data: git lfs pull"),
    ("outs:\n- md5:", *_POINTED),
    ("outs:\n- hash:", *_POINTED),
)


def format_of(path: Path, head: bytes, options: ReadOptions) -> Format:
    """Return the format of a file by its first bytes, unpacked.

    Raises UsageError for what is no table, and where the file's name or the workflow says something else.
    """
    found = _found(path, head)
    expected = options.format if options.format != "auto" else _by_name(path)
    if expected is not None and expected != found:
        source = "the workflow" if options.format != "auto" else "its name"
        message = f"{path.name} is {_TITLES[found]}, not {_TITLES[expected]} as {source} says"
        raise UsageError(message, hint=f"if that is right: with: {{format: {found}}}")
    return found


def nul_byte(path: Path, line: int) -> UsageError:
    """Return the error for a text with a byte that no text has."""
    message = f"{path.name} holds a NUL byte (line {line}), so it is no text file"
    return UsageError(message, hint=_EXPORT)


def unfinished_merge(path: Path, line: int) -> UsageError:
    """Return the error for a text in which git has left both sides of a conflict."""
    message = f"{path.name} holds the marks of a merge that was not finished (line {line})"
    return UsageError(message, hint="settle the conflict in it: git checkout --ours or --theirs takes one side")


def _by_name(path: Path) -> Format | None:
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _PACKED:
        endings.pop()
    return _ENDINGS.get(endings[-1]) if endings else None


def _found(path: Path, head: bytes) -> Format:
    for magic, name in _BINARY:
        if head.startswith(magic):
            return name
    for magic, what, hint in _FOREIGN_BYTES:
        # A column may be called ORCID: what begins with letters is no table where bytes follow that no text has.
        if head.startswith(magic) and (not magic.isalnum() or _NO_TEXT.search(head)):
            message = f"{path.name} is {what}, not a table"
            raise UsageError(message, hint=hint)
    text = head.decode(by_bytes(head) or "utf-8", "replace").lstrip("\ufeff \t\r\n")
    start = text[:200].lower().replace("\r\n", "\n")
    for beginning, what, hint in _FOREIGN_TEXT:
        if start.startswith(beginning):
            message = f"{path.name} is {what}"
            raise UsageError(message, hint=hint)
    return _text_format(path, text)


def _text_format(path: Path, text: str) -> Format:
    if not text.startswith(("{", "[")):
        return "csv"
    if _by_name(path) == "jsonl":
        whole = not text.startswith("{")
    else:
        first = _first_value(text)
        if first is None:
            return "csv"
        whole = not isinstance(first, dict)
    if whole:
        message = f"{path.name} is one JSON document, not a record a line"
        raise UsageError(message, hint="write each record on a line of its own: jq -c '.[]' FILE > records.jsonl")
    return "jsonl"


def _first_value(text: str) -> object:
    """Return the JSON value that a text begins with, None for none; one that is cut off counts as a list."""
    try:
        found: object = json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return [] if text[1:].lstrip().startswith(("{", '"')) else None
    return found
