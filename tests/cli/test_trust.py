"""A workflow from elsewhere: its code is neither run nor imported before somebody in this clone has trusted it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Outcome, at_terminal, churnflow, ended, environment


def git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, env=environment(), capture_output=True)


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Path:
    """A clone of the project, whose code writes a file wherever it is imported."""
    with (project / "steps.py").open("a") as file:
        file.write("\nPath(__file__).with_name('imported').touch()\n")
    (project / ".gitignore").write_text("/data/\n__pycache__/\nimported\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "work")
    git(tmp_path, "clone", "-q", "project", "clone")
    shutil.copytree(project / "data", tmp_path / "clone" / "data")
    return tmp_path / "clone"


def test_code_of_a_clone_runs_once_a_person_has_trusted_it(clone: Path) -> None:
    refused = churnflow(clone, "run", "--answers", "answers.yaml")
    assert (refused.code, refused.error) == (
        4,
        [
            "error: the steps run code that came from elsewhere and was never trusted here: steps.py",
            "hint: read it, then `churnflow trust` shows files and digests and asks",
        ],
    )
    assert refused.out.endswith("next: churnflow trust\n")
    screen = at_terminal(clone, "trust")
    screen.expect_exact("steps.py")
    screen.expect_exact("type trust once you have read them: ")
    screen.sendline("trust")
    assert ended(screen) == 0
    assert not (clone / "imported").exists()
    assert churnflow(clone, "run", "--answers", "answers.yaml").code == 0
    assert churnflow(clone, "trust").out.startswith("workflows/churn.yaml: nothing to trust")


def test_any_other_answer_trusts_nothing(clone: Path) -> None:
    screen = at_terminal(clone, "trust")
    screen.expect_exact("type trust once you have read them: ")
    screen.sendline("yes")
    assert ended(screen) == 4
    assert churnflow(clone, "plan").code == 4


def test_without_a_terminal_only_the_very_digest_is_trusted(clone: Path) -> None:
    shown = churnflow(clone, "--json", "trust", stdin="trust\n")
    assert shown.code == 4
    assert list(shown.json["data"]["untrusted"]) == ["steps.py"]
    digest = shown.json["data"]["digest"]
    assert digest in shown.json["error"]["hint"]
    assert churnflow(clone, "trust", "--digest", "0" * 64).code == 4
    with (clone / "steps.py").open("a") as file:
        file.write("# changed in between\n")
    assert churnflow(clone, "trust", "--digest", digest).code == 4
    git(clone, "checkout", "-q", "--", "steps.py")
    assert churnflow(clone, "trust", "--digest", digest).code == 0
    assert churnflow(clone, "plan", "--answers", "answers.yaml").code == 0


@pytest.mark.parametrize(
    "command",
    [
        ("check",),
        ("status",),
        ("steps",),
        ("log",),
        ("verify",),
        ("show",),
        ("report", "-o", "-"),
        ("plan", "--set", "double.factor=3"),
        ("run",),
        ("monitor", "workflows/churn.yaml"),
        ("trust",),
        ("rollback", "built", "--dry-run"),
    ],
)
def test_no_command_imports_code_that_is_not_trusted(clone: Path, command: tuple[str, ...]) -> None:
    assert_no_traceback(churnflow(clone, *command))
    assert not (clone / "imported").exists()


def assert_no_traceback(outcome: Outcome) -> None:
    assert outcome.code != 1, outcome.err


def test_check_says_what_it_has_not_looked_at(clone: Path) -> None:
    outcome = churnflow(clone, "check")
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, "next: churnflow trust")
    assert "code from elsewhere was not imported" in outcome.err


def test_a_run_that_has_shipped_stays_readable_when_a_pull_brings_other_code(
    shipped: Path, here: Cli, tmp_path: Path
) -> None:
    git(shipped, "add", "-A")
    git(shipped, "commit", "-qm", "work")
    git(tmp_path, "clone", "-q", "project", "theirs")
    with (tmp_path / "theirs" / "steps.py").open("a") as file:
        file.write("\nPath(__file__).with_name('imported').touch()\n")
    git(tmp_path / "theirs", "commit", "-qam", "evil")
    git(shipped, "pull", "-q", str(tmp_path / "theirs"), "main")
    for command in (("status",), ("log",), ("verify",), ("show",), ("report",), ("check",)):
        assert here(*command).code == 0
    refused = here("run")
    assert (refused.code, "steps.py" in refused.error[0]) == (4, True)
    assert not (shipped / "imported").exists()


def test_what_new_has_written_is_known_even_after_it_was_pushed_and_pulled(tmp_path: Path) -> None:
    assert churnflow(tmp_path, "new", "quick", "--template", "quickstart").code == 0
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "hub.git")
    git(tmp_path / "quick", "remote", "add", "origin", str(tmp_path / "hub.git"))
    git(tmp_path / "quick", "push", "-q", "origin", "main")
    git(tmp_path / "quick", "pull", "-q", "origin", "main")
    assert churnflow(tmp_path / "quick", "check").error == []
    assert churnflow(tmp_path / "quick", "run").code != 4
