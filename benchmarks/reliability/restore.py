"""How long it takes to bring files back: 10,000 small ones beside `git checkout`, one of 1 GB beside `cp`.

    python benchmarks/reliability/restore.py --files 10000 --megabytes 1000

Both sides write the same bytes in turn (A B A B ...). Ours hashes what it has written and makes it durable before it
says that it is done; so there is a second row each in which the peer does the latter too, by `sync -f`.
"""

import argparse
import hashlib
import sys
import time
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from churnflow.domain.evidence import Artifact
from churnflow.engine.ports import CheckpointStore
from churnflow.project import Project
from measure import Row, fresh, run, side_by_side, table

TARGET = 2.0
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
    tags = []
    for state in range(2):
        write_files(ours / "src", files, state)
        write_files(theirs / "src", files, state)
        run([sys.executable, "-m", "churnflow", "run", "--new"], ours)
        run(["git", "add", "-A"], theirs)
        run(["git", "commit", "-qm", f"state {state}"], theirs)
        run(["git", "tag", f"state-{state}"], theirs)
        current = Project.open(ours).run()
        tags.append(f"churnflow/{current.id}/01-kept")
    project = Project.open(ours)

    def restored(number: int) -> float:
        began = time.perf_counter()
        checkpoints: CheckpointStore = project.checkpoints
        checkpoints.restore_files(checkpoints.load(tags[number % 2]))
        return time.perf_counter() - began

    def checked_out(number: int) -> float:
        return run(["git", "checkout", "-q", f"state-{number % 2}"], theirs)

    def synced(number: int) -> float:
        return checked_out(number) + run(["sync", "-f", str(theirs)], theirs)

    whole = side_by_side(lambda n: run([sys.executable, "-m", "churnflow", "rollback", tags[n % 2]], ours), synced, 2)
    return [
        Row(f"{files:,} files | git checkout", *side_by_side(restored, checked_out, ROUNDS), TARGET),
        Row(f"{files:,} files | git checkout, synced", *side_by_side(restored, synced, ROUNDS), TARGET),
        Row("whole rollback | git checkout, synced", *whole, float("inf")),
    ]


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
    numbers = count()

    def spoil() -> None:
        source.write_bytes(str(next(numbers)).encode())

    def restored(_: int) -> float:
        spoil()
        opened = Project.open(folder)
        began = time.perf_counter()
        opened.files.restore("data.bin", artifact)
        return time.perf_counter() - began

    def copied(_: int) -> float:
        spoil()
        return run(["cp", "--reflink=auto", str(project.store.path(artifact)), str(folder / "copy.bin")], folder)

    def synced(number: int) -> float:
        return copied(number) + run(["sync", "-f", str(folder)], folder)

    return [
        Row(f"{megabytes:,} MB | cp --reflink=auto", *side_by_side(restored, copied, ROUNDS), TARGET),
        Row(f"{megabytes:,} MB | cp --reflink=auto, synced", *side_by_side(restored, synced, ROUNDS), TARGET),
    ]


def main() -> bool:
    """Print the comparisons; return whether the targets were held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=1000)
    asked = parser.parse_args()
    rows = [*many(asked.files), *large(asked.megabytes)]
    return table("Bringing back", rows, peer="peer")


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
