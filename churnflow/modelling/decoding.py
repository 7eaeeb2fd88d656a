"""In which encoding a text is written: by its byte order mark, by its bytes, else the likeliest by language models."""

import codecs
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final, TypeVar

import chardet

from churnflow.errors import UsageError
from churnflow.modelling.unpacking import unpacked

T = TypeVar("T")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose little-endian mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Which bytes of a unit are zero where Latin letters are written in it.
_ZEROS: Final = (
    ("utf-32-le", 4, (1, 2, 3)),
    ("utf-32-be", 4, (0, 1, 2)),
    ("utf-16-le", 2, (1,)),
    ("utf-16-be", 2, (0,)),
)
# Python decodes these as well, and no text of any length is written in them.
_OF_NAMES: Final = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape"})
_USUAL: Final = "cp1252"
_LIKELY: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859-2", "iso8859-7"),
    *("koi8-r", "cp932", "shift_jis", "euc-jp", "gb18030", "big5", "euc-kr", "cp949"),
)
# Names of people give few letters to judge by; another language has to be this much likelier than a Western one.
_MARGIN: Final = 1.5
_FEWEST: Final = 3
_SAMPLE: Final = 1 << 16
_BLOCK: Final = 1 << 20
_SEQUENCE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_FOREIGN: Final = re.compile(rb"[\x80-\xff]")


def decoded(path: Path, encoding: str, read: Callable[[str], T]) -> tuple[T, str]:
    """Return what `read`, given an encoding, makes of a text, and a note where that encoding is only the likeliest.

    encoding: as declared, or auto for the one that the first bytes give away, else UTF-8, else the likeliest. `read` is
    called once more where it has raised UnicodeDecodeError. Raises UsageError where no encoding fits.
    """
    named = encoding != "auto"
    with unpacked(path, most=None) as opened:
        first = declared(encoding) if named else by_bytes(opened.head()) or "utf-8"
    try:
        return read(first), ""
    except UnicodeDecodeError:
        if named:
            message = f"{path.name} is not {encoding} (line {line_of_failure(path, first)})"
            raise UsageError(message, hint="leave `encoding` to auto, or name the right one") from None
        if first != "utf-8":
            raise _no_encoding(path, first) from None
    likely = guessed(path)
    try:
        return read(likely), f"the file is not UTF-8; it was read as {likely}, the likeliest: encoding names another"
    except UnicodeDecodeError:
        raise _no_encoding(path, likely) from None


def _no_encoding(path: Path, encoding: str) -> UsageError:
    message = f"{path.name} is text of no encoding that was tried (line {line_of_failure(path, encoding)})"
    return UsageError(message, hint="name its encoding: with: {encoding: ...}")


def declared(encoding: str) -> str:
    """Return the encoding that is named. Raises UsageError for one that Python has not, or that is none of text."""
    try:
        b"a".decode(encoding)
        known = codecs.lookup(encoding).name not in _OF_NAMES
    except UnicodeDecodeError:
        return encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        message = f"unknown encoding {encoding!r}"
        raise UsageError(message, hint="write utf-8, utf-16, cp1252 or latin-1, or leave it to auto")
    return encoding


def by_bytes(head: bytes) -> str | None:
    """Return the encoding that the first bytes give away, None where none of the wide ones does."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for name, unit, zeros in _ZEROS:
        units = len(head) // unit
        counts = [head[place : units * unit : unit].count(0) for place in range(unit)]
        others = [count for place, count in enumerate(counts) if place not in zeros]
        if units > 1 and min(counts[place] for place in zeros) > units // 2 and max(others) <= units // 20:
            return name
    return None


def guessed(path: Path) -> str:
    """Return the likeliest encoding of a text that is not UTF-8, by its lines with letters beyond ASCII.

    Raises UsageError for UTF-8 with some bytes that are none, which every other encoding would spoil.
    """
    with unpacked(path, most=None) as opened:
        sample, line = _telling_lines(opened.stream)
    valid = len(_SEQUENCE.findall(sample))
    broken = len(_FOREIGN.findall(_SEQUENCE.sub(b"", sample)))
    if valid > 2 * broken:
        place = line if line is not None else line_of_failure(path, "utf-8")
        message = f"{path.name} is UTF-8 but for some bytes (line {place})"
        raise UsageError(message, hint="mend that line, or name the encoding of all others: with: {encoding: ...}")
    if len(_FOREIGN.findall(sample)) < _FEWEST:
        return _USUAL
    found = chardet.detect_all(sample, ignore_threshold=True, include_encodings=_LIKELY)
    scores = {(one["encoding"] or _USUAL).lower(): one["confidence"] or 0.0 for one in reversed(found)}
    western = max(scores.get("windows-1252", 0.0), scores.get(_USUAL, 0.0))
    best = max(scores, key=lambda name: scores[name], default=_USUAL)
    if best in {"windows-1252", _USUAL} or scores[best] <= _MARGIN * western:
        return _USUAL
    return re.sub("^windows-", "cp", best)


def line_of_failure(path: Path, encoding: str) -> int:
    """Return the line of the first bytes that are no text in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with unpacked(path, most=None) as opened:
        while True:
            block = opened.stream.read(_BLOCK)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].decode(encoding, "ignore").count("\n")
            if not block:
                return line


def _telling_lines(stream: IO[bytes]) -> tuple[bytes, int | None]:
    """Return lines that are not ASCII, and the first one that is not UTF-8 if it is among them."""
    found = bytearray()
    wrong: int | None = None
    for line, content in enumerate(_lines(stream), start=1):
        if content.isascii():
            continue
        found += content
        if wrong is None:
            wrong = None if _is_utf8(content) else line
        if len(found) > _SAMPLE:
            break
    return bytes(found), wrong


def _lines(stream: IO[bytes]) -> Iterable[bytes]:
    return iter(lambda: stream.readline(_SAMPLE), b"")


def _is_utf8(content: bytes) -> bool:
    return not _FOREIGN.search(_SEQUENCE.sub(b"", content))
