"""Checkpoints in real repositories: the user's git stays as it was, and what is kept can be proved."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from churnflow.adapters.git_chain import ref_of
from churnflow.domain.checkpoint import Parent
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.workbench import NOW, Store, Work, artifact, files_of, objects_of, state_of

RUN = "261123-7qd2"
TAG = f"churnflow/{RUN}/01-features-validated"


def never_run(work: Work) -> None:
    """Install every hook there is; each would make its git command fail and leave a trace."""
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change", "update"):
        hook = work.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ntouch hook-ran\nexit 1\n")
        hook.chmod(0o755)


def no_commit_yet(work: Work) -> None:
    work.write("code.py", "x = 1\n")


def detached(work: Work) -> None:
    work.commit()
    work.git("checkout", "-q", "--detach")


def staged_and_stashed(work: Work) -> None:
    work.commit()
    work.write("code.py", "x = 2\n")
    work.git("stash", "-q")
    work.write("code.py", "x = 3\n")
    work.write("staged.py", "y = 1\n")
    work.git("add", "staged.py", "code.py")
    work.write("code.py", "x = 4\n")


def mid_merge(work: Work) -> None:
    work.commit()
    work.git("checkout", "-qb", "other")
    work.commit(code_py="x = 'theirs'\n")
    work.git("checkout", "-q", "main")
    work.commit(code_py="x = 'ours'\n")
    merge = subprocess.run(["git", "merge", "-q", "other"], cwd=work.path, capture_output=True, check=False)
    assert merge.returncode != 0


def stale_lock(work: Work) -> None:
    work.commit()
    (work.path / ".git/index.lock").touch()


def signing_on(work: Work) -> None:
    work.commit()
    for key in ("commit.gpgSign", "tag.gpgSign", "tag.forceSignAnnotated"):
        work.git("config", key, "true")
    work.git("config", "gpg.program", "/bin/false")


def odd_settings(work: Work) -> None:
    work.commit()
    for key, value in {
        "core.fileMode": "false",
        "core.logAllRefUpdates": "always",
        "core.splitIndex": "true",
        "core.fsmonitor": "/bin/false",
        "core.untrackedCache": "true",
        "core.autocrlf": "input",
        "core.safecrlf": "true",
        "core.quotePath": "true",
    }.items():
        work.git("config", key, value)


SITUATIONS = [no_commit_yet, detached, staged_and_stashed, mid_merge, stale_lock, signing_on, odd_settings]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_nothing_of_the_users_git_or_files_changes(work: Work, situation: Callable[[Work], None]) -> None:
    situation(work)
    never_run(work)
    git_before, files_before, objects = (
        state_of(work.path / ".git"),
        files_of(work.path),
        objects_of(work.path / ".git"),
    )
    store = Store(work.path)
    first = store.save()
    store.save("model-built")
    assert store.git.changes(first) == []
    assert store.git.restore_files(first) == len(files_before)
    assert store.git.repair(RUN) == []
    assert files_of(work.path) == files_before
    assert state_of(work.path / ".git") == git_before
    assert objects <= objects_of(work.path / ".git")
    assert not (work.path / "hook-ran").exists()
    (work.path / ".git/index.lock").unlink(missing_ok=True)
    assert work.git("fsck", "--strict", "--no-dangling") == ""


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


def test_a_submodule_is_kept_as_the_commit_it_stands_at(work: Work, tmp_path: Path) -> None:
    library = Work(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "-q")
    library.commit()
    work.commit()
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    work.git("commit", "-qm", "submodule")
    git_before = state_of(work.path / ".git")
    Work(work.path / "lib").write("code.py", "dirty\n")
    store = Store(work.path)
    checkpoint = store.save()
    assert work.files_at(checkpoint.code.tree) == {".gitmodules", "code.py", "lib"}
    assert store.git.restore_files(checkpoint) == 2
    assert state_of(work.path / ".git") == git_before


def test_a_linked_worktree_shares_objects_and_keeps_its_own_state(work: Work, tmp_path: Path) -> None:
    work.commit()
    work.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    linked = Store(tmp_path / "linked")
    git_before = state_of(work.path / ".git")
    checkpoint = linked.save()
    assert checkpoint.code.branch == "side"
    git_after = {name: value for name, value in state_of(work.path / ".git").items() if "/churnflow/" not in name}
    assert git_after == git_before
    assert Store(work.path).git.load(TAG) == checkpoint
    assert (tmp_path / "linked/checkpoints" / RUN).is_dir()
    assert not (work.path / "checkpoints").exists()


def test_a_project_in_a_subdirectory_restores_only_its_own_files(work: Work) -> None:
    work.write("other/a.py", "a = 1\n")
    work.write("team/churn/workflows/churn.yaml", "name: churn\n")
    work.commit()
    store = Store(work.path / "team/churn")
    checkpoint = store.save()
    assert f"team/churn/checkpoints/{RUN}/01-features-validated.yaml" in work.files_at(TAG)
    work.write("other/a.py", "a = 2\n")
    work.write("team/churn/workflows/churn.yaml", "name: other\n")
    work.write("team/churn/mine.py", "m = 1\n")
    assert [(change.path, change.action) for change in store.git.changes(checkpoint)] == [
        ("mine.py", "keep"),
        ("workflows/churn.yaml", "restore"),
    ]
    assert store.git.restore_files(checkpoint) == 1
    assert (work.path / "other/a.py").read_text() == "a = 2\n"
    assert (work.path / "team/churn/workflows/churn.yaml").read_text() == "name: churn\n"


def test_a_hooks_environment_does_not_lead_elsewhere(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    store = Store(work.path)
    checkpoint = store.save()
    assert store.git.head(RUN) == checkpoint
    assert not (tmp_path / "index").exists()
    assert not (tmp_path / "objects").exists()


def test_without_an_identity_its_own_is_used_and_said(work: Work, git_alone: Path) -> None:
    git_alone.write_text("[user]\n\tuseConfigOnly = true\n")
    work.write("code.py", "x = 1\n")
    store = Store(work.path)
    store.save()
    assert store.git.identity_note is not None
    assert work.git("log", "-1", "--format=%cn %ce", TAG) == "churnflow churnflow@localhost.invalid"
    git_alone.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    assert Store(work.path).git.identity_note is None


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


def test_saving_again_is_a_success_and_a_run_that_moved_on_a_conflict(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    draft, rival = store.draft(), store.draft("other")
    store.git.save(draft)
    store.git.save(draft)
    with pytest.raises(ConflictError, match="does not follow"):
        store.git.save(rival)
    stranger = store.draft("next").model_copy(update={"parent": Parent(tag=TAG, sha256="f" * 64)})
    with pytest.raises(ConflictError, match="does not follow"):
        store.git.save(stranger)
    assert store.git.head(RUN) == draft
    assert work.git("tag", "-l") == TAG


def test_names_tags_and_short_forms_find_the_newest(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    tags = [
        store.save(name).tag for name in ("plan-approved", "features-validated", "model-built", "features-validated")
    ]
    other = store.save("only-here", run_id="261124-aaaa").tag
    find = store.git.find
    assert find(RUN, "features-validated") == tags[3]
    assert find(RUN, "02-features-validated") == tags[1]
    assert find(RUN, "checkpoint-features") == tags[3]
    assert find(RUN, "checkpoint-plan") == tags[0]
    assert find(RUN, "HEAD") == tags[3]
    assert find(RUN, "HEAD~") == tags[2]
    assert find(RUN, "HEAD~3") == tags[0]
    assert find(RUN, tags[1]) == tags[1]
    assert find(RUN, "only-here") == other
    assert find(None, "model-built") == tags[2]
    for unknown in ("HEAD~4", "features", "--output=x", "*", f"churnflow/{RUN}/09-none", "main", "v1.0.0"):
        assert find(RUN, unknown) is None
    assert find(None, "HEAD") is None


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
    assert store.git.rescued is not None
    assert work.git("show", f"{store.git.rescued}:later.py") == "mine"
    assert [change.action for change in store.git.changes(checkpoint)] == ["keep"]


def test_a_file_that_git_ignores_by_now_is_kept_before_it_is_overwritten(work: Work) -> None:
    work.commit(settings_py="a = 1\n")
    store = Store(work.path)
    checkpoint = store.save()
    work.git("rm", "-q", "--cached", "settings.py")
    work.write(".gitignore", "settings.py\n")
    assert [change.action for change in store.git.changes(checkpoint)] == ["keep"]
    work.write("settings.py", "a = 'precious'\n")
    assert ("settings.py", "restore") in [(change.path, change.action) for change in store.git.changes(checkpoint)]
    store.git.restore_files(checkpoint)
    assert (work.path / "settings.py").read_text() == "a = 1\n"
    assert work.git("show", f"{store.git.rescued}:settings.py") == "a = 'precious'"


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


def test_a_lock_that_a_killed_git_left_on_our_ref_does_not_block(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    (work.path / ".git" / f"{ref_of(RUN)}.lock").touch()
    assert store.save("model-built").number == 2


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


def test_a_copy_edited_by_hand_is_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    copy = work.path / f"checkpoints/{RUN}/01-features-validated.yaml"
    copy.write_text(copy.read_text().replace("0.85", "0.95"))
    for use in (lambda: store.git.head(RUN), lambda: store.git.load(TAG)):
        with pytest.raises(IntegrityError, match=r"01-features-validated\.yaml was edited by hand") as caught:
            use()
        assert "rm checkpoints/" in caught.value.hint


@pytest.mark.parametrize("how", ["annotated", "light", "to another checkpoint"])
def test_a_moved_tag_is_named(work: Work, how: str) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    second = store.save("model-built")
    match how:
        case "annotated":
            work.git("tag", "-f", "-a", "-m", "moved", TAG, "HEAD")
        case "light":
            work.git("tag", "-f", TAG, f"{TAG}^{{commit}}")
        case _:
            work.git("tag", "-f", TAG, second.tag)
    with pytest.raises(IntegrityError, match="was moved"):
        store.git.load(TAG)


def test_a_tag_outside_the_chain_and_a_rewritten_record_are_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    work.git("tag", "-a", "-m", "forged", f"churnflow/{RUN}/02-forged", "HEAD")
    with pytest.raises(IntegrityError, match="lies in no chain"):
        store.git.load(f"churnflow/{RUN}/02-forged")
    with pytest.raises(UsageError, match="no such checkpoint"):
        store.git.load(f"churnflow/{RUN}/03-none")
    work.git("update-ref", ref_of(RUN), "HEAD")
    with pytest.raises(IntegrityError, match="is no checkpoint"):
        store.git.head(RUN)


def test_a_record_altered_in_a_rewritten_commit_does_not_match_its_digest(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    store.save()
    work.git("checkout", "-q", TAG)
    copy = work.path / f"checkpoints/{RUN}/01-features-validated.yaml"
    copy.write_text(copy.read_text().replace("0.85", "0.95"))
    work.git("add", "-A", "-f")
    work.git("commit", "-q", "--amend", "--no-edit", "--cleanup=verbatim")
    work.git("update-ref", ref_of(RUN), "HEAD")
    with pytest.raises(IntegrityError, match="does not match its digest"):
        store.git.head(RUN)


def test_a_clone_that_has_the_tags_alone_reads_the_history(work: Work, tmp_path: Path) -> None:
    work.commit()
    store = Store(work.path)
    checkpoints = [store.save(), store.save("model-built")]
    work.git("clone", "-q", str(work.path), str(tmp_path / "clone"))
    clone = Store(tmp_path / "clone")
    assert clone.git.history(RUN) == checkpoints
    assert clone.git.load(TAG) == checkpoints[0]


def test_a_shallow_clone_keeps_checkpoints(work: Work, tmp_path: Path) -> None:
    work.commit()
    work.commit(more_py="y = 1\n")
    work.git("clone", "-q", "--depth=1", f"file://{work.path}", str(tmp_path / "shallow"))
    store = Store(tmp_path / "shallow")
    checkpoint = store.save()
    assert store.git.history(RUN) == [checkpoint]


def test_environment_and_time_are_stated(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    assert store.git.environment().packages_sha256 == "0" * 64
    store.save()
    assert work.git("log", "-1", "--format=%ct", TAG) == str(int(NOW.timestamp()))


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


def test_a_snapshot_that_is_gone_is_named(work: Work) -> None:
    work.commit()
    store = Store(work.path)
    checkpoint = store.save()
    lost = checkpoint.model_copy(update={"code": checkpoint.code.model_copy(update={"tree": "1" * 40})})
    with pytest.raises(IntegrityError, match="snapshot of the checkpoint cannot be read"):
        store.git.changes(lost)


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
