"""What keeping and bringing back costs: 100 MB of artifacts, ten checkpoints that share most bytes, 300 against 10."""

import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from measure import CHURNFLOW, Row, dvc, fresh, run, side_by_side, table

SIZES = (20_000_000,) * 5
MOSTLY_EQUAL = (4_500_000, 4_500_000, 2_000_000, 4_500_000, 4_500_000)
SMALL = (1_000,) * 5
CHANGED = 3
STEPS = '''"""A step that writes bytes, different ones for each number and content of the seed's file."""

import random
from pathlib import Path

from churnflow import StepResult


def make(number: int, seed: Path, size: int) -> StepResult:
    """Write `size` bytes."""
    return StepResult(outputs={f"out{number}": random.Random(f"{number}-{seed.read_text()}").randbytes(size)})
'''
MAKER = """import random, sys
from pathlib import Path
number, seed, size = sys.argv[1:]
Path(f"out{number}").write_bytes(random.Random(f"{number}-{Path(seed).read_text()}").randbytes(int(size)))
"""
# Only to make many checkpoints quickly; what is timed is always the program in its own process.
MANY = """import contextlib, io, sys
from pathlib import Path
from churnflow.cli.app import run
for seed in range(1, int(sys.argv[1])):
    Path("seed3").write_text(str(seed))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run(["-q", "run"])
    if code:
        sys.exit(code)
"""
ROUNDS = 5
OPERATIONS = (
    ("status",),
    ("log",),
    ("show", "HEAD"),
    ("diff", "HEAD~1", "HEAD"),
    ("rollback", "HEAD~1", "--dry-run"),
    ("rollback", "HEAD~1"),
    ("verify", "HEAD"),
)


def our_project(folder: Path, sizes: tuple[int, ...]) -> None:
    """Write a workflow of five steps with outputs of these sizes and a checkpoint, and run it once."""
    lines = ["name: bench", "task: Keep five artifacts", "phases:", "  build:"]
    for number, size in enumerate(sizes, 1):
        lines += [
            f"    - step: s{number}",
            "      uses: bench_steps:make",
            f"      with: {{number: {number}, seed: seed{number}, size: {size}}}",
            f"      produces: {{out{number}: bytes}}",
        ]
    (folder / "workflows").mkdir()
    (folder / "workflows" / "churn.yaml").write_text("\n".join([*lines, "    - checkpoint: kept"]) + "\n")
    (folder / "bench_steps.py").write_text(STEPS)
    write_seeds(folder)
    run([*CHURNFLOW, "run"], folder)


def keep_ours(folder: Path, seed: int) -> float:
    """Change the third step, run what that concerns, and make a checkpoint; return the seconds."""
    (folder / f"seed{CHANGED}").write_text(str(seed))
    return run([*CHURNFLOW, "run"], folder)


def write_seeds(folder: Path) -> None:
    """Write the file that each step reads."""
    for number in range(1, len(SIZES) + 1):
        (folder / f"seed{number}").write_text("0")


def their_project(folder: Path, peer: str) -> None:
    """Write the same five steps for DVC, reproduce them once, and commit."""
    lines = ["stages:"]
    for number, size in enumerate(SIZES, 1):
        lines += [
            f"  s{number}:",
            f"    cmd: {sys.executable} -S make.py {number} seed{number} {size}",
            f"    deps: [make.py, seed{number}]",
            f"    outs: [out{number}]",
        ]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    (folder / "make.py").write_text(MAKER)
    write_seeds(folder)
    run([peer, "init", "-q"], folder)
    keep_theirs(folder, peer, 0)


def keep_theirs(folder: Path, peer: str, seed: int) -> float:
    """Change the third stage, reproduce, and commit; return the seconds."""
    (folder / f"seed{CHANGED}").write_text(str(seed))
    seconds = run([peer, "repro"], folder)
    seconds += run(["git", "add", "-A"], folder)
    return seconds + run(["git", "commit", "-q", "-m", f"seed {seed}"], folder)


def back_theirs(folder: Path, peer: str, target: str) -> float:
    """Return to the commit `target` with its outputs; return the seconds."""
    return run(["git", "checkout", "-q", target], folder) + run([peer, "checkout", "-q"], folder)


def large() -> bool:
    """Compare a changed step with its checkpoint, and a restore, at 100 MB."""
    peer = dvc()
    ours, theirs = fresh("checkpoints"), fresh("checkpoints-dvc")
    our_project(ours, SIZES)
    their_project(theirs, peer)
    changed = side_by_side(lambda n: keep_ours(ours, n + 1), lambda n: keep_theirs(theirs, peer, n + 1), ROUNDS)
    run(["git", "tag", "newest"], theirs)
    run(["git", "tag", "before", "HEAD~1"], theirs)
    back = side_by_side(
        lambda _: run([*CHURNFLOW, "rollback", "HEAD~1"], ours),
        lambda n: back_theirs(theirs, peer, "newest" if n % 2 else "before"),
        ROUNDS,
    )
    rows = [Row("third of five steps changed, checkpoint", *changed, 0.4), Row("restore the one before", *back, 0.4)]
    return table("100 MB of artifacts", rows)


def disk() -> bool:
    """Compare the space that ten checkpoints take, of which nine tenths of the bytes are the same, to unique bytes."""
    folder = fresh("disk")
    our_project(folder, MOSTLY_EQUAL)
    for seed in range(1, 10):
        keep_ours(folder, seed)
    used = sum(path.stat().st_blocks * 512 for path in (folder / ".git").rglob("*") if path.is_file())
    unique = sum(MOSTLY_EQUAL) + 9 * MOSTLY_EQUAL[CHANGED - 1]
    row = Row("space in .git | unique bytes", used / 1e6, unique / 1e6, 1.1)
    return table("Ten checkpoints, 90% the same", [row], peer="unique", unit="MB")


def many() -> bool:
    """Compare what each operation costs at 300 checkpoints to what it costs at 10."""
    few, lots = fresh("ten"), fresh("three-hundred")
    for folder, number in ((few, 10), (lots, 300)):
        our_project(folder, SMALL)
        run([sys.executable, "-c", MANY, str(number)], folder)
    seeds = count(1000)
    rows = [_row("save", lambda folder: keep_ours(folder, next(seeds)), lots, few)]
    rows += [_row(" ".join(each), partial(run, [*CHURNFLOW, *each]), lots, few) for each in OPERATIONS]
    return table("At 300 checkpoints against at 10", rows, ours="at 300", peer="at 10")


def _row(what: str, operation: Callable[[Path], float], lots: Path, few: Path) -> Row:
    seconds = side_by_side(lambda _: operation(lots), lambda _: operation(few), ROUNDS)
    return Row(what, *seconds, 1.5)


def main() -> bool:
    """Print the comparisons; return whether the targets were held."""
    return all([large(), disk(), many()])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
