"""The lock of a project: held by one process, and by nobody when that has ended, however it ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from churnflow.adapters.project_lock import ProjectLock
from churnflow.errors import ConflictError
from tests.adapters.faults import in_a_process

HOLD = """
import os, sys, time
from pathlib import Path
from churnflow.adapters.project_lock import ProjectLock
with ProjectLock(Path(sys.argv[1])).lock("churnflow build"):
    begun, says = os.pipe()
    worker = os.fork() if sys.argv[2] == "with a worker" else 1
    if worker == 0:
        os.write(says, b"!")
        time.sleep(60)
        os._exit(0)
    if sys.argv[2] == "with a worker that ends":
        worker = os.fork()
        if worker == 0:
            sys.exit(0)
        os.waitpid(worker, 0)
    if sys.argv[2] == "with a worker":
        os.read(begun, 1)
    print(worker, flush=True)
    time.sleep(60)
"""


@contextmanager
def holder(folder: Path, how: str = "alone") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    command = [sys.executable, "-W", "ignore", "-c", HOLD, str(folder), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        try:
            yield process, worker
        finally:
            process.kill()


def test_a_second_writer_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path)
    with holder(tmp_path) as (process, _):
        with (
            pytest.raises(ConflictError, match=f"process {process.pid}, `churnflow build`"),
            lock.lock("churnflow run"),
        ):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with lock.lock("churnflow run"):
            pass


def test_a_worker_that_outlives_the_holder_does_not_hold_the_lock(tmp_path: Path) -> None:
    with holder(tmp_path, "with a worker") as (process, worker):
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            os.kill(worker, 0)
            with ProjectLock(tmp_path).lock("churnflow run"):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_worker_that_ends_does_not_free_the_lock_of_its_holder(tmp_path: Path) -> None:
    with (
        holder(tmp_path, "with a worker that ends") as (process, _),
        pytest.raises(ConflictError, match=f"process {process.pid}"),
        ProjectLock(tmp_path).lock("churnflow run"),
    ):
        pass


def test_a_failure_inside_frees_the_lock(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path)
    with pytest.raises(ZeroDivisionError), lock.lock("churnflow run"):
        _ = 1 / 0
    with ProjectLock(tmp_path).lock("churnflow build"):
        pass


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": "x"}'])
def test_a_note_that_says_nothing_does_not_hide_that_the_lock_is_held(tmp_path: Path, note: str) -> None:
    with holder(tmp_path):
        (tmp_path / "lock").write_text(note)
        with (
            pytest.raises(ConflictError, match="a process that has just begun"),
            ProjectLock(tmp_path).lock("churnflow run"),
        ):
            pass


def test_a_note_of_a_dead_process_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 1, "command": "churnflow build"}')
    started = time.monotonic()
    with ProjectLock(tmp_path).lock("churnflow run"):
        assert time.monotonic() - started < 1


NO_PERMISSION = """
from pathlib import Path
from churnflow.adapters.project_lock import ProjectLock
with said(), ProjectLock(Path(sys.argv[1])).lock("churnflow run"):
    pass
"""


def test_no_permission_to_lock_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    said = in_a_process(NO_PERMISSION, tmp_path, plain=True)
    tmp_path.chmod(0o755)
    assert said.startswith("5 no permission to write")
