"""Finds each system call by which a command changes the disk, and lets one of them fail or kill, by means of strace.

strace(1) counts calls in each process by itself. So the program is traced without its children, and of git one process
at a time, the n-th, by a `git` of our own that stands first on the PATH: exactly one call fails in one run.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = (
    "openat", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile",
    "ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "syncfs", "sync_file_range", "rename",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat",
    "rmdir", "chmod", "fchmod", "fchmodat", "utimensat",
)  # fmt: skip
_TRACE = f"trace={','.join(CALLS)}"
_LINE = re.compile(r"(?P<call>\w+)\((?P<rest>.*)")
_OPENED_TO_WRITE = re.compile(r"O_(CREAT|WRONLY|RDWR|TRUNC)")
# An answer of git on its way to the program, and what is written to nowhere, change no disk.
_NO_DISK = re.compile(r"<(pipe:|socket:|/dev/null|anon_inode:)")
_GIT = """#!/bin/sh
number=$(($(cat "$FAULTY/count") + 1))
echo "$number" > "$FAULTY/count"
if [ "$FAULTY_WHICH" = "$number" ] || [ "$FAULTY_WHICH" = all ]; then
    exec strace -y -o "$FAULTY/git.$number" -e "$FAULTY_TRACE" -e "$FAULTY_INJECT" "$FAULTY_GIT" "$@"
fi
exec "$FAULTY_GIT" "$@"
"""
Tracer = Callable[[int], Callable[[], None]]


@dataclass(frozen=True, order=True)
class Call:
    """One system call of a command: the `number`-th, from 1, of its name, in the program (0) or the n-th git."""

    process: int
    name: str
    number: int

    def failing(self, how: str) -> str:
        """Return what strace is told, `how` being the name of an errno, or KILL."""
        kind = "signal" if how == "KILL" else "error"
        return f"inject={self.name}:{kind}={how}:when={self.number}"


def has_strace() -> bool:
    """Tell whether strace is installed and may be used here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def attached(inject: str, found: list[Call] | None = None) -> Tracer:
    """Return a tracer of the program alone; in the end its writing calls are added to `found`."""

    def attach(pid: int) -> Callable[[], None]:
        folder = tempfile.mkdtemp(prefix="churnflow-strace-")
        log = Path(folder) / "log"
        options = ["-y", "-o", str(log), "-e", _TRACE, *(["-e", inject] if inject else [])]
        strace = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        assert strace.stderr is not None
        said = strace.stderr.readline()
        assert "attached" in said, said

        def end() -> None:
            strace.wait(timeout=30)
            strace.stderr.close()  # type: ignore[union-attr]
            if found is not None:
                found.extend(writing(log.read_text(errors="replace"), 0))
            shutil.rmtree(folder)

        return end

    return attach


@contextmanager
def traced_git(which: str, inject: str = "", found: list[Call] | None = None) -> "Iterator[Mapping[str, str]]":
    """Give the environment in which git is traced: the process of that number, or `all`, whose calls are `found`."""
    with tempfile.TemporaryDirectory(prefix="churnflow-git-") as folder:
        wrapper = Path(folder) / "git"
        wrapper.write_text(_GIT)
        wrapper.chmod(0o755)
        (Path(folder) / "count").write_text("0\n")
        yield {
            "FAULTY": folder,
            "FAULTY_WHICH": which,
            "FAULTY_TRACE": _TRACE,
            "FAULTY_INJECT": inject or _TRACE,
            "FAULTY_GIT": str(shutil.which("git")),
            "PATH": f"{folder}:{os.environ['PATH']}",
        }
        for log in sorted(Path(folder).glob("git.*")) if found is not None else ():
            found.extend(writing(log.read_text(errors="replace"), int(log.suffix[1:])))  # type: ignore[union-attr]


def writing(log: str, process: int) -> list[Call]:
    """Return the calls of a log that change the disk.

    The others are counted, as strace does, and left out: an `openat` that only reads, a write into a pipe, which can
    not fail with an error of a disk.
    """
    counts: Counter[str] = Counter()
    found = []
    for line in log.splitlines():
        match = _LINE.match(line)
        if match is None or match["call"] not in CALLS:
            continue
        counts[match["call"]] += 1
        only_reads = match["call"] == "openat" and not _OPENED_TO_WRITE.search(match["rest"])
        if not only_reads and not _NO_DISK.search(match["rest"].partition(",")[0]):
            found.append(Call(process, match["call"], counts[match["call"]]))
    return found
