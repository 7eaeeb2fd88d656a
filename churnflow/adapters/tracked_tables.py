"""Where the newest table of what a release did is, as monitoring has recorded it: a file for each release."""

from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.domain.base import Frozen
from churnflow.domain.evidence import Artifact


class Tracked(Frozen):
    """The table of a release, and the run of monitoring that made it."""

    run: str
    artifact: Artifact


class TrackedTables:
    """Tables by the digest of the bundle that they are about."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist yet."""
        self._folder = folder

    def keep(self, release: str, tracked: Tracked) -> None:
        """Make `tracked` the newest table of a release, durably."""
        path = self._path(release)
        with explained(path):
            make_folder(path.parent)
        write_durably(path, tracked.model_dump_json().encode())

    def newest(self, release: str) -> Tracked | None:
        """Return the newest table of a release, None where nothing was ever recorded, or can not be read."""
        try:
            return Tracked.model_validate_json(self._path(release).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _path(self, release: str) -> Path:
        return self._folder / f"{release}.json"
