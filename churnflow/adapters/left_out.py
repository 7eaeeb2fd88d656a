"""The files that no snapshot takes into git although it lies open to it: what steps read, and lists that were written.

Each is remembered for good: a file that a later workflow no longer names still holds the same customers.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.errors import ConflictError

SOURCES: Final = "data-paths.json"
LISTS: Final = "list-paths"


class LeftOut:
    """The paths of such files, relative to the project; in the folder of the project's state."""

    def __init__(self, state: Path) -> None:
        """Take the folder; it is made when the first path is added."""
        self._state = state

    def with_sources(self, paths: Iterable[str]) -> list[str]:
        """Remember source files; return all that is remembered, sources first. Raises ConflictError if it is broken."""
        file = self._state / SOURCES
        known = self._sources(file)
        merged = sorted({*known, *paths})
        if merged != known:
            make_folder(self._state)
            write_durably(file, json.dumps(merged).encode())
        return list(dict.fromkeys([*merged, *sorted(self._lists())]))

    def add_list(self, path: str) -> None:
        """Remember a list of customers; two commands that write one at the same moment lose neither."""
        if path in self._lists():
            return
        with explained(self._state):
            make_folder(self._state)
            with (self._state / LISTS).open("ab") as file:
                file.write(path.encode(errors="surrogateescape") + b"\0")

    def _lists(self) -> list[str]:
        file = self._state / LISTS
        if not file.exists():
            return []
        with explained(file):
            return [one.decode(errors="surrogateescape") for one in file.read_bytes().split(b"\0") if one]

    @staticmethod
    def _sources(file: Path) -> list[str]:
        if not file.exists():
            return []
        with explained(file):
            data = file.read_bytes()
        try:
            return [str(path) for path in json.loads(data)]
        except (ValueError, TypeError):
            # Without it, customers' rows could enter git.
            message = f"{file} does not list the files that stay out of git"
            raise ConflictError(
                message, hint="list those with customers in .gitignore, then remove that file"
            ) from None
