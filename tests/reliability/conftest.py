"""A real project with two releases, made once, and the scripts of `benchmarks/reliability` beside it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability"


@pytest.fixture(scope="session")
def scripts() -> Iterator[Path]:
    """The folder of the scripts, whose modules can be imported by name."""
    sys.path.insert(0, str(SCRIPTS))
    yield SCRIPTS
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="session")
def whole(scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The project, to copy and never to change; as `project` in its folder."""
    from place import make  # noqa: PLC0415 - found by the fixture above

    return make(tmp_path_factory.mktemp("reliability") / "project")
