"""Feeds N seeded mutations of all that churnflow stores to what reads it, under an audit hook, and counts what happens.

Usage: python benchmarks/reliability/mutations.py [N=100000] [SEED=5] [WORKERS=2]. Each worker is a process with a limit
on memory and on the time of a case; what kills it is counted and the next one goes on. Exit code 1 unless there were
no crashes, no executions, no failure but a ChurnflowError, and nothing accepted behind a digest.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from corpus import Reader

MEMORY_BYTES: Final = 4 << 30
SECONDS_A_CASE: Final = 20
CASES_A_WORKER: Final = 5000
# Nothing that reads data has a reason for these: code, processes, the network, other files than it was given.
FORBIDDEN: Final = (
    "exec", "compile", "import", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty",
    "os.remove", "os.rename", "os.chmod", "os.symlink", "os.mkdir", "os.rmdir", "shutil.", "socket.", "ctypes.",
    "pickle.find_class", "marshal.load", "code.__new__", "os.putenv", "urllib.Request",
)  # fmt: skip
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook (PEP 578) that notes what is forbidden while it is on; it can not be taken away again."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if writes or any(event == name or (name.endswith(".") and event.startswith(name)) for name in FORBIDDEN):
            self.seen.append(f"{event} {str(arguments)[:120]}")


def work(scratch: Path, seed: int, first: int, last: int, step: int) -> None:
    """Do every `step`th case from `first`, and print a line for each as it ends."""
    from corpus import readers  # noqa: PLC0415 - the parent needs none of it
    from mutators import mutated  # noqa: PLC0415
    from place import Place  # noqa: PLC0415

    own = scratch / f"worker-{first}"
    own.mkdir(exist_ok=True)
    found = readers(Place(scratch / "project"), own)
    file, watch = own / "case.bin", Watch()
    for reader in found:
        # What a reader imports at its first use is imported here, with the true bytes.
        file.write_bytes(reader.data)
        reader.read(file)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in range(first, last, step):
        random = Random(f"{seed}/{number}")  # noqa: S311 - to be repeated
        reader = found[random.randrange(len(found))]
        data = mutated(reader.data, reader.form, random)
        file.write_bytes(data)
        print(json.dumps([number, reader.name, _outcome(reader, data, file, watch)]), flush=True)


def _outcome(reader: "Reader", data: bytes, file: Path, watch: Watch) -> str:
    # A case has so many seconds; a signal without a handler ends the process even within a library.
    signal.alarm(SECONDS_A_CASE)
    watch.seen.clear()
    # These are put where they are read from by links and renames of the harness.
    watch.on = not reader.name.startswith(("store", "pointer", "journal"))
    try:
        reader.read(file)
        outcome = "accepted"
    except Exception as error:  # noqa: BLE001 - that is what is counted
        outcome = f"other: {type(error).__name__}: {' '.join(str(error).split())[:90]}"
        if hasattr(error, "exit_code"):
            outcome = "refused"
    watch.on = False
    signal.alarm(0)
    if watch.seen:
        return f"executed: {watch.seen[0]}"
    if outcome == "accepted" and data == reader.data:
        return "same"
    return "accepted behind a digest" if outcome == "accepted" and reader.digested else outcome


def worked(scratch: Path, seed: int, part: tuple[int, int, int]) -> Counter[tuple[str, str]]:
    """Run workers until a part of the cases is done, and count the outcomes by reader."""
    first, last, step = part
    counts: Counter[tuple[str, str]] = Counter()
    while first < last:
        end = min(last, first + CASES_A_WORKER * step)
        command = [sys.executable, __file__, "--work", str(scratch), *map(str, (seed, first, end, step))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.endswith("]")]
        counts.update((name, outcome) for _, name, outcome in lines)
        reached = lines[-1][0] if lines else first - step
        for number, name, outcome in lines:
            if outcome not in {"refused", "accepted", "same"}:
                print(f"case {number}: {name}: {outcome}", flush=True)
        if done.returncode == 0:
            first += len(lines) * step
            print(f"worker {part[0]}: {sum(counts.values())} done, {bad(counts)} as none may end", flush=True)
            continue
        counts["?", f"crashed: exit {done.returncode}"] += 1
        print(f"case {reached + step}: exit {done.returncode}: {done.stderr[-400:]}", flush=True)
        first = reached + 2 * step
    return counts


def _environment() -> dict[str, str]:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    return {**os.environ, **threads, "PYTHONFAULTHANDLER": "1"}


def run(count: int, seed: int, workers: int, scratch: Path) -> Counter[tuple[str, str]]:
    """Mutate what `scratch/project` stores `count` times, and return the outcomes by reader."""
    with ThreadPoolExecutor(workers) as pool:
        parts = [(start, count, workers) for start in range(workers)]
        found = list(pool.map(lambda part: worked(scratch, seed, part), parts))
    return sum(found, Counter())


def bad(counts: Counter[tuple[str, str]]) -> int:
    """Return how many cases ended as none may."""
    return sum(number for (_, outcome), number in counts.items() if outcome not in {"refused", "accepted", "same"})


def main() -> int:
    """Print the outcomes by reader; return 1 where one ended as none may."""
    if sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]), *map(int, sys.argv[3:]))
        return 0
    count, seed, workers = (int(word) for word in [*sys.argv[1:], *("100000", "5", "2")[len(sys.argv) - 1 :]])
    from place import make  # noqa: PLC0415 - a worker needs none of it

    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch) / "project")
        counts = run(count, seed, workers, Path(scratch))
    print(f"seed {seed}, {sum(counts.values())} mutations")
    for (name, outcome), number in sorted(counts.items()):
        print(f"{name:28} {outcome:60} {number:7}")
    print(f"as none may end: {bad(counts)}")
    return 1 if bad(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
