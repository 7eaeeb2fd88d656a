"""Reachability: what counts keeps what it names, and nothing else is kept for ever."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Restore
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Approval, Decision, Entry, IssueAnswer, Mark, Run, StepRecord
from churnflow.domain.release import Release
from churnflow.domain.workflow import Workflow
from churnflow.engine.reachable import NEWEST_WATCHES, Journaled, Kept, Result, mark, needed_by
from churnflow.errors import IntegrityError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def artifact(letter: str) -> Artifact:
    return Artifact(name=f"a-{letter}", codec="json", sha256=letter * 64, size_bytes=1)


def step(key: str, *, reads: str = "", makes: str = "") -> StepRecord:
    return StepRecord(
        name="double",
        phase="build",
        passed=True,
        key=key * 64,
        at=NOW,
        uses="a:b",
        inputs=tuple(map(artifact, reads)),
        outputs=tuple(map(artifact, makes)),
        confidence=Confidence(score=80, because="its checks held"),
    )


APPROVAL = Approval(
    name="plan", phase="plan", passed=False, key="0" * 64, at=NOW, answer="reject", reviewer="Ann", how="prompt"
)
WAIVED = IssueAnswer(name="1", at=NOW, action="waive", by="Ann", reason="known")
DECIDED = Decision(
    name="ship",
    phase="decision",
    passed=False,
    key="0" * 64,
    at=NOW,
    verdict="fix",
    confidence=Confidence(score=70, because="measured"),
    bands=(60, 80),
    reasons=("x",),
    next_action="x",
)
MARK = Mark(name="built", phase="build", key="0" * 64, at=NOW)


def run_of(entries: Sequence[Entry], run_id: str = "r") -> Run:
    declared = Workflow(name="small", task="none", phases={})
    return Run(
        id=run_id,
        workflow_path="w.yaml",
        workflow_sha256="0" * 64,
        declared=declared,
        started_at=NOW,
        entries=tuple(entries),
    )


def checkpoint(*entries: Entry, run_id: str = "r", release: Release | None = None, data: str = "") -> Checkpoint:
    return Checkpoint(
        name="built",
        number=1,
        created_at=NOW,
        phase="build",
        confidence=None,
        restore=Restore(command="", git=""),
        release=release,
        run=run_of(entries, run_id),
        artifacts=tuple(one for entry in entries if isinstance(entry, StepRecord) for one in entry.outputs),
        data={letter: artifact(letter) for letter in data},
        code=Code(tree="0" * 40, head=None, branch=None),
        environment=Environment(python="3", platform="x", packages_sha256="0" * 64),
        parent=None,
    )


def journal(
    *entries: Entry, run_id: str = "r", days: float = 99.0, is_current: bool = False, watched_by: str = ""
) -> Journaled:
    run = run_of(entries, run_id)
    watches = {"watches": bool(watched_by), "project": watched_by}
    return Journaled(f"{watched_by}runs/{run_id}", run, tuple(entries), days, is_current, **watches)  # type: ignore[arg-type]


def kept(*journals: Journaled, results: Sequence[Result] = (), named: str = "") -> Kept:
    return Kept(journals, results, frozenset(letter * 64 for letter in named))


def letters(digests: frozenset[str]) -> str:
    return "".join(sorted(digest[0] for digest in digests))


def test_a_checkpoint_keeps_what_it_brings_back_and_what_its_steps_name() -> None:
    release = Release(version="v1.0.0", artifact=artifact("c"), run="r", checkpoint="t", approval_sha256=None, at=NOW)
    whole = checkpoint(step("1", reads="a", makes="b"), release=release, data="d")
    assert letters(mark([whole], kept(), 0).needed) == "abcd"
    assert [one.sha256[0] for one in needed_by(whole)] == ["b", "d", "c"]


def test_what_other_records_name_is_kept() -> None:
    assert letters(mark([], kept(named="ef"), 0).needed) == "ef"


@pytest.mark.parametrize(
    ("one", "stays"),
    [
        pytest.param(journal(step("1", makes="a"), is_current=True), True, id="the one a project is at"),
        pytest.param(journal(step("1", makes="a"), days=29), True, id="a young one"),
        pytest.param(journal(step("1", makes="a"), APPROVAL), True, id="with an answer that nothing else holds"),
        pytest.param(journal(step("1", makes="a"), WAIVED), True, id="with a waiver that nothing else holds"),
        pytest.param(journal(step("1", makes="a"), DECIDED), True, id="with a decision that nothing else holds"),
        pytest.param(journal(step("1", makes="a")), False, id="an old one"),
    ],
)
def test_a_journal_keeps_what_it_names_as_long_as_it_stays(one: Journaled, stays: bool) -> None:
    marked = mark([], kept(one), 30)
    assert (marked.journals == (), letters(marked.needed)) == (stays, "a" if stays else "")


def test_what_was_answered_or_decided_keeps_no_journal_once_a_checkpoint_holds_it() -> None:
    old = journal(APPROVAL, WAIVED, DECIDED, MARK)
    marked = mark([checkpoint(APPROVAL, WAIVED, DECIDED)], kept(old), 30)
    assert (marked.journals, marked.with_checkpoints, marked.checkpoints) == ((old,), {"r"}, 1)


def test_a_journal_whose_checkpoints_are_gone_stops_everything() -> None:
    with pytest.raises(IntegrityError, match="runs/lost speaks of checkpoints of run lost"):
        mark([checkpoint()], kept(journal(MARK, run_id="lost")), 30)


def test_the_newest_runs_of_monitoring_stay_and_those_that_a_table_comes_from() -> None:
    watches = [journal(run_id=f"w{days}", days=float(days), watched_by="a/") for days in range(100, 130)]
    marked = mark([], Kept(watches, (), frozenset(), frozenset({"w129"})), 30)
    assert [one.run.id for one in marked.journals] == [f"w{days}" for days in range(100 + NEWEST_WATCHES, 129)]


def test_a_project_that_is_watched_often_drops_no_run_of_monitoring_of_another() -> None:
    often = [journal(run_id=f"w{days}", days=float(days), watched_by="a/") for days in range(40, 70)]
    seldom = [journal(run_id=f"w{days}", days=float(days), watched_by="b/") for days in (50, 300)]
    marked = mark([], kept(*often, *seldom), 30)
    assert [one.place for one in marked.journals] == [f"a/runs/w{days}" for days in range(40 + NEWEST_WATCHES, 70)]


def test_a_result_stays_while_it_is_young_or_a_kept_run_has_its_key() -> None:
    results = [
        Result("young", step("1", makes="a"), 1.0),
        Result("of a checkpoint", step("2", makes="b"), 99.0),
        Result("of a run", step("3", makes="c"), 99.0),
        Result("of nobody", step("4", makes="d"), 99.0),
        Result("spoiled", None, 0.0),
    ]
    going_on = journal(step("3"), run_id="now", is_current=True)
    marked = mark([checkpoint(step("2"))], kept(going_on, results=results), 30)
    assert [one.place for one in marked.results] == ["of nobody", "spoiled"]
    assert letters(marked.needed) == "abc"
