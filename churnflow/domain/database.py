"""Which file a database is in, by the address under which it is asked."""

import re
from typing import Final

_SQLITE: Final = re.compile(r"sqlite(?:\+\w+)?:///(?:file:)?(?P<file>[^?]+)(?:\?.*)?")
# SQLite keeps what it is about to write beside the file.
_BESIDE: Final = ("", "-journal", "-wal", "-shm")


def database_files(address: str) -> tuple[str, ...]:
    """Return the path of a SQLite database, and of what it keeps beside it; nothing for any other address."""
    found = _SQLITE.fullmatch(address)
    return tuple(found["file"] + beside for beside in _BESIDE) if found and found["file"] != ":memory:" else ()
