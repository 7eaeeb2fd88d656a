"""What the engine asks of the world: one Protocol per neighbour, and the bundle of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from churnflow.domain.approval import Policy
from churnflow.domain.base import Frozen
from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Summary
from churnflow.domain.claims import Standing
from churnflow.domain.contract import Progress
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Approval, Decision, Entry, ItemEntry, Run, StepRecord
from churnflow.domain.ledger import LedgerLine
from churnflow.domain.release import Change as ReleaseChange
from churnflow.domain.release import Release
from churnflow.domain.reviewers import ListedReviewer, Pin, ReviewerList, SignedList
from churnflow.domain.workflow import ApprovalRequest, Item


class Intent(Frozen):
    """A rollback in progress: the checkpoint it brings back, the state it leaves, and why."""

    target: str
    before: str
    reason: str | None


class ArtifactStore(Protocol):
    """Outputs by the hash of their bytes; an object is whole and durable before its artifact is returned."""

    def put(self, name: str, value: object, codec: str) -> Artifact:
        """Store `value` in the form that `codec` writes. Raises UsageError for an unknown codec."""

    def put_file(self, name: str, path: Path) -> Artifact:
        """Store the bytes of an existing file, unread but for hashing (codec `file`)."""

    def get(self, artifact: Artifact) -> object:
        """Return the value after its bytes were hashed. Raises IntegrityError when they are missing or altered."""

    def path(self, artifact: Artifact) -> Path:
        """Return where the bytes of `artifact` lie; they are not to be changed."""

    def has(self, artifact: Artifact) -> bool:
        """Tell whether there are bytes of that digest and size; they are not hashed."""

    def verify(self, artifact: Artifact) -> None:
        """Hash the stored bytes. Raises IntegrityError when they are missing or altered."""


class Journal(Protocol):
    """The runs of a project, kept on disk after every entry."""

    def current(self) -> Run | None:
        """Return the run that the project is at, None before the first."""

    def start(self, run: Run) -> None:
        """Make `run`, without entries, the current one."""

    def append(self, run: Run, entry: Entry) -> None:
        """Add one entry durably; when this returns, a kill does not lose it."""

    def reset(self, run: Run, tag: str) -> None:
        """Make `run` with its entries the current state, durably, as the rollback kept as `tag`; nothing is erased."""

    def rollbacks(self, run_id: str) -> Sequence[str]:
        """Return the tags of the checkpoints that rollbacks to this run have made, as far as its journal tells."""

    def intend(self, intent: Intent | None) -> None:
        """Keep durably what is about to be done in several writes, None when it is done."""

    def intent(self) -> Intent | None:
        """Return what a killed command had begun and not finished."""

    def reusable(self, key: str) -> tuple[str, StepRecord] | None:
        """Return the run and record of a passed step with this key, None if no such step was ever done here."""

    def runs_begun(self) -> Sequence[str]:
        """Return the ids of the runs that have a journal, by date."""

    def read(self, run_id: str) -> Run | None:
        """Return a run as its journal has it, None without one. Raises IntegrityError for one that was altered."""

    def ever(self, run_id: str) -> Sequence[Entry] | None:
        """Return all that was ever recorded of a run, also before a rollback; None where it was not begun here."""

    def prove_reusable(self) -> None:
        """Raise IntegrityError for the first result kept for reuse that is not what was measured."""


@dataclass(frozen=True)
class Change:
    """What a rollback does to one file: `restore` (content differs), `create` (gone since), `keep` (came later)."""

    path: str
    action: str


class CheckpointStore(Protocol):
    """Checkpoints as snapshot commits, annotated tags and YAML; nothing else of the user's git is touched."""

    def snapshot(self, data: Collection[str], also: Sequence[str] = ()) -> Code:
        """Write the work tree as a git tree, and say where HEAD stands.

        It is without the files `data`, which hold customers, and with the files `also`, even if git ignores them.
        """

    def environment(self) -> Environment:
        """Describe the interpreter and the installed packages."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep the checkpoint: whole, or not at all. Raises ConflictError if the run has moved on."""

    def runs(self) -> Sequence[str]:
        """Return the ids of the runs of this project that have a checkpoint, oldest first."""

    def head(self, run_id: str) -> Checkpoint | None:
        """Return the newest checkpoint of a run. Raises IntegrityError if it does not match its digest."""

    def history(self, run_id: str) -> Sequence[Checkpoint]:
        """Return the checkpoints of a run, oldest first. Raises IntegrityError if they do not form a whole chain."""

    def summaries(self, run_id: str) -> Sequence[Summary]:
        """Return what there is to list of a run's checkpoints, oldest first, without reading their records.

        Raises IntegrityError if they do not form a whole chain.
        """

    def proofs(self, run_id: str) -> Sequence[tuple[str, Callable[[], None]]]:
        """Return checks of how a run is kept, by the name of the link that each proves, in the order to be called in.

        They go beyond `history`: nothing is hidden, moved, lost or altered beneath it. Each raises IntegrityError.
        """

    def load(self, tag: str) -> Checkpoint:
        """Return the checkpoint that a tag names. Raises UsageError (unknown) or IntegrityError."""

    def find(self, run_id: str | None, name: str) -> str | None:
        """Return the tag that a name, a tag or a short form means (newest in the run first), None if none does."""

    def hold(self, checkpoint: Checkpoint) -> None:
        """Let no secret in a file that this checkpoint has, and so git, keep a later snapshot of this process back."""

    def changes(self, checkpoint: Checkpoint) -> Sequence[Change]:
        """Return what bringing back the checkpoint's files would do to the work tree."""

    def restore_files(self, checkpoint: Checkpoint) -> int:
        """Bring back the files of the snapshot, each whole; return how many were verified by hash.

        What they overwrite is not kept by this. Raises ConflictError before anything is written when a path is blocked.
        """

    def differing_files(self, older: Checkpoint, newer: Checkpoint) -> Sequence[str]:
        """Return the paths whose content differs between two checkpoints, their own records left out."""

    def record_bytes(self, checkpoint: Checkpoint) -> bytes:
        """Return the YAML of a checkpoint as it is kept."""

    def bundle(self, checkpoint: Checkpoint, path: Path) -> None:
        """Write what is kept of a run up to a checkpoint to `path`, as one file that stands by itself."""

    def held_in_history(self, checkpoint: Checkpoint, paths: Sequence[str]) -> Sequence[str]:
        """Return those of `paths` that the bundle of a checkpoint would hold in some commit of the user's."""

    def repair(self, run_id: str) -> Sequence[str]:
        """Make again what is derived and missing (tags, YAML copies); return what was made."""


class ReleasePointer(Protocol):
    """Which release the API serves."""

    def read(self) -> Release | None:
        """Return what is served, None before the first ship."""

    def switch(self, release: Release) -> None:
        """Serve `release` from now on, by one atomic replacement."""

    def past(self) -> Sequence[Release]:
        """Return what was served over time, oldest first."""


@dataclass(frozen=True)
class Brief:
    """What a reviewer is shown before the answer: what is approved, what changed since, and what is open.

    questions: those of the workflow, then those that the review's checklist leaves to a person. standings: how far each
    author of a score could be believed so far. scores: the initial, build and final confidence, as far as there are
    any. outlook: what the next gate would decide were this approved; None while a step comes before it. policy: what
    the answer has to be worth. signs_as: the listed reviewer whose key signs it, None where it stays unsigned. lists:
    the digests of the first and the present list of reviewers, None where nobody is listed.
    """

    request: ApprovalRequest
    run: Run
    subject: str
    questions: tuple[str, ...]
    previous: Checkpoint | None
    changed_files: tuple[str, ...]
    issues: tuple[LedgerLine, ...]
    standings: tuple[Standing, ...] = ()
    scores: Mapping[str, Confidence] = field(default_factory=dict)
    outlook: Decision | None = None
    policy: Policy = field(default_factory=Policy)
    signs_as: ListedReviewer | None = None
    lists: tuple[str, str] | None = None

    @property
    def only_signed(self) -> bool:
        """Whether a yes needs a signature that is not given here, so that only a no can be taken."""
        return self.policy.grade != "unsigned" and self.signs_as is None


class Reviewer(Protocol):
    """Someone, or something made by someone, that answers an approval."""

    def review(self, brief: Brief, phase: str) -> Approval | None:
        """Return the answer, None when nobody can be asked here and now."""


class Signatures(Protocol):
    """Checks SSH signatures with a program that nothing in the repository can replace."""

    def verify(self, message: bytes, signature: str, namespace: str, keys: Sequence[str]) -> bool:
        """Tell whether one of the public `keys` has signed exactly `message` for that namespace.

        Raises UsageError where that can not be found out: what was not checked never counts as checked.
        """


class Signer(Protocol):
    """Signs on behalf of one listed reviewer."""

    def signs_as(self, listed: ReviewerList) -> ListedReviewer:
        """Return who that is. Raises RefusedError for somebody who is not listed."""

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the signature over `message`. Raises WaitingError where it is to be made elsewhere."""


class ReviewerLists(Protocol):
    """The versions of the list of reviewers, kept outside of the work tree, and what was seen of them here."""

    def history(self) -> Sequence[SignedList]:
        """Return every version, oldest first, none before the first; whether they are true is for the engine to say.

        Raises IntegrityError for what is no list.
        """

    def append(self, version: SignedList) -> None:
        """Add a version, durably. Raises ConflictError if it does not follow the newest one."""

    def tips(self) -> Sequence[str]:
        """Return the id of the newest checkpoint of every run of the repository, as a list of today names them."""

    def precedes(self, tag: str, tips: Sequence[str]) -> bool:
        """Tell whether the checkpoint called `tag` is one of `tips` or came before one of them."""

    def pinned(self) -> Pin | None:
        """Return what was seen of the list here, None before it was first used."""

    def pin(self, pin: Pin) -> None:
        """Remember durably what was seen."""


class StepCatalog(Protocol):
    """The installed steps and those that a workflow names by `package.module:function`."""

    def names(self) -> Sequence[str]:
        """Return the registered names."""

    def function(self, uses: str) -> Callable[..., object]:
        """Import and return the function. Raises UsageError with the nearest name for an unknown one."""

    def code_sha256(self, uses: str) -> str:
        """Return the digest of the source that the function is made of, without importing it."""


class Listener(Protocol):
    """Hears of progress; what it does with it is its own affair."""

    def started(self, phase: str, item: Item) -> None:
        """An item has begun."""

    def finished(self, phase: str, entry: ItemEntry) -> None:
        """An item has ended with this entry."""

    def raised(self, item: Item, error: BaseException) -> None:
        """A step has raised something that is no error for the user; what it says may quote data, and is not kept."""

    def progress(self, item: Item) -> Progress:
        """Return what a running step calls to move its bar."""


class Files(Protocol):
    """The source files that steps read, by path relative to the project."""

    def resolve(self, relative: str) -> Path:
        """Return the absolute path. Raises UsageError when there is no such file or it lies outside the project."""

    def sha256(self, relative: str) -> str | None:
        """Return the digest of the file's bytes, None when it is gone or no file any more."""

    def refuse_blocked(self, *relatives: str) -> None:
        """Check that the paths can be written. Raises ConflictError when a link or a folder stands in the way."""

    def restore(self, relative: str, artifact: Artifact) -> None:
        """Write the stored bytes back to the path, whole or not at all."""


class Clock(Protocol):
    """Time of day and a stopwatch."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    def stopwatch(self) -> float:
        """Return seconds from an arbitrary start; differences are durations."""


@dataclass(frozen=True)
class Ports:
    """Everything outside that the engine works with.

    author: who runs this, as scores name who claimed them. workflow_sha256: the digest of the workflow in a file as it
    is now, None where there is none that can be read. release_change: what the second of two release bundles changes
    beside the first; it raises IntegrityError when one of them is missing or altered. pseudonym: what stands for an
    identifier of a person in everything that steps make. writers: the names and addresses of the authors and committers
    of a run's checkpoints and of the code that came after a tag, of all code for None. signer: who signs what is
    answered now, None where it stays unsigned.
    """

    store: ArtifactStore
    journal: Journal
    checkpoints: CheckpointStore
    pointer: ReleasePointer
    reviewer: Reviewer
    catalog: StepCatalog
    listener: Listener
    files: Files
    clock: Clock
    author: str
    packages_sha256: str
    workflow_sha256: Callable[[str], str | None]
    release_change: Callable[[Artifact, Artifact], ReleaseChange]
    keep_traceback: Callable[[BaseException], str]
    pseudonym: Callable[[str], str]
    signatures: Signatures
    reviewers: ReviewerLists
    writers: Callable[[str, str | None], Sequence[str]]
    signer: Signer | None = None
