"""Finds copies of customers' rows among the files that a snapshot would take into git."""

import filecmp
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.durable import beginning_of, recall, remember
from churnflow.domain.rows import BEGINNING, columns_of, taken_from

_MEMORY: Final = "row-copies.json"
# Files with fewer bytes are alike by chance.
_CHANCE: Final = 1_000


class RowCopies:
    """The tables of customers that git does not have, and which other files hold their rows.

    The columns of a table that was moved or removed are remembered: its rows may be what another file holds now.
    """

    def __init__(self, work_tree: Path, state: Path, tables: Iterable[str], tracked: Collection[str]) -> None:
        """Take the tables and what git tracks, relative to the work tree; git has the rows of a tracked table anyway.

        Of several tables that a file could be of the first one is told.

        state: the folder of the memory. Nothing is read before the first question.
        """
        self._work_tree = work_tree
        self._file = state / _MEMORY
        self.tables = [table for table in tables if table not in tracked]

    def checked(self) -> str | None:
        """Return the newest tree in which nothing was found with the tables of now, None without one."""
        tree = self._memory.get("tree")
        return tree if isinstance(tree, str) and self._memory.get("rules") == self._rules() else None

    def remember(self, tree: str) -> None:
        """Take it that nothing is found in a tree; to lose that costs only another look."""
        known = {table: sorted(columns) for table, columns in self._columns.items()}
        remember(self._file, {"rules": self._rules(), "tree": tree, "columns": known})

    def find(self, paths: Iterable[str]) -> dict[str, str]:
        """Return of files, relative to the work tree, those that hold rows of a table, each with that table.

        They have its columns, or the same bytes.
        """
        sources = ((path, self._source_of(self._work_tree / path)) for path in paths)
        return {path: table for path, table in sources if table is not None}

    def _source_of(self, file: Path) -> str | None:
        return taken_from(columns_of(beginning_of(file, BEGINNING)), self._columns.items()) or self._twin_of(file)

    def _twin_of(self, file: Path) -> str | None:
        with suppress(OSError):
            for table in self._sizes.get(file.stat().st_size, ()):
                if filecmp.cmp(file, self._work_tree / table, shallow=False):
                    return table
        return None

    @cached_property
    def _memory(self) -> Mapping[str, Any]:
        return recall(self._file)

    @cached_property
    def _columns(self) -> Mapping[str, frozenset[str]]:
        kept = self._memory.get("columns")
        before = kept if isinstance(kept, dict) else {}
        now = {table: columns_of(beginning_of(self._work_tree / table, BEGINNING)) for table in self.tables}
        known = {table: columns or _texts(before.get(table)) for table, columns in now.items()}
        return {table: columns for table, columns in known.items() if columns}

    @cached_property
    def _sizes(self) -> Mapping[int, Sequence[str]]:
        sizes: dict[int, list[str]] = {}
        for table in self.tables:
            with suppress(OSError):
                found = (self._work_tree / table).stat().st_size
                if found >= _CHANCE:
                    sizes.setdefault(found, []).append(table)
        return sizes

    def _rules(self) -> str:
        """Return the digest of what is looked for: another table of the same columns asks for no other look."""
        wanted = [sorted({tuple(sorted(columns)) for columns in self._columns.values()}), sorted(self._sizes)]
        return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def _texts(found: object) -> frozenset[str]:
    return frozenset(map(str, found)) if isinstance(found, list) else frozenset()
