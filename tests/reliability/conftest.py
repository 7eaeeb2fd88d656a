"""The scripts of `benchmarks/reliability` at hand: a project with a user beside it, and what must never be lost."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RELIABILITY = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability"
sys.path.append(str(RELIABILITY))

from hatchery import RemoteHatchery  # noqa: E402 - found by the line above
from keeper import Keeper  # noqa: E402
from life import LIFE, given, make_project  # noqa: E402
from place import make  # noqa: E402

SHIPPED = next(number for number, command in enumerate(LIFE) if command.name == "decide") + 1


@pytest.fixture(scope="session")
def hatchery() -> Iterator[RemoteHatchery]:
    """Run commands as forks of one process, each with what is to befall it."""
    running = RemoteHatchery()
    yield running
    running.close()


@pytest.fixture(scope="session")
def begun_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project before its first command, with a user's history, stash, index, hook and edits; never changed."""
    return make_project(tmp_path_factory.mktemp("begun") / "project")


@pytest.fixture(scope="session")
def shipped_once(begun_once: Path, hatchery: RemoteHatchery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a gate that shipped; never changed."""
    root = Path(shutil.copytree(begun_once, tmp_path_factory.mktemp("shipped") / "project", symlinks=True))
    for command in LIFE[:SHIPPED]:
        assert hatchery.run(root, given(command, root)).code in command.codes
    return root


@pytest.fixture
def shipped(shipped_once: Path, hatchery: RemoteHatchery, tmp_path: Path) -> Keeper:
    """What watches over a project that has shipped, of the test's own."""
    root = Path(shutil.copytree(shipped_once, tmp_path / "project", symlinks=True))
    return Keeper(hatchery, root)


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The folder of the scripts, whose modules can be imported by name."""
    return RELIABILITY


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A real project with two releases, to copy and never to change; as `project` in its folder."""
    return make(tmp_path_factory.mktemp("reliability") / "project")
