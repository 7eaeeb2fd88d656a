"""What a snapshot of the work tree holds, and how it survives what happens to git's objects."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from churnflow.errors import ConflictError, UsageError
from tests.adapters.workbench import RUN, TAG, Store, Work, artifact


def test_the_snapshot_holds_tracked_and_untracked_files_but_neither_ignored_ones_nor_data(work: Work) -> None:
    work.write(".gitignore", "*.log\nsecret/\n")
    work.write("forced.log", "kept on purpose\n")
    work.commit()
    work.git("add", "-f", "forced.log")
    work.write("new.py", "n = 1\n")
    work.write("noise.log", "noise\n")
    work.write("data/customers.csv", "id,churn\n1,0\n")
    work.write("data/tracked.csv", "a,b\n")
    work.git("add", "data/tracked.csv")
    store = Store(work.path)
    data = {name: artifact(name, b"x") for name in ("data/customers.csv", "data/tracked.csv")}
    checkpoint = store.save(data=data)
    expected = {".gitignore", "code.py", "forced.log", "new.py", "data/tracked.csv"}
    assert work.files_at(checkpoint.code.tree) == expected
    assert work.files_at(TAG) == {*expected, f"checkpoints/{RUN}/01-features-validated.yaml"}
    assert "data/customers.csv" not in work.files_at(store.git.snapshot({}).tree)


def test_a_file_untracked_and_ignored_since_leaves_the_snapshot(work: Work) -> None:
    work.commit(env_py="password = 1\n")
    store = Store(work.path)
    assert "env.py" in work.files_at(store.git.snapshot({}).tree)
    work.git("rm", "-q", "--cached", "env.py")
    work.write(".gitignore", "env.py\n")
    assert "env.py" not in work.files_at(store.git.snapshot({}).tree)


def test_repositories_inside_the_work_tree_are_left_out(work: Work) -> None:
    work.commit()
    for name in ("empty", "filled"):
        (work.path / name).mkdir()
        Work(work.path / name).git("init", "-q")
    Work(work.path / "filled").commit()
    store = Store(work.path)
    for _ in range(2):
        assert work.files_at(store.git.snapshot({}).tree) == {"code.py"}


@pytest.mark.parametrize("spoil", ["garbage", "empty", "lost objects"])
def test_a_spoiled_private_index_is_made_anew(work: Work, spoil: str) -> None:
    work.commit()
    store = Store(work.path)
    work.write("new.py", "n = 1\n")
    tree = store.git.snapshot({}).tree
    index = store.repository.state_dir / "snapshot.index"
    match spoil:
        case "garbage":
            index.write_bytes(b"DIRC garbage")
        case "empty":
            index.write_bytes(b"")
        case _:
            work.git("gc", "-q", "--prune=now")
    assert store.save().code.tree == tree
    assert work.git("fsck", "--strict", "--no-dangling") == ""


def test_objects_pruned_between_snapshot_and_save_are_written_again(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    work.write("new.py", "n = 1\n")
    draft = store.draft()
    work.git("prune", "--expire=now")
    store.git.save(draft)
    assert work.git("show", f"{TAG}:new.py") == "n = 1"
    assert work.git("fsck", "--strict", "--no-dangling") == ""


def test_a_work_tree_that_changed_since_its_pruned_snapshot_is_a_conflict(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    work.write("new.py", "n = 1\n")
    draft = store.draft()
    work.git("prune", "--expire=now")
    work.write("new.py", "n = 2\n")
    with pytest.raises(ConflictError, match="the work tree changed"):
        store.git.save(draft)
    assert store.git.head(RUN) is None


def test_names_of_any_bytes_are_kept(work: Work) -> None:
    names = [b"new\nline", b'quote"d', b"back\\slash", b"tab\t", b"latin-\xe9", b"-option", b":(top)magic", b" blank "]
    for name in names:
        (work.path / os.fsdecode(name)).write_text("1\n")
    store = Store(work.path)
    checkpoint = store.save(data={os.fsdecode(names[4]): artifact("data", b"1\n")})
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", checkpoint.code.tree],
        cwd=work.path,
        capture_output=True,
        check=True,
    )
    assert sorted(listed.stdout.split(b"\0")[:-1]) == sorted(set(names) - {b"latin-\xe9"})
    for name in names:
        (work.path / os.fsdecode(name)).write_text("2\n")
    assert len(store.git.changes(checkpoint)) == 7
    assert store.git.restore_files(checkpoint) == 7
    assert (work.path / "new\nline").read_text() == "1\n"
    assert (work.path / os.fsdecode(b"latin-\xe9")).read_text() == "2\n"


def test_a_change_within_the_second_of_the_last_snapshot_is_seen_later(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    while time.time() % 1 > 0.4:
        time.sleep(0.05)
    work.write("code.py", "x = 2\n")
    before = store.git.snapshot({}).tree
    work.write("code.py", "x = 3\n")
    time.sleep(1 - time.time() % 1)
    assert store.git.snapshot({}).tree != before


def test_more_source_files_than_a_command_line_holds_stay_out(work: Work) -> None:
    work.write(".gitignore", "ignored/\n")
    names = [f"data/part-{number:05d}-{'x' * 100}.csv" for number in range(3000)]
    work.write(names[0], "1\n")
    work.write("ignored/a.csv", "1\n")
    data = {name: artifact(name, b"1\n") for name in [*names, "ignored/a.csv"]}
    assert work.files_at(Store(work.path).git.snapshot(data).tree) == {".gitignore"}


@pytest.mark.parametrize("spoiled", ["", "5", "["])
def test_with_a_spoiled_memory_of_source_files_nothing_is_kept(work: Work, spoiled: str) -> None:
    work.commit()
    store = Store(work.path)
    store.repository.state_dir.mkdir(parents=True)
    (store.repository.state_dir / "data-paths.json").write_text(spoiled)
    work.write("data.csv", "1\n")
    # Which files an earlier workflow read is not known: rows of customers could be among the others.
    with pytest.raises(ConflictError, match=r"data-paths\.json does not list") as caught:
        store.git.snapshot({})
    assert ".gitignore" in caught.value.hint


def test_what_killed_commands_left_in_the_state_is_swept_up_and_never_kept(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    state, shared = store.repository.state_dir, store.repository.shared_dir
    left = [state / "index-999999999-0a1b", state / "index-999999999-0a1b.lock", shared / "objects-999999999-0a1b"]
    state.mkdir(parents=True)
    for path in left[:2]:
        path.touch()
    (left[2] / "ab").mkdir(parents=True)
    work.write(".churnflow-999999999-0a1b2c3d4e5f.tmp", "half of a file\n")
    assert work.files_at(store.git.snapshot({}).tree) == {"code.py"}
    assert [path for path in left if path.exists()] == []


def test_a_work_tree_with_too_many_empty_repositories_is_refused_with_what_to_do(work: Work) -> None:
    for number in range(51):
        (work.path / f"r{number}").mkdir()
        Work(work.path / f"r{number}").git("init", "-q")
    with pytest.raises(UsageError, match="more than 50 repositories without a commit") as caught:
        Store(work.path).git.snapshot({})
    assert ".gitignore" in caught.value.hint


@pytest.mark.parametrize("tracked", [True, False])
def test_source_files_in_a_folder_that_is_a_link_elsewhere_stay_out(work: Work, tmp_path: Path, tracked: bool) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.csv").write_text("1\n")
    (work.path / "data").symlink_to(tmp_path / "disk")
    work.write("code.py", "x = 1\n")
    if tracked:
        work.commit()
    data = {"data/a.csv": artifact("data/a.csv", b"1\n")}
    assert work.files_at(Store(work.path).git.snapshot(data).tree) == {"code.py", "data"}


def test_source_files_in_a_submodule_stay_in_it(work: Work, tmp_path: Path) -> None:
    library = Work(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "-q")
    library.commit()
    work.commit()
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "data")
    work.git("commit", "-qm", "submodule")
    work.write("data/a.csv", "1\n")
    data = {"data/a.csv": artifact("data/a.csv", b"1\n")}
    assert work.files_at(Store(work.path).git.snapshot(data).tree) == {".gitmodules", "code.py", "data"}
