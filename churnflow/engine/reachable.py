"""What the history still needs of what is kept beside it: the rest can be freed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Decision, Entry, IssueAnswer, Mark, Run, StepRecord
from churnflow.errors import IntegrityError

# Hourly monitoring makes so many runs in a day; the newest of each project are kept, however old.
NEWEST_WATCHES: Final = 24
# What a person or the gate has said exists nowhere else, and can not be computed again.
ANSWERS: Final = (Approval, IssueAnswer, Decision)


@dataclass(frozen=True)
class Journaled:
    """A run as its journal has it, in one work tree.

    place: names the journal. days: since it was last written. is_current: its project is at it. watches: it is a run of
    monitoring. every: all entries that the journal ever took, also those that a rollback left. project: names the
    project and the work tree that it is of.
    """

    place: str
    run: Run
    every: tuple[Entry, ...]
    days: float
    is_current: bool
    watches: bool
    project: str = ""


@dataclass(frozen=True)
class Result:
    """A step's result that is kept for reuse; record: None where the file can not be read, and so serves nobody."""

    place: str
    record: StepRecord | None
    days: float


@dataclass(frozen=True)
class Kept:
    """What is kept outside git. named: digests that other records hold, such as those of served and deployed bundles.

    watched: the runs of monitoring that the table of a release comes from.
    """

    journals: Sequence[Journaled]
    results: Sequence[Result]
    named: frozenset[str]
    watched: frozenset[str] = frozenset()


@dataclass
class _History:
    """What the checkpoints hold."""

    runs: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    count: int = 0


@dataclass(frozen=True)
class Marked:
    """What can be freed, by its places, and what is needed, by digest. with_checkpoints: the runs that have any."""

    journals: tuple[Journaled, ...]
    results: tuple[Result, ...]
    needed: frozenset[str]
    with_checkpoints: frozenset[str]
    checkpoints: int


def mark(checkpoints: Iterable[Checkpoint], kept: Kept, keep_days: float) -> Marked:
    """Return what nothing needs that counts: a checkpoint, a release, an answer, a decision, or a run that goes on.

    Results, finished journals and runs of monitoring are needed for `keep_days` days anyway. Raises IntegrityError for
    a journal that speaks of checkpoints where there are none any more: what they held can not be known then.
    """
    history = _read(checkpoints)
    for journal in kept.journals:
        _refuse_lost(journal, history)
    newest = _newest_watches(kept.journals)
    watches = newest | {one.place for one in kept.journals if one.run.id in kept.watched}
    freed = tuple(one for one in kept.journals if _is_done_with(one, history, watches, keep_days))
    digests, keys = set(kept.named) | history.digests, set(history.keys)
    for journal in kept.journals:
        if journal not in freed:
            digests |= _digests(journal.every)
            keys |= _keys(journal.every)
    results = []
    for result in kept.results:
        if result.record is not None and (result.days < keep_days or result.record.key in keys):
            digests |= _digests([result.record])
        else:
            results.append(result)
    return Marked(freed, tuple(results), frozenset(digests), frozenset(history.runs), history.count)


def needed_by(checkpoint: Checkpoint) -> Iterator[Artifact]:
    """Yield every artifact that a checkpoint brings back: outputs, source files and the served bundle."""
    yield from checkpoint.artifacts
    yield from checkpoint.data.values()
    if checkpoint.release is not None:
        yield checkpoint.release.artifact


def _read(checkpoints: Iterable[Checkpoint]) -> _History:
    history = _History()
    for checkpoint in checkpoints:
        entries = checkpoint.run.entries
        history.runs.add(checkpoint.run.id)
        history.digests |= {artifact.sha256 for artifact in needed_by(checkpoint)} | _digests(entries)
        history.answers |= {digest(entry) for entry in entries if isinstance(entry, ANSWERS)}
        history.keys |= _keys(entries)
        history.count += 1
    return history


def _is_done_with(journal: Journaled, history: _History, watches: frozenset[str], keep_days: float) -> bool:
    if journal.is_current or journal.days < keep_days:
        return False
    if journal.watches:
        return journal.place not in watches
    answers = (entry for entry in journal.every if isinstance(entry, ANSWERS))
    return all(digest(answer) in history.answers for answer in answers)


def _newest_watches(journals: Sequence[Journaled]) -> frozenset[str]:
    """Return the places of the newest runs of monitoring of each project: one that watches often drops no other's."""
    by_project: dict[str, list[Journaled]] = defaultdict(list)
    for one in sorted((one for one in journals if one.watches), key=lambda one: one.days):
        by_project[one.project].append(one)
    return frozenset(one.place for ones in by_project.values() for one in ones[:NEWEST_WATCHES])


def _refuse_lost(journal: Journaled, history: _History) -> None:
    run = journal.run.id
    if run not in history.runs and any(isinstance(entry, Mark) for entry in journal.every):
        message = f"the journal {journal.place} speaks of checkpoints of run {run}, and there are none"
        hint = "`churnflow pull` brings them from the remote; if you removed them, remove that journal, too"
        raise IntegrityError(message, hint=hint)


def _digests(entries: Iterable[Entry]) -> set[str]:
    records = [entry for entry in entries if isinstance(entry, StepRecord)]
    return {artifact.sha256 for record in records for artifact in (*record.inputs, *record.outputs)}


def _keys(entries: Iterable[Entry]) -> set[str]:
    return {entry.key for entry in entries if isinstance(entry, StepRecord)}
