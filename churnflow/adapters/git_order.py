"""The order in which new objects enter a repository: each after all that it refers to.

Git takes an object that is there for one whose trees and blobs are there, too, and never looks again. So a kill between
two of them must leave none without what it refers to.
"""

import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

_BLOB: Final = b"blob "
_NAMED: Final = re.compile(rb"^(?:tree|parent|object) ([0-9a-f]+)$", re.MULTILINE)
# A header in git's form is shorter than this, also compressed.
_ENOUGH: Final = 64


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Return files of an object folder in that order: packs, their indexes, then loose objects from the blobs up."""
    packs = [path for path in paths if path.parent.name == "pack"]
    loose = {path.parent.name + path.name: path for path in paths if path.parent.name != "pack"}
    after = {
        oid: [other for other in _references(path, len(oid) // 2) if other in loose] for oid, path in loose.items()
    }
    # An index without its pack is an error, a pack without its index is not there.
    return [
        *sorted(packs, key=lambda path: path.suffix == ".idx"),
        *(loose[oid] for oid in TopologicalSorter(after).static_order()),
    ]


def _references(path: Path, width: int) -> list[str]:
    """Return the ids that a loose object holds; width: the bytes of one. What can not be read refers to nothing."""
    with suppress(zlib.error):
        with path.open("rb") as file:
            if zlib.decompressobj().decompress(file.read(_ENOUGH), len(_BLOB)) == _BLOB:
                return []
        header, _, content = zlib.decompress(path.read_bytes()).partition(b"\0")
        if header.startswith(b"tree "):
            return _in_tree(content, width)
        return [oid.decode() for oid in _NAMED.findall(content.partition(b"\n\n")[0])]
    return []


def _in_tree(content: bytes, width: int) -> list[str]:
    found, position = [], 0
    while position < len(content):
        end = content.index(b"\0", position) + 1
        position = end + width
        found.append(content[end:position].hex())
    return found
