"""The digests of the built-in steps' code, remembered for as long as no file of the package changes."""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from churnflow.adapters.durable import recall, remember
from churnflow.engine.ports import StepCatalog

# A file written this short before it was looked at may change again without a new time stamp, as in git's racy index.
_RACY_NS = 2_000_000_000


class RememberedCode:
    """A catalog for commands that only show: to follow the imports of all built-in steps takes a tenth of a second."""

    def __init__(self, catalog: StepCatalog, built_in: Collection[str], package: Path, memory: Path) -> None:
        """Take the catalog that knows, the steps whose code lies in `package`, and the file to remember in."""
        self._catalog = catalog
        self._built_in = built_in
        self._package = package
        self._memory = memory
        self._digests: dict[str, str] | None = None
        self._signature = ""
        self._newest = 0

    def names(self) -> Sequence[str]:
        """Return the registered names."""
        return self._catalog.names()

    def function(self, uses: str) -> Callable[..., object]:
        """Import and return the function."""
        return self._catalog.function(uses)

    def code_sha256(self, uses: str) -> str:
        """Return the digest of the source that the function is made of."""
        if uses not in self._built_in:
            return self._catalog.code_sha256(uses)
        known = self._known()
        if uses not in known:
            known[uses] = self._catalog.code_sha256(uses)
            self._remember(known)
        return known[uses]

    def _known(self) -> dict[str, str]:
        if self._digests is None:
            self._digests = {}
            states = sorted(_states(str(self._package)))
            self._signature = hashlib.sha256(repr(states).encode()).hexdigest()
            self._newest = max((max(state[2:]) for state in states), default=0)
            found = recall(self._memory)
            if found.get("package") == self._signature:
                with suppress(KeyError, AttributeError):
                    self._digests = {str(uses): str(sha256) for uses, sha256 in found["code"].items()}
        return self._digests

    def _remember(self, known: dict[str, str]) -> None:
        if time.time_ns() - self._newest < _RACY_NS:
            return
        remember(self._memory, {"package": self._signature, "code": known})


def _states(folder: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield path, size and times of every source file below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _states(entry.path)
            elif entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns, status.st_ctime_ns
