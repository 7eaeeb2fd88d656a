"""Cuts the power at random steps of commands: what was not synced is lost, and the next command has to go on.

    python benchmarks/reliability/powercut.py --trees 300 --seed 1 [COMMAND ...]

Needs strace, no rights and no device: the writes, syncs and renames of a command and of its gits are recorded and
replayed up to a random one, and a tree is built that a power cut there may leave (see disk.py for what that covers).
In it `verify`, `keys` and `git fsck` have to find nothing half, the user's files and git to be as they were, the next
command to go on, and the same command to succeed. After a command that has said it is done, what it did has to be
there.
"""

import random
import shutil
import sys
import tempfile
from pathlib import Path

from disk import Disk, Node
from faults import PLACES, RESTORING, Place, parser_of, tell
from faulty import has_strace
from hatchery import Hatchery
from keeper import Keeper, State, resets
from life import given
from recording import Replay, Step, recorder

# The share of cuts that come after the command has ended: these alone show what it had promised.
AFTER_THE_END = 0.2


class PowerCuts(Place):
    """One command of the life, and the trees that a power cut in it may leave."""

    def __init__(self, hatchery: Hatchery, folder: Path, name: str) -> None:
        """Live up to the command and record it."""
        super().__init__(hatchery, folder, name)
        self.fresh()
        self.steps: list[Step] = []
        keeper = Keeper(hatchery, self.root)
        self._before = keeper.state()
        arguments = given(self.command, self.root)
        ended = hatchery.run(self.root, arguments, tracer=recorder(self.steps))
        assert ended.code in self.command.codes, ended
        self._after: State = keeper.state()
        self._check_the_model()

    def cut(self, chance: random.Random) -> Keeper:
        """Cut the power once; return what was found wrong in the tree that is left."""
        ended = chance.random() < AFTER_THE_END
        steps = self.steps[: len(self.steps) if ended else chance.randrange(len(self.steps))]
        self.fresh()
        disk = self._replayed(steps)
        shutil.rmtree(self.root)
        how = disk.leave(self.root, chance)
        last = "the end" if ended else f"step {len(steps)} ({steps[-1].call})" if steps else "the begin"
        label = f"{self.name}: power cut at {last}, {how}"
        keeper = Keeper(self.hatchery, self.root)
        self._judge(keeper, label, ended=ended)
        return keeper

    def _judge(self, keeper: Keeper, label: str, *, ended: bool) -> None:
        restoring = self.name in RESTORING
        now = keeper.state()
        keeper.compare(self._after if ended else self._before, now, label, restoring=restoring)
        keeper.between(self._before, now, self._after, label)
        keeper.whole(label)
        keeper.settled(label, now)
        if ended:
            keeper.compare(self._after, keeper.state(), f"{label}, next command", restoring=False)
        if not (self.command.once and (ended or resets(keeper.state()) > resets(self._before))):
            again = self.hatchery.run(self.root, given(self.command, self.root))
            keeper.told(again, f"{label}, again", self.command.codes)
        keeper.compare(self._before, keeper.state(), f"{label}, again", restoring=restoring)

    def _replayed(self, steps: list[Step]) -> Disk:
        disk = Disk(self.root)
        replay = Replay(disk)
        for step in steps:
            replay.do(step)
        return disk

    def _check_the_model(self) -> None:
        """Refuse to go on unless the recording, replayed whole, gives the very tree that the command has left."""
        real = Disk(self.root).top
        self.fresh()
        made = self._replayed(self.steps).top
        assert _tree(made) == _tree(real), "the recording is not what the command did"


def _tree(node: Node) -> object:
    return node.data, node.link, {name: _tree(child) for name, child in node.names.items()}


def main() -> int:
    """Print how many trees were tried, and what was lost or half; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--trees", type=int, default=100, help="of each command")
    asked = parser.parse_args()
    if not has_strace():
        sys.exit("strace is not installed, or may not be used here")
    hatchery, chance = Hatchery(), random.Random(asked.seed)  # noqa: S311 - seeded, not secret
    trees = wrong = 0
    with tempfile.TemporaryDirectory(prefix="churnflow-powercut-") as folder:
        for name in asked.commands or PLACES:
            cuts, violations = PowerCuts(hatchery, Path(folder), name), list[str]()
            for _ in range(asked.trees):
                keeper = cuts.cut(chance)
                violations += [*keeper.lost, *keeper.half]
                trees += 1
            wrong += tell(f"{name:12} {len(cuts.steps):5} steps {asked.trees:6} trees", violations)
    print(f"seed {asked.seed}: {trees} trees, {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
