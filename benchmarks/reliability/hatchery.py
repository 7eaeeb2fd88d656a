"""Runs commands of churnflow in forked children, and lets one die, or one system call of it fail, where it is told to.

A fork of a process that has imported everything starts in a millisecond, so that kills and faults fall into the work of
a command rather than into the import of its libraries. Run as a program it takes commands as lines of JSON, for tests.
"""

import ctypes
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

DEADLINE_SECONDS = 120.0
# Beside the program itself: what its commands import when they are called, and what the steps of the project import.
IMPORTED = (
    *(
        f"churnflow.cli.{name}"
        for name in ("phases", "approving", "back", "history", "keys", "monitoring", "reporting")
    ),
    *(f"churnflow.steps.{name}" for name in ("observe", "watch_drift", "watch_quality", "watch_performance")),
    *("churnflow.steps.watch_service", "churnflow.steps.advise", "churnflow.cli.deploying"),
    *("churnflow.modelling.card", "churnflow.modelling.reference", "churnflow.modelling.release_change"),
    *("churnflow.adapters.git_checkpoints", "churnflow.codecs.json_document", "churnflow.codecs.release"),
    *("git", "pandas", "numpy", "rich.console", "rich.table", "rich.live", "sqlalchemy"),
)
_WRITES = {
    "os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.utime",
}  # fmt: skip
_OPENED_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SUBREAPER = 36


@dataclass(frozen=True)
class Mishap:
    """What befalls a command; nothing by default.

    after: seconds after which its whole process group is killed. at: the number, from 1, of the event that changes the
    disk, or starts a process, before which that happens; with `error`, an errno, such an event fails with it instead.
    The events are Python's audit events (PEP 578): opening for writing, rename, unlink, mkdir, chmod, truncate and so
    on, and each start of git. They name no write and no fsync: for those there is strace.
    """

    after: float | None = None
    at: int | None = None
    error: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, minus a signal, None where it hung; `events` counts as `Mishap.at` does."""

    code: int | None
    out: str
    err: str
    seconds: float
    events: int


Tracer = Callable[[int], Callable[[], None]]


class Runner(Protocol):
    """Runs one command of churnflow."""

    def run(self, folder: Path, arguments: Sequence[str], mishap: Mishap | None = None) -> Ended:
        """Run `churnflow ARGUMENTS` in a folder."""


class Hatchery:
    """Forks one child for each command."""

    def __init__(self) -> None:
        """Import everything, and become the parent of processes whose own parent was killed."""
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = "1"
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            del os.environ[name]
        os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        self._run: Callable[[Sequence[str]], int] = import_module("churnflow.cli.app").run
        for name in IMPORTED:
            import_module(name)
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)

    def run(
        self,
        folder: Path,
        arguments: Sequence[str],
        mishap: Mishap | None = None,
        *,
        env: Mapping[str, str] | None = None,
        tracer: Tracer | None = None,
    ) -> Ended:
        """Run `churnflow ARGUMENTS` in a folder.

        tracer: called with the id of the child before it begins; what it returns is called when the child has ended.
        """
        return self.call(folder, lambda: self._run(arguments), mishap, env=env, tracer=tracer)

    def call(
        self,
        folder: Path,
        what: Callable[[], int],
        mishap: Mishap | None = None,
        *,
        env: Mapping[str, str] | None = None,
        tracer: Tracer | None = None,
    ) -> Ended:
        """Run a function in a child; what it returns is the exit code."""
        begin, go = os.pipe()
        mishap = mishap or Mishap()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, mmap.mmap(-1, 8) as counter:
            child = os.fork()
            if not child:
                os.close(go)
                _live(folder, what, mishap, dict(env or {}), (begin, out.fileno(), err.fileno()), counter)
            os.close(begin)
            with suppress(OSError):  # both do it, for neither knows which of them is first
                os.setpgid(child, child)
            done = tracer(child) if tracer else None
            started = time.monotonic()
            os.close(go)
            code = _awaited(child, mishap.after, started)
            seconds = time.monotonic() - started
            _reap()
            if done:
                done()
            return Ended(code, _text(out), _text(err), seconds, struct.unpack("q", counter[:8])[0])


def _live(  # noqa: PLR0913, PLR0917 - all that a child must know
    folder: Path,
    what: Callable[[], int],
    mishap: Mishap,
    env: dict[str, str],
    descriptors: tuple[int, int, int],
    counter: mmap.mmap,
) -> None:
    code = 70
    try:
        begin, out, err = descriptors
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        os.environ |= env
        if "TZ" in env:
            time.tzset()
        os.read(begin, 1)
        os.close(begin)
        sys.addaudithook(_hook(mishap, counter))
        code = what()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001 - a child must never go on as its parent does
        with suppress(OSError):
            os.write(2, f"Traceback: {error!r}\n".encode())
    finally:
        os._exit(code)


def _hook(mishap: Mishap, counter: mmap.mmap) -> Callable[[str, tuple[Any, ...]], None]:
    group = os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if os.getpid() != group or not _changes(event, arguments, fails=mishap.error is not None):
            return
        number = struct.unpack("q", counter[:8])[0] + 1
        counter[:8] = struct.pack("q", number)
        if number != mishap.at:
            return
        if mishap.error is None:
            os.killpg(group, signal.SIGKILL)
        raise OSError(mishap.error, os.strerror(mishap.error or 0), str(arguments[0]))

    return hook


def _changes(event: str, arguments: tuple[Any, ...], *, fails: bool) -> bool:
    if event == "open":
        path, _, flags = arguments
        return isinstance(flags, int) and bool(flags & _OPENED_TO_WRITE) and not str(path).startswith("/dev/")
    return event in _WRITES or (event == "subprocess.Popen" and not fails)


def _awaited(child: int, after: float | None, started: float) -> int | None:
    killed = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - started
        if (after is not None and passed >= after) or passed > DEADLINE_SECONDS:
            os.killpg(child, signal.SIGKILL)
            killed = passed > DEADLINE_SECONDS
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return None if killed else code
        time.sleep(0.001)


def _reap() -> None:
    """Wait for what the child has left: killed with it, but perhaps not gone yet. A tracer is not waited for."""
    until = time.monotonic() + 5.0
    with suppress(ChildProcessError):
        while time.monotonic() < until and _orphans():
            time.sleep(0.002)


def _orphans() -> bool:
    """Collect the ended processes that are ours by adoption; tell whether any is still running."""
    me, left = os.getpid(), False
    for number in Path(f"/proc/{me}/task/{me}/children").read_text().split():
        status = Path(f"/proc/{number}/stat")
        with suppress(OSError):
            state, _, group = status.read_text().rpartition(")")[2].split()[:3]
            if int(group) in {os.getpgid(0), me}:
                continue
            if state == "Z":
                os.waitpid(int(number), os.WNOHANG)
            else:
                left = True
    return left


def _text(stream: Any) -> str:
    stream.seek(0)
    return bytes(stream.read()).decode(errors="replace")


class RemoteHatchery:
    """A hatchery in a process of its own, for a caller that must not fork, as one with threads."""

    def __init__(self) -> None:
        """Start the process."""
        command = [sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(
        self,
        folder: Path,
        arguments: Sequence[str],
        mishap: Mishap | None = None,
        *,
        env: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run `churnflow ARGUMENTS` in a folder, as `Hatchery.run` does."""
        asked = {"folder": str(folder), "arguments": list(arguments), "env": dict(env or {})}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**asked, **asdict(mishap or Mishap())}) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()


def main() -> None:
    """Answer requests, one object a line: `folder`, `arguments`, and what `Mishap` has."""
    hatchery = Hatchery()
    for line in sys.stdin:
        asked = json.loads(line)
        folder, arguments, env = Path(asked.pop("folder")), asked.pop("arguments"), asked.pop("env")
        ended = hatchery.run(folder, arguments, Mishap(**asked), env=env)
        sys.stdout.write(json.dumps(asdict(ended)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
