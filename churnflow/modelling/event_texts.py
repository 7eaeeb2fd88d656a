"""A log that is text, brought to where DuckDB can read it: looked through once, and kept nowhere unless it must be."""

import codecs
import io
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from churnflow.errors import UsageError
from churnflow.modelling.decoding import decoded
from churnflow.modelling.formats import CONFLICT, nul_byte, unfinished_merge
from churnflow.modelling.read_options import ReadOptions
from churnflow.modelling.separators import LONGEST_FIELD, Start, beginning
from churnflow.modelling.unpacking import unpacked

BLOCK: Final = 1 << 20
_LONGEST_MARK: Final = max(map(len, CONFLICT))
# What DuckDB unpacks while it reads, by its own word for it; anything else is unpacked for it first.
_PACKED: Final = {"": "none", "gzip": "gzip", "zstd": "zstd"}
_ENDS: Final = frozenset({"\n", "\r\n", None})


@dataclass(frozen=True)
class EventText:
    """A text that DuckDB can read: UTF-8, with lines that end in one way.

    readable: where it lies, the source itself or a copy. packed: how `readable` is compressed, in DuckDB's word.
    compression, encoding: those of the source. note: what the reader of the report should know, if anything.
    """

    readable: Path
    packed: str
    start: Start
    encoding: str
    compression: str
    note: str


def open_text(path: Path, folder: Path, options: ReadOptions) -> EventText:
    """Look a text through to its end, and write it again into `folder` if DuckDB could not read it as it is.

    Raises UsageError for what is damaged, empty, of unknown encoding, no text, or left unfinished by a merge.
    """
    text, note = decoded(path, options.encoding, lambda encoding: _opened(path, folder, encoding, options))
    return EventText(**{**text, "note": note})


def source_of(path: Path) -> str:
    """Return a path as DuckDB takes it for one file, and not for a pattern of names."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def _opened(path: Path, folder: Path, encoding: str, options: ReadOptions) -> dict[str, Any]:
    with unpacked(path, most=None) as opened, io.TextIOWrapper(opened.stream, encoding, newline="") as text:
        compression = opened.compression
        start = beginning(_lines(text), options, path)
    plain = encoding.removesuffix("-sig")
    known = {"start": start, "encoding": plain, "compression": compression}
    fits = compression in _PACKED and codecs.lookup(plain).name == "utf-8"
    if fits and _look_through(path, encoding, None) in _ENDS:
        return {**known, "readable": path, "packed": _PACKED[compression]}
    copy = folder / "events.txt"
    _look_through(path, encoding, copy)
    return {**known, "readable": copy, "packed": "none"}


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    # A file without a line end shall not come into memory as one line.
    left = LONGEST_FIELD
    while left > 0 and (line := text.readline(left)):
        left -= len(line)
        yield line


def _look_through(path: Path, encoding: str, copy: Path | None) -> object:
    """Return how the lines of a text end, after writing it to `copy`, if that is named, with one end for all of them.

    Raises UsageError where it is no text, or has no room in the folder, UnicodeDecodeError where it is none in this
    encoding.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line, before = 1, "\n"
    with unpacked(path, most=None) as opened, _writing(copy) as written:
        while True:
            block = opened.stream.read(BLOCK)
            text = decoder.decode(block, final=not block)
            _refuse_no_log(path, before + text, line - before.count("\n"))
            if written:
                write(written, text, path)
            line += text.count("\n")
            before = (before + text)[-_LONGEST_MARK:]
            if not block:
                return decoder.newlines


def _writing(copy: Path | None) -> Any:
    return nullcontext() if copy is None else copy.open("w", encoding="utf-8", newline="")


def write(written: IO[Any], piece: str | bytes, path: Path) -> None:
    """Write a piece of what was unpacked of `path`. Raises UsageError where there is no room for it."""
    try:
        written.write(piece)
        written.flush()
    except OSError as error:
        message = f"{path.name} can not be unpacked into the temporary folder: {error.strerror}"
        raise UsageError(message, hint="free space there, or name another folder in the variable TMPDIR") from None


def _refuse_no_log(path: Path, text: str, line: int) -> None:
    """Raise UsageError for what no log holds. line: on which `text` begins, which may be with the end of a line."""
    if "\0" in text:
        raise nul_byte(path, _line(text, text.index("\0"), line))
    for mark in CONFLICT:
        if mark in text and f"\n{mark}" in text:
            raise unfinished_merge(path, _line(text, text.index(f"\n{mark}") + 1, line))


def _line(text: str, place: int, line: int) -> int:
    return line + text.count("\n", 0, place)
