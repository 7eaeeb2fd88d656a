"""What the command line says when the machine, the repository or the history is not as it should be."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Outcome, churnflow, environment, journal

DROP_FROM_BOUNDING_SET = 24
OVERRIDES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root pass over permission bits


def two_lines(outcome: Outcome) -> list[str]:
    """Return what it said on stderr, which is an error and a hint and no more."""
    lines = outcome.err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    return lines


def as_a_user(project: Path, *arguments: str) -> Outcome:
    """Run the program so that permission bits count, also where the tests run as root."""

    def give_up_overrides() -> None:
        library = ctypes.CDLL(None)
        for capability in OVERRIDES if os.geteuid() == 0 else ():
            library.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)

    done = subprocess.run(
        [sys.executable, "-m", "churnflow", *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=give_up_overrides,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def read_only(project: Path, cli: Cli) -> Iterator[Path]:
    """The project at its first approval, with a state that may be read and not written."""
    cli("plan")
    folders = [path for path in (project / ".git" / "churnflow").rglob("*") if path.is_dir()]
    files = [path for path in (project / ".git" / "churnflow").rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o444)
    for path in folders:
        path.chmod(0o555)
    yield project
    for path in folders:
        path.chmod(0o755)


@pytest.mark.parametrize("command", [["plan", "--answers", "answers.yaml"], ["approve", "plan", "--reject"], ["undo"]])
def test_without_permission_to_write_the_place_is_named_and_nothing_is_changed(
    read_only: Path, command: list[str]
) -> None:
    before = journal(read_only)
    outcome = as_a_user(read_only, *command)
    assert outcome.code == 5
    assert "no permission to write" in two_lines(outcome)[0]
    assert ".git/churnflow" in outcome.error[0]
    assert journal(read_only) == before


def test_without_permission_to_write_one_can_still_read(read_only: Path) -> None:
    assert as_a_user(read_only, "status").code == 0


def test_new_in_a_folder_that_can_not_be_written_writes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    outcome = as_a_user(tmp_path, "new", "mine")
    tmp_path.chmod(0o755)
    assert outcome.code == 2
    assert two_lines(outcome)[0] == "error: mine can not be made a project: Permission denied"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["plan", "status", "log", "undo"])
def test_a_file_where_a_folder_must_be_is_a_conflict(project: Path, here: Cli, command: str) -> None:
    (project / ".git" / "churnflow").write_text("mine\n")
    outcome = here(command)
    assert outcome.code == 5
    assert "something else stands where churnflow writes" in two_lines(outcome)[0]
    assert (project / ".git" / "churnflow").read_text() == "mine\n"


@pytest.mark.parametrize("command", [["plan"], ["status"], ["rollback", "x"], ["check"]])
def test_without_git_nothing_is_done_and_the_remedy_is_named(
    project: Path, cli: Cli, tmp_path: Path, command: list[str]
) -> None:
    outcome = cli(*command, env={"PATH": str(tmp_path)})
    assert outcome.code == 2
    assert two_lines(outcome)[0] == "error: git is not installed, or not on the PATH"
    assert "install git" in outcome.error[1]
    assert not (project / ".git" / "churnflow").exists()


def test_outside_a_repository_the_next_command_makes_a_project(tmp_path: Path) -> None:
    outcome = churnflow(tmp_path, "plan")
    assert outcome.code == 2
    assert "not a git repository" in two_lines(outcome)[0]
    assert outcome.out == "next: churnflow new DIR\n"


@pytest.mark.parametrize("spoil", [b"garbage\n", b"\xff\n", b"{}\n"])
def test_a_journal_edited_by_hand_is_refused_and_named(shipped: Path, here: Cli, spoil: bytes) -> None:
    [path] = (shipped / ".git" / "churnflow" / "root" / "runs").rglob("journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], spoil, *lines[3:]]))
    outcome = here("status")
    assert outcome.code == 6
    assert str(path) in two_lines(outcome)[0]


@pytest.mark.parametrize("change", ["deleted", "altered", "shortened"])
@pytest.mark.parametrize("command", [["verify"], ["rollback", "built"]], ids=lambda command: command[0])
def test_an_artifact_that_is_not_as_it_was_made_is_named(
    shipped: Path, here: Cli, change: str, command: list[str]
) -> None:
    artifact = here("--json", "show", "built").json["data"]["checkpoint"]["artifacts"][0]
    store = shipped / ".git" / "churnflow" / "store" / "sha256"
    path = store / artifact["sha256"][:2] / artifact["sha256"][2:]
    path.chmod(0o644)
    data = path.read_bytes()
    path.unlink()
    if change != "deleted":
        path.write_bytes(data[:-1] if change == "shortened" else b"x" * len(data))
    before = journal(shipped)
    outcome = here(*command)
    assert outcome.code == 6
    assert "the artifact doubled " in two_lines(outcome)[0]
    assert journal(shipped) == before


def test_verify_names_a_checkpoint_whose_yaml_was_edited(shipped: Path, here: Cli) -> None:
    [path] = (shipped / "checkpoints").rglob("02-built.yaml")
    path.write_text(path.read_text().replace("score: 100", "score: 99"))
    outcome = here("verify")
    assert outcome.code == 6
    assert "02-built" in two_lines(outcome)[0]


def test_verify_names_a_tag_that_was_moved(shipped: Path, here: Cli) -> None:
    run = here("--json", "status").json["run"]
    tag = f"churnflow/{run}/02-built"
    subprocess.run(
        ["git", "tag", "-f", tag, f"churnflow/{run}/01-plan-approved^{{}}"],
        cwd=shipped,
        env=environment(),
        check=True,
        capture_output=True,
    )
    outcome = here("verify")
    assert outcome.code == 6
    assert tag in two_lines(outcome)[0]


@pytest.mark.parametrize("place", ["project", "elsewhere"])
def test_a_bug_leaves_a_log_and_no_traceback_on_the_screen(project: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    code = """
import sys
from churnflow.cli import app, commands
commands.COMMANDS["status"] = commands.Place("no_such_module", "")
sys.exit(app.run(["status"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=tmp_path / place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    error, hint = two_lines(Outcome(done.returncode, done.stdout, done.stderr))
    assert error == "error: this is a bug in churnflow: ModuleNotFoundError"
    log = Path(hint.removeprefix("hint: the log is in ").removesuffix("; please report it"))
    assert "no_such_module" in log.read_text()
    assert (log.parent == project / ".git" / "churnflow" / "root" / "crash") is (place == "project")
    log.unlink()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("approvals: {plan: {answer: maybe, reviewer: Ann}}", "answer"),
        ("approvals: {plan: {answer: approve, reviewer: ' '}}", "reviewer"),
        ("approvals: {plan: {answer: approve}}", "reviewer"),
        ("approvals: {plan: {answer: approve, reviewer: Ann, yes: 1}}", "yes"),
        ("approvals: {plan: {answer: reject, answer: approve, reviewer: Ann}}", "a key stands twice"),
        ("a: &a [x]\napprovals: {plan: *a}", "aliases are not allowed"),
        ("approvals: [", "line 1"),
        ("", "valid dictionary"),
        ("[" * 5000, "not plain YAML"),
        ("#" * 2_000_000, "more than 1,000,000 bytes"),
    ],
    ids=["answer", "blank", "no name", "unknown", "twice", "alias", "broken", "empty", "deep", "large"],
)
def test_a_malformed_answers_file_approves_nothing(project: Path, here: Cli, text: str, reason: str) -> None:
    (project / "answers.yaml").write_text(text)
    outcome = here("plan", "--answers", "answers.yaml")
    assert outcome.code == 2
    lines = two_lines(outcome)
    assert lines[0].startswith("error: the answers file answers.yaml is malformed: ")
    assert reason in lines[0]
    assert not (project / ".git" / "churnflow").exists()


def test_words_that_yaml_takes_for_truth_are_answers_like_any_other(project: Path, cli: Cli) -> None:
    text = 'approvals: {plan: {answer: approve, reviewer: 007, answers: {"Is the plan complete?": yes}}}'
    (project / "answers.yaml").write_text(text)
    assert cli("plan", "--answers", "answers.yaml").code == 0
    record = cli("--json", "status").json["data"]["items"][1]["record"]
    assert (record["reviewer"], record["answers"]) == ("007", {"Is the plan complete?": "yes"})


def test_an_answers_file_that_is_no_text_is_malformed(project: Path, here: Cli) -> None:
    (project / "answers.yaml").write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in two_lines(here("plan", "--answers", "answers.yaml"))[0]
