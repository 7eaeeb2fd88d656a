"""Where a project stands, found from anywhere in it, and what is said when there is none."""

import subprocess
from pathlib import Path

import pytest

from churnflow.adapters.repository import clean_environment, open_repository
from churnflow.errors import UsageError
from tests.adapters.workbench import Work


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


def test_a_repository_of_another_user_is_not_trusted(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    answer = clean_environment()
    assert "GIT_TEST_ASSUME_DIFFERENT_OWNER" not in answer
    assert answer["GIT_CONFIG_COUNT"] == "0"
    assert open_repository(work.path).work_tree == work.path
