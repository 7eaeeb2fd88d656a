"""The file of API keys, as `churnflow keys` writes it and a running server follows it."""

import shlex
from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.domain.api_key import KeyRing
from churnflow.domain.base import canonical_json
from churnflow.errors import IntegrityError


class KeyFile:
    """One file, replaced as a whole; nobody but its owner may read it."""

    def __init__(self, path: Path) -> None:
        """Take where the file is; it is made with the first key."""
        self.path = path

    def read(self) -> KeyRing:
        """Return the keys, none before the first. Raises IntegrityError for a file that is not one of keys."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return KeyRing()
        try:
            return KeyRing.model_validate_json(text)
        except ValidationError as failure:
            message = f"the file of API keys was altered: {self.path}"
            shown = shlex.quote(str(self.path))
            hint = f"bring it back, or mv {shown} {shlex.quote(f'{self.path}.damaged')} and make new keys"
            raise IntegrityError(message, hint=hint) from failure

    def write(self, ring: KeyRing) -> None:
        """Replace the file; a running server knows the new keys within a second."""
        with explained(self.path):
            make_folder(self.path.parent)
            self.path.parent.chmod(0o700)
            write_durably(self.path, canonical_json(ring.model_dump(mode="json", by_alias=True)) + b"\n", mode=0o600)
