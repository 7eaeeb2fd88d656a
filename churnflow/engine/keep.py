"""Keeping a checkpoint: from a run and what surrounds it to one whole, durable, named state."""

from collections.abc import Sequence
from typing import Final

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Parent, Restore, tag_of
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Mark, Run
from churnflow.domain.ledger import as_of, open_issues, weight
from churnflow.domain.release import LEVELS, Change, Release, next_version, version_number
from churnflow.engine.approvals import candidate, unproven
from churnflow.engine.claims import past_runs
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.engine.ports import Ports
from churnflow.engine.shipping import last_approval_sha256, shipping_gate
from churnflow.errors import IntegrityError, RefusedError, UsageError

# So many reasons of a new version are told.
_TOLD: Final = 5


def keep_checkpoint(run: Run, mark: Mark, ports: Ports) -> Mark:
    """Save the run, closed by `mark`, as its next checkpoint, and serve its release if it is the one that ships.

    A checkpoint that a killed command had saved already is taken as it is. Returns the mark that the checkpoint holds.
    """
    run = run.before(mark.name)
    _refuse_unproven(run, mark, ports)
    head = ports.checkpoints.head(run.id)
    saved = _saved_mark(head, run, mark)
    if head is not None and saved is not None:
        return _settled(head, saved, ports)
    checkpoint = compose(run.add(mark), mark.name, head, ports)
    checkpoint = checkpoint.model_copy(update={"phase": mark.phase, "release": _release(run, mark, checkpoint, ports)})
    ports.checkpoints.save(checkpoint)
    return _settled(checkpoint, mark, ports)


def _refuse_unproven(run: Run, mark: Mark, ports: Ports) -> None:
    """Prove the approvals once more before a checkpoint makes a release: a decision is only a line of the journal.

    Raises RefusedError for the first that does not count.
    """
    gate = shipping_gate(run, mark.name)
    if gate is None:
        return
    for reason in unproven(run, gate, ports):
        message = f"the gate {gate.name!r} is recorded as ship, but {reason}"
        raise RefusedError(message, hint="`churnflow status` shows the approvals; have it approved, then decide again")


def compose(run: Run, name: str, head: Checkpoint | None, ports: Ports, also: Sequence[str] = ()) -> Checkpoint:
    """Return the checkpoint that stands for `run` as it is now, after `head`; nothing is saved by this.

    also: files that it holds even if git ignores them.
    """
    number = head.number + 1 if head else 1
    tag = tag_of(run.id, number, name)
    data = source_files(run, ports)
    now = ports.clock.now()
    still_open = open_issues(as_of(run, now))
    return Checkpoint(
        name=name,
        number=number,
        created_at=now,
        phase="",
        confidence=_confidence(run, ports),
        issues_open=tuple(f"{line.id} ({weight(line)}): {line.text}" for line in still_open),
        restore=Restore(command=f"churnflow rollback {tag}", git=f"git checkout {tag}"),
        release=ports.pointer.read(),
        run=run.condensed(),
        artifacts=tuple(artifact for record in run.steps() for artifact in record.outputs),
        data=data,
        code=ports.checkpoints.snapshot([*data, *run.workflow.databases()], also),
        environment=ports.checkpoints.environment(),
        parent=Parent(tag=head.tag, sha256=digest(head)) if head else None,
    )


def _confidence(run: Run, ports: Ports) -> Confidence | None:
    """Return the confidence of the phase that the run has reached."""
    later = final_confidence(run) or build_confidence(run)
    return later or initial_confidence(run, past_runs(run, ports.checkpoints))


def source_files(run: Run, ports: Ports) -> dict[str, Artifact]:
    """Return the files that the run's steps have read, and those that steps to come name, by path.

    They are kept in the store and never in git, from the first checkpoint on.
    """
    read = {artifact.name: artifact for record in run.steps() for artifact in record.inputs if artifact.codec == "file"}
    to_come = sorted(text for text in run.workflow.texts() - read.keys() if _is_file(text, ports))
    return {**{path: ports.store.put_file(path, ports.files.resolve(path)) for path in to_come}, **read}


def _is_file(text: str, ports: Ports) -> bool:
    try:
        return ports.files.sha256(text) is not None
    except UsageError:
        return False


def serve_release(checkpoint: Checkpoint, ports: Ports) -> None:
    """Make the API serve what `checkpoint` names, if it names a release and that is not served yet."""
    if checkpoint.release is not None and ports.pointer.read() != checkpoint.release:
        ports.store.verify(checkpoint.release.artifact)
        ports.pointer.switch(checkpoint.release)


def _settled(checkpoint: Checkpoint, mark: Mark, ports: Ports) -> Mark:
    serve_release(checkpoint, ports)
    return mark


def _saved_mark(head: Checkpoint | None, run: Run, mark: Mark) -> Mark | None:
    """Return the mark of `head` if that is the checkpoint which `mark` asks for, already saved."""
    if head is None or head.restores is not None or not head.run.entries:
        return None
    last = head.run.entries[-1]
    if not isinstance(last, Mark) or (last.name, last.key) != (mark.name, mark.key):
        return None
    return last if head.run == run.add(last).condensed() else None


def _release(run: Run, mark: Mark, checkpoint: Checkpoint, ports: Ports) -> Release | None:
    """Return what is served as of this checkpoint: a new release if it directly follows a gate that said ship."""
    gate = shipping_gate(run, mark.name)
    ships = candidate(run, gate) if gate else None
    served = checkpoint.release
    if ships is None:
        return served
    if served is not None and (served.artifact.sha256, served.privacy) == (ships.sha256, run.declared.privacy):
        return served
    ports.store.verify(ships)
    version, change = _version(ships, served, ports)
    return Release(
        version=version,
        artifact=ships,
        run=run.id,
        checkpoint=checkpoint.tag,
        approval_sha256=last_approval_sha256(run),
        at=checkpoint.created_at,
        privacy=run.declared.privacy,
        change=change,
    )


def _version(candidate: Artifact, served: Release | None, ports: Ports) -> tuple[str, str | None]:
    """Return the version of a new release, and why it rises as it does, None for the first.

    It rises by what changes for clients since what is served, and since the highest version, where a rollback left
    that: whoever reads two versions of one major number takes them for compatible.
    """
    past = ports.pointer.past()
    if not past:
        return next_version((), "minor"), None
    highest = max(past, key=lambda release: version_number(release.version))
    compared = [highest] if served is None or served == highest else [served, highest]
    changes = [(release.version, _change(release.artifact, candidate, ports)) for release in compared]
    since, change = max(changes, key=lambda pair: LEVELS.index(pair[1].level))
    more = len(change.reasons) - _TOLD
    told = ", ".join(change.reasons[:_TOLD]) + (f" and {more} more" if more > 0 else "")
    return next_version((release.version for release in past), change.level), f"{change.level} since {since}: {told}"


def _change(before: Artifact, after: Artifact, ports: Ports) -> Change:
    if before.sha256 == after.sha256:
        return Change(level="patch", reasons=("the same bundle, as the workflow declares it now",))
    try:
        return ports.release_change(before, after)
    except IntegrityError:
        return Change(level="major", reasons=("its bundle is missing or altered, so that nothing can be promised",))
