"""A real repository for each test, cut off from the machine's own git configuration."""

import os
from pathlib import Path

import pytest

from tests.adapters.workbench import Work


@pytest.fixture(autouse=True)
def git_alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut git off from the machine's own configuration; return the file that is the user's global one."""
    config = tmp_path_factory.mktemp("home") / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return config


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """An empty repository."""
    folder = tmp_path / "work"
    folder.mkdir()
    work = Work(folder)
    work.git("init", "-q")
    return work
