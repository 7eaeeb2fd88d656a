"""Every link from tag to server, followed in order; the first broken one ends it with an error that names it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Decision, Mark, Run, StepRecord
from churnflow.domain.ledger import as_of
from churnflow.domain.release import Release
from churnflow.engine.keys import gate_subject, subject
from churnflow.engine.ports import Ports
from churnflow.engine.shipping import is_released, maker_of
from churnflow.engine.verify_approvals import check_signatures, prove_maker
from churnflow.errors import ChurnflowError, IntegrityError

FORGED: Final = "compare with another clone; `churnflow log` lists what there is, `churnflow rollback REF` goes back"
LOST: Final = "git fetch --tags brings it back from a clone; git fsck --lost-found finds it"
POINTER: Final = "`churnflow log` lists what was released; `churnflow rollback REF` serves it"
History = Sequence[Checkpoint]
Link = Callable[[History, Ports], None]


class BrokenLinkError(IntegrityError):
    """The first link that does not hold; `link` is its name."""

    def __init__(self, link: str, failure: ChurnflowError) -> None:
        """Take the name of the link, and what is wrong with it."""
        super().__init__(f"broken link {link!r}: {failure}", hint=failure.hint)
        self.link = link


@dataclass(frozen=True)
class Verified:
    """What was found whole."""

    checkpoints: int
    artifacts: int
    served: str | None


def verify(run_id: str, ports: Ports) -> Verified:
    """Follow every link of one run, and what is served. Raises BrokenLinkError at the first that does not hold."""
    return _verified([_run(run_id, ports)], ports)


def verify_all(ports: Ports) -> Verified:
    """Follow the same for every run of the project, the oldest first, and what lies between runs."""
    with following("journal"):
        begun = ports.journal.runs_begun()
    with following("commit"):
        kept = ports.checkpoints.runs()
    histories = [_run(run_id, ports) for run_id in dict.fromkeys((*kept, *begun))]
    with following("approval"):
        refuse_replayed(histories)
    with following("reuse"):
        ports.journal.prove_reusable()
    return _verified(histories, ports)


def verify_one(tag: str, ports: Ports) -> Verified:
    """Follow the same for one checkpoint, with its place in the chain but not those before it."""
    with following("record"):
        history = [ports.checkpoints.load(tag)]
    for name, check in OF_ONE.items():
        with following(name):
            check(history, ports)
    return _verified([history], ports)


@contextmanager
def following(link: str, kind: type[ChurnflowError] = ChurnflowError) -> Iterator[None]:
    """Name the link that a failure breaks: whatever stands in the way of proving it, it is not proved.

    kind: the failures that are meant, where others say only that it could not be asked.
    """
    try:
        yield
    except BrokenLinkError:
        raise
    except kind as failure:
        raise BrokenLinkError(link, failure) from failure


def _run(run_id: str, ports: Ports) -> History:
    for name, check in ports.checkpoints.proofs(run_id):
        with following(name):
            check()
    with following("record"):
        history = ports.checkpoints.history(run_id)
    with following("journal"):
        check_journal(run_id, history, ports)
    for name, link in {"parent": check_parents, **OF_ONE}.items():
        with following(name):
            link(history, ports)
    return history


def check_parents(history: History, _: Ports) -> None:
    """Each checkpoint states the digest of the one before it."""
    previous: Checkpoint | None = None
    for checkpoint in history:
        expected = digest(previous) if previous else None
        found = checkpoint.parent.sha256 if checkpoint.parent else None
        if found != expected:
            message = f"{checkpoint.tag} does not follow on {previous.tag if previous else 'nothing'}"
            raise IntegrityError(message, hint="restore the tags from a clone: `git fetch --tags`")
        previous = checkpoint


def check_journal(run_id: str, history: History, ports: Ports) -> None:
    """The journal and the chain tell the same: no checkpoint is gone, and none holds what was never recorded.

    A kill between a checkpoint and its line leaves the journal one mark behind; a rollback that was cut off is finished
    by the next command, and until then they may differ.
    """
    run = ports.journal.read(run_id)
    if run is None or ports.journal.intent() is not None:
        return
    held = [entry for checkpoint in history for entry in checkpoint.run.entries if isinstance(entry, Mark)]
    lost = next((entry for entry in run.entries if isinstance(entry, Mark) and entry not in held), None)
    if lost is not None:
        message = f"the journal of {run_id} tells of a checkpoint {lost.name!r} that is in no chain any more"
        raise IntegrityError(message, hint=LOST)
    tags = {checkpoint.tag for checkpoint in history}
    undone = next((tag for tag in ports.journal.rollbacks(run_id) if tag not in tags), None)
    if undone is not None:
        message = f"the journal of {run_id} tells of the rollback {undone} that is in no chain any more"
        raise IntegrityError(message, hint=LOST)
    recorded = ports.journal.ever(run_id)
    for checkpoint in history if recorded is not None else ():
        entries = checkpoint.run.entries
        ahead = checkpoint is history[-1] and bool(entries) and isinstance(entries[-1], Mark)
        if any(entry not in (recorded or ()) for entry in (entries[:-1] if ahead else entries)):
            message = f"{checkpoint.tag} holds an entry that the journal of {run_id} never had"
            raise IntegrityError(message, hint=f"was the run continued in another work tree? if not: {FORGED}")


def check_workflows(history: History, _: Ports) -> None:
    """A run declares the workflow whose digest it states, and everything of a checkpoint is of its run."""
    for checkpoint in history:
        run = checkpoint.run
        if digest(run.declared) != run.workflow_sha256:
            message = f"the workflow in {checkpoint.tag} is not the one whose digest the run states"
            raise IntegrityError(message, hint=FORGED)


def check_artifacts(history: History, ports: Ports) -> None:
    """The artifacts are those that the steps made, and their bytes have their digests."""
    seen: set[str] = set()
    for checkpoint in history:
        if list(checkpoint.artifacts) != [artifact for step in checkpoint.run.steps() for artifact in step.outputs]:
            message = f"the artifacts that {checkpoint.tag} lists are not those that its steps made"
            raise IntegrityError(message, hint=FORGED)
        for artifact in artifacts_of(checkpoint):
            if artifact.sha256 not in seen:
                ports.store.verify(artifact)
                seen.add(artifact.sha256)


def check_approvals(history: History, _: Ports) -> None:
    """What was approved, kept and decided is what stood before it: each key is computed again from the records.

    A rescue holds a state as it was, in which an answer may have been stale; nothing is released from one.
    """
    for checkpoint in history:
        run = checkpoint.run
        if not run.entries or not isinstance(run.entries[-1], Mark):
            continue
        for entry in run.current():
            if not isinstance(entry, StepRecord) and entry.key != _subject_of(entry, run):
                what = {"approval": "approval", "decision": "decision", "checkpoint": "mark"}[entry.kind]
                message = f"the {what} {entry.name!r} in {checkpoint.tag} is not of what stands before it"
                raise IntegrityError(message, hint=FORGED)


def _subject_of(entry: Approval | Decision | Mark, run: Run) -> str:
    item = next(item for item in run.declared.items() if item.name == entry.name)
    return gate_subject(as_of(run, entry.at), item) if isinstance(entry, Decision) else subject(run, item)


def refuse_replayed(histories: Sequence[History]) -> None:
    """Raise IntegrityError for an approval that stands in a run begun after it was given, and in an earlier run."""
    given: dict[str, str] = {}
    for history in sorted(filter(None, histories), key=lambda history: history[0].run.started_at):
        run = history[0].run
        entries = (entry for checkpoint in history for entry in checkpoint.run.entries)
        for sha256, entry in {digest(entry): entry for entry in entries if isinstance(entry, Approval)}.items():
            first = given.setdefault(sha256, run.id)
            if first != run.id and entry.at < run.started_at:
                message = f"the approval {entry.name!r} of run {run.id} was given to run {first}, before this one began"
                raise IntegrityError(message, hint=FORGED)


def check_releases(history: History, ports: Ports) -> None:
    """What a checkpoint releases was made by its run, decided by its gate and approved as it states."""
    for checkpoint in history:
        release = checkpoint.release
        if release is None:
            continue
        ports.store.verify(release.artifact)
        if release.checkpoint == checkpoint.tag and not is_released(release, checkpoint):
            message = f"the release {release.version} of {checkpoint.tag} does not follow from its run"
            raise IntegrityError(message, hint=FORGED)


def artifacts_of(checkpoint: Checkpoint) -> tuple[Artifact, ...]:
    """Return every stored object that a checkpoint names."""
    released = (checkpoint.release.artifact,) if checkpoint.release else ()
    return (*checkpoint.artifacts, *checkpoint.data.values(), *released)


OF_ONE: Final[dict[str, Link]] = {
    "workflow": check_workflows,
    "artifact": check_artifacts,
    "approval": check_approvals,
    "signature": check_signatures,
    "release": check_releases,
}


def _verified(histories: Sequence[History], ports: Ports) -> Verified:
    with following("served"):
        served = verify_served(ports)
        check_past(histories, ports)
        check_newest(served, ports)
    names = {artifact.sha256 for history in histories for one in history for artifact in artifacts_of(one)}
    return Verified(sum(map(len, histories)), len(names), served.version if served else None)


def verify_served(ports: Ports) -> Release | None:
    """Return what is served, None if nothing is. Raises IntegrityError unless a checkpoint after a gate released it."""
    served = ports.pointer.read()
    if served is None:
        return None
    ports.store.verify(served.artifact)
    made = maker_of(served, ports)
    if made is None:
        message = f"what is served ({served.version}) is not what {served.checkpoint} released"
        raise IntegrityError(message, hint=POINTER)
    prove_maker(made, ports)
    return served


def check_past(histories: Sequence[History], ports: Ports) -> None:
    """Everything in the list of what was served was released by the checkpoint that it names, and nothing is missing.

    What a later checkpoint of a run that was begun here states as served was served here; its maker alone may have been
    killed before that.
    """
    past = {digest(release): release for release in ports.pointer.past()}
    here = [history for history in histories if history and ports.journal.ever(history[0].run.id) is not None]
    for checkpoint in (item for history in here for item in history):
        stated = checkpoint.release
        if stated is not None and stated.checkpoint != checkpoint.tag and digest(stated) not in past:
            message = f"the list of what was served does not name {stated.version}, which {checkpoint.tag} states"
            raise IntegrityError(message, hint=POINTER)
    for release in past.values():
        if maker_of(release, ports) is None:
            message = f"the list of what was served names {release.version}, which {release.checkpoint} did not release"
            raise IntegrityError(message, hint=POINTER)


def check_newest(served: Release | None, ports: Ports) -> None:
    """What is served is what the newest checkpoint says: else the pointer was turned back, or is gone.

    In a clone where nothing was done and nothing served yet, what others serve is no concern of its pointer.
    """
    heads = [head for head in map(ports.checkpoints.head, ports.checkpoints.runs()) if head]
    run = ports.journal.current()
    here = [head for head in heads if run is not None and head.run.id == run.id]
    newest = max(here or heads, key=lambda head: head.created_at, default=None)
    if newest is None or newest.release == served or ports.journal.intent() is not None:
        return
    if run is None and served is None and not ports.pointer.past():
        return
    stated = newest.release.version if newest.release else "nothing"
    message = f"{served.version if served else 'nothing'} is served, but {newest.tag} says that {stated} is"
    raise IntegrityError(message, hint=POINTER)
