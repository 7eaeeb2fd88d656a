"""Checkpoints one after another: whole or absent, named, found again, and derived anew where a kill kept them back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from churnflow.adapters.git_chain import ref_of
from churnflow.errors import ConflictError
from tests.adapters.workbench import NOW, RUN, TAG, Store, Work


def test_a_checkpoint_says_where_head_stood_and_is_tagged_with_its_digest(work: Work) -> None:
    head = work.commit()
    store = Store(work.path)
    first, second = store.save(), store.save("model-built")
    assert (first.code.head, first.code.branch) == (head, "main")
    assert work.git("cat-file", "-t", TAG) == "tag"
    assert second.parent is not None
    assert second.parent.sha256 in work.git("cat-file", "tag", TAG)
    assert work.git("rev-parse", f"{second.tag}^1") == work.git("rev-parse", f"{TAG}^{{commit}}")
    assert work.git("rev-parse", f"{second.tag}^2") == head
    assert store.git.history(RUN) == [first, second]
    assert store.git.load(TAG) == first


def test_no_name_is_taken_for_an_option_a_pattern_or_another_ref(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    for unknown in ("--output=x", "*", f"churnflow/{RUN}/09-none", "main", "v1.0.0", "HEAD~-1", "HEAD^", "../x", ""):
        assert store.git.find(RUN, unknown) is None


def test_the_commit_has_the_time_of_the_record(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    assert work.git("log", "-1", "--format=%ct", TAG) == str(int(NOW.timestamp()))


def test_what_a_kill_kept_from_being_made_is_made_by_repair(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    first, second = store.save(), store.save("model-built")
    copy = work.path / f"checkpoints/{RUN}/02-model-built.yaml"
    text = copy.read_bytes()
    copy.unlink()
    work.git("tag", "-d", first.tag)
    assert store.git.load(first.tag) == first
    assert store.git.find(RUN, first.tag) == first.tag
    assert store.git.repair(RUN) == [first.tag, f"checkpoints/{RUN}/02-model-built.yaml"]
    assert copy.read_bytes() == text
    assert store.git.load(first.tag) == first
    assert store.git.repair(RUN) == []
    assert store.git.head(RUN) == second


@pytest.mark.parametrize("upkeep", [["pack-refs", "--all"], ["gc", "-q"], []])
def test_to_see_that_nothing_is_missing_costs_no_git(
    work: Work, monkeypatch: pytest.MonkeyPatch, upkeep: list[str]
) -> None:
    work.commit()
    store = Store(work.path)
    first, _ = store.save(), store.save("model-built")
    if upkeep:
        work.git(*upkeep)
    with monkeypatch.context() as without:
        without.setenv("PATH", "/nowhere")
        assert store.git.repair(RUN) == []
    work.git("tag", "-d", first.tag)
    assert store.git.repair(RUN) == [first.tag]


def test_a_lock_that_a_killed_git_left_on_our_ref_does_not_block(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    (work.path / ".git" / f"{ref_of(RUN)}.lock").touch()
    assert store.save("model-built").number == 2


def test_a_clone_that_has_the_tags_alone_reads_the_history(work: Work, tmp_path: Path) -> None:
    work.commit()
    store = Store(work.path)
    checkpoints = [store.save(), store.save("model-built")]
    work.git("clone", "-q", str(work.path), str(tmp_path / "clone"))
    clone = Store(tmp_path / "clone")
    assert clone.git.history(RUN) == checkpoints
    assert clone.git.load(TAG) == checkpoints[0]


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.adapters.workbench import Store
store = Store(Path(sys.argv[1]))
draft = store.draft("cp")
print("ready", flush=True)
store.git.save(draft)
print("saved", flush=True)
"""


def test_a_saver_killed_at_any_moment_leaves_a_checkpoint_whole_or_absent(work: Work) -> None:
    work.commit()
    kept = 0
    for moment in range(10):
        command = [sys.executable, "-c", KILLED, str(work.path), str(Path(__file__).parents[2])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as saver:
            assert saver.stdout is not None
            assert saver.stdout.readline() == b"ready\n"
            time.sleep(moment * 0.008)
            os.killpg(saver.pid, signal.SIGKILL)
            was_saved = b"saved" in saver.stdout.read()
        store = Store(work.path)
        store.git.repair(RUN)
        history = store.git.history(RUN)
        assert len(history) in ({kept + 1} if was_saved else {kept, kept + 1})
        kept = len(history)
        assert [store.git.load(checkpoint.tag) for checkpoint in history] == history
    assert "missing" not in work.git("fsck", "--strict")


def test_a_tag_of_the_users_in_the_way_costs_the_tag_but_not_the_checkpoint(work: Work) -> None:
    work.commit()
    work.git("tag", "churnflow")
    store = Store(work.path)
    draft = store.draft()
    with pytest.raises(ConflictError, match="is kept, but its tag could not be made"):
        store.git.save(draft)
    work.git("tag", "-d", "churnflow")
    assert TAG in store.git.repair(RUN)
    assert store.git.load(TAG) == draft


def test_a_ref_in_the_way_is_a_conflict_and_nothing_is_half(work: Work) -> None:
    work.commit()
    work.git("update-ref", "refs/churnflow/runs", "HEAD")
    store = Store(work.path)
    with pytest.raises(ConflictError, match="could not be kept"):
        store.save()
    assert work.git("tag", "-l") == ""
    assert not (work.path / "checkpoints").exists()
