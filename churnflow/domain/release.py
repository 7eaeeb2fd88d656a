"""A release: the served model, its version, and the checkpoint and approval that justify it."""

import re
from collections.abc import Iterable
from typing import Final

from churnflow.domain.base import Frozen, Moment, Sha256
from churnflow.domain.evidence import Artifact

# `served`, `served~1` for the one before it, or a version.
REFERENCE: Final = re.compile(r"(?P<served>served(?:~(?P<back>\d{1,6}))?)|(?P<version>v\d+\.\d+\.\d+)")


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


def next_version(past: Iterable[str]) -> str:
    """Return the version after the highest of `past` (`v1.0.0` if there is none); no version is given twice."""
    numbers = [tuple(int(part) for part in version.removeprefix("v").split(".")) for version in past]
    if not numbers:
        return "v1.0.0"
    major, minor, _ = max(numbers)
    return f"v{major}.{minor + 1}.0"
