"""What keeping and bringing back costs: 100 MB of artifacts, ten checkpoints that share most bytes, 300 against 10."""

import shutil
import statistics
import sys
from pathlib import Path

from measure import CHURNFLOW, Row, dvc, fresh, run, side_by_side, table

SIZE = 20_000_000
STEPS = '''"""Five steps that write 20 MB each, different bytes for each seed."""

import random

from churnflow import StepResult


def make(number: int, seed: int) -> StepResult:
    """Write 20 MB."""
    return StepResult(outputs={f"out{number}": random.Random(f"{number}-{seed}").randbytes(20_000_000)})
'''
MAKER = """import random, sys
from pathlib import Path
number, seed = sys.argv[1:3]
Path(f"out{number}").write_bytes(random.Random(f"{number}-{seed}").randbytes(20_000_000))
"""
ROUNDS = 5


def workflow(seed: int, *, sizes: str = "") -> str:
    """Return the workflow whose third step has this seed."""
    lines = ["name: bench", "task: Keep 100 MB", "phases:", "  build:"]
    for number in range(1, 6):
        value = seed if number == 3 else 0
        step = f"    - {{step: s{number}, uses: 'bench_steps:make', with: {{number: {number}, seed: {value}}}, "
        lines.append(step + f"produces: {{out{number}: bytes}}}}")
    return "\n".join([*lines, "    - checkpoint: kept", sizes]) + "\n"


def stages(seed: int) -> str:
    """Return the same for DVC."""
    lines = ["stages:"]
    for number in range(1, 6):
        value = seed if number == 3 else 0
        lines += [
            f"  s{number}:",
            f"    cmd: {sys.executable} -S make.py {number} {value}",
            "    deps: [make.py]",
            f"    outs: [out{number}]",
        ]
    return "\n".join(lines) + "\n"


def main() -> bool:
    """Print the comparisons; return whether the targets were held."""
    peer = dvc()
    ours, theirs = fresh("checkpoints"), fresh("checkpoints-dvc")
    (ours / "workflows").mkdir()
    (ours / "bench_steps.py").write_text(STEPS)
    _keep_ours(ours, 0)
    (theirs / "make.py").write_text(MAKER)
    run([peer, "init", "-q"], theirs)
    _keep_theirs(theirs, peer, 0)
    changed = side_by_side(lambda n: _keep_ours(ours, n + 1), lambda n: _keep_theirs(theirs, peer, n + 1), ROUNDS)
    back = side_by_side(lambda n: _back_ours(ours, n), lambda n: _back_theirs(theirs, peer, n), ROUNDS)
    rows = [Row("third of five steps changed, checkpoint", *changed, 0.4), Row("restore", *back, 0.4)]
    held = table("100 MB of artifacts", rows)
    return disk() & many() & held


def disk() -> bool:
    """Compare the bytes on disk after ten checkpoints, of which nine tenths are the same, to the unique bytes."""
    folder = fresh("disk")
    (folder / "workflows").mkdir()
    (folder / "bench_steps.py").write_text(STEPS.replace("20_000_000", "{3: 2_000_000}.get(number, 4_500_000)"))
    for seed in range(10):
        _keep_ours(folder, seed)
    used = sum(path.stat().st_size for path in (folder / ".git").rglob("*") if path.is_file())
    unique = 4 * 4_500_000 + 10 * 2_000_000
    row = Row("bytes on disk | unique bytes", used / 1e6, unique / 1e6, 1.1)
    return table("Ten checkpoints, 90% the same", [row], peer="unique", unit="MB")


def many() -> bool:
    """Compare what each operation costs at 300 checkpoints to what it costs at 10."""
    few, lots = fresh("ten"), fresh("three-hundred")
    for folder, count in ((few, 10), (lots, 300)):
        (folder / "workflows").mkdir()
        (folder / "bench_steps.py").write_text(STEPS.replace("20_000_000", "1_000"))
        (folder / "workflows" / "churn.yaml").write_text(workflow(0))
        run([*CHURNFLOW, "run"], folder)
        for _ in range(count - 1):
            run([*CHURNFLOW, "rollback", "HEAD"], folder)
    commands = (["status"], ["show", "HEAD"], ["rollback", "HEAD~1", "--dry-run"], ["rollback", "HEAD"])
    rows = []
    for command in commands:
        pairs = [(run([*CHURNFLOW, *command], lots), run([*CHURNFLOW, *command], few)) for _ in range(ROUNDS)]
        at_many, at_few = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        rows.append(Row(" ".join(command), at_many, at_few, 1.5))
    return table("300 checkpoints against 10", rows, peer="at 10")


def _keep_ours(folder: Path, seed: int) -> float:
    (folder / "workflows" / "churn.yaml").write_text(workflow(seed))
    return run([*CHURNFLOW, "run"], folder)


def _keep_theirs(folder: Path, peer: str, seed: int) -> float:
    (folder / "dvc.yaml").write_text(stages(seed))
    seconds = run([peer, "repro"], folder)
    seconds += run(["git", "add", "-A"], folder)
    seconds += run(["git", "commit", "-q", "-m", f"seed {seed}"], folder)
    return seconds + run(["git", "tag", f"seed-{seed}"], folder)


def _back_ours(folder: Path, number: int) -> float:
    """Return to one of the runs' checkpoints."""
    tags = sorted(path for path in (folder / ".git" / "refs" / "tags" / "churnflow").iterdir())
    return run([*CHURNFLOW, "rollback", f"churnflow/{tags[number % len(tags)].name}/01-kept"], folder)


def _back_theirs(folder: Path, peer: str, number: int) -> float:
    """Return to one of the tags, with the outputs out of the way as they are with churnflow."""
    shutil.rmtree(folder / ".dvc" / "tmp", ignore_errors=True)
    return run(["git", "checkout", "-q", f"seed-{number}"], folder) + run([peer, "checkout", "-q"], folder)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
