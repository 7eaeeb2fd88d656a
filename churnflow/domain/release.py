"""A release: the served model, its version, and the checkpoint and approval that justify it."""

import re
from collections.abc import Iterable
from typing import Final, Literal

from pydantic import Field

from churnflow.domain.base import Frozen, Moment, Sha256
from churnflow.domain.evidence import Artifact
from churnflow.domain.serving import Privacy

# `served`, `served~1` for the one before it, or a version.
REFERENCE: Final = re.compile(r"(?P<served>served(?:~(?P<back>\d{1,6}))?)|(?P<version>v\d+\.\d+\.\d+)")

# What a version tells: `major` that a client may have to change what it sends or reads, `minor` that the model answers
# otherwise, `patch` that neither is so. From the least to the most.
Level = Literal["patch", "minor", "major"]
LEVELS: Final[tuple[Level, ...]] = ("patch", "minor", "major")


class Change(Frozen):
    """What a release changes beside another one: the highest level of its reasons, and these in words."""

    level: Level
    reasons: tuple[str, ...]


class Release(Frozen):
    """What the API serves. As canonical JSON it is also the pointer file that a running server follows.

    artifact: the release bundle in the store. checkpoint: the tag of the `shipped` checkpoint that made it.
    approval_sha256: the digest of the last approval before the gate, None where the workflow asks for none.
    privacy: what the workflow lets the predictions log keep, None for the usual. change: why the version rose as it
    did, None for the first.
    """

    version: str
    artifact: Artifact
    run: str
    checkpoint: str
    approval_sha256: Sha256 | None
    at: Moment
    privacy: Privacy | None = Field(default=None, exclude_if=lambda privacy: privacy is None)
    change: str | None = Field(default=None, exclude_if=lambda change: change is None)


def object_path(sha256: str) -> str:
    """Return where the store keeps an object, relative to the store's root."""
    return f"sha256/{sha256[:2]}/{sha256[2:]}"


def version_number(version: str) -> tuple[int, int, int]:
    """Return major, minor and patch number of `v1.2.3`, by which versions are ordered."""
    major, minor, patch = map(int, version.removeprefix("v").split("."))
    return major, minor, patch


def next_version(past: Iterable[str], level: Level) -> str:
    """Return the version after the highest of `past`, `v1.0.0` if there is none; no version is given twice.

    Raised by `level` as semantic versioning has it (semver.org, 2.0.0, points 6 to 8).
    """
    numbers = [version_number(version) for version in past]
    if not numbers:
        return "v1.0.0"
    major, minor, patch = max(numbers)
    raised = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return "v" + ".".join(map(str, raised[level]))
