"""Records and trees made to do harm: they write nothing out of the project, into git's folder, or through a link."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.git_chain import is_tag, message_of, ref_of
from churnflow.adapters.places import is_gits_own, opened_folder
from churnflow.adapters.record_yaml import to_yaml
from churnflow.domain.checkpoint import Checkpoint, summary_of
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.workbench import RUN, Store, Work, state_of


def forged(work: Work, store: Store, written: Callable[[Checkpoint], bytes] = to_yaml, **changes: object) -> str:
    """Put a record with `changes` into the repository as an attacker who knows every format would; return its tag."""
    draft = store.draft()
    record = draft.model_copy(update=changes)
    summary = summary_of(record)
    file = f"checkpoints/{RUN}/01-features-validated.yaml"
    work.write(file, "").write_bytes(written(record))
    work.git("add", "-f", file)
    tree = work.git("write-tree")
    commit = work.git("commit-tree", tree, "-m", message_of(summary))
    work.git("update-ref", ref_of(RUN), commit)
    work.git("tag", "-a", "-m", message_of(summary), record.tag, commit)
    (work.path / file).unlink()
    return record.tag


@pytest.mark.parametrize("tree", ["--output=stolen", "HEAD", "0012345", "-p"])
def test_a_hostile_record_puts_no_option_on_gits_command_line(work: Work, tree: str) -> None:
    work.commit()
    store = Store(work.path)
    code = store.draft().code.model_copy(update={"tree": tree})
    tag = forged(work, store, code=code)
    with pytest.raises(IntegrityError, match=r"is not a checkpoint: code\.tree"):
        store.git.load(tag)
    assert not (work.path / "stolen").exists()


def tree_of(work: Work, path: bytes, mode: bytes = b"100644", content: bytes = b"hostile\n") -> bytes:
    """Return the bytes of a tree with one entry, under a name that git itself might refuse."""
    oid = content if mode == b"40000" else bytes.fromhex(work.hash("blob", content))
    return mode + b" " + path + b"\0" + oid


@pytest.mark.parametrize(
    "path",
    [
        b"../x",
        b"/tmp/x",
        b".git/hooks/pre-commit",
        b".GIT/config",
        b"sub/.Git/x",
        b"..",
        b".",
        b"a//b",
        b"git~1/config",
        b"sub/GIT~1",
        b".git /config",
        b".git./config",
        b".git::$INDEX_ALLOCATION/config",
        ".g\u200cit/config".encode(),
        "\ufeff.git".encode(),
    ],
)
def test_a_hostile_tree_writes_nothing_out_of_the_project_or_into_git(work: Work, path: bytes) -> None:
    work.commit()
    store = Store(work.path)
    tag = forged(
        work, store, code=store.draft().code.model_copy(update={"tree": work.hash("tree", tree_of(work, path))})
    )
    checkpoint = store.git.load(tag)
    before, outside = state_of(work.path / ".git"), sorted(work.path.parent.rglob("*"))
    with pytest.raises(IntegrityError, match="out of the project or inside"):
        store.git.restore_files(checkpoint)
    assert state_of(work.path / ".git") == before
    assert [item for item in sorted(work.path.parent.rglob("*")) if ".git" not in item.parts] == [
        item for item in outside if ".git" not in item.parts
    ]


def test_a_hostile_tree_does_not_write_through_a_link_that_it_brings_along(work: Work, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    work.commit()
    store = Store(work.path)
    inner = bytes.fromhex(work.hash("tree", tree_of(work, b"stolen")))
    both = tree_of(work, b"door", b"120000", str(outside).encode()) + tree_of(work, b"door", b"40000", inner)
    tag = forged(work, store, code=store.draft().code.model_copy(update={"tree": work.hash("tree", both)}))
    with pytest.raises((ConflictError, IntegrityError)):
        store.git.restore_files(store.git.load(tag))
    assert list(outside.iterdir()) == []


def test_a_run_id_that_climbs_is_no_tag(work: Work) -> None:
    for tag in (
        "churnflow/../01-a",
        "churnflow/./01-a",
        "churnflow/-x/01-a",
        f"churnflow/{RUN}/01-../a",
        "churnflow/a/b/01-a",
    ):
        assert not is_tag(tag)
        with pytest.raises(UsageError, match="is not a checkpoint's tag"):
            Store(work.path).git.load(tag)


@pytest.mark.parametrize("where", ["checkpoints", f"checkpoints/{RUN}"])
def test_copies_are_not_written_through_a_link_out_of_the_project(work: Work, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    work.commit()
    (work.path / where).parent.mkdir(exist_ok=True)
    (work.path / where).symlink_to(outside)
    store = Store(work.path)
    with pytest.raises(ConflictError, match="a symbolic link, not a folder"):
        store.save()
    assert list(outside.iterdir()) == []
    (work.path / where).unlink()
    assert f"checkpoints/{RUN}/01-features-validated.yaml" in store.git.repair(RUN)
    assert store.git.head(RUN) is not None


def test_a_record_of_more_than_a_record_can_be_is_refused_before_it_is_kept(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    draft = store.draft()
    with pytest.raises(UsageError, match="is larger than 5 MB"):
        store.git.save(draft.model_copy(update={"reason": "x" * 5_000_001}))
    assert store.git.head(RUN) is None


@pytest.mark.parametrize("name", [".gitignore", ".github", "git", "git~", "a.git", ".git-blame-ignore-revs", ".gitx"])
def test_names_that_only_begin_like_gits_folder_are_files_of_the_project(name: str) -> None:
    assert not is_gits_own(name)


def test_a_file_is_not_brought_back_into_another_repository_that_came_later(work: Work) -> None:
    work.write("vendor/lib.py", "x = 1\n")
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    (work.path / "vendor/lib.py").unlink()
    work.git("init", "-q", "vendor")
    with pytest.raises(ConflictError, match="vendor is another repository by now"):
        store.git.restore_files(checkpoint)
    assert [path.name for path in (work.path / "vendor").iterdir()] == [".git"]


def test_a_folder_that_becomes_a_link_between_look_and_write_is_not_followed(work: Work, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (work.path / "folder").mkdir()
    (work.path / "folder" / "inner").symlink_to(outside / "inner")
    (work.path / "door").symlink_to(outside)
    for parts in (("door",), ("door", "inner"), ("folder", "inner"), ("folder", "inner", "new")):
        with pytest.raises(NotADirectoryError), opened_folder(work.path, parts):
            pass
    assert [*(outside / "inner").iterdir()] == []
    with opened_folder(work.path, ("folder", "made", "here")) as folder:
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    assert (work.path / "folder/made/here/file").is_file()


def test_a_copy_that_says_the_same_in_the_signs_of_another_version_is_the_true_one(work: Work) -> None:
    def as_it_was(record: Checkpoint) -> bytes:
        return to_yaml(record).replace(b"\\u202e", "\u202e".encode())

    work.commit()
    store = Store(work.path)
    tag = forged(work, store, as_it_was, reason="a\u202eb")
    copy = work.path / f"checkpoints/{RUN}/01-features-validated.yaml"
    assert store.git.repair(RUN)
    assert "\u202e" in copy.read_text()
    assert store.git.load(tag).reason == "a\u202eb"
    copy.write_bytes(copy.read_bytes() + b"# edited\n")
    with pytest.raises(IntegrityError, match="edited by hand"):
        store.git.load(tag)
