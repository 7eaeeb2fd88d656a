"""Runs commands on a disk that is nearly full, with less room than they need, and looks what is lost or half.

    python benchmarks/reliability/full_disk.py --runs 30 --seed 1 [COMMAND ...]

The disk is a tmpfs in a mount namespace of its own, which unshare(1) makes without any right. The room is drawn anew
for each run, from nothing to what the command took where there was enough. Afterwards room is made, as the error says,
and the same command has to succeed.
"""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from faults import FAILED, PLACES, RESTORING, Place, parser_of, tell
from hatchery import Hatchery
from keeper import Keeper, resets
from life import given

MEGABYTES = 48
INSIDE = "CHURNFLOW_SMALL_DISK"
# The shell that mounts ends as the program that it becomes.
_MOUNTED = 'mount -t tmpfs -o size="$0"m tmpfs "$1" && shift && exec "$@"'


class SmallDisk(Place):
    """One command of the life, on a disk in which it lacks room."""

    def __init__(self, hatchery: Hatchery, folder: Path, name: str) -> None:
        """Live up to the command, and see what room it takes."""
        super().__init__(hatchery, folder, name)
        self._ballast = folder / "ballast"
        self.fresh()
        free = self._free()
        ended = hatchery.run(self.root, given(self.command, self.root))
        assert ended.code in self.command.codes, ended
        self.need = max(free - self._free(), 4096)

    def run_with(self, room: int) -> Keeper:
        """Run the command with so many bytes of room; return what was found wrong."""
        self.fresh()
        keeper, label = Keeper(self.hatchery, self.root), f"{self.name} with {room} bytes of room"
        before = keeper.state()
        with self._ballast.open("wb") as stream:
            stream.write(bytes(max(self._free() - room, 0)))
        ended = self.hatchery.run(self.root, given(self.command, self.root))
        self._ballast.unlink()
        # A step whose output finds no room has failed, for all that the engine can know.
        keeper.told(ended, label, (*self.command.codes, *FAILED, 7))
        now = keeper.state()
        keeper.compare(before, now, label, restoring=self.name in RESTORING)
        keeper.whole(label)
        keeper.settled(label, now)
        has_ended = ended.code in self.command.codes or resets(keeper.state()) > resets(before)
        if not (self.command.once and has_ended):
            again = self.hatchery.run(self.root, given(self.command, self.root))
            keeper.told(again, f"{label}, again", self.command.codes)
        keeper.clean(label)
        return keeper

    def _free(self) -> int:
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize


def main() -> int:
    """Print how many runs there were, and what was lost or half; return the exit code."""
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each command")
    asked = parser.parse_args()
    folder = os.environ.get(INSIDE)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="churnflow-full-") as made:
            again = ["sh", "-c", _MOUNTED, str(MEGABYTES), made, sys.executable, *sys.argv]
            environment = {**os.environ, INSIDE: made}
            return subprocess.run(["unshare", "-Urm", *again], env=environment, check=False).returncode
    hatchery, chance, wrong = Hatchery(), random.Random(asked.seed), 0  # noqa: S311 - seeded, not secret
    for name in asked.commands or PLACES:
        disk, violations = SmallDisk(hatchery, Path(folder), name), list[str]()
        for _ in range(asked.runs):
            keeper = disk.run_with(chance.randrange(disk.need))
            violations += [*keeper.lost, *keeper.half]
        wrong += tell(f"{name:12} needs {disk.need:8} bytes {asked.runs:5} runs", violations)
    print(f"seed {asked.seed}: {asked.runs * len(asked.commands or PLACES)} runs, {wrong} violations")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
