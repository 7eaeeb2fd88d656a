"""Where a project stands, found from anywhere in it, and what is said when there is none."""

import os
import subprocess
from pathlib import Path

import pytest

from churnflow.adapters.repository import clean_environment, open_repository
from churnflow.errors import UsageError
from tests.adapters.faults import in_a_process
from tests.adapters.workbench import Store, Work


def test_the_project_is_the_nearest_folder_with_workflows(work: Work) -> None:
    work.write("team/churn/workflows/churn.yaml", "")
    work.write("team/churn/deep/er/x", "")
    found = open_repository(work.path / "team/churn/deep/er")
    assert (found.root, found.work_tree, found.prefix) == (work.path / "team/churn", work.path, "team/churn")
    assert found.state_dir.parent == work.path / ".git/churnflow"
    top = open_repository(work.path)
    assert (top.prefix, top.state_dir, top.shared_dir) == (
        "",
        work.path / ".git/churnflow/root",
        work.path / ".git/churnflow",
    )


def test_work_trees_share_the_store_and_not_the_state(work: Work, tmp_path: Path) -> None:
    work.commit()
    work.git("worktree", "add", "-q", str(tmp_path / "linked"))
    linked, main = open_repository(tmp_path / "linked"), open_repository(work.path)
    assert linked.shared_dir == main.shared_dir
    assert linked.state_dir != main.state_dir


def test_a_bare_repository_a_git_folder_and_no_repository_are_told_apart(work: Work, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare")], check=True)
    with pytest.raises(UsageError, match="is a bare git repository"):
        open_repository(tmp_path / "bare")
    with pytest.raises(UsageError, match=r"inside a \.git folder"):
        open_repository(work.path / ".git")
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="not a git repository") as caught:
        open_repository(tmp_path / "plain")
    assert "churnflow new" in caught.value.hint
    with pytest.raises(UsageError, match="no such folder"):
        open_repository(tmp_path / "nowhere")


def test_git_not_installed_is_said(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        open_repository(work.path)


def test_variables_that_point_elsewhere_are_cut_off_and_the_users_configuration_is_kept(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"GIT_CONFIG_COUNT": "0", "GIT_AUTHOR_NAME": "Ada", "GIT_DIR": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    environment = clean_environment()
    assert (environment["GIT_CONFIG_COUNT"], environment["GIT_AUTHOR_NAME"]) == ("0", "Ada")
    assert "GIT_DIR" not in environment
    assert open_repository(work.path).work_tree == work.path


STRANGE_GIT = """#!/bin/sh
echo 'fatal: {said}' >&2
exit 128
"""


@pytest.mark.parametrize(
    ("said", "error", "hint"),
    [
        ("detected dubious ownership in repository", "git does not trust the repository", "safe.directory"),
        ("unknown option path-format", "git cannot use .*unknown option path-format", "git --version"),
    ],
)
def test_what_git_says_is_passed_on_with_what_to_do(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: str, hint: str
) -> None:
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text(STRANGE_GIT.format(said=said))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(UsageError, match=error) as caught:
        open_repository(work.path)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["é", "a b", 'quote"d', "dash-\u2028-line", os.fsdecode(b"latin-\xe9"), "colon:semi;"])
def test_an_odd_folder_name_is_no_hindrance(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    work = Work(tmp_path / name)
    work.git("init", "-q")
    work.write("project/workflows/churn.yaml", "x\n")
    store = Store(work.path / "project")
    checkpoint = store.save()
    work.write("project/workflows/churn.yaml", "y\n")
    assert store.git.restore_files(checkpoint) == 1
    assert store.git.load(checkpoint.tag) == checkpoint


def test_a_folder_name_with_a_line_break_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    Work(tmp_path / "a\nb").git("init", "-q")
    with pytest.raises(UsageError, match="holds a line break"):
        open_repository(tmp_path / "a\nb")


LOCKED = """
from pathlib import Path
from churnflow.adapters.repository import open_repository
with said():
    open_repository(Path(sys.argv[1]))
"""


def test_a_folder_that_cannot_be_entered_is_said(work: Work) -> None:
    closed = work.path / "closed"
    closed.mkdir(mode=0o600)
    said = in_a_process(LOCKED, closed, plain=True)
    closed.chmod(0o755)
    assert said.startswith("2 no permission to enter")
