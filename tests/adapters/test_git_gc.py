"""A `git gc` of the user's that takes objects away at the worst moment: a checkpoint is mended, or was never made."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.git_chain import ref_of
from churnflow.errors import ConflictError
from tests.adapters.workbench import RUN, TAG, Store, Work

# A git that loses an object just before, or just after, it does what it is asked for; as often as there are marks.
MEDDLING = """#!/bin/sh
case " $* " in *" {when} "*)
    mark=$(ls "{marks}" | head -n 1)
    if [ -n "$mark" ]; then
        rm "{marks}/$mark"
        {before}
        "{git}" "$@"; status=$?
        {after}
        exit $status
    fi
esac
exec "{git}" "$@"
"""

Meddle = Callable[..., None]


@pytest.fixture
def meddle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Meddle:
    """Put a git on the path that meddles when a command with the words `when` comes, `times` times."""

    def install(when: str, *, before: str = ":", after: str = ":", times: int = 1) -> None:
        marks = tmp_path / "marks"
        marks.mkdir()
        for number in range(times):
            (marks / str(number)).touch()
        program = tmp_path / "bin/git"
        program.parent.mkdir()
        program.write_text(MEDDLING.format(when=when, marks=marks, git=shutil.which("git"), before=before, after=after))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    return install


def losing(work: Work, text: str) -> str:
    """Return the shell command that loses the object of a file with this text."""
    oid = work.hash("blob", text.encode())
    path = work.path / ".git/objects" / oid[:2] / oid[2:]
    path.unlink()
    return f"rm -f '{path}'"


@pytest.mark.parametrize("number", [1, 2])
def test_objects_taken_after_the_checkpoint_was_made_are_written_again(work: Work, meddle: Meddle, number: int) -> None:
    work.commit()
    store = Store(work.path)
    for _ in range(number - 1):
        store.save("before")
    work.write("new.py", "n = 1\n")
    meddle("rev-list --objects", before=losing(work, "n = 1\n"))
    checkpoint = store.save()
    assert store.git.history(RUN)[-1] == checkpoint
    assert work.git("show", f"{checkpoint.tag}:new.py") == "n = 1"
    assert work.git("fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("number", [1, 2])
def test_a_checkpoint_that_cannot_be_mended_since_the_file_changed_was_never_made(
    work: Work, meddle: Meddle, number: int
) -> None:
    work.commit()
    store = Store(work.path)
    kept = [store.save("before") for _ in range(number - 1)]
    work.write("new.py", "n = 1\n")
    change = f"{losing(work, 'n = 1' + chr(10))}; echo 'n = 2' > '{work.path}/new.py'"
    meddle("rev-list --objects", before=change)
    with pytest.raises(ConflictError, match="the work tree changed"):
        store.save()
    assert store.git.history(RUN) == kept
    assert work.git("for-each-ref", ref_of(RUN)).count(ref_of(RUN)) == number - 1
    assert work.git("fsck", "--strict", "--no-dangling") == ""
    assert store.save().number == number


def test_objects_that_vanish_again_and_again_are_a_conflict_and_nothing_is_half(work: Work, meddle: Meddle) -> None:
    work.commit()
    store = Store(work.path)
    work.write("new.py", "n = 1\n")
    meddle("rev-list --objects", before=losing(work, "n = 1\n"), times=6)
    with pytest.raises(ConflictError, match="objects of the checkpoint vanished") as caught:
        store.save()
    assert "git gc" in caught.value.hint
    assert store.git.head(RUN) is None
    assert store.save().tag == TAG
    assert work.git("fsck", "--strict", "--no-dangling") == ""


def test_a_tag_whose_object_was_taken_before_its_ref_was_there_is_written_again(work: Work, meddle: Meddle) -> None:
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    oid = work.git("rev-parse", TAG)
    work.git("tag", "-d", TAG)
    meddle(f"update-ref refs/tags/{TAG}", after=f"rm -f '{work.path}/.git/objects/{oid[:2]}/{oid[2:]}'")
    assert store.git.repair(RUN) == [TAG]
    assert work.git("cat-file", "-t", TAG) == "tag"
    assert store.git.load(TAG) == checkpoint


@pytest.mark.parametrize("tracks_copies", [True, False])
def test_files_that_were_never_committed_come_back_also_once_git_has_tidied_up(
    work: Work, *, tracks_copies: bool
) -> None:
    if not tracks_copies:
        work.write(".gitignore", "/checkpoints/\n")
    work.write("code.py", "first\n")
    work.commit()
    store = Store(work.path)
    kept = []
    for number, text in enumerate(("second\n", "third\n", "fourth\n")):
        work.write("code.py", text)
        kept.append(store.save(f"state-{number}"))
    work.write("code.py", "last\n")
    work.git("gc", "-q", "--prune=now")
    assert store.git._plumbing.read([checkpoint.code.tree for checkpoint in kept]) == [None] * 3
    for _, prove in store.git.proofs(RUN):
        prove()
    assert [change.path for change in store.git.changes(kept[1])] == ["code.py"]
    assert store.git.differing_files(kept[0], kept[2]) == ["code.py"]
    store.git.restore_files(kept[1])
    assert (work.path / "code.py").read_text() == "third\n"
