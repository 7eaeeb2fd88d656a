"""Rollbacks with every adapter as a user has it: nothing is lost, and a kill leaves the old state or the new one."""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from churnflow.domain.journal import Run
from churnflow.engine.advance import advance
from churnflow.engine.ports import Intent, Ports
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import rollback, undo
from churnflow.engine.settle import settle
from churnflow.engine.verify import verify
from churnflow.errors import ConflictError, IntegrityError
from churnflow.project import Project
from tests.adapters.workbench import Work
from tests.fakes import FakeListener, FakeReviewer

WORKFLOW = """
name: small
task: Count lines
phases:
  build:
    - step: count
      uses: own_steps:count
      with: {source: data/customers.csv}
      produces: {total: json}
    - checkpoint: counted
"""
STEPS = """
from pathlib import Path
from churnflow import StepResult

def count(source: Path) -> StepResult:
    total = len(source.read_text().splitlines())
    return StepResult(outputs={"total": {"lines": total}}, metrics={"lines": float(total)})
"""
ATTEMPTS = 7
NAMES = [f"pkg/module_{number}.py" for number in range(12)]


class Place:
    """A project with one checkpoint, `counted`, and a user who has gone on since."""

    def __init__(self, path: Path) -> None:
        self.work = Work(path)
        self.work.git("init", "-q")
        self.work.write("workflows/churn.yaml", WORKFLOW)
        self.work.write("own_steps.py", STEPS)
        self.be("old")
        self.work.git("add", "-A", ":!data")
        self.work.git("commit", "-qm", "begin")
        project = Project.open(path)
        run = project.new_run(project.workflow(None))
        project.journal.start(run)
        self.run: Run = advance(run, self.ports, phases=["build"])
        self.tag = resolve("counted", self.run, self.ports)
        self.be("new")

    @property
    def ports(self) -> Ports:
        """What the next command works with."""
        return Project.open(self.work.path).ports(FakeReviewer(), FakeListener())

    def be(self, state: str) -> None:
        for name in NAMES:
            self.work.write(name, f"{name} is {state}\n")
        self.work.write("data/customers.csv", f"id\n{state}\n")

    def states(self) -> set[str]:
        """Return the states that the files are in; a file that is in none, or half, stands for itself."""
        texts = {name: (self.work.path / name).read_text() for name in NAMES}
        found = {text.removeprefix(f"{name} is ").strip() for name, text in texts.items()}
        return {*found, (self.work.path / "data/customers.csv").read_text().removeprefix("id\n").strip()}


@pytest.fixture
def place(work: Work, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_steps", raising=False)
    return Place(work.path)


def test_going_back_and_forth_restores_files_and_data_and_leaves_git_as_it_was(place: Place) -> None:
    place.work.write("later.py", "mine\n")
    head, status = place.work.git("rev-parse", "HEAD"), place.work.git("status", "--porcelain")
    outcome = rollback(place.tag, place.ports)
    assert place.states() == {"old"}
    assert outcome.rescue is not None
    assert sorted(outcome.plan.overwritten) == sorted(NAMES)
    assert outcome.verified == outcome.total
    assert place.work.git("show", f"{outcome.rescue.tag}:{NAMES[0]}") == f"{NAMES[0]} is new"
    undo(place.ports)
    assert place.states() == {"new"}
    assert (place.work.path / "later.py").read_text() == "mine\n"
    assert (place.work.git("rev-parse", "HEAD"), place.work.git("status", "--porcelain")) == (head, status)
    assert verify(place.run.id, place.ports).checkpoints == 4


@pytest.mark.parametrize("damage", ["a line", "its beginning", "all of it"])
def test_a_damaged_journal_is_mended_by_what_its_error_says(place: Place, damage: str) -> None:
    project = Project.open(place.work.path)
    path = project.repository.state_dir / "runs" / place.run.id / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    match damage:
        case "a line":
            path.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[1:]]))
        case "its beginning":
            path.write_bytes(b"".join(lines[1:]))
        case _:
            path.unlink()
    with pytest.raises(IntegrityError) as caught:
        settle(place.ports)
    remove, _, then = caught.value.hint.partition(", then ")
    assert then.endswith("churnflow rollback TAG")
    subprocess.run(remove, shell=True, check=True)  # noqa: S602 - as the user would
    assert place.tag in place.work.git("tag", "-l", "churnflow/*").splitlines()
    settle(place.ports)
    rollback(resolve(place.tag, None, place.ports), place.ports)
    run = project.journal.current()
    assert run is not None
    assert (run.id, run.condensed()) == (place.run.id, place.ports.checkpoints.load(place.tag).run)
    assert place.states() == {"old"}
    assert verify(place.run.id, place.ports).checkpoints == 3


@pytest.mark.parametrize("damage", ["lost", "altered"])
def test_a_spoiled_artifact_is_made_again_by_the_new_run_that_its_error_names(place: Place, damage: str) -> None:
    project = Project.open(place.work.path)
    (artifact,) = place.ports.checkpoints.load(place.tag).artifacts
    path = project.store.path(artifact)
    data = path.read_bytes()
    path.unlink()
    if damage == "altered":
        path.write_bytes(bytes(len(data)))
    with pytest.raises(IntegrityError) as caught:
        rollback(place.tag, place.ports)
    assert caught.value.hint.endswith("churnflow run --new")
    place.be("old")
    run = project.new_run(project.workflow(None))
    project.journal.start(run)
    advance(run, place.ports, phases=["build"])
    assert path.read_bytes() == data
    assert verify(place.run.id, place.ports).artifacts


class ClockAt:
    """A clock that somebody has set."""

    def __init__(self, year: int) -> None:
        self.year = year

    def now(self) -> datetime:
        return datetime(self.year, 7, 1, tzinfo=UTC)

    def stopwatch(self) -> float:
        return time.monotonic()


@pytest.mark.parametrize("year", [1999, 2099])
def test_a_clock_that_is_set_elsewhere_between_two_commands_puts_nothing_out_of_order(place: Place, year: int) -> None:
    rollback(place.tag, replace(place.ports, clock=ClockAt(year)))
    undo(place.ports)
    assert place.states() == {"new"}
    history = place.ports.checkpoints.history(place.run.id)
    assert [kept.name for kept in history] == ["counted", "rescue", "counted", "rescue"]
    assert [kept.number for kept in history] == [1, 2, 3, 4]
    assert history[2].created_at.year == year
    assert verify(place.run.id, place.ports).checkpoints == 4


def test_rows_of_source_data_never_enter_git(place: Place) -> None:
    rollback(place.tag, place.ports)
    undo(place.ports)
    listed = place.work.git("rev-list", "--objects", "--all")
    assert "checkpoints" in listed
    assert "customers.csv" not in listed


def test_an_ignored_file_that_gives_way_comes_back_by_undo(place: Place) -> None:
    place.work.write("settings.py", "a = 'old'\n")
    ports = place.ports
    project = Project.open(place.work.path)
    run = project.new_run(project.workflow(None))
    project.journal.start(run)
    run = advance(run, ports, phases=["build"])
    place.work.write(".gitignore", "settings.py\n")
    place.work.write("settings.py", "a = 'precious'\n")
    outcome = rollback(resolve("counted", run, ports), ports)
    assert outcome.plan.overwritten == ("settings.py",)
    assert (place.work.path / "settings.py").read_text() == "a = 'old'\n"
    undo(place.ports)
    assert (place.work.path / "settings.py").read_text() == "a = 'precious'\n"


@pytest.mark.parametrize("block", ["data for a link", "file for a folder", "folder for a file"])
def test_what_is_in_the_way_is_said_before_anything_is_begun(place: Place, tmp_path: Path, block: str) -> None:
    inside, outside = place.work.path / NAMES[0], tmp_path / "outside"
    match block:
        case "data for a link":
            (place.work.path / "data").rename(outside)
            (place.work.path / "data").symlink_to(outside)
        case "file for a folder":
            inside.unlink()
            inside.mkdir()
        case _:
            (place.work.path / "pkg").rename(outside)
            place.work.write("pkg", "a file\n")
    with pytest.raises(ConflictError, match="cannot be brought back"):
        rollback(place.tag, place.ports)
    assert place.ports.journal.intent() is None
    assert [item.name for item in place.ports.checkpoints.history(place.run.id)] == ["counted"]
    if block == "data for a link":
        assert place.states() == {"new"}


def test_an_artifact_that_is_gone_is_said_before_anything_is_begun(place: Place) -> None:
    artifact = place.run.artifacts()["total"]
    Project.open(place.work.path).store.path(artifact).unlink()
    with pytest.raises(IntegrityError, match=r"the artifact total .* is missing"):
        rollback(place.tag, place.ports)
    assert place.states() == {"new"}
    assert place.ports.journal.intent() is None


ROLLBACK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from churnflow.engine.rollback import rollback
from churnflow.project import Project
from tests.fakes import FakeListener, FakeReviewer
project = Project.open(Path(sys.argv[1]))
ports = project.ports(FakeReviewer(), FakeListener())
ports.checkpoints.head("none")
with project.lock("churnflow rollback"):
    print("ready", flush=True)
    rollback(sys.argv[2], ports)
    print("done", flush=True)
"""


def killed_after(place: Place, seconds: float) -> bool:
    """Roll back in a process that is killed after a while; return whether it had ended before."""
    command = [sys.executable, "-c", ROLLBACK, str(place.work.path), place.tag, str(Path(__file__).parents[2])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        return b"done" in process.stdout.read()


def test_a_rollback_killed_at_any_moment_is_as_if_never_begun_or_finished_by_the_next_command(place: Place) -> None:
    started = time.monotonic()
    rollback(place.tag, place.ports)
    longest = time.monotonic() - started
    chance = random.Random(7)
    seen: set[str] = set()
    # On a busy machine the killed process is slower than this one was.
    for attempt in itertools.count():
        if attempt >= ATTEMPTS and (seen == {"old", "new"} or attempt >= 4 * ATTEMPTS):
            break
        place.be("new")
        was_done = killed_after(place, longest * (attempt + chance.random()) / ATTEMPTS)
        assert place.states() <= {"old", "new"}
        begun = place.ports.journal.intent() is not None
        with Project.open(place.work.path).lock("churnflow status"):
            settle(place.ports)
        assert place.states() == ({"old"} if begun or was_done else place.states())
        seen |= place.states()
        assert len(place.states()) == 1
        assert place.ports.journal.intent() is None
        verify(place.run.id, place.ports)
        assert [path for path in place.work.path.rglob(".churnflow-*") if ".git" not in path.parts] == []
        if begun and attempt % 2:
            undo(place.ports)
            assert place.states() == {"new"}
    assert seen == {"old", "new"}
    assert "missing" not in place.work.git("fsck", "--strict")


def test_what_was_edited_between_a_kill_and_the_next_command_is_kept(place: Place) -> None:
    before = rollback(place.tag, place.ports).checkpoint.before
    place.be("new")
    place.ports.journal.intend(Intent(target=place.tag, before=str(before), reason=None))
    place.work.write(NAMES[3], f"{NAMES[3]} is edited\n")
    settle(place.ports)
    assert place.states() == {"old"}
    rescue = place.ports.checkpoints.history(place.run.id)[-2]
    assert rescue.name == "rescue"
    assert place.work.git("show", f"{rescue.tag}:{NAMES[3]}") == f"{NAMES[3]} is edited"
