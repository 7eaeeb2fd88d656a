"""The ledger of claims: which scores were given in the runs of a project, and what the evidence says of each."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Final, Protocol

from churnflow.domain.checkpoint import Checkpoint, Summary
from churnflow.domain.claims import Claim, Outcome, PastRun, Standing, standings
from churnflow.domain.evidence import Check, Confidence
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence, requirement_checks
from churnflow.errors import IntegrityError

NEWEST: Final = 20
UNKNOWN: Final = "unknown"


class KeptRuns(Protocol):
    """What is asked of the runs that are kept: the part of a CheckpointStore that a record is counted from."""

    def runs(self) -> Sequence[str]:
        """Return the ids of the runs that count, oldest first."""

    def head(self, run_id: str) -> Checkpoint | None:
        """Return the newest checkpoint of a run that counts. Raises IntegrityError if it does not match its digest."""

    def summaries(self, run_id: str) -> Sequence[Summary]:
        """Return what there is to list of a run's checkpoints, oldest first."""

    def load(self, tag: str) -> Checkpoint:
        """Return the checkpoint that a tag names. Raises IntegrityError."""


class Counted:
    """The runs that counted once, each up to the checkpoint that was its newest then: no other, whatever came since."""

    def __init__(self, heads: Sequence[Checkpoint], checkpoints: KeptRuns) -> None:
        """Take the newest checkpoint of each run, and where the earlier ones are."""
        self._heads = {head.run.id: head for head in heads}
        self._checkpoints = checkpoints

    def runs(self) -> Sequence[str]:
        """Return the ids of the runs that counted, oldest first."""
        return sorted(self._heads)

    def head(self, run_id: str) -> Checkpoint | None:
        """Return the newest checkpoint that a run had, None for a run that did not count."""
        return self._heads.get(run_id)

    def summaries(self, run_id: str) -> Sequence[Summary]:
        """Return what there was to list of a run that counted, oldest first."""
        newest = self._heads[run_id].number
        return [one for one in self._checkpoints.summaries(run_id) if one.number <= newest]

    def load(self, tag: str) -> Checkpoint:
        """Return the checkpoint that a tag names. Raises IntegrityError."""
        return self._checkpoints.load(tag)


def counted(run: Run, checkpoints: KeptRuns) -> tuple[Checkpoint, ...]:
    """Return the newest checkpoint of each run that `track_record` and `past_runs` of `run` count, by run id.

    `Counted` of these gives both the same again after any pull, rollback or later run.
    """
    heads = {head.run.id: head for head in islice(_kept(run, checkpoints), NEWEST)}
    for known in islice(_known_at(run.started_at, run, checkpoints), NEWEST):
        head = checkpoints.head(known.run.id)
        heads |= {known.run.id: head} if head else {}
    return tuple(heads[run_id] for run_id in sorted(heads))


def initial_stated(run: Run, history: Sequence[Checkpoint]) -> Confidence | None:
    """Return the confidence of the plan of `run` as the first checkpoint of that plan has kept it.

    That knew of the runs kept where it was planned, and is the same in every clone. Without such a checkpoint it is
    that of the plan by itself, which knows of none.
    """
    alone = initial_confidence(run)
    for one in history:
        planned = not (build_confidence(one.run) or final_confidence(one.run))
        if planned and one.confidence is not None and initial_confidence(one.run) == alone:
            return one.confidence
    return alone


def track_record(
    run: Run, checkpoints: KeptRuns, outcomes: Collection[Outcome] = ()
) -> tuple[tuple[Claim, ...], tuple[Standing, ...]]:
    """Return the claims of `run` and of the NEWEST runs kept beside it, and how each author fared.

    A kept run that does not prove whole counts for nothing; `churnflow verify` names it.
    """
    found = list(claims_of(run, outcomes))
    for head in reversed(list(islice(_kept(run, checkpoints), NEWEST))):
        found += claims_of(head.run, outcomes)
    return tuple(found), standings(found)


def past_runs(run: Run, checkpoints: KeptRuns) -> tuple[PastRun, ...]:
    """Return what those of the NEWEST runs kept before `run` came to that a plan of it could know of, oldest first.

    They are runs of a workflow of its name that had been reviewed when `run` began. What has come of them since is
    left out, and so are later runs, so that what a plan was told can be told again.
    """
    found = []
    for head in reversed(list(islice(_known_at(run.started_at, run, checkpoints), NEWEST))):
        final = final_confidence(head.run)
        if final is not None and head.run.declared.name == run.declared.name:
            decisions = (entry for entry in head.run.entries if isinstance(entry, Decision))
            shipped = any(decision.verdict == "ship" for decision in decisions)
            found.append(PastRun(run=head.run.id, score=final.score, shipped=shipped))
    return tuple(found)


def _known_at(at: datetime, run: Run, checkpoints: KeptRuns) -> Iterator[Checkpoint]:
    """Yield what each kept run was at a moment, the newest first; one that does not prove whole counts for nothing."""
    for head in _kept(run, checkpoints):
        with suppress(IntegrityError):
            yield from _as_of(head, at, checkpoints)


def _as_of(head: Checkpoint, at: datetime, checkpoints: KeptRuns) -> Collection[Checkpoint]:
    """Return the newest checkpoint of a run at a moment: a later one, a rollback to it for instance, hides none."""
    if head.created_at <= at:
        return [head]
    before = [one.tag for one in checkpoints.summaries(head.run.id) if one.created_at <= at]
    return [checkpoints.load(tag) for tag in before[-1:]]


def _kept(run: Run, checkpoints: KeptRuns) -> Iterator[Checkpoint]:
    """Yield the newest checkpoint of each run kept beside `run` that proves whole, the newest run first."""
    for run_id in reversed(checkpoints.runs()):
        if run_id != run.id:
            with suppress(IntegrityError):
                head = checkpoints.head(run_id)
                yield from [head] if head else []


def claims_of(run: Run, outcomes: Collection[Outcome] = ()) -> Iterator[Claim]:
    """Yield the claims of a run: what its steps say of themselves, and the final score of each of its decisions.

    A plan claims that the requirements will be met: the newest evaluation settles that, once each was measured. A later
    step claims to have done what it declares: its own checks and requirements settle that, or without any those of the
    workflow, and a critical issue refutes it. A final score claims that the requirements hold on what comes after the
    release: only `outcomes` settle that.
    """
    for entry in run.entries:
        if isinstance(entry, Decision):
            yield _final(run, entry, outcomes)
        elif isinstance(entry, StepRecord) and entry.stated is not None and run.latest(entry.name) is entry:
            yield _stated(run, entry, entry.stated)


def _final(run: Run, decision: Decision, outcomes: Collection[Outcome]) -> Claim:
    shipped = decision.verdict == "ship"
    after = next((outcome for outcome in outcomes if shipped and outcome.run == run.id), None)
    waits = "no performance measured yet" if shipped else "not released"
    return Claim(
        author=decision.by or UNKNOWN,
        run=run.id,
        about=f"final score ({decision.verdict})",
        score=decision.confidence.score,
        at=decision.at,
        came_true=after.held if after else None,
        settled_by=after.evidence if after else waits,
    )


def _stated(run: Run, record: StepRecord, stated: Confidence) -> Claim:
    plans = record.phase == next(iter(run.declared.phases))
    held, evidence = _of_requirements(run) if plans else _of_step(run, record)
    return Claim(
        author=record.facts.get("author", record.uses),
        run=run.id,
        about=f"step {record.name}",
        score=stated.score,
        at=record.at,
        came_true=held,
        settled_by=evidence,
    )


def _of_requirements(run: Run) -> tuple[bool | None, str]:
    """Return whether the newest evaluation meets the requirements of the workflow, None before all are measured."""
    checks = requirement_checks(run)
    if not checks or any(check.observed is None for check in checks):
        return None, "requirements not measured yet" if checks else "no requirements declared"
    return _all_hold(checks, "requirements")


def _of_step(run: Run, record: StepRecord) -> tuple[bool | None, str]:
    critical = [issue for issue in record.issues if issue.severity == "critical"]
    if critical:
        return False, f"critical: {critical[0].text}"
    own = [rule for rule in run.declared.requirements if rule.metric.partition(".")[0] == record.name]
    checks = [*record.checks, *requirement_checks(run, own)]
    return _all_hold(checks, "checks and requirements") if checks else _of_requirements(run)


def _all_hold(checks: Collection[Check], what: str) -> tuple[bool, str]:
    failed = [check.claim for check in checks if not check.passed]
    return not failed, f"fails: {', '.join(failed)}" if failed else f"{len(checks)} {what} hold"
