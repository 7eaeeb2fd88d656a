"""How long it takes to bring files back: 10,000 small ones beside `git checkout`, one of 1 GB beside `cp`.

    python benchmarks/reliability/restore.py --files 10000 --megabytes 1000

Both sides write the same bytes in turn (A B A B ...), over files that are there and of which each differs. Ours hashes
what it has written and makes it durable before it says that it is done; so there is a second row each in which the peer
does the latter too, by `sync -f`.
"""

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from churnflow.domain.evidence import Artifact
from churnflow.engine.ports import CheckpointStore
from churnflow.project import Project
from measure import BUILD, Row, fresh, run, side_by_side, table

TARGET = 2.0
NUMBERS = count()
ROUNDS = 3
WORKFLOW = """name: files
task: Keep many files
phases:
  build:
    - checkpoint: kept
"""


def write_files(folder: Path, files: int, state: int) -> None:
    """Write `files` small files, different ones in each state."""
    for number in range(files):
        path = folder / f"pkg_{number % 100}" / f"file_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"state = {state}\n" + f"# {number} {state}\n" * 40)


def many(files: int) -> list[Row]:
    """Compare the restore of many small files, each of which differs, with a checkout of the same."""
    ours, theirs = fresh("restore"), fresh("restore-git")
    (ours / "workflows").mkdir()
    (ours / "workflows" / "churn.yaml").write_text(WORKFLOW)
    for state in range(2):
        write_files(ours / "src", files, state)
        write_files(theirs / "src", files, state)
        run([sys.executable, "-m", "churnflow", "run", "--new"], ours)
        run(["git", "add", "-A"], theirs)
        run(["git", "commit", "-qm", f"state {state}"], theirs)
        run(["git", "tag", f"state-{state}"], theirs)
        if state == 0:
            first = f"churnflow/{Project.open(ours).run().id}/01-kept"
    dry = [sys.executable, "-m", "churnflow", "rollback", first, "--dry-run"]
    status = ["git", "status", "--porcelain"]

    def restored(_: int) -> float:
        checkpoints: CheckpointStore = Project.open(at_rest(ours, dry)).checkpoints
        began = time.perf_counter()
        checkpoints.restore_files(checkpoints.load(first))
        return time.perf_counter() - began

    def rolled_back(_: int) -> float:
        return run([sys.executable, "-m", "churnflow", "rollback", first], at_rest(ours, dry))

    def checked_out(_: int) -> float:
        return run(["git", "checkout", "-q", "state-0"], at_rest(theirs, status))

    def synced(_: int) -> float:
        folder = at_rest(theirs, status)
        return run(["git", "checkout", "-q", "state-0"], folder) + run(["sync", "-f", "."], folder)

    return [
        Row(f"{files:,} files | git checkout", *side_by_side(restored, checked_out, ROUNDS), TARGET),
        Row(f"{files:,} files | git checkout, synced", *side_by_side(restored, synced, ROUNDS), TARGET),
        Row("whole rollback | git checkout, synced", *side_by_side(rolled_back, synced, ROUNDS), float("inf")),
    ]


def at_rest(template: Path, look: Sequence[str]) -> Path:
    """Return a copy of a project that both the disk and, by the command `look`, its tool's own index know.

    A copy each time, and none removed before the end: a file system without a journal (ext4) makes a file the slower
    the more were removed beside it in the last minutes, which is not what is asked for here.
    """
    copy = template.parent / f"{template.name}-{next(NUMBERS)}"
    shutil.copytree(template, copy, symlinks=True)
    run(look, copy)
    run(["sync", "-f", "."], copy)
    return copy


def large(megabytes: int) -> list[Row]:
    """Compare the restore of one large file from the store with a copy of the same."""
    folder = fresh("restore-large")
    source = folder / "data.bin"
    block = hashlib.sha256(b"block").digest() * 32_768
    with source.open("wb") as stream:
        for number in range(megabytes):
            stream.write(number.to_bytes(8, "little") + block[8:1_000_000])
    project = Project.open(folder)
    artifact: Artifact = project.store.put_file("data.bin", source)
    copy = folder / "copy.bin"
    run(["cp", str(source), str(copy)], folder)

    def spoil(path: Path) -> None:
        with path.open("r+b") as stream:
            stream.write(next(NUMBERS).to_bytes(8, "big"))
        run(["sync", "-f", "."], folder)

    def restored(_: int) -> float:
        spoil(source)
        opened = Project.open(folder)
        began = time.perf_counter()
        opened.files.restore("data.bin", artifact)
        return time.perf_counter() - began

    def copied(_: int) -> float:
        spoil(copy)
        return run(["cp", "--reflink=auto", str(project.store.path(artifact)), str(copy)], folder)

    def synced(number: int) -> float:
        return copied(number) + run(["sync", "-f", "."], folder)

    return [
        Row(f"{megabytes:,} MB | cp --reflink=auto", *side_by_side(restored, copied, ROUNDS), TARGET),
        Row(f"{megabytes:,} MB | cp --reflink=auto, synced", *side_by_side(restored, synced, ROUNDS), TARGET),
    ]


def clear() -> None:
    """Remove what this run, or one that was cut off, has written."""
    for left in (BUILD / "bench").glob("restore*"):
        shutil.rmtree(left)


def main() -> bool:
    """Print the comparisons; return whether the targets were held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    asked = parser.parse_args()
    clear()
    try:
        rows = [*many(asked.files), *large(asked.megabytes)]
    finally:
        clear()
    return table("Bringing back", rows, peer="peer")


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
