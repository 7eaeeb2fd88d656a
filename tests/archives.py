"""Zip files that no zip library writes."""

import struct
import zlib
from collections.abc import Sequence

_EPOCH = 0x21


def nested(names: Sequence[str], payload: bytes, *, shift: int = 0) -> bytes:
    """Return a zip of stored entries each of which holds all before it: n names, n times the bytes of the file.

    shift: by how much the offset of each entry is wrong.
    """
    body, entries = payload, []
    for name in map(str.encode, names):
        sizes = (zlib.crc32(body), len(body), len(body), len(name))
        body = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, _EPOCH, *sizes, 0) + name + body
        entries.append((name, sizes, len(body)))
    directory = b""
    for name, sizes, length in entries:
        offset = len(body) - length + shift
        far = struct.pack("<HHQ", 1, 8, offset) if shift else b""
        plain = (len(far), 0, 0, 0, 0, 0xFFFFFFFF if far else offset)
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, _EPOCH, *sizes, *plain) + name + far
    counts = (len(entries), len(entries), len(directory), len(body))
    return body + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *counts, 0)
