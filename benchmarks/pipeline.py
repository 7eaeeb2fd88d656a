"""Five steps that do next to nothing: what the engine itself costs, beside `dvc repro` of the same."""

import os
import shutil
import sys
from pathlib import Path

from measure import CHURNFLOW, Row, dvc, fresh, run, side_by_side, table

STEPS = '''"""Five steps that write a kilobyte each."""

from churnflow import StepResult


def first() -> StepResult:
    """Write a kilobyte."""
    return StepResult(outputs={"out1": b"1" * 1024})


def following(previous: bytes, number: int) -> StepResult:
    """Write a kilobyte after another."""
    return StepResult(outputs={f"out{number}": bytes(str(number), "ascii") * 1024})
'''
COUNT = 5


def our_project(folder: Path) -> None:
    """Write the workflow of five steps."""
    (folder / "workflows").mkdir()
    (folder / "bench_steps.py").write_text(STEPS)
    lines = ["name: bench", "task: Five steps", "phases:", "  build:"]
    lines += ["    - {step: s1, uses: 'bench_steps:first', produces: {out1: bytes}}"]
    for number in range(2, COUNT + 1):
        lines.append(
            f"    - {{step: s{number}, uses: 'bench_steps:following', with: {{number: {number}}}, "
            f"needs: {{previous: out{number - 1}}}, produces: {{out{number}: bytes}}}}"
        )
    (folder / "workflows" / "churn.yaml").write_text("\n".join(lines) + "\n")


def dvc_project(folder: Path, peer: str) -> None:
    """Write the same for DVC."""
    run([peer, "init", "-q"], folder)
    (folder / "step.py").write_text(
        "import sys\nfrom pathlib import Path\nPath(sys.argv[2]).write_bytes(sys.argv[1].encode() * 1024)\n"
    )
    lines = ["stages:"]
    for number in range(1, COUNT + 1):
        lines += [f"  s{number}:", f"    cmd: {sys.executable} -S step.py {number} out{number}", "    deps: [step.py"]
        lines[-1] += f", out{number - 1}]" if number > 1 else "]"
        lines += [f"    outs: [out{number}]"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")


def main() -> bool:
    """Print the comparison; return whether the targets were held."""
    peer = dvc()
    ours, theirs = fresh("pipeline"), fresh("pipeline-dvc")
    our_project(ours)
    dvc_project(theirs, peer)
    first = side_by_side(lambda _: _first(ours, peer=None), lambda _: _first(theirs, peer=peer))
    again = side_by_side(lambda _: run([*CHURNFLOW, "run"], ours), lambda _: run([peer, "repro"], theirs))
    return table("Five steps of 1 KB", [Row("first run", *first, 0.3), Row("unchanged re-run", *again, 0.25)])


def _first(folder: Path, *, peer: str | None) -> float:
    """Time a run that has nothing to reuse."""
    if peer is None:
        shutil.rmtree(folder / ".git" / "churnflow", ignore_errors=True)
        return run([*CHURNFLOW, "run"], folder)
    shutil.rmtree(folder / ".dvc" / "cache", ignore_errors=True)
    for path in [folder / "dvc.lock", *(folder / f"out{number}" for number in range(1, COUNT + 1))]:
        path.unlink(missing_ok=True)
    run_cache = folder / ".dvc" / "tmp"
    shutil.rmtree(run_cache, ignore_errors=True)
    os.sync()
    return run([peer, "repro"], folder)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
