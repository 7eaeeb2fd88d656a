"""What every journal does."""

from pathlib import Path

import pytest

from churnflow.adapters.journal_files import JournalFiles
from churnflow.domain.journal import Override, Reuse, StepRecord
from churnflow.engine.ports import Intent, Journal
from churnflow.errors import ConflictError
from tests.adapters.workbench import NOW, RUN, TAG, make_run
from tests.fakes import FakeJournal


@pytest.fixture
def journal(kind: str, folder: Path) -> Journal:
    return FakeJournal() if kind == "fake" else JournalFiles(folder / "state", folder / "shared")


def record(**changes: object) -> StepRecord:
    entry = make_run().entries[0]
    assert isinstance(entry, StepRecord)
    return entry.model_copy(update=changes)


def test_before_the_first_run_there_is_none(journal: Journal) -> None:
    assert journal.current() is None
    assert journal.reusable("0" * 64) is None


def test_a_run_begins_without_entries_and_grows_by_each_that_is_appended(journal: Journal) -> None:
    run = make_run()
    journal.start(run)
    assert journal.current() == run.with_entries(())
    grown = run.with_entries(())
    for entry in (*run.entries, Override(name="train", at=NOW, parameter="trials", value={"deep": [1, None]})):
        journal.append(grown, entry)
        grown = grown.add(entry)
        assert journal.current() == grown


def test_a_run_that_exists_is_not_begun_again(journal: Journal) -> None:
    run = make_run()
    journal.start(run)
    journal.append(run.with_entries(()), run.entries[0])
    with pytest.raises(ConflictError, match=f"the run {RUN} exists already"):
        journal.start(run)
    assert journal.current() == run.with_entries(run.entries[:1])


def test_a_new_run_is_the_current_one_and_a_reset_goes_back_to_another(journal: Journal) -> None:
    first, second = make_run(), make_run("261124-aaaa")
    journal.start(first)
    journal.start(second)
    assert journal.current() == second.with_entries(())
    journal.reset(first, TAG)
    assert journal.current() == first
    journal.reset(second, TAG)
    journal.append(second, record(name="later"))
    assert journal.current() == second.add(record(name="later"))


def test_a_reset_takes_entries_back_and_work_goes_on_from_there(journal: Journal) -> None:
    run = make_run(entries=3)
    journal.start(run)
    for count, entry in enumerate(run.entries):
        journal.append(run.with_entries(run.entries[:count]), entry)
    back = run.with_entries(run.entries[:1])
    assert journal.rollbacks(RUN) == []
    journal.reset(back, TAG)
    assert journal.current() == back
    assert journal.rollbacks(RUN) == [TAG]
    journal.append(back, record(name="again"))
    assert journal.current() == back.add(record(name="again"))


def test_a_run_that_only_a_checkpoint_knows_can_be_made_current(journal: Journal) -> None:
    run = make_run()
    journal.reset(run, TAG)
    assert journal.current() == run


def test_an_intent_stands_until_it_is_done(journal: Journal) -> None:
    assert journal.intent() is None
    intent = Intent(target="churnflow/r/01-a", before="churnflow/r/02-b", reason=None)
    journal.intend(intent)
    assert journal.intent() == intent
    journal.intend(None)
    assert journal.intent() is None


def test_only_a_step_that_returned_and_was_measured_here_can_be_reused(journal: Journal) -> None:
    run = make_run().with_entries(())
    journal.start(run)
    raised, reused, measured = (digit * 64 for digit in "123")
    for entry in (
        record(key=raised, raised=True, passed=False),
        record(key=reused, reused=Reuse(run="261101-bbbb", at=NOW)),
        record(key=measured),
    ):
        journal.append(run, entry)
        run = run.add(entry)
    assert [journal.reusable(key) for key in (raised, reused)] == [None, None]
    assert journal.reusable(measured) == (RUN, record(key=measured))
