"""Trust: code that came by clone or pull is not imported before it is trusted; what is written here is never asked."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.repository import open_repository
from churnflow.adapters.step_code import StepCode
from churnflow.adapters.trusted_code import TrustedCode, digest_of
from churnflow.engine.parse import parse
from churnflow.errors import UntrustedError
from tests.adapters.workbench import Work

WORKFLOW = parse(
    "name: small\ntask: x\nphases: {build: [{step: a, uses: 'elsewhere_steps:run'}, {step: b, uses: churn.known}]}",
    "w.yaml",
).workflow
CODE = "from elsewhere_near import x\n\ndef run():\n    return x\n"
MINE = CODE + "# mine\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def code(work: Work) -> TrustedCode:
    repository = open_repository(work.path)
    catalog = StepCode(repository.root, {"churn.known": "churnflow.steps.scope:scope"})
    return TrustedCode(catalog, repository, lambda: Plumbing(repository))


def state(work: Work) -> Path:
    return open_repository(work.path).state_dir


def asked(work: Work) -> list[str]:
    return sorted(code(work).unknown(WORKFLOW))


def use(work: Work) -> None:
    """Do what every command does that is about to run a step."""
    code(work).require(WORKFLOW)


@pytest.fixture
def theirs(work: Work) -> Work:
    """A colleague's repository."""
    work.write("elsewhere_steps.py", CODE)
    work.write("elsewhere_near.py", "x = 1\n")
    work.write("workflows/w.yaml", "")
    work.commit(**{"other.txt": "x"})
    return work


@pytest.fixture
def clone(theirs: Work, tmp_path: Path) -> Work:
    """A clone of it that was never used."""
    subprocess.run(["git", "clone", "-q", str(theirs.path), str(tmp_path / "clone")], check=True)
    return Work(tmp_path / "clone")


@pytest.fixture
def trusted(clone: Work) -> Work:
    """A clone whose code was trusted once."""
    code(clone).trust(WORKFLOW)
    return clone


def test_in_a_repository_that_never_met_another_nothing_is_asked(theirs: Work) -> None:
    use(theirs)
    theirs.write("elsewhere_near.py", "x = 2\n")
    assert asked(theirs) == []


def test_code_of_a_clone_is_asked_once_and_not_imported_before(clone: Work) -> None:
    assert asked(clone) == ["elsewhere_near.py", "elsewhere_steps.py"]
    for act in (lambda: code(clone).function("elsewhere_steps:run"), lambda: use(clone)):
        with pytest.raises(UntrustedError, match=r"never trusted here: elsewhere_near\.py and 1 more") as refused:
            act()
        assert (refused.value.exit_code, "churnflow trust" in refused.value.hint) == (4, True)
    assert "elsewhere_steps" not in sys.modules
    assert len(code(clone).code_sha256("elsewhere_steps:run")) == 64
    code(clone).trust(WORKFLOW)
    assert asked(clone) == []
    use(clone)


def test_the_question_has_one_digest_that_any_change_changes(clone: Work) -> None:
    before = digest_of(code(clone).unknown(WORKFLOW))
    assert digest_of(code(clone).unknown(WORKFLOW)) == before
    clone.write("elsewhere_near.py", "x = 3\n")
    assert digest_of(code(clone).unknown(WORKFLOW)) != before


def test_what_a_pull_brings_is_asked_even_if_it_is_edited_here_afterwards(theirs: Work, trusted: Work) -> None:
    theirs.commit(elsewhere_near_py="x = 'evil'\n")
    trusted.git("pull", "-q", "--ff-only")
    assert asked(trusted) == ["elsewhere_near.py"]
    trusted.write("elsewhere_near.py", "x = 'evil'  # but edited\n")
    assert asked(trusted) == ["elsewhere_near.py"]
    trusted.commit(elsewhere_near_py="x = 'evil'  # and committed\n")
    assert asked(trusted) == ["elsewhere_near.py"]


def test_what_a_merge_brings_is_asked_before_and_after_it_is_committed(theirs: Work, trusted: Work) -> None:
    theirs.commit(elsewhere_near_py="x = 'evil'\n")
    trusted.git("config", "user.name", "Bo")
    trusted.commit(**{"mine.txt": "y"})
    trusted.git("fetch", "-q")
    trusted.git("merge", "-q", "--no-commit", "origin/main")
    assert asked(trusted) == ["elsewhere_near.py"]
    trusted.git("commit", "-qm", "merge")
    assert asked(trusted) == ["elsewhere_near.py"]


def test_a_file_taken_from_a_fetched_branch_is_asked(theirs: Work, trusted: Work) -> None:
    theirs.commit(elsewhere_near_py="x = 'evil'\n")
    trusted.git("fetch", "-q")
    trusted.git("checkout", "-q", "origin/main", "--", "elsewhere_near.py")
    assert asked(trusted) == ["elsewhere_near.py"]


def test_edits_commits_and_new_files_of_the_users_own_are_never_asked(trusted: Work) -> None:
    trusted.write("elsewhere_near.py", "x = 2\n")
    assert asked(trusted) == []
    for number in (3, 4):
        trusted.commit(elsewhere_near_py=f"x = {number}\n")
    assert asked(trusted) == []
    use(trusted)
    trusted.write("elsewhere_later.py", "y = 1\n")
    trusted.write("elsewhere_near.py", "from elsewhere_later import y as x\n")
    assert asked(trusted) == []
    trusted.commit(elsewhere_later_py="y = 2\n")
    trusted.git("commit", "-q", "--amend", "-m", "again")
    assert asked(trusted) == []
    use(trusted)
    trusted.git("checkout", "-q", "HEAD~3", "--", "elsewhere_near.py")
    trusted.write("elsewhere_near.py", "x = 3\n")
    assert asked(trusted) == ["elsewhere_near.py"]  # git has it, and it was never run here


def test_a_remote_that_is_named_later_makes_no_old_code_a_question_but_new_code(theirs: Work, tmp_path: Path) -> None:
    use(theirs)
    shutil.copytree(theirs.path, tmp_path / "copy")
    copy = Work(tmp_path / "copy")
    copy.git("remote", "add", "origin", str(theirs.path))
    assert asked(copy) == []
    theirs.commit(elsewhere_near_py="x = 'evil'\n")
    copy.git("pull", "-q", "origin", "main")
    assert asked(copy) == ["elsewhere_near.py"]


def test_a_project_that_ran_its_code_before_trust_was_kept_is_asked_only_about_what_comes(
    theirs: Work, clone: Work
) -> None:
    (state(clone) / "runs").mkdir(parents=True)
    assert asked(clone) == []
    use(clone)
    theirs.commit(elsewhere_near_py="x = 'evil'\n")
    clone.git("pull", "-q")
    assert asked(clone) == ["elsewhere_near.py"]


def test_a_file_that_stands_in_for_an_installed_package_is_part_of_the_question(clone: Work) -> None:
    clone.write("numpy/__init__.py", "raise SystemExit\n")
    clone.write("json.py", "raise SystemExit\n")
    clone.write("unrelated.py", "raise SystemExit\n")
    clone.git("add", "-A")
    assert asked(clone) == ["elsewhere_near.py", "elsewhere_steps.py", "json.py", "numpy/__init__.py"]


def test_a_built_in_step_imports_nothing_of_the_project_whatever_it_is_called(clone: Work) -> None:
    clone.write("churnflow/steps/scope.py", "raise SystemExit\n")
    clone.write("pandas.py", "raise SystemExit\n")
    before = code(clone).code_sha256("churn.known")
    assert str(clone.path) not in sys.path
    assert code(clone).function("churn.known").__module__ == "churnflow.steps.scope"
    assert str(clone.path) not in sys.path
    clone.write("pandas.py", "raise SystemExit(1)\n")
    assert code(clone).code_sha256("churn.known") == before


def test_a_package_that_is_installed_from_the_projects_own_folder_was_trusted_by_that(clone: Work) -> None:
    root = open_repository(clone.path).root
    catalog = StepCode(root, {"churn.known": "elsewhere_steps:run"})
    assert catalog.own_files("churn.known") == {}
    assert [*catalog.own_files("elsewhere_steps:run")] == ["elsewhere_near.py", "elsewhere_steps.py"]


@pytest.mark.parametrize("spoiled", ["{", "[]"])
def test_a_spoiled_memory_of_trust_trusts_nothing(trusted: Work, spoiled: str) -> None:
    (state(trusted) / "trusted-code.json").write_text(spoiled)
    assert asked(trusted) == ["elsewhere_near.py", "elsewhere_steps.py"]


def test_trust_is_of_this_clone_and_never_in_the_work_tree(trusted: Work) -> None:
    assert trusted.git("status", "--porcelain") == ""
    assert (state(trusted) / "trusted-code.json").is_file()


def test_a_repository_named_by_sha_256_works_alike(tmp_path: Path) -> None:
    work = Work(tmp_path / "long")
    work.path.mkdir()
    work.git("init", "-q", "--object-format=sha256")
    work.write("elsewhere_steps.py", CODE)
    work.write("elsewhere_near.py", "x = 1\n")
    work.commit(**{"other.txt": "x"})
    subprocess.run(["git", "clone", "-q", str(work.path), str(tmp_path / "clone")], check=True)
    clone = Work(tmp_path / "clone")
    assert asked(clone) == ["elsewhere_near.py", "elsewhere_steps.py"]
    code(clone).trust(WORKFLOW)
    clone.commit(elsewhere_steps_py=MINE)
    assert asked(clone) == []
