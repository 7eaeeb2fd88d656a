"""The journal on disk: what holds after a kill, and what is said when the file was altered."""

import re
from pathlib import Path

import pytest

from churnflow.adapters.journal_files import JournalFiles
from churnflow.domain.journal import Mark, StepRecord
from churnflow.engine.ports import Intent
from churnflow.errors import IntegrityError
from tests.adapters.faults import in_a_process
from tests.adapters.workbench import RUN, TAG, make_run


@pytest.fixture
def journal(tmp_path: Path) -> JournalFiles:
    return JournalFiles(tmp_path / "state", tmp_path / "shared")


def file_of(tmp_path: Path) -> Path:
    return tmp_path / f"state/runs/{RUN}/journal.jsonl"


def test_what_was_appended_is_there_for_the_next_command(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    for entry in run.entries:
        journal.append(run, entry)
    assert JournalFiles(tmp_path / "state", tmp_path / "shared").current() == run


def test_a_torn_last_line_is_as_if_never_written(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    journal.append(run, run.entries[0])
    with file_of(tmp_path).open("ab") as stream:
        stream.write(b'{"kind":"step","na')
    assert journal.current() == run.with_entries(run.entries[:1])
    journal.append(run, run.entries[1])
    assert journal.current() == run


def test_a_reset_erases_nothing(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    for entry in run.entries:
        journal.append(run, entry)
    before = file_of(tmp_path).read_bytes()
    journal.reset(run.with_entries(run.entries[:1]), TAG)
    assert file_of(tmp_path).read_bytes().startswith(before)


def test_a_rollback_from_before_they_stated_their_checkpoint_is_read(journal: JournalFiles, tmp_path: Path) -> None:
    run = make_run()
    journal.start(run)
    journal.reset(run, TAG)
    lines = file_of(tmp_path).read_bytes().splitlines(keepends=True)
    bare = [b"{" + line.partition(b'",')[2].replace(b'"tag":"%s",' % TAG.encode(), b"") for line in lines]
    file_of(tmp_path).write_bytes(b"".join(bare))
    assert (journal.current(), journal.rollbacks(RUN)) == (run, [])


@pytest.mark.parametrize(
    ("damage", "said"),
    [("nonsense", "line 3 is not what was written"), ("emptied", "beginning is gone"), ("gone", "missing")],
)
def test_a_damaged_journal_is_named_and_the_checkpoints_pointed_at(
    journal: JournalFiles, tmp_path: Path, damage: str, said: str
) -> None:
    run = make_run()
    journal.start(run)
    journal.append(run, run.entries[0])
    path = file_of(tmp_path)
    match damage:
        case "nonsense":
            path.write_bytes(path.read_bytes() + b"nonsense\n")
        case "emptied":
            path.write_bytes(b"")
        case _:
            path.unlink()
    with pytest.raises(IntegrityError, match=said) as caught:
        journal.current()
    assert str(path) in str(caught.value)
    assert "churnflow rollback" in caught.value.hint


def test_an_entry_of_another_kind_than_its_item_is_named(journal: JournalFiles) -> None:
    run = make_run()
    (step,) = run.steps()
    journal.start(run)
    journal.append(run, Mark(name=step.name, phase=step.phase, key=step.key, at=step.at))
    with pytest.raises(IntegrityError, match=f"{step.name} is no checkpoint in its workflow"):
        journal.read(RUN)


def test_a_note_of_the_current_run_that_is_no_text_is_named(journal: JournalFiles, tmp_path: Path) -> None:
    journal.start(make_run())
    (tmp_path / "state/current").write_bytes(b"\xff\xfe\n")
    with pytest.raises(IntegrityError, match="it is missing"):
        journal.current()


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_note_of_a_rollback_is_named(journal: JournalFiles, tmp_path: Path, text: str) -> None:
    journal.intend(Intent(target="churnflow/r/01-a", before="churnflow/r/02-b", reason=None))
    (tmp_path / "state/intent.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"intent\.json, was altered") as caught:
        journal.intent()
    assert caught.value.hint.startswith(f"rm {tmp_path / 'state/intent.json'}, ")


@pytest.mark.parametrize("text", ["", "{", "another key"])
def test_a_spoiled_result_is_computed_once_more(journal: JournalFiles, tmp_path: Path, text: str) -> None:
    run = make_run()
    journal.start(run)
    record = run.entries[0]
    assert isinstance(record, StepRecord)
    journal.append(run, record)
    (path,) = (tmp_path / "shared/steps").iterdir()
    other = "1" * 64
    if text == "another key":
        path.rename(path.with_name(f"{other}.json"))
    else:
        path.write_text(text)
    assert journal.reusable(record.key) is None
    assert journal.reusable(other) is None


FULL_DISK = """
from pathlib import Path
from churnflow.adapters.journal_files import JournalFiles
from tests.adapters.workbench import make_run
journal = JournalFiles(Path(sys.argv[1]) / "state", Path(sys.argv[1]) / "shared")
run = make_run()
journal.start(run)
room = (Path(sys.argv[1]) / f"state/runs/{run.id}/journal.jsonl").stat().st_size + 100
with full(room), said():
    journal.append(run, run.entries[0])
"""


def test_a_full_disk_leaves_the_journal_as_it_was(journal: JournalFiles, tmp_path: Path) -> None:
    assert in_a_process(FULL_DISK, tmp_path).startswith("5 no space left on the disk")
    assert journal.current() == make_run().with_entries(())
    assert [path.name for path in tmp_path.rglob(".churnflow-*")] == []


@pytest.mark.parametrize("place", ["a digit", "its end", "a line dropped", "two lines changed over"])
def test_a_line_that_was_altered_dropped_or_moved_is_found_though_each_is_an_entry(
    journal: JournalFiles, tmp_path: Path, place: str
) -> None:
    kept, run = journal, make_run()
    kept.start(run)
    for entry in (*run.entries, *run.entries):
        kept.append(run, entry)
    path = tmp_path / f"state/runs/{RUN}/journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    match place:
        case "a digit":
            lines[1] = lines[1].replace(b"0.85", b"0.95")
        case "its end":
            lines[-1] = lines[-1][:-1] + b" "
        case "a line dropped":
            del lines[2]
        case _:
            lines[1], lines[2] = lines[2], lines[1]
    path.write_bytes(b"".join(lines))
    for use in (kept.current, lambda: kept.ever(RUN), lambda: kept.read(RUN)):
        with pytest.raises(IntegrityError, match="is not what was written"):
            use()


def test_a_journal_from_before_there_were_seals_is_read_and_covered_by_the_next_line(
    journal: JournalFiles, tmp_path: Path
) -> None:
    kept, run = journal, make_run()
    kept.start(run)
    kept.append(run, run.entries[0])
    path = tmp_path / f"state/runs/{RUN}/journal.jsonl"
    path.write_bytes(re.sub(rb'\{"chain":"[0-9a-f]{64}",', b"{", path.read_bytes()))
    assert kept.ever(RUN) == [run.entries[0]]
    kept.append(run, run.entries[1])
    assert kept.ever(RUN) == list(run.entries)
    path.write_bytes(path.read_bytes().replace(b"0.85", b"0.95"))
    with pytest.raises(IntegrityError):
        kept.current()


def test_all_that_was_recorded_is_known_only_of_a_run_that_was_begun_here(
    journal: JournalFiles, tmp_path: Path
) -> None:
    kept, run = journal, make_run()
    assert kept.ever(RUN) is None
    kept.reset(run, TAG)
    assert kept.ever(RUN) is None
    assert [list(state.entries) for state in kept.states(RUN)] == [list(run.entries)]
    assert list(kept.states("none")) == []


def test_a_result_kept_for_reuse_that_was_altered_is_named_and_never_reused(
    journal: JournalFiles, tmp_path: Path
) -> None:
    kept, run = journal, make_run()
    record = run.entries[0]
    assert isinstance(record, StepRecord)
    kept.start(run)
    kept.append(run, record)
    kept.prove_reusable()
    (path,) = (tmp_path / "shared/steps").iterdir()
    path.write_text(path.read_text().replace("0.85", "0.95"))
    assert kept.reusable(record.key) is None
    with pytest.raises(IntegrityError, match="was altered"):
        kept.prove_reusable()
    path.write_bytes(bytes(4096))
    kept.prove_reusable()
