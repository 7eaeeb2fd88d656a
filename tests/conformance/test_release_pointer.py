"""What every release pointer does."""

from pathlib import Path

import pytest

from churnflow.adapters.release_files import ReleaseFiles
from churnflow.domain.release import Release
from churnflow.engine.ports import ReleasePointer
from tests.adapters.workbench import KEY, NOW, artifact
from tests.fakes import FakePointer


@pytest.fixture
def pointer(kind: str, folder: Path) -> ReleasePointer:
    return FakePointer() if kind == "fake" else ReleaseFiles(folder / "state")


def release(version: str) -> Release:
    kept = artifact("release", version.encode())
    return Release(version=version, artifact=kept, run="r", checkpoint="t", approval_sha256=KEY, at=NOW)


def test_before_the_first_ship_nothing_is_served(pointer: ReleasePointer) -> None:
    assert pointer.read() is None
    assert list(pointer.past()) == []


def test_a_switch_is_what_is_served_and_the_past_only_grows(pointer: ReleasePointer) -> None:
    served = [release(version) for version in ("v1.0.0", "v1.1.0", "v1.0.0")]
    for count, one in enumerate(served, start=1):
        pointer.switch(one)
        assert pointer.read() == one
        assert list(pointer.past()) == served[:count]
