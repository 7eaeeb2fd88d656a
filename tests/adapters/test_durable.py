"""Files that are whole or absent: replaced, appended to, and swept up after a kill."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from churnflow.adapters.durable import (
    append_durably,
    explained,
    make_folder,
    remove_leftovers,
    sync_all,
    write_durably,
)
from churnflow.errors import ConflictError
from tests.adapters.faults import in_a_process


def dead_pid() -> str:
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def test_a_link_in_the_place_of_a_file_gives_way_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    (tmp_path / "file").symlink_to(other)
    write_durably(tmp_path / "file", b"ours")
    assert not (tmp_path / "file").is_symlink()
    assert other.read_text() == "theirs"


FULL_DISK = """
from pathlib import Path
from churnflow.adapters.durable import append_durably, write_durably
path = Path(sys.argv[1])
with full(200), said():
    write_durably(path, b"x" * 1000)
with full(200), said():
    append_durably(path, b"y" * 1000 + b"\\n")
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old\n")
    said = in_a_process(FULL_DISK, path).splitlines()
    assert len(said) == 2
    assert all(line.startswith(f"5 no space left on the disk of {path} | free some space") for line in said)
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


NO_PERMISSION = """
from pathlib import Path
from churnflow.adapters.durable import append_durably, write_durably
with said():
    write_durably(Path(sys.argv[1]) / "new", b"x")
with said():
    append_durably(Path(sys.argv[1]) / "new", b"x")
"""


def test_a_missing_permission_names_the_path(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    said = in_a_process(NO_PERMISSION, tmp_path, plain=True).splitlines()
    tmp_path.chmod(0o755)
    assert len(said) == 2
    assert all(line.startswith(f"5 no permission to write {tmp_path}") for line in said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file above"])
def test_something_else_in_the_way_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a" if what == "folder" else tmp_path / "a/b"
    if what == "folder":
        (path / "inside").mkdir(parents=True)
    else:
        path.parent.write_text("a file")
    with pytest.raises(ConflictError, match="something else stands where churnflow writes"):
        write_durably(path, b"x")


def test_a_failure_that_is_none_of_these_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "none/file", b"x")


def test_a_line_is_added_after_the_last_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_durably(path, b"one\n")
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0o077 & ~_umask() & 0o066
    with path.open("ab") as stream:
        stream.write(b"torn " * 40_000)
    append_durably(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    path.write_bytes(b"never a line end")
    append_durably(path, b"three\n")
    assert path.read_bytes() == b"three\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_where_a_folder_is_wanted_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "a/b")


def test_only_what_a_dead_process_left_is_swept_up(tmp_path: Path) -> None:
    pid = dead_pid()
    left = [tmp_path / f".churnflow-{pid}-0a1b.tmp", tmp_path / f".churnflow-{pid}-0a1b.csv"]
    kept = [
        tmp_path / f".churnflow-{os.getpid()}-0a1b.tmp",
        tmp_path / ".churnflow-1-0a1b.tmp",
        tmp_path / f".churnflow-{pid}-notes",
        tmp_path / f".churnflow-{pid} copy.tmp",
        tmp_path / ".churnflow-notes",
        tmp_path / f"index-{pid}-0a1b",
        tmp_path / f"my.churnflow-{pid}-0a1b.tmp",
    ]
    folder = tmp_path / f".churnflow-{pid}-0a1c"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/link").symlink_to(kept[0])
    for path in (*left, *kept):
        path.write_text("x")
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "none")


def test_a_disk_that_fails_is_said_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match=f"the disk of {tmp_path} fails: Input/output error") as caught:  # noqa: SIM117
        with explained(tmp_path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert caught.value.hint.startswith("see what the system's log says of that disk")


def test_many_files_and_their_folders_are_synced_together(tmp_path: Path) -> None:
    files = [tmp_path / f"folder_{number % 3}" / f"file_{number}" for number in range(40)]
    for file in files:
        make_folder(file.parent)
        file.write_bytes(b"x")
    sync_all(files, tmp_path)
    sync_all(sorted({file.parent for file in files}), tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_all([tmp_path / "gone"], tmp_path)
