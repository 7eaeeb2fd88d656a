"""JSON lines: a record a line, numbers with the digits that they are written with, one level of nesting as dots."""

import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.assembly import Assembly
from churnflow.modelling.decoding import by_bytes, declared, line_of_failure
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.table import Form, Table
from churnflow.modelling.text_lines import bounded_lines
from churnflow.modelling.unpacking import empty, unpacked

_CELLS: Final = 200_000


class _Number(str):
    """A number with the digits that it is written with."""

    __slots__ = ()


_WORDS: Final = {True: "true", False: "false", None: ""}


def read(path: Path, options: ReadOptions) -> Table:
    """Read JSON lines; a record without a key has nothing in that column, which stands where the key first occurred.

    Raises UsageError, with the line, for what is no record, a key that stands twice, a list, or a deeper nesting.
    """
    with unpacked(path, most=None) as opened:
        named = declared(options.encoding) if options.encoding != "auto" else None
        encoding = named or by_bytes(opened.head()) or "utf-8"
        compression = opened.compression
    try:
        return _assembled(path, encoding, compression, options)
    except UnicodeDecodeError:
        message = f"{path.name} is not {encoding} (line {line_of_failure(path, encoding)})"
        raise UsageError(message, hint="name its encoding: with: {encoding: ...}") from None


def _assembled(path: Path, encoding: str, compression: str, options: ReadOptions) -> Table:
    # Twice, so that a key which comes late in the file is a column, and the records are never all in memory.
    names: dict[str, bool] = {}
    for _, record in _records(path, encoding):
        for name, value in record.items():
            # Whether a column holds a text, which a number that JSON has as one is not.
            names[name] = names.get(name, False) or bool(value and type(value) is not _Number)
    if not names:
        raise empty(path)
    form = Form("JSON lines", encoding.removesuffix("-sig"), "", compression)
    assembly = Assembly(list(names), path.name, form, options)
    records = _records(path, encoding)
    while some := list(islice(records, max(1, _CELLS // len(names)))):
        assembly.add([[str(record.get(name, "")) for name in names] for _, record in some], [line for line, _ in some])
    return assembly.table(texts={place for place, name in enumerate(names) if names[name]})


def _records(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    decoder = json.JSONDecoder(
        parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_unique
    )
    with unpacked(path, most=None) as opened, io.TextIOWrapper(opened.stream, encoding, newline="\n") as lines:
        for number, line in enumerate(bounded_lines(lines, path), start=1):
            text = line.removeprefix("\ufeff").strip()
            if not text:
                continue
            try:
                record = decoder.decode(text)
                yield number, _unique(list(_flat(record))) if isinstance(record, dict) else _refuse(record)
            except (ValueError, RecursionError) as error:
                what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                message = f"{path.name}, line {number}: {what}"
                raise UsageError(
                    message, hint="write one record a line, of single values or one level of fields"
                ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        # Which one is not told: a key may be a customer's own value, and the line tells where to look.
        message = "a key stands twice"
        raise ValueError(message)
    return record


def _flat(record: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{field}", _text(inner)) for field, inner in value.items())
        else:
            yield name, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        # A half of a surrogate pair is no text and could not be stored.
        value.encode()
        return value
    nested = "fields" if isinstance(value, dict) else "a list" if isinstance(value, list) else ""
    if nested:
        message = f"a field holds {nested}, not a single value"
        raise ValueError(message)
    return _WORDS[value]


def _refuse(value: object) -> dict[str, str]:
    message = f"{'a list' if isinstance(value, list) else 'a single value'}, not a record"
    raise ValueError(message)
