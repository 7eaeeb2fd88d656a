"""The record of what was deployed, as `churnflow deploy` writes it and rollback reads it."""

import shlex
from pathlib import Path

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.domain.base import canonical_json
from churnflow.domain.deployment import Deployed, Deployments
from churnflow.errors import IntegrityError


class DeployedFile:
    """One file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        """Take where the file is; it is made with the first deployment."""
        self.path = path

    def read(self) -> Deployments:
        """Return what was deployed, nothing before the first. Raises IntegrityError for a file that is no record."""
        try:
            return Deployments.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Deployments()
        except ValidationError as failure:
            message = f"the record of deployments was altered: {self.path}"
            shown = shlex.quote(str(self.path))
            hint = f"bring it back, or mv {shown} {shlex.quote(f'{self.path}.damaged')} and deploy again"
            raise IntegrityError(message, hint=hint) from failure

    def add(self, made: Deployed) -> None:
        """Record one more."""
        record = self.read().adding(made)
        with explained(self.path):
            make_folder(self.path.parent)
            write_durably(self.path, canonical_json(record.model_dump(mode="json", by_alias=True)) + b"\n")
