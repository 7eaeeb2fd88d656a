"""Whatever state the user's git is in, checkpoints work beside it and leave it as it was."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.adapters.workbench import RUN, TAG, Store, Work, files_of, objects_of, state_of


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


def mid_rebase(work: Work) -> None:
    work.commit()
    work.git("checkout", "-qb", "other")
    work.commit(code_py="x = 'theirs'\n")
    work.git("checkout", "-q", "main")
    work.commit(code_py="x = 'ours'\n")
    rebase = subprocess.run(["git", "rebase", "-q", "other"], cwd=work.path, capture_output=True, check=False)
    assert rebase.returncode != 0


def packed_refs_and_objects(work: Work) -> None:
    work.commit()
    Store(work.path).save("before", run_id="261101-aaaa")
    work.git("gc", "-q")


def an_own_folder_for_hooks(work: Work) -> None:
    work.commit()
    for name in ("reference-transaction", "post-index-change", "pre-commit"):
        hook = work.write(f"own-hooks/{name}", "#!/bin/sh\ntouch hook-ran\nexit 1\n")
        hook.chmod(0o755)
    work.git("config", "core.hooksPath", "own-hooks")


def sparse_and_skipped(work: Work) -> None:
    work.commit(code_py="x = 1\n", other_py="y = 1\n")
    work.git("update-index", "--skip-worktree", "other.py")
    work.git("update-index", "--assume-unchanged", "code.py")


SITUATIONS = [
    no_commit_yet,
    detached,
    staged_and_stashed,
    mid_merge,
    mid_rebase,
    stale_lock,
    signing_on,
    odd_settings,
    packed_refs_and_objects,
    an_own_folder_for_hooks,
    sparse_and_skipped,
]


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


def test_a_repository_of_sha256_objects_works_alike(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.git("init", "-q", "--object-format=sha256")
    head = work.commit()
    store = Store(work.path)
    first, second = store.save(), store.save("model-built")
    assert len(head) == len(second.code.tree) == 64
    work.write("code.py", "x = 2\n")
    assert store.git.restore_files(first) == 1
    assert store.git.history(RUN) == [first, second]
    assert work.git("fsck", "--strict", "--no-dangling") == ""


def test_a_project_inside_a_submodule_keeps_its_checkpoints_there(work: Work, tmp_path: Path) -> None:
    library = Work(tmp_path / "library")
    library.path.mkdir()
    library.git("init", "-q")
    library.commit()
    work.commit()
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib")
    inside = Work(work.path / "lib")
    checkpoint = Store(inside.path).save()
    assert inside.git("cat-file", "-t", TAG) == "tag"
    assert work.git("tag", "-l") == ""
    assert Store(inside.path).git.load(TAG) == checkpoint


def test_signing_that_is_on_for_all_repositories_signs_nothing_and_asks_for_nothing(
    work: Work, git_alone: Path
) -> None:
    with git_alone.open("a") as stream:
        stream.write("[commit]\n\tgpgSign = true\n[tag]\n\tgpgSign = true\n[gpg]\n\tprogram = /bin/false\n")
    work.write("code.py", "x = 1\n")
    Store(work.path).save()
    assert "gpgsig" not in work.git("cat-file", "commit", f"{TAG}^{{commit}}")
    assert "PGP" not in work.git("cat-file", "tag", TAG)


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"Andr\xe9", "Andr\ufffd"), (b" Ad<a> ", "Ada"), ("Jos\u00e9".encode(), "Jos\u00e9")],
)
def test_an_odd_name_of_the_users_makes_a_valid_commit(work: Work, git_alone: Path, name: bytes, shown: str) -> None:
    git_alone.write_bytes(b'[user]\n\tname = "' + name + b'"\n\temail = ada@example.org\n')
    work.write("code.py", "x = 1\n")
    store = Store(work.path)
    store.save()
    work.git("tag", "-d", TAG)
    assert store.git.repair(RUN) == [TAG]
    assert work.git("log", "-1", "--format=%an", TAG) == shown
    assert work.git("fsck", "--strict", "--no-dangling") == ""


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


def test_a_shallow_clone_keeps_checkpoints(work: Work, tmp_path: Path) -> None:
    work.commit()
    work.commit(more_py="y = 1\n")
    work.git("clone", "-q", "--depth=1", f"file://{work.path}", str(tmp_path / "shallow"))
    store = Store(tmp_path / "shallow")
    checkpoint = store.save()
    assert store.git.history(RUN) == [checkpoint]
