"""Any life of a project: runs, runs that are left, rollbacks, undos and gc in any order leave a history that proves."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Outcome

OPERATIONS = ("ship", "leave", "go on", "rollback", "rollback", "undo", "gc", "gc", "edit")


class Life:
    """A project to which things happen by chance, each followed by `verify`."""

    def __init__(self, project: Path, cli: Cli, chance: random.Random) -> None:
        self.project = project
        self.cli = cli
        self.chance = chance

    def live(self) -> None:
        name = self.chance.choice(OPERATIONS)
        outcome = self.happens(name)
        assert outcome.code in {0, 2, 3, 5}, (name, outcome.err)
        verified = self.cli("verify")
        assert verified.code == 0, (name, verified.err)

    def happens(self, name: str) -> Outcome:
        does: dict[str, Callable[[], Outcome]] = {
            "ship": lambda: self.cli("run", "--new", "--answers", "answers.yaml"),
            "leave": lambda: self.cli("run", "--new", "--until", "double", "--answers", "answers.yaml"),
            "go on": lambda: self.cli("run", "--answers", "answers.yaml"),
            "rollback": lambda: self.cli("rollback", self.chance.choice(self.tags())),
            "undo": lambda: self.cli("undo"),
            "gc": self.free,
            "edit": self.edit,
        }
        return does[name]()

    def tags(self) -> list[str]:
        return [f"churnflow/{path.parent.name}/{path.name}" for path in self.refs().glob("*/*")]

    def refs(self) -> Path:
        return self.project / ".git" / "refs" / "tags" / "churnflow"

    def edit(self) -> Outcome:
        (self.project / "data" / "number.txt").write_text(f"{2 * self.chance.randint(1, 5)}\n")
        return self.cli("status")

    def free(self) -> Outcome:
        yesterday = time.time() - 86400
        for path in (self.project / ".git" / "churnflow").rglob("*"):
            os.utime(path, (yesterday, yesterday))
        return self.cli("gc", "--keep-days", "0")


@pytest.mark.parametrize("seed", [20261126])
def test_after_any_sequence_of_commands_the_history_proves(shipped: Path, here: Cli, seed: int) -> None:
    life = Life(shipped, here, random.Random(seed))
    for _ in range(14):
        life.live()
