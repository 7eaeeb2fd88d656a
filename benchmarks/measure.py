"""Timing of commands side by side, and the table that shows them."""

import os
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 7
BUILD = Path(__file__).resolve().parents[1] / "build"
CHURNFLOW = (sys.executable, "-m", "churnflow")


@dataclass(frozen=True)
class Row:
    """One comparison: seconds (or bytes) of ours and of the peer, and the largest ratio that is good."""

    what: str
    ours: float
    peer: float
    target: float

    @property
    def ratio(self) -> float:
        """Return ours as a share of the peer's."""
        return self.ours / self.peer

    @property
    def held(self) -> bool:
        """Tell whether the ratio is within the target."""
        return self.ratio <= self.target


def dvc() -> str:
    """Return a DVC executable, installed for the purpose if none is named."""
    named = os.environ.get("CHURNFLOW_BENCH_DVC")
    if named:
        return named
    home = BUILD / "bench-venv"
    program = home / "bin" / "dvc"
    if not program.exists():
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", "dvc"], check=True)
    return str(program)


def environment() -> dict[str, str]:
    """Return what both sides run in: as at a user's, with compiled modules kept and git's own defaults."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHONDONTWRITE"))}
    return {**inherited, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def run(command: Sequence[str], folder: Path, *, allowed: Sequence[int] = (0,)) -> float:
    """Run a command and return its seconds; an exit code that is not allowed ends the benchmark with its output."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode not in allowed:
        sys.stderr.write(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
        sys.exit(f"exit {done.returncode}")
    return seconds


def side_by_side(
    ours: Callable[[int], float], peer: Callable[[int], float], rounds: int = ROUNDS
) -> tuple[float, float]:
    """Call both in turn, once unmeasured to warm up, and return the medians of the seconds that they report."""
    pairs = [(ours(number), peer(number)) for number in range(rounds + 1)][1:]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def table(title: str, rows: Sequence[Row], *, ours: str = "churnflow", peer: str = "DVC", unit: str = "s") -> bool:
    """Print the comparisons and return whether all targets were held."""
    print(f"\n{title}\n{'':44} {ours:>12} {peer:>12} {'ratio':>7} {'target':>7}")
    for row in rows:
        mark = "ok" if row.held else "MISSED"
        first, other = (f"{value:,.3f} {unit}".rstrip() for value in (row.ours, row.peer))
        print(f"{row.what:44} {first:>12} {other:>12} {row.ratio:7.2f} {row.target:7.2f}  {mark}")
    return all(row.held for row in rows)


def fresh(name: str) -> Path:
    """Return a new, empty folder for a benchmark's project, with a git repository in it."""
    folder = BUILD / "bench" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(["git", "init", "-q", "-b", "main", "."], folder)
    for key, value in (("user.name", "bench"), ("user.email", "bench@example.org")):
        run(["git", "config", key, value], folder)
    return folder
