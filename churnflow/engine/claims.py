"""The ledger of claims: which scores were given in the runs of a project, and what the evidence says of each."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Final

from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.claims import Claim, Outcome, PastRun, Standing, standings
from churnflow.domain.evidence import Check, Confidence
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.engine.judge import final_confidence, requirement_checks
from churnflow.engine.ports import CheckpointStore
from churnflow.errors import IntegrityError

NEWEST: Final = 20
UNKNOWN: Final = "unknown"


def track_record(
    run: Run, checkpoints: CheckpointStore, outcomes: Collection[Outcome] = ()
) -> tuple[tuple[Claim, ...], tuple[Standing, ...]]:
    """Return the claims of `run` and of the NEWEST runs kept beside it, and how each author fared.

    A kept run that does not prove whole counts for nothing; `churnflow verify` names it.
    """
    found = list(claims_of(run, outcomes))
    for head in reversed(list(islice(_kept(run, checkpoints), NEWEST))):
        found += claims_of(head.run, outcomes)
    return tuple(found), standings(found)


def past_runs(run: Run, checkpoints: CheckpointStore) -> tuple[PastRun, ...]:
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


def _known_at(at: datetime, run: Run, checkpoints: CheckpointStore) -> Iterator[Checkpoint]:
    """Yield what each kept run was at a moment, the newest first; one that does not prove whole counts for nothing."""
    for head in _kept(run, checkpoints):
        with suppress(IntegrityError):
            yield from _as_of(head, at, checkpoints)


def _as_of(head: Checkpoint, at: datetime, checkpoints: CheckpointStore) -> Collection[Checkpoint]:
    """Return the newest checkpoint of a run at a moment: a later one, a rollback to it for instance, hides none."""
    if head.created_at <= at:
        return [head]
    before = [one.tag for one in checkpoints.summaries(head.run.id) if one.created_at <= at]
    return [checkpoints.load(tag) for tag in before[-1:]]


def _kept(run: Run, checkpoints: CheckpointStore) -> Iterator[Checkpoint]:
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
