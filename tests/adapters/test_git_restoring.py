"""Files brought back from a snapshot: whole, with mode and links, never through a link, and nothing deleted."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from churnflow.errors import ConflictError, IntegrityError
from tests.adapters.workbench import RUN, TAG, Store, Work


def test_checking_out_a_tag_by_hand_shows_the_files_of_that_moment(work: Work) -> None:
    work.commit(code_py="x = 1\n")
    store = Store(work.path)
    store.save()
    work.commit(code_py="x = 2\n")
    store.save("model-built")
    work.git("checkout", "-q", TAG)
    assert (work.path / "code.py").read_text() == "x = 1\n"
    work.git("checkout", "-q", "main")
    assert (work.path / "code.py").read_text() == "x = 2\n"
    assert work.git("status", "--porcelain") == ""
    assert store.git.repair(RUN) == [f"checkpoints/{RUN}/01-features-validated.yaml"]
    assert store.git.head(RUN) is not None


def test_files_come_back_with_mode_and_links_and_nothing_is_deleted(work: Work) -> None:
    script = work.write("bin/run.sh", "#!/bin/sh\n")
    script.chmod(0o755)
    (work.path / "link").symlink_to("bin/run.sh")
    odd = work.write('odd "name"\twith\nnewline é.txt', "odd\n")
    work.commit(code_py="x = 1\n")
    store = Store(work.path)
    checkpoint = store.save()
    shutil.rmtree(work.path / "bin")
    (work.path / "link").unlink()
    (work.path / "link").symlink_to("elsewhere")
    odd.write_text("changed\n")
    work.write("later.py", "mine\n")
    assert {(change.path, change.action) for change in store.git.changes(checkpoint)} == {
        ("bin/run.sh", "create"),
        ("link", "restore"),
        (odd.name, "restore"),
        ("later.py", "keep"),
    }
    assert store.git.restore_files(checkpoint) == 4
    assert os.access(script, os.X_OK)
    assert (work.path / "link").readlink() == Path("bin/run.sh")
    assert odd.read_text() == "odd\n"
    assert (work.path / "later.py").read_text() == "mine\n"
    assert [change.action for change in store.git.changes(checkpoint)] == ["keep"]


@pytest.fixture(params=["beside the files", "on another file system"])
def place(request: pytest.FixtureRequest, work: Work) -> Iterator[Work]:
    """A work tree whose git folder is in it, or elsewhere, so that nothing can be moved from there."""
    if request.param == "beside the files":
        yield work
        return
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        assert Path(elsewhere).stat().st_dev != work.path.stat().st_dev
        shutil.move(work.path / ".git", f"{elsewhere}/git")
        work.write(".git", f"gitdir: {elsewhere}/git\n")
        yield work


def test_many_files_and_links_come_back_as_they_were_to_the_byte(place: Work) -> None:
    for number in range(150):
        place.write(f"many/{number % 7}/{number}.txt", f"{number}\n")
    (place.path / "many" / "3" / "3.txt").chmod(0o755)
    targets = ("./many", "many/", "many//3", "many/.", "../elsewhere", "many/3/3.txt", "gone")
    for number, target in enumerate(targets):
        (place.path / f"link{number}").symlink_to(target)
    place.commit()
    store = Store(place.path)
    checkpoint = store.save()
    assert store.git.restore_files(checkpoint) == 151 + len(targets)
    shutil.rmtree(place.path / "many")
    place.write("many/3/3.txt", "mine\n")
    for number in range(1, len(targets)):
        (place.path / f"link{number}").unlink()
    assert store.git.restore_files(checkpoint) == 151 + len(targets)
    found = [os.readlink(place.path / f"link{number}") for number in range(len(targets))]  # noqa: PTH115 - the very text
    assert found == [*targets]
    assert {path.read_text() for path in (place.path / "many").rglob("*.txt")} == {f"{n}\n" for n in range(150)}
    assert os.access(place.path / "many" / "3" / "3.txt", os.X_OK)
    assert list(place.path.rglob(".churnflow-*")) == []


def test_a_folder_that_became_a_link_to_the_same_files_is_named(work: Work, tmp_path: Path) -> None:
    work.write("pkg/a.py", "a = 1\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    shutil.move(work.path / "pkg", tmp_path / "elsewhere")
    (work.path / "pkg").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConflictError, match="pkg is a symbolic link, not a folder"):
        store.git.restore_files(checkpoint)


@pytest.mark.parametrize("block", ["link out of the project", "file for folder", "folder for file"])
def test_a_blocked_path_is_refused_before_anything_is_written(work: Work, tmp_path: Path, block: str) -> None:
    work.write("pkg/a.py", "a = 1\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    work.write("code.py", "x = 'mine'\n")
    shutil.rmtree(work.path / "pkg")
    match block:
        case "link out of the project":
            (tmp_path / "outside").mkdir()
            (work.path / "pkg").symlink_to(tmp_path / "outside")
        case "file for folder":
            work.write("pkg", "a file\n")
        case _:
            work.write("pkg/a.py/deep.txt", "a folder\n")
    with pytest.raises(ConflictError, match="cannot be brought back"):
        store.git.restore_files(checkpoint)
    assert (work.path / "code.py").read_text() == "x = 'mine'\n"
    assert list((tmp_path / "outside").iterdir() if block.startswith("link") else []) == []


def test_line_ends_and_filters_are_the_users_own(work: Work) -> None:
    work.write(".gitattributes", "*.txt text eol=crlf\n*.up filter=upper\n")
    work.git("config", "filter.upper.clean", "tr a-z A-Z")
    work.git("config", "filter.upper.smudge", "tr A-Z a-z")
    work.write("a.txt", "one\ntwo\n")
    work.write("b.up", "shout\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    (work.path / "a.txt").unlink()
    (work.path / "b.up").unlink()
    assert store.git.restore_files(checkpoint) == 4
    assert (work.path / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert (work.path / "b.up").read_text() == "shout\n"


def test_only_the_executable_bit_comes_back_where_only_that_was_changed(work: Work) -> None:
    script = work.write("run.sh", "#!/bin/sh\n")
    script.chmod(0o755)
    store = Store(work.path)
    checkpoint = store.save()
    script.chmod(0o644)
    assert [(change.path, change.action) for change in store.git.changes(checkpoint)] == [("run.sh", "restore")]
    store.git.restore_files(checkpoint)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("then", ["link", "file"])
def test_a_file_and_a_link_take_each_others_place(work: Work, then: str) -> None:
    place, other = work.path / "place", work.write("other", "theirs\n")

    def be(kind: str) -> None:
        place.unlink(missing_ok=True)
        if kind == "link":
            place.symlink_to("other")
        else:
            place.write_text("mine\n")

    be(then)
    store = Store(work.path)
    checkpoint = store.save()
    be("file" if then == "link" else "link")
    store.git.restore_files(checkpoint)
    assert place.is_symlink() == (then == "link")
    assert place.read_text() == ("theirs\n" if then == "link" else "mine\n")
    assert other.read_text() == "theirs\n"


def test_an_untracked_file_in_the_way_is_overwritten_only_as_announced(work: Work) -> None:
    work.commit(code_py="x = 1\n", helper_py="h = 1\n")
    store = Store(work.path)
    checkpoint = store.save()
    work.git("rm", "-q", "helper.py")
    work.git("commit", "-qm", "gone")
    work.write("helper.py", "h = 'mine'\n")
    assert [(change.path, change.action) for change in store.git.changes(checkpoint)] == [("helper.py", "restore")]
    rescue = store.save("rescue", also=["helper.py"])
    store.git.restore_files(checkpoint)
    assert (work.path / "helper.py").read_text() == "h = 1\n"
    assert work.git("show", f"{rescue.tag}:helper.py") == "h = 'mine'"
    assert work.git("status", "--porcelain") == "?? helper.py"


def test_a_file_that_a_killed_restore_left_half_written_is_swept_up(work: Work) -> None:
    work.commit(code_py="x = 1\n")
    store = Store(work.path)
    checkpoint = store.save()
    work.write("code.py", "x = 2\n")
    left = work.write(".churnflow-999999999-0a1b2c3d4e5f.tmp", "x =")
    staging = store.repository.state_dir / "staging-999999999"
    staging.mkdir()
    # Of a process that had our number, as it is in a container each time.
    same = store.repository.state_dir / f"staging-{os.getpid()}"
    same.mkdir()
    (same / "code.py").write_text("x =")
    store.git.restore_files(checkpoint)
    assert [path.exists() for path in (left, staging, same)] == [False] * 3
    assert (work.path / "code.py").read_text() == "x = 1\n"


def test_a_filter_that_fails_is_a_conflict_and_leaves_the_file_as_it_was(work: Work) -> None:
    work.write(".gitattributes", "*.up filter=upper\n")
    work.write("a.up", "one\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    work.write("a.up", "two\n")
    work.git("config", "filter.upper.smudge", "false")
    work.git("config", "filter.upper.required", "true")
    work.git("config", "filter.upper.clean", "cat")
    with pytest.raises(ConflictError, match="could not be written: git checkout-index failed"):
        store.git.restore_files(checkpoint)
    assert (work.path / "a.up").read_text() == "two\n"
    assert list(work.path.glob(".churnflow-*")) == []


def test_a_file_that_does_not_come_out_as_it_was_kept_is_named(work: Work) -> None:
    work.write(".gitattributes", "*.up filter=upper\n")
    work.write("a.up", "one\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    work.write("a.up", "two\n")
    work.git("config", "filter.upper.smudge", "echo spoiled")
    with pytest.raises(IntegrityError, match=r"1 of 3 files are not as in the checkpoint, first a\.up"):
        store.git.restore_files(checkpoint)
