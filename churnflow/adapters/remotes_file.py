"""The file that says where checkpoints are shared; it holds no secret."""

import shlex
from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.domain.base import canonical_json
from churnflow.domain.remote import Remotes, why_refused
from churnflow.errors import IntegrityError


class RemotesFile:
    """One file for all work trees of a repository, replaced as a whole."""

    def __init__(self, shared_dir: Path) -> None:
        """Take the folder that work trees share."""
        self._path = shared_dir / "remotes.json"

    def read(self) -> Remotes:
        """Return what is configured. Raises IntegrityError for a file that is no record of ours."""
        try:
            found = Remotes.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return Remotes()
        except ValidationError as failure:
            raise self._altered() from failure
        if any(map(why_refused, found.urls.values())):
            raise self._altered()
        return found

    def write(self, remotes: Remotes) -> None:
        """Replace what is configured."""
        with explained(self._path):
            make_folder(self._path.parent)
        write_durably(self._path, canonical_json(remotes.model_dump(mode="json", by_alias=True)) + b"\n")

    def _altered(self) -> IntegrityError:
        message = f"the record of remotes was altered: {self._path}"
        hint = f"rm {shlex.quote(str(self._path))}, then `churnflow remote set URL` again"
        return IntegrityError(message, hint=hint)
