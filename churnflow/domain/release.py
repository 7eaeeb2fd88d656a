"""A release: the served model, its version, and the checkpoint and approval that justify it."""

from churnflow.domain.base import Frozen, Moment, Sha256
from churnflow.domain.evidence import Artifact


class Release(Frozen):
    """What the API serves. As canonical JSON it is also the pointer file that a running server follows.

    artifact: the release bundle in the store. checkpoint: the tag of the `shipped` checkpoint that made it.
    approval_sha256: the digest of the last approval before the gate, None where the workflow asks for none.
    """

    version: str
    artifact: Artifact
    run: str
    checkpoint: str
    approval_sha256: Sha256 | None
    at: Moment


def object_path(sha256: str) -> str:
    """Return where the store keeps an object, relative to the store's root."""
    return f"sha256/{sha256[:2]}/{sha256[2:]}"


def next_version(last: str | None, *, same_schema: bool) -> str:
    """Return the version after `last` (`v1.0.0`): major when clients must change their requests, else minor."""
    if last is None:
        return "v1.0.0"
    major, minor, _ = (int(part) for part in last.removeprefix("v").split("."))
    return f"v{major}.{minor + 1}.0" if same_schema else f"v{major + 1}.0.0"
