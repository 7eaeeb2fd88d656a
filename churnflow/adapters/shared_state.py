"""What churnflow keeps in all work trees and projects of a repository, read whole or not at all."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.deployed_file import DeployedFile
from churnflow.adapters.journal_files import JournalFiles, read_result
from churnflow.adapters.release_files import ReleaseFiles
from churnflow.adapters.repository import Repository
from churnflow.adapters.tracked_tables import Tracked
from churnflow.engine.reachable import Journaled, Kept, Result
from churnflow.errors import IntegrityError

_DAY_SECONDS = 86400.0
_SHARED = {"store", "steps"}


class SharedState:
    """The states of all projects in all work trees of a repository; an unreadable one is never passed over."""

    def __init__(self, repository: Repository, now: float) -> None:
        """Take the repository, and the time in seconds since 1970, by which ages are told."""
        self._repository = repository
        self._now = now

    def folders(self) -> list[Path]:
        """Return the folder of each project in each work tree, also of work trees whose files are gone."""
        common = self._repository.common_dir
        with _readable(common):
            homes = [common, *_folders_in(common / "worktrees")]
            found = [path for home in homes for path in _folders_in(home / "churnflow")]
        return [path for path in found if path.name not in _SHARED and not path.name.startswith("objects-")]

    def kept(self) -> Kept:
        """Return what is kept. Raises IntegrityError naming what can not be read."""
        journals: list[Journaled] = []
        named: set[str] = set()
        watched: set[str] = set()
        for folder in self.folders():
            with _readable(folder):
                journals += [*self._journals(folder, watches=False), *self._journals(folder / "monitor", watches=True)]
                tables = list(_tables(folder / "monitor" / "tracked"))
                served = [release.artifact.sha256 for release in ReleaseFiles(folder).past()]
                deployed = DeployedFile(folder / "serving" / "deployed.json").read().deployed
            named |= {*served, *(one.sha256 for one in deployed), *(table.artifact.sha256 for table in tables)}
            watched |= {table.run for table in tables}
        return Kept(journals, list(self._results()), frozenset(named), frozenset(watched))

    def _journals(self, folder: Path, *, watches: bool) -> Iterator[Journaled]:
        files = JournalFiles(folder, self._repository.shared_dir)
        current = files.current()
        for path in _folders_in(folder / "runs"):
            found = files.kept(path.name)
            if found is not None:
                journal = path / "journal.jsonl"
                is_current = current is not None and current.id == path.name
                days, home = self._days(journal), str(folder)
                yield Journaled(str(journal), *found, days, is_current=is_current, watches=watches, project=home)

    def _results(self) -> Iterator[Result]:
        folder = self._repository.shared_dir / "steps"
        with _readable(folder):
            for path in _records_in(folder):
                yield Result(str(path), read_result(path), self._days(path))

    def _days(self, path: Path) -> float:
        return (self._now - path.stat().st_mtime) / _DAY_SECONDS


def _tables(folder: Path) -> Iterator[Tracked]:
    for path in _records_in(folder):
        try:
            yield Tracked.model_validate_json(path.read_bytes())
        except ValidationError as failure:
            message = f"the record of what monitoring has found was altered: {path}"
            raise IntegrityError(
                message, hint=f"remove it, and the next `churnflow monitor` makes it: rm {path}"
            ) from failure


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry) for entry in entries if stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _records_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        message = f"what is kept in {failure.filename or place} can not be read: {failure.strerror}"
        raise IntegrityError(
            message, hint="give yourself read permission to it, then run the same command again"
        ) from failure
