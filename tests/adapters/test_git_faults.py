"""A disk without room, a folder without permission, and work trees of unusual size: a checkpoint is whole or absent."""

import os
import re
from pathlib import Path

import pytest

from churnflow.errors import UsageError
from tests.adapters.faults import in_a_process
from tests.adapters.workbench import RUN, TAG, Store, Work

FULL_DISK = """
from pathlib import Path
from tests.adapters.workbench import Store
store = Store(Path(sys.argv[1]))
for name in ("first", "second"):
    Path(sys.argv[1], "big.bin").write_bytes(__import__("os").urandom(100_000))
    with full(50_000), said():
        store.save(name)
    print(store.git.head("261123-7qd2"))
"""


def test_a_disk_that_is_full_at_the_snapshot_is_said_and_nothing_is_kept(work: Work) -> None:
    work.commit()
    said = in_a_process(FULL_DISK, work.path).splitlines()
    assert said == ["5 no space left on the disk of the repository | free some space, then try again", "None"] * 2
    assert work.git("tag", "-l") == ""
    assert list((work.path / ".git").rglob("*.lock")) == []
    assert Store(work.path).save().tag == TAG
    assert work.git("fsck", "--strict", "--no-dangling") == ""


FULL_AT_SAVE = """
from pathlib import Path
from tests.adapters.workbench import Store
store = Store(Path(sys.argv[1]))
store.git.repair("261123-7qd2")
draft = store.draft("big").model_copy(update={"reason": __import__("secrets").token_hex(100_000)})
with full(20_000), said():
    store.git.save(draft)
"""


def test_a_disk_that_is_full_at_the_record_leaves_the_checkpoint_before_it(work: Work) -> None:
    work.commit()
    kept = Store(work.path).save()
    said = in_a_process(FULL_AT_SAVE, work.path)
    assert said.startswith("5 no space left on the disk of the repository | free some space")
    store = Store(work.path)
    assert store.git.history(RUN) == [kept]
    assert store.save("big").number == 2


NO_PERMISSION = """
from pathlib import Path
from tests.adapters.workbench import Store
with said():
    store = Store(Path(sys.argv[1]))
    store.save()
"""


@pytest.mark.parametrize("where", [".git", ".git/objects", ".git/refs", "."])
def test_a_folder_without_write_permission_is_named_and_nothing_is_half(work: Work, where: str) -> None:
    work.commit()
    closed = work.path / where
    folders = [closed, *(path for path in closed.rglob("*") if path.is_dir() and where not in {".", ".git"})]
    for folder in folders:
        folder.chmod(0o555)
    said = in_a_process(NO_PERMISSION, work.path, plain=True)
    for folder in folders:
        folder.chmod(0o755)
    assert said.startswith("5 ")
    assert re.search("ermission|unable to create directory", said)
    store = Store(work.path)
    store.git.repair(RUN)
    assert len(store.git.history(RUN)) in {0, 1}
    assert work.git("fsck", "--strict", "--no-dangling") == ""
    assert list((work.path / ".git").rglob("objects-*")) == []


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(work: Work) -> None:
    work.commit()
    work.write("secret.txt", "s\n").chmod(0)
    said = in_a_process(NO_PERMISSION, work.path, plain=True)
    assert said == "2 no permission to read secret.txt | chmod u+r secret.txt, or list it in .gitignore\n"


NO_RESTORE = """
from pathlib import Path
from tests.adapters.workbench import Store
store = Store(Path(sys.argv[1]))
with said():
    store.git.restore_files(store.git.load(sys.argv[2]))
"""


def test_a_work_tree_that_cannot_be_written_keeps_its_files(work: Work) -> None:
    work.write("pkg/code.py", "x = 1\n")
    tag = Store(work.path).save().tag
    work.write("pkg/code.py", "x = 2\n")
    (work.path / "pkg").chmod(0o555)
    said = in_a_process(NO_RESTORE, work.path, tag, plain=True)
    (work.path / "pkg").chmod(0o755)
    assert said.startswith(f"5 no permission to write {work.path / 'pkg'}")
    assert (work.path / "pkg/code.py").read_text() == "x = 2\n"
    assert [path.name for path in (work.path / "pkg").iterdir()] == ["code.py"]


def test_a_big_file_that_git_does_not_track_is_kept_and_read_only_once(work: Work) -> None:
    big = work.path / "model.bin"
    block = os.urandom(1 << 20)
    with big.open("wb") as stream:
        for _ in range(20):
            stream.write(block)
    store = Store(work.path)
    first = store.save()
    objects = {path: path.stat().st_mtime_ns for path in (work.path / ".git/objects").rglob("*") if path.is_file()}
    second = store.save("model-built")
    assert first.code.tree == second.code.tree
    big_objects = [path for path in (work.path / ".git/objects").rglob("*") if path.stat().st_size > 1_000_000]
    assert len(big_objects) == 1
    assert set(big_objects) <= set(objects)


def test_a_pipe_or_a_socket_in_the_work_tree_is_no_file_and_hangs_nothing(work: Work) -> None:
    work.commit()
    os.mkfifo(work.path / "pipe")
    assert work.files_at(Store(work.path).save().code.tree) == {"code.py"}


def test_a_repository_that_went_away_is_said(tmp_path: Path) -> None:
    work = Work(tmp_path / "gone")
    work.path.mkdir()
    with pytest.raises(UsageError, match="not a git repository"):
        Store(work.path)
