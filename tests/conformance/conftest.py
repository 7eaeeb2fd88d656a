"""Each port twice: the fake that the engine's tests use, and the adapter that a user gets."""

from pathlib import Path

import pytest


@pytest.fixture(params=["fake", "real"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which of the two the test is run against."""
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for the real one to work in."""
    place = tmp_path / "project"
    place.mkdir()
    return place
