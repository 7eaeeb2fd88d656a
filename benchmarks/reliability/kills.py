"""Kills commands at random moments of a project's whole life, and looks each time whether anything is lost or half.

    python benchmarks/reliability/kills.py --kills 1000 --seed 1

The moment is drawn uniformly from the time that the command takes, or it is just before the n-th step that changes the
disk or starts git, or, where strace is installed, in the n-th write, fsync, rename and so on of the process. SIGKILL
goes to the whole process group. After each kill: what is the user's is byte for byte as it was, records have only
grown, `verify`, `keys` and `git fsck` find nothing half, and the next command goes on. A life of which every command
was killed comes to what an uninterrupted one does, but for times.
"""

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from faulty import Call, Tracer, attached, has_strace
from hatchery import Ended, Hatchery, Mishap
from keeper import Keeper, State, differences, outcome, resets
from life import LIFE, given, make_project, names

KILLS_OF_ONE_LIFE = 2 * len(LIFE)
RESTORING = {"rollback", "undo"}


class Lives:
    """Lives of a project, one after another, until enough kills are done."""

    def __init__(self, hatchery: Hatchery, folder: Path, seed: int) -> None:
        """Live once without a kill, to know what it comes to and how long each command takes."""
        self.hatchery = hatchery
        self.chance = random.Random(seed)  # noqa: S311 - seeded, not secret
        self.kills: Counter[str] = Counter()
        self.lost: list[str] = []
        self.half: list[str] = []
        self._folder = folder
        self.usual: list[Ended] = []
        self._writes: list[list[Call]] = []
        root = make_project(folder / "calm" / "project")
        for command in LIFE:
            if command.before:
                command.before(root)
            found: list[Call] = []
            ended = hatchery.run(root, given(command, root), tracer=attached("", found) if has_strace() else None)
            assert ended.code in command.codes, (command, ended)
            self.usual.append(ended)
            self._writes.append(found)
        self._calm = outcome(hatchery, root)

    def live(self, kills: int) -> None:
        """Live once more; commands are killed until `kills` are done."""
        shutil.rmtree(self._folder / "killed", ignore_errors=True)
        root = make_project(self._folder / "killed" / "project")
        keeper = Keeper(self.hatchery, root)
        here = min(kills - self.kills.total(), KILLS_OF_ONE_LIFE)
        shares = Counter(self.chance.choices(range(len(LIFE)), k=here))
        for number, command in enumerate(LIFE):
            if command.before:
                command.before(root)
            self._through(keeper, number, shares[number])
        different = differences(self._calm, outcome(self.hatchery, root))
        self.lost += [f"the life came to something else: {text}" for text in different]
        self.lost += keeper.lost
        self.half += keeper.half

    def _through(self, keeper: Keeper, number: int, most: int) -> None:
        """Kill one command up to `most` times, then let it end."""
        command, before = LIFE[number], keeper.state()
        seen: list[State] = []
        for _ in range(most):
            label, ended = self._kill(keeper.root, number)
            if ended.code is not None and ended.code >= 0:
                if command.once or ended.code not in command.codes:
                    keeper.told(ended, label, command.codes)
                    break
                continue
            self.kills[command.name] += 1
            now = keeper.state()
            seen.append(now)
            keeper.compare(before, now, label, restoring=command.name in RESTORING)
            keeper.whole(label)
            keeper.settled(label, now)
            if command.once and resets(keeper.state()) > resets(before):
                break
        else:
            ended = self.hatchery.run(keeper.root, given(command, keeper.root))
            keeper.told(ended, f"{command.name} again", command.codes)
        after = keeper.state()
        keeper.compare(before, after, f"{command.name} at last", restoring=command.name in RESTORING)
        keeper.clean(f"{command.name} at last")
        keeper.whole(f"{command.name} at last")
        for state in seen:
            keeper.between(before, state, after, f"{command.name}")

    def _kill(self, root: Path, number: int) -> tuple[str, Ended]:
        command, usual, writes = LIFE[number], self.usual[number], self._writes[number]
        way = self.chance.choice(["time", "event", "call"] if writes else ["time", "event"])
        tracer: Tracer | None = None
        match way:
            case "time":
                mishap = Mishap(after=self.chance.random() * usual.seconds * 1.1)
            case "event":
                mishap = Mishap(at=self.chance.randint(1, usual.events))
            case _:
                call = self.chance.choice(writes)
                mishap, tracer = Mishap(), attached(call.failing("KILL"))
                way = f"{call.name} {call.number}"
        label = f"{' '.join(command.arguments)} killed by {way if tracer else mishap}"
        return label, self.hatchery.run(root, given(command, root), mishap, tracer=tracer)


def main() -> int:
    """Print what was killed, and what was lost or half; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="churnflow-kills-") as folder:
        lives = Lives(Hatchery(), Path(folder), asked.seed)
        while lives.kills.total() < asked.kills:
            lives.live(asked.kills)
            sys.stderr.write(f"{lives.kills.total()} kills, {len(lives.lost)} lost, {len(lives.half)} half\n")
    for name in names(LIFE):
        print(f"{name:12} {lives.kills[name]:6} kills")
    for line in [*lives.lost, *lives.half]:
        print(line)
    print(f"seed {asked.seed}: {lives.kills.total()} kills, {len(lives.lost)} lost, {len(lives.half)} half")
    return 1 if lives.lost or lives.half else 0


if __name__ == "__main__":
    sys.exit(main())
