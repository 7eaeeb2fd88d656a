"""Finds copies of customers' rows among the files that a snapshot would take into git."""

import filecmp
import hashlib
import shlex
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from churnflow.domain.rows import BEGINNING, columns_of, taken_from
from churnflow.errors import RefusedError

# Files with fewer bytes are alike by chance.
_CHANCE: Final = 1_000


class RowCopies:
    """The tables of customers that git does not have, and which other files hold their rows."""

    def __init__(self, work_tree: Path, tables: Iterable[str], tracked: Collection[str]) -> None:
        """Take the tables and what git tracks, relative to the work tree; git has the rows of a tracked table anyway.

        Nothing is read before the first question.
        """
        self._work_tree = work_tree
        self._tracked = tracked
        self._tables = sorted(set(tables) - set(tracked))

    @cached_property
    def _columns(self) -> Sequence[tuple[str, frozenset[str]]]:
        named = ((table, columns_of(_beginning(self._work_tree / table))) for table in self._tables)
        return [(table, columns) for table, columns in named if columns]

    def sha256(self) -> str:
        """Return the digest of what is looked for: a file that was none of it may be, once there is another table."""
        wanted = [self._tables, [(table, sorted(columns)) for table, columns in self._columns]]
        return hashlib.sha256(repr(wanted).encode()).hexdigest()

    def source_of(self, path: str, content: bytes) -> str | None:
        """Return the table whose rows a file holds: one with its columns, or with the same bytes; None for no table.

        A file that git tracks is none: its user has put it there.
        """
        if path in self._tracked:
            return None
        return taken_from(columns_of(content), self._columns) or self._twin_of(self._work_tree / path)

    @cached_property
    def _sizes(self) -> Mapping[int, str]:
        sizes = ((_size(self._work_tree / table), table) for table in self._tables)
        return {size: table for size, table in sizes if size >= _CHANCE}

    def _twin_of(self, file: Path) -> str | None:
        table = self._sizes.get(_size(file)) if self._sizes else None
        with suppress(OSError):
            return table if table and filecmp.cmp(file, self._work_tree / table) else None
        return None


def refuse_copies(copies: Sequence[tuple[str, str]]) -> None:
    """Raise RefusedError if there is any: each the file and the table whose rows it holds."""
    if not copies:
        return
    (path, table), more = copies[0], len(copies) - 1
    others = f", and so would {more} more" if more else ""
    message = f"{path} would enter a checkpoint with rows as in {table}{others}, and git forgets nothing"
    hint = f"list {path} in .gitignore; if those are no customers: git add {shlex.quote(path)}"
    raise RefusedError(message, hint=hint)


def _size(file: Path) -> int:
    with suppress(OSError):
        found = file.lstat()
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    return 0


def _beginning(file: Path) -> bytes:
    with suppress(OSError):
        if file.is_file():
            with file.open("rb") as stream:
                return stream.read(BEGINNING)
    return b""
