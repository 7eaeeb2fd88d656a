"""Journal, lock, served release and source files: what they promise holds after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.journal_files import JournalFiles
from churnflow.adapters.project_lock import ProjectLock
from churnflow.adapters.release_files import ReleaseFiles
from churnflow.adapters.source_files import SourceFiles
from churnflow.domain.base import canonical_json
from churnflow.domain.journal import Override, Reuse, StepRecord
from churnflow.domain.release import Release
from churnflow.engine.ports import Intent
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.adapters.workbench import KEY, NOW, artifact, make_run


@pytest.fixture
def journal(tmp_path: Path) -> JournalFiles:
    (tmp_path / "state").mkdir()
    return JournalFiles(tmp_path / "state", tmp_path / "shared")


def record() -> StepRecord:
    entry = make_run().entries[0]
    assert isinstance(entry, StepRecord)
    return entry


def file_of(tmp_path: Path) -> Path:
    return tmp_path / "state/runs/261123-7qd2/journal.jsonl"


def test_a_journal_keeps_every_entry(journal: JournalFiles) -> None:
    assert journal.current() is None
    run = make_run()
    journal.start(run)
    assert journal.current() == run.with_entries(())
    for entry in run.entries:
        journal.append(run, entry)
    journal.append(run, Override(name="train", at=NOW, parameter="trials", value={"deep": [1, None]}))
    current = journal.current()
    assert current is not None
    assert current.entries[:2] == run.entries
    assert len(current.entries) == 3
    with pytest.raises(ConflictError, match="exists already"):
        journal.start(run)


def test_a_torn_last_line_is_as_if_never_written(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    journal.append(run, run.entries[0])
    with file_of(tmp_path).open("ab") as stream:
        stream.write(b'{"kind":"step","na')
    assert journal.current() == run.with_entries(run.entries[:1])
    journal.append(run, run.entries[1])
    assert journal.current() == run


def test_a_reset_sets_the_state_and_erases_nothing(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    for entry in run.entries:
        journal.append(run, entry)
    before = file_of(tmp_path).read_bytes()
    journal.reset(run.with_entries(run.entries[:1]))
    assert journal.current() == run.with_entries(run.entries[:1])
    assert file_of(tmp_path).read_bytes().startswith(before)
    other = make_run("261124-aaaa")
    journal.reset(other)
    assert journal.current() == other
    journal.reset(run)
    assert journal.current() == run


def test_a_damaged_journal_is_named(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    journal.append(run, run.entries[0])
    text = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(text + b"nonsense\n")
    with pytest.raises(IntegrityError, match="line 3 is not an entry"):
        journal.current()
    file_of(tmp_path).write_bytes(b"")
    with pytest.raises(IntegrityError, match="its beginning is gone"):
        journal.current()
    file_of(tmp_path).unlink()
    with pytest.raises(IntegrityError, match="it is missing"):
        journal.current()


def test_only_steps_that_returned_and_were_measured_here_are_reusable(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    for index, change in enumerate(({"raised": True}, {"reused": Reuse(run="x", at=NOW)}, {})):
        assert journal.reusable(str(index) * 64) is None
        journal.append(run, record().model_copy(update={"key": str(index) * 64, **change}))
    assert journal.reusable("0" * 64) is None
    assert journal.reusable("1" * 64) is None
    found = journal.reusable("2" * 64)
    assert found is not None
    assert found[0] == run.id
    (tmp_path / "shared/steps" / f"{'2' * 64}.json").write_text("")
    assert journal.reusable("2" * 64) is None


def test_an_intent_stands_until_it_is_done(journal: JournalFiles, tmp_path: Path) -> None:
    assert journal.intent() is None
    intent = Intent(target="churnflow/r/01-a", before="churnflow/r/02-b", reason=None)
    journal.intend(intent)
    assert journal.intent() == intent
    (tmp_path / "state/intent.json").write_text("{")
    with pytest.raises(IntegrityError):
        journal.intent()
    journal.intend(None)
    assert journal.intent() is None


HOLD = """
import sys, time
from pathlib import Path
from churnflow.adapters.project_lock import ProjectLock
with ProjectLock(Path(sys.argv[1])).lock("churnflow build"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    lock = ProjectLock(tmp_path / "state")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "state")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConflictError, match=f"process {holder.pid}, `churnflow build`"), lock.lock("churnflow run"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    again = ProjectLock(tmp_path / "state").lock("churnflow build")
    with lock.lock("churnflow run"), lock.lock("churnflow run"), pytest.raises(ConflictError), again:
        pass
    with ProjectLock(tmp_path / "state").lock("churnflow build"):
        pass


def release(version: str) -> Release:
    return Release(
        version=version, artifact=artifact("release", b"x"), run="r", checkpoint="t", approval_sha256=KEY, at=NOW
    )


def test_the_pointer_is_the_canonical_json_of_the_release_and_the_past_only_grows(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path / "state")
    assert pointer.read() is None
    assert list(pointer.past()) == []
    for version in ("v1.0.0", "v1.1.0", "v1.0.0"):
        pointer.switch(release(version))
    assert pointer.path.read_bytes().strip() == canonical_json(release("v1.0.0").model_dump(mode="json"))
    assert [past.version for past in pointer.past()] == ["v1.0.0", "v1.1.0", "v1.0.0"]


def test_a_kill_between_switch_and_list_loses_no_release(tmp_path: Path) -> None:
    pointer = ReleaseFiles(tmp_path)
    pointer.switch(release("v1.0.0"))
    (tmp_path / "served.jsonl").write_bytes(b'{"torn')
    assert [past.version for past in pointer.past()] == ["v1.0.0"]
    pointer.switch(release("v1.1.0"))
    assert [past.version for past in pointer.past()] == ["v1.0.0", "v1.1.0"]
    pointer.path.write_text("{}")
    with pytest.raises(IntegrityError, match="was altered"):
        pointer.read()


@pytest.fixture
def files(tmp_path: Path) -> SourceFiles:
    (tmp_path / "project/data").mkdir(parents=True)
    return SourceFiles(tmp_path / "project", ArtifactFiles(tmp_path / "store", {}), tmp_path / "state")


def test_source_files_lie_inside_the_project(files: SourceFiles, tmp_path: Path) -> None:
    source = tmp_path / "project/data/customers.csv"
    source.write_text("a\n")
    assert files.resolve("data/customers.csv") == source
    for outside in ("../x", "/etc/hostname", "data/../../x", ".git/config", "."):
        with pytest.raises(UsageError, match=r"lies (outside|inside)"):
            files.resolve(outside)
    with pytest.raises(UsageError, match="no such file") as caught:
        files.resolve("data/customer.csv")
    assert caught.value.hint == "did you mean customers.csv?"
    with pytest.raises(UsageError, match="is a directory"):
        files.resolve("data")


def test_a_digest_follows_every_change(files: SourceFiles, tmp_path: Path) -> None:
    source = tmp_path / "project/data/a.csv"
    assert files.sha256("data/a.csv") is None
    source.write_text("one\n")
    os.utime(source, ns=(time.time_ns(), time.time_ns() - 10**11))
    before = files.sha256("data/a.csv")
    source.write_text("two\n")
    os.utime(source, ns=(time.time_ns(), time.time_ns() - 10**11))
    assert before == artifact("a", b"one\n").sha256
    assert files.sha256("data/a.csv") == artifact("a", b"two\n").sha256


def test_a_source_file_is_brought_back_whole_and_never_through_a_link(files: SourceFiles, tmp_path: Path) -> None:
    source = tmp_path / "project/data/a.csv"
    source.write_text("one\n")
    kept = ArtifactFiles(tmp_path / "store", {}).put_file("a", source)
    source.unlink()
    files.restore("data/a.csv", kept)
    assert source.read_text() == "one\n"
    assert source.stat().st_nlink == 1
    assert os.access(source, os.W_OK)
    source.write_text("two\n")
    files.restore("new/place/a.csv", kept)
    assert (tmp_path / "project/new/place/a.csv").read_text() == "one\n"
    (tmp_path / "project/link").symlink_to(tmp_path)
    with pytest.raises(ConflictError, match="symbolic link"):
        files.restore("link/a.csv", kept)
    assert not (tmp_path / "a.csv").exists()
