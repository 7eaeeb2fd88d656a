"""A release and the places that it is deployed to, as plain values."""

from datetime import UTC, datetime
from typing import Any

from churnflow.domain.deployment import Place
from churnflow.domain.evidence import Artifact
from churnflow.domain.release import Release

BUNDLE = b"a bundle"
SHA256 = "aa" + "07" * 31


def release(version: str = "v1.2.0", approval: str | None = "c8" * 32) -> Release:
    """Return a release of `BUNDLE`."""
    return Release(
        version=version,
        artifact=Artifact(name="candidate", codec="release", sha256=SHA256, size_bytes=len(BUNDLE)),
        run="261123-7qd2",
        checkpoint="churnflow/261123-7qd2/05-shipped",
        approval_sha256=approval,
        at=datetime(2026, 11, 23, tzinfo=UTC),
    )


def place(**given: Any) -> Place:
    """Return a place in a cluster, with what is usual where nothing else is given."""
    usual = {
        "target": "kubernetes",
        "name": "churn",
        "image": "registry.example/team/churn",
        "base": "python:3.13.1-slim",
        "namespace": "scoring",
    }
    return Place(**{**usual, **given})
