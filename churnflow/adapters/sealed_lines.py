"""Lines of a file that only grows, each sealed by a digest over all before it: none can be altered or taken out.

A line is a JSON object; its seal stands at its beginning. Files from before there were seals have lines without; the
first line that has one covers them.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

_SEAL: Final = re.compile(rb'\{"chain":"([0-9a-f]{64})",')


class Opened(NamedTuple):
    """The whole lines without their seals; wrong: the number of the first that does not fit, 0 for none.

    is_mended: whether lines that did not fit stand before one that began anew.
    """

    lines: list[bytes]
    wrong: int
    is_mended: bool


def whole_lines(path: Path) -> bytes:
    """Return the whole lines of a file, nothing where there is none; what a kill tore is cut off by the next append."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return b""
    return text[: text.rfind(b"\n") + 1]


def sealed(line: bytes, before: bytes) -> bytes:
    """Return a line, `{...}` with its line feed, sealed so as to follow on `before`."""
    seal = hashlib.sha256(before + line).hexdigest()
    return b'{"chain":"' + seal.encode() + b'",' + line[1:]


def opened(text: bytes, begins_anew: Callable[[bytes], bool] = lambda _: False) -> Opened:
    """Take the seals off. A last line without its end was torn by a kill, unless it is whole but for that.

    begins_anew: tells of a line whether what stands before it counts no more; its seal covers that as it was then.
    """
    hasher = hashlib.sha256()
    wrong, is_sealed, is_mended = 0, False, False
    bare: list[bytes] = []
    for number, line in enumerate(_lines(text), 1):
        seal = _SEAL.match(line)
        bare.append(b"{" + line[seal.end() :] if seal else line)
        is_torn = not line.endswith(b"\n")
        fits = _fits(seal, hasher.copy(), bare[-1][:-1])
        if is_torn and not fits:
            bare.pop()
            break
        is_sealed = is_sealed or seal is not None
        if fits and not is_torn and begins_anew(bare[-1]):
            is_mended = is_mended or wrong > 0
            wrong = 0
        elif is_torn or (is_sealed and not fits):
            wrong = wrong or number
        hasher.update(line)
    return Opened(bare, wrong, is_mended)


def _fits(seal: re.Match[bytes] | None, hasher: "hashlib._Hash", line: bytes) -> bool:
    hasher.update(line + b"\n")
    return seal is not None and hasher.hexdigest().encode() == seal[1]


def _lines(text: bytes) -> list[bytes]:
    # At line feeds alone: `splitlines` would also split at a carriage return, which damage can be.
    *whole, rest = text.split(b"\n")
    return [*(line + b"\n" for line in whole), *([rest] if rest else [])]
