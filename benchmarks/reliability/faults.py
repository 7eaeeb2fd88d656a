"""Lets each system call by which a command changes the disk fail once, and looks whether anything is lost or half.

    python benchmarks/reliability/faults.py --most 2000 --seed 1 [COMMAND ...]

Needs strace. A dry run counts the calls of the program and of each git that it starts; then there is one run for each
call and error: EIO (the disk is dying), ENOSPC (it is full), EACCES (no permission). After each: the command ends with
a documented exit code and the two lines of an error, without a traceback and without a hang; what is the user's is byte
for byte as it was; `verify`, `keys` and `git fsck` find nothing half; and the same command, given again, succeeds.
`--most` draws a sample where that would take too long; 0 draws none.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from faulty import Call, attached, has_strace, traced_git
from hatchery import Ended, Hatchery
from keeper import Keeper, resets
from life import LIFE, Command, given, make_project

ERRORS = ("EIO", "ENOSPC", "EACCES")
# What is documented for a command that could not: a conflict, or an integrity error where a file can not be read.
FAILED = {2, 5, 6}
RESTORING = {"rollback", "undo"}
# The commands whose faults are looked at, by what is read in reports: name, and place in the life.
PLACES = {"approve": 2, "checkpoint": 5, "ship": 9, "report": 10, "keys": 11, "rollback": 14, "undo": 15, "deploy": 19}


class Place:
    """The project just before one command of the life, to be had again and again."""

    def __init__(self, hatchery: Hatchery, folder: Path, name: str) -> None:
        """Live up to the command."""
        self.name = name
        self.command: Command = LIFE[PLACES[name]]
        self.hatchery = hatchery
        self.root = folder / name / "project"
        self._template = folder / name / "template"
        make_project(self.root)
        for before in LIFE[: PLACES[name]]:
            if before.before:
                before.before(self.root)
            ended = hatchery.run(self.root, given(before, self.root))
            assert ended.code in before.codes, (before, ended)
        if self.command.before:
            self.command.before(self.root)
        self.root.rename(self._template)

    def fresh(self) -> None:
        """Make the project again as it was."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._template, self.root, symlinks=True)


class Faults(Place):
    """One command of the life, at its place, and the runs of it in which one system call fails."""

    def __init__(self, hatchery: Hatchery, folder: Path, name: str) -> None:
        """Live up to the command and count its writing calls."""
        super().__init__(hatchery, folder, name)
        self.calls = self._counted()

    def fail(self, call: Call, error: str) -> Keeper:
        """Run the command with one failing call; return what was found wrong."""
        self.fresh()
        keeper = Keeper(self.hatchery, self.root)
        label = f"{self.name}: {call} fails with {error}"
        before = keeper.state()
        ended = self._run(call, call.failing(error))
        keeper.told(ended, label, (*self.command.codes, *FAILED))
        now = keeper.state()
        keeper.compare(before, now, label, restoring=self.name in RESTORING)
        keeper.whole(label)
        keeper.settled(label, now)
        has_ended = ended.code in self.command.codes or resets(keeper.state()) > resets(before)
        if not (self.command.once and has_ended):
            again = self.hatchery.run(self.root, self.command.arguments)
            keeper.told(again, f"{label}, again", self.command.codes)
        keeper.compare(before, keeper.state(), f"{label}, again", restoring=self.name in RESTORING)
        keeper.clean(label)
        return keeper

    def _run(self, call: Call, inject: str) -> Ended:
        if call.process == 0:
            return self.hatchery.run(self.root, self.command.arguments, tracer=attached(inject))
        with traced_git(str(call.process), inject) as env:
            return self.hatchery.run(self.root, self.command.arguments, env=env)

    def _counted(self) -> list[Call]:
        found: list[Call] = []
        self.fresh()
        with traced_git("all", found=found) as env:
            ended = self.hatchery.run(self.root, self.command.arguments, env=env, tracer=attached("", found))
        assert ended.code in self.command.codes, ended
        return sorted(found)


def drawn(calls: list[Call], most: int, chance: random.Random) -> Iterator[tuple[Call, str]]:
    """Yield calls with errors: all of them, or so many as may be."""
    every = [(call, error) for call in calls for error in ERRORS]
    yield from every if not most or most >= len(every) else chance.sample(every, most)


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a script that looks at commands of PLACES; description: the script's own text."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(PLACES)}; all by default")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def tell(line: str, violations: list[str]) -> int:
    """Print a line about a command, with what was lost or half; return how much that is."""
    print(f"{line} {len(violations):5} violations", flush=True)
    for violation in violations:
        print(f"    {violation}", flush=True)
    return len(violations)


def main() -> int:
    """Print what was let fail, and what was lost or half; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--most", type=int, default=0, help="runs of each command; 0 for all")
    parser.add_argument(
        "--part", default="1/1", metavar="K/N", help="each N-th run from the K-th on, to share the work"
    )
    asked = parser.parse_args()
    first, parts = (int(number) for number in asked.part.split("/"))
    if not has_strace():
        sys.exit("strace is not installed, or may not be used here")
    hatchery, runs, wrong = Hatchery(), Counter[str](), 0
    chance = random.Random(asked.seed)  # noqa: S311 - seeded, not secret
    with tempfile.TemporaryDirectory(prefix="churnflow-faults-") as folder:
        for name in asked.commands or PLACES:
            faults = Faults(hatchery, Path(folder), name)
            violations: list[str] = []
            for call, error in islice(drawn(faults.calls, asked.most, chance), first - 1, None, parts):
                keeper = faults.fail(call, error)
                violations += [*keeper.lost, *keeper.half]
                runs[name] += 1
                if runs[name] % 100 == 0:
                    print(f"{name}: {runs[name]} faults, {len(violations)} violations so far", flush=True)
            wrong += tell(f"{name:12} {len(faults.calls):5} writing calls {runs[name]:6} faults", violations)
    print(f"seed {asked.seed}: {runs.total()} faults, {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
