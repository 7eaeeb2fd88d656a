"""What every checkpoint store does."""

from pathlib import Path
from typing import Protocol

import pytest

from churnflow.adapters.git_checkpoints import GitCheckpoints
from churnflow.adapters.repository import open_repository
from churnflow.domain.checkpoint import summary_of
from churnflow.engine.ports import CheckpointStore
from churnflow.errors import ConflictError, UsageError
from tests.adapters.workbench import RUN, Drafts, Work, artifact
from tests.fakes import FakeCheckpoints

OTHER = "261124-aaaa"


class Desk(Protocol):
    """A checkpoint store, and what a user does to the work tree."""

    checkpoints: CheckpointStore

    def write(self, name: str, text: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def ignore(self, name: str) -> None: ...

    def text(self, name: str) -> str | None: ...


class FakeDesk:
    def __init__(self) -> None:
        self.fake = FakeCheckpoints()
        self.checkpoints: CheckpointStore = self.fake

    def write(self, name: str, text: str) -> None:
        self.fake.tree[name] = text

    def delete(self, name: str) -> None:
        del self.fake.tree[name]

    def ignore(self, name: str) -> None:
        self.fake.ignored.add(name)

    def text(self, name: str) -> str | None:
        return self.fake.tree.get(name)


class RealDesk:
    def __init__(self, folder: Path) -> None:
        self.work = Work(folder)
        self.work.git("init", "-q", "-b", "main")
        self.checkpoints: CheckpointStore = GitCheckpoints(open_repository(folder), "0" * 64)

    def write(self, name: str, text: str) -> None:
        self.work.write(name, text)

    def delete(self, name: str) -> None:
        (self.work.path / name).unlink()

    def ignore(self, name: str) -> None:
        with (self.work.path / ".git/info/exclude").open("a") as stream:
            stream.write(f"/{name}\n")

    def text(self, name: str) -> str | None:
        path = self.work.path / name
        return path.read_text() if path.exists() else None


@pytest.fixture
def desk(kind: str, folder: Path) -> Desk:
    desk = FakeDesk() if kind == "fake" else RealDesk(folder)
    desk.write("code.py", "x = 1\n")
    return desk


def actions(desk: Desk, tag: str) -> set[tuple[str, str]]:
    return {(change.action, change.path) for change in desk.checkpoints.changes(desk.checkpoints.load(tag))}


def test_a_run_without_checkpoints_has_no_head_and_no_history(desk: Desk) -> None:
    assert desk.checkpoints.head(RUN) is None
    assert list(desk.checkpoints.history(RUN)) == []
    assert desk.checkpoints.find(RUN, "features-validated") is None
    assert desk.checkpoints.find(None, "HEAD") is None


def test_what_was_saved_is_found_by_head_history_and_tag(desk: Desk) -> None:
    first = Drafts(desk.checkpoints).save()
    second = Drafts(desk.checkpoints).save("model-built")
    assert desk.checkpoints.head(RUN) == second
    assert list(desk.checkpoints.history(RUN)) == [first, second]
    assert [desk.checkpoints.load(one.tag) for one in (first, second)] == [first, second]
    assert list(desk.checkpoints.repair(RUN)) == []


def test_a_list_shows_what_the_records_hold(desk: Desk) -> None:
    kept = [Drafts(desk.checkpoints).save(), Drafts(desk.checkpoints).save("model-built")]
    assert list(desk.checkpoints.summaries(RUN)) == [summary_of(checkpoint) for checkpoint in kept]
    assert [(line.number, line.name) for line in desk.checkpoints.summaries(RUN)] == [
        (checkpoint.number, checkpoint.name) for checkpoint in kept
    ]
    assert list(desk.checkpoints.summaries(OTHER)) == []


def test_runs_without_a_checkpoint_are_not_listed(desk: Desk) -> None:
    assert list(desk.checkpoints.runs()) == []


def test_saving_the_same_again_is_a_success_and_adds_nothing(desk: Desk) -> None:
    kept = Drafts(desk.checkpoints).save()
    desk.checkpoints.save(kept)
    assert list(desk.checkpoints.history(RUN)) == [kept]


def test_a_checkpoint_that_does_not_follow_the_newest_is_a_conflict(desk: Desk) -> None:
    drafts = Drafts(desk.checkpoints)
    draft, rival = drafts.draft(), drafts.draft("rival")
    desk.checkpoints.save(draft)
    follower = drafts.draft("follower")
    strangers = [rival, follower.model_copy(update={"parent": None}), follower.model_copy(update={"number": 7})]
    for stranger in strangers:
        with pytest.raises(ConflictError):
            desk.checkpoints.save(stranger)
    assert list(desk.checkpoints.history(RUN)) == [draft]


def test_runs_have_histories_of_their_own(desk: Desk) -> None:
    drafts = Drafts(desk.checkpoints)
    first, other = drafts.save(), drafts.save(run_id=OTHER)
    assert (first.number, other.number) == (1, 1)
    assert list(desk.checkpoints.history(OTHER)) == [other]


def test_a_tag_that_was_never_given_is_refused(desk: Desk) -> None:
    Drafts(desk.checkpoints).save()
    with pytest.raises(UsageError, match=f"churnflow/{RUN}/02-none"):
        desk.checkpoints.load(f"churnflow/{RUN}/02-none")


def test_a_name_means_the_newest_of_the_run_and_then_of_all_runs(desk: Desk) -> None:
    drafts = Drafts(desk.checkpoints)
    tags = [drafts.save(name).tag for name in ("plan-approved", "features-validated", "features-validated")]
    other = drafts.save("only-here", run_id=OTHER).tag
    means = {
        "features-validated": tags[2],
        "02-features-validated": tags[1],
        "checkpoint-features": tags[2],
        tags[0]: tags[0],
        "HEAD": tags[2],
        "HEAD~": tags[1],
        "HEAD~2": tags[0],
        "HEAD~3": None,
        "only-here": other,
        "features": None,
    }
    assert {name: desk.checkpoints.find(RUN, name) for name in means} == means
    assert desk.checkpoints.find(None, "plan-approved") == tags[0]


def test_going_back_restores_and_creates_but_deletes_nothing(desk: Desk) -> None:
    desk.write("gone.py", "g = 1\n")
    tag = Drafts(desk.checkpoints).save().tag
    desk.write("code.py", "x = 2\n")
    desk.delete("gone.py")
    desk.write("later.py", "mine\n")
    assert actions(desk, tag) == {("restore", "code.py"), ("create", "gone.py"), ("keep", "later.py")}
    assert desk.checkpoints.restore_files(desk.checkpoints.load(tag)) == 2
    assert [desk.text(name) for name in ("code.py", "gone.py", "later.py")] == ["x = 1\n", "g = 1\n", "mine\n"]
    assert actions(desk, tag) == {("keep", "later.py")}


def test_source_files_and_what_git_ignores_stay_out_of_a_snapshot(desk: Desk) -> None:
    tag = Drafts(desk.checkpoints).save(data={"data.csv": artifact("data.csv", b"1\n")}).tag
    desk.ignore("noise.log")
    for name in ("data.csv", "noise.log"):
        desk.write(name, "1\n")
    assert actions(desk, tag) == set()


def test_a_snapshot_takes_an_ignored_file_that_it_is_asked_for(desk: Desk) -> None:
    desk.write("settings.py", "old\n")
    drafts = Drafts(desk.checkpoints)
    old = drafts.save("old").tag
    desk.ignore("settings.py")
    desk.write("settings.py", "precious\n")
    kept = drafts.save("kept", also=["settings.py"]).tag
    assert ("restore", "settings.py") in actions(desk, old)
    desk.checkpoints.restore_files(desk.checkpoints.load(old))
    assert desk.text("settings.py") == "old\n"
    assert ("restore", "settings.py") in actions(desk, kept)
    desk.checkpoints.restore_files(desk.checkpoints.load(kept))
    assert desk.text("settings.py") == "precious\n"


def test_two_checkpoints_differ_in_their_files_whatever_lies_in_the_work_tree(desk: Desk) -> None:
    drafts = Drafts(desk.checkpoints)
    desk.write("gone.py", "g = 1\n")
    first = drafts.save()
    desk.write("code.py", "x = 2\n")
    desk.delete("gone.py")
    desk.write("new.py", "n = 1\n")
    second = drafts.save("second")
    for _ in range(2):
        for pair in ((first, second), (second, first)):
            assert sorted(desk.checkpoints.differing_files(*pair)) == ["code.py", "gone.py", "new.py"]
        assert list(desk.checkpoints.differing_files(first, first)) == []
        desk.checkpoints.restore_files(first)


def test_the_environment_is_described(desk: Desk) -> None:
    environment = desk.checkpoints.environment()
    assert environment.python
    assert environment.platform
    assert environment.packages_sha256 == "0" * 64
