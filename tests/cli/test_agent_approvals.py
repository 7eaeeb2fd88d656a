"""An agent with a shell tries to approve its own work; `benchmarks/reliability/approvals.py` says how."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.reliability import approvals
from benchmarks.reliability.approvals import WAYS, Agent, Ended, attempt, make_project
from churnflow.cli import app
from churnflow.engine.keys import subject
from churnflow.project import Project

# What stands in the way of each, so that none is closed by chance.
WAITS = "exit 3, verify 0: the approval 'release' waits: it needs 1 approval of grade signed, in the role risk"
FORGED = "its signature is not one that a listed key of ann made over it"
STOPPED_BY = {
    "piped_yes": WAITS,
    "pseudo_terminal": WAITS,
    "answers_file": WAITS,
    "environment": WAITS,
    "silence": WAITS,
    "journal": "the list of reviewers demands 1 approval of grade signed before a gate",
    "decision": "the gate 'ship' is recorded as ship, but the approval 'release' needs",
    "checkpoint": "the approval 'release' needs 1 approval of grade signed, in the role risk; given by nobody",
    "policy": "the list of reviewers demands 1 approval of grade signed before a gate",
    "no_approval": "the list of reviewers demands 1 approval of grade signed before a gate",
    "not_a_gate": "approved is no decision in its workflow",
    "listed_key": "version 3 of the list of reviewers is not signed by an admin of the version before",
    "new_list": "it names a list of reviewers that this project never had",
    "noted_list": "it names a list of reviewers that this project never had",
    "rewound_list": "the list of reviewers was taken back: version 3 was seen here",
    "removed_key": "the list of reviewers demands 1 approval of grade signed before a gate",
    "backdated_run": "given by nobody; the answer of old does not count: old is not listed in the role risk",
    "undone_no": "the list of reviewers demands 1 approval of grade signed before a gate",
    "early_approval": "before a gate, which no approval of 'candidate' here is",
    "replay": "it was signed for another run",
    "retold": FORGED,
    "git_liar": FORGED,
    "fake_keygen": FORGED,
    "copied_tag": FORGED,
}


class Quick(Agent):
    """The same with the program in this process, where it needs neither a terminal nor another environment."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(folder)
        self._capsys = capsys

    def cli(self, *arguments: str, stdin: bytes = b"", **env: str) -> Ended:
        if stdin or env:
            return super().cli(*arguments, stdin=stdin, **env)
        here = Path.cwd()
        os.chdir(self.root)
        try:
            code = app.run(arguments)
        finally:
            os.chdir(here)
            sys.modules.pop("packing", None)
        return Ended(code, *self._capsys.readouterr())

    def subject(self) -> str:
        run = Project.open(self.root).run()
        return subject(run, next(item for item in run.declared.items() if item.name == "release"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project before anything was tried on it."""
    folder = tmp_path_factory.mktemp("agent") / "made"
    make_project(folder)
    return folder


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_agent_with_a_shell_opens_no_gate_at_grade_signed(
    way: Callable[[Agent], None],
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copytree(made, tmp_path / "tried", symlinks=True)
    result = attempt(way, Quick(tmp_path / "tried", capsys))
    assert not result.opened
    assert STOPPED_BY[way.__name__] in result.said


def test_the_signature_of_the_reviewer_opens_the_same_gate(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copytree(made, tmp_path / "tried", symlinks=True)
    agent = Quick(tmp_path / "tried", capsys)

    def signed(agent: Agent) -> None:
        ended = agent.cli("approve", "release", "--answers", "answers.yaml", "--key", str(agent.folder / "ann"))
        assert ended.code == 0

    assert attempt(signed, agent).opened
    assert (agent.root / "answers.yaml").read_text() == approvals.ANSWERS


def test_with_a_list_of_its_own_and_a_note_of_it_the_gate_does_not_even_decide_and_nothing_is_served_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    shutil.copytree(made, tmp_path / "tried", symlinks=True)
    agent = Quick(tmp_path / "tried", capsys)
    before = agent.served()
    approvals.noted_list(agent)
    for command in (("run",), ("verify", before["checkpoint"]), ("rollback", "served")):
        ended = agent.cli(*command)
        assert ended.code == 6
        assert "holds an approval under the list of reviewers" in ended.err or "this project never had" in ended.err
    assert agent.served() == before
