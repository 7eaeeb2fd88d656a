"""One in-memory answer per port of the engine, so that its tests need neither disk nor git."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from churnflow.domain.approval import Answer
from churnflow.domain.base import canonical_json, digest
from churnflow.domain.checkpoint import Checkpoint, Code, Environment, Parent, Summary, summary_of
from churnflow.domain.contract import Progress
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Entry, ItemEntry, Run, StepRecord
from churnflow.domain.release import Change as ReleaseChange
from churnflow.domain.release import Release
from churnflow.domain.workflow import Item
from churnflow.engine.parse import Parsed, parse
from churnflow.engine.ports import Brief, Change, Intent, Ports
from churnflow.errors import ConflictError, IntegrityError, UsageError
from tests.fake_signing import FakeReviewers, FakeSignatures, FakeSigner

CODECS = ("json", "text", "release")
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class FakeClock:
    """Time that moves by one second at every look."""

    def __init__(self) -> None:
        self.ticks = 0

    def now(self) -> datetime:
        self.ticks += 1
        return START + timedelta(seconds=self.ticks)

    def stopwatch(self) -> float:
        self.ticks += 1
        return float(self.ticks)


class FakeStore:
    """Values by the hash of their JSON; `lost` objects are missing, `altered` ones have other bytes of that size."""

    def __init__(self, files: "FakeFiles") -> None:
        self.values: dict[str, object] = {}
        self.lost: set[str] = set()
        self.altered: set[str] = set()
        self._files = files

    def put(self, name: str, value: object, codec: str) -> Artifact:
        if codec not in CODECS:
            message = f"unknown codec: {codec}"
            raise UsageError(message, hint=f"the codecs are: {', '.join(CODECS)}")
        content = json.dumps(value, sort_keys=True, default=str).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        self.values[sha256] = value
        self.lost.discard(sha256)
        return Artifact(name=name, codec=codec, sha256=sha256, size_bytes=len(content))

    def put_file(self, name: str, path: Path) -> Artifact:
        content = self._files.contents[name]
        sha256 = hashlib.sha256(content).hexdigest()
        self.values[sha256] = content
        self.lost.discard(sha256)
        return Artifact(name=name, codec="file", sha256=sha256, size_bytes=len(content))

    def get(self, artifact: Artifact) -> object:
        self.verify(artifact)
        return self.values[artifact.sha256]

    def path(self, artifact: Artifact) -> Path:
        return Path("/store") / artifact.sha256

    def has(self, artifact: Artifact) -> bool:
        return artifact.sha256 not in self.lost and artifact.sha256 in self.values

    def verify(self, artifact: Artifact) -> None:
        if artifact.sha256 in self.lost | self.altered or artifact.sha256 not in self.values:
            message = f"the artifact {artifact.name} is missing or altered"
            raise IntegrityError(message, hint="bring it back")


class FakeFiles:
    """Source files as bytes by path; nothing can be written to those that are `blocked`."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.blocked: set[str] = set()
        self.store: FakeStore | None = None

    def resolve(self, relative: str) -> Path:
        if relative not in self.contents:
            message = f"no such file: {relative}"
            raise UsageError(message, hint="name a file that is there")
        return Path("/project") / relative

    def sha256(self, relative: str) -> str | None:
        if relative.startswith("../"):
            message = f"{relative} lies outside the project"
            raise UsageError(message, hint="name a file inside it")
        content = self.contents.get(relative)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def refuse_blocked(self, *relatives: str) -> None:
        for relative in self.blocked.intersection(relatives):
            message = f"a folder stands in the place of {relative}"
            raise ConflictError(message, hint="move it away")

    def restore(self, relative: str, artifact: Artifact) -> None:
        assert self.store is not None
        content = self.store.get(artifact)
        assert isinstance(content, bytes)
        self.contents[relative] = content


class FakeJournal:
    """Runs in a dictionary; `altered` are those whose journal is no longer what was written."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.recorded: dict[str, list[Entry]] = {}
        self.at: str | None = None
        self.turned_back: dict[str, list[str]] = {}
        self.steps: dict[str, tuple[str, StepRecord]] = {}
        self.intended: Intent | None = None
        self.altered: set[str] = set()

    def current(self) -> Run | None:
        return self.runs[self.at] if self.at else None

    def start(self, run: Run) -> None:
        if run.id in self.runs:
            message = f"the run {run.id} exists already"
            raise ConflictError(message, hint="draw a new run id")
        self.runs[run.id] = run.with_entries(())
        self.recorded[run.id] = []
        self.at = run.id

    def append(self, run: Run, entry: Entry) -> None:
        self.runs[run.id] = run.add(entry)
        self.recorded.get(run.id, []).append(entry)
        if isinstance(entry, StepRecord) and not entry.raised and entry.reused is None:
            self.steps[entry.key] = (run.id, entry)

    def reset(self, run: Run, tag: str) -> None:
        self.runs[run.id] = run
        self.at = run.id
        self.turned_back.setdefault(run.id, []).append(tag)

    def rollbacks(self, run_id: str) -> Sequence[str]:
        return self.turned_back.get(run_id, [])

    def intend(self, intent: Intent | None) -> None:
        self.intended = intent

    def intent(self) -> Intent | None:
        return self.intended

    def reusable(self, key: str) -> tuple[str, StepRecord] | None:
        return self.steps.get(key)

    def runs_begun(self) -> Sequence[str]:
        return tuple(sorted(self.runs))

    def read(self, run_id: str) -> Run | None:
        if run_id in self.altered:
            message = f"the journal of {run_id} was altered"
            raise IntegrityError(message, hint="go back by a whole tag")
        return self.runs.get(run_id)

    def ever(self, run_id: str) -> Sequence[Entry] | None:
        return self.recorded.get(run_id)

    def prove_reusable(self) -> None:
        for key, (_, record) in self.steps.items():
            if record.key != key:
                message = f"the result {key} is not what was measured"
                raise IntegrityError(message, hint="remove it")


class FakeCheckpoints:
    """Checkpoints in lists; the work tree is the dictionary `tree`, of which snapshots leave out what is `ignored`.

    broken: the runs whose newest checkpoint does not match its digest. moved: those of which a tag was moved.
    """

    def __init__(self) -> None:
        self.chains: dict[str, list[Checkpoint]] = {}
        self.tree: dict[str, str] = {}
        self.ignored: set[str] = set()
        self.broken: set[str] = set()
        self.moved: set[str] = set()
        self.trees: dict[str, dict[str, str]] = {}

    def snapshot(self, data: Collection[str], also: Sequence[str] = ()) -> Code:
        left_out = {*self.ignored, *data} - {*also}
        files = {path: content for path, content in self.tree.items() if path not in left_out}
        tree = digest(files)[:40]
        self.trees[tree] = files
        return Code(tree=tree, head=None, branch="main")

    def environment(self) -> Environment:
        return Environment(python="3.11.0", platform="linux", packages_sha256="0" * 64)

    def save(self, checkpoint: Checkpoint) -> None:
        chain = self.chains.setdefault(checkpoint.run.id, [])
        if chain and chain[-1] == checkpoint:
            return
        before = Parent(tag=chain[-1].tag, sha256=digest(chain[-1])) if chain else None
        if checkpoint.number != len(chain) + 1 or checkpoint.parent != before:
            message = "the run has moved on"
            raise ConflictError(message, hint="run the command again")
        chain.append(checkpoint)

    def runs(self) -> Sequence[str]:
        return tuple(sorted(self.chains))

    def head(self, run_id: str) -> Checkpoint | None:
        chain = self.chains.get(run_id, [])
        if run_id in self.broken:
            message = f"{chain[-1].tag} does not match its digest"
            raise IntegrityError(message, hint="`churnflow verify` names what is broken")
        return chain[-1] if chain else None

    def history(self, run_id: str) -> Sequence[Checkpoint]:
        return tuple(self.chains.get(run_id, ()))

    def summaries(self, run_id: str) -> Sequence[Summary]:
        return tuple(summary_of(checkpoint) for checkpoint in self.history(run_id))

    def proofs(self, run_id: str) -> Sequence[tuple[str, Callable[[], None]]]:
        return (("tag", lambda: self.refuse_moved(run_id)),)

    def refuse_moved(self, run_id: str) -> None:
        if run_id in self.moved:
            message = f"a tag of {run_id} was moved"
            raise IntegrityError(message, hint="git tag -d it")

    def load(self, tag: str) -> Checkpoint:
        for chain in self.chains.values():
            for checkpoint in chain:
                if checkpoint.tag == tag:
                    if checkpoint is chain[-1]:
                        self.head(checkpoint.run.id)
                    return checkpoint
        message = f"no checkpoint {tag}"
        raise UsageError(message, hint="`churnflow log` lists them")

    def find(self, run_id: str | None, name: str) -> str | None:
        chain = self.chains.get(run_id or "", [])
        head, _, back = name.partition("~")
        if head == "HEAD":
            steps = int(back or 1) if "~" in name else 0
            return chain[-1 - steps].tag if steps < len(chain) else None
        every = [*(item for other in self.chains.values() for item in other), *chain]
        short = name.removeprefix("checkpoint-") if name.startswith("checkpoint-") else None
        whole = [item.tag for item in every if name in {item.name, item.tag, f"{item.number:02d}-{item.name}"}]
        begun = [item.tag for item in every if short and item.name.startswith(short)]
        return next(iter([*reversed(whole), *reversed(begun)]), None)

    def hold(self, checkpoint: Checkpoint) -> None:
        pass

    def changes(self, checkpoint: Checkpoint) -> Sequence[Change]:
        then = self.trees[checkpoint.code.tree]
        restored = [Change(path, "restore") for path in then if path in self.tree and self.tree[path] != then[path]]
        created = [Change(path, "create") for path in then if path not in self.tree]
        left_out = {*self.ignored, *checkpoint.data}
        kept = [Change(path, "keep") for path in self.tree if path not in then and path not in left_out]
        return [*restored, *created, *kept]

    def restore_files(self, checkpoint: Checkpoint) -> int:
        self.tree |= self.trees[checkpoint.code.tree]
        return len(self.trees[checkpoint.code.tree])

    def differing_files(self, older: Checkpoint, newer: Checkpoint) -> Sequence[str]:
        before, after = self.trees[older.code.tree], self.trees[newer.code.tree]
        return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))

    def record_bytes(self, checkpoint: Checkpoint) -> bytes:
        return canonical_json(checkpoint.model_dump(mode="json", by_alias=True))

    def bundle(self, checkpoint: Checkpoint, path: Path) -> None:
        path.write_bytes(b"".join(map(self.record_bytes, self.chains[checkpoint.run.id][: checkpoint.number])))

    def held_in_history(self, checkpoint: Checkpoint, paths: Sequence[str]) -> Sequence[str]:
        return [path for path in paths if path in self.trees[checkpoint.code.tree]]

    def repair(self, run_id: str) -> Sequence[str]:
        return ()


class FakePointer:
    """What is served, in a list; `gone` is the pointer of which only that list is left."""

    def __init__(self) -> None:
        self.served: list[Release] = []
        self.gone = False

    def read(self) -> Release | None:
        return self.served[-1] if self.served and not self.gone else None

    def switch(self, release: Release) -> None:
        self.served.append(release)
        self.gone = False

    def past(self) -> Sequence[Release]:
        return tuple(self.served)


class FakeReviewer:
    """Answers as told; None means that nobody is there."""

    def __init__(self, answer: Answer | None = "approve", notes: tuple[str, ...] = ()) -> None:
        self.answer, self.notes, self.name = answer, notes, "Ann"
        self.briefs: list[Brief] = []

    def review(self, brief: Brief, phase: str) -> Approval | None:
        self.briefs.append(brief)
        if self.answer is None:
            return None
        return Approval(
            name=brief.request.name,
            phase=phase,
            passed=self.answer != "reject",
            key=brief.subject,
            at=START,
            answer=self.answer,
            reviewer=self.name,
            notes=self.notes,
            answers=dict.fromkeys(brief.questions, "yes"),
            how="prompt",
        )


class FakeCatalog:
    """Functions by name; their code's digest is that of the name and of `versions`."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., object]] = {}
        self.versions: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        return tuple(self.functions)

    def function(self, uses: str) -> Callable[..., object]:
        if uses not in self.functions:
            message = f"unknown step {uses!r}"
            raise UsageError(message, hint=f"known: {', '.join(self.functions)}")
        return self.functions[uses]

    def code_sha256(self, uses: str) -> str:
        return digest([uses, self.versions.get(uses, 0)])


class FakeListener:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, phase: str, item: Item) -> None:
        self.heard.append(f"started {item.name}")

    def finished(self, phase: str, entry: ItemEntry) -> None:
        self.heard.append(f"finished {entry.name}")

    def raised(self, item: Item, error: BaseException) -> None:
        self.heard.append(f"{item.name} raised {error}")

    def progress(self, item: Item) -> Progress:
        def move(done: int, total: int, text: str = "") -> None:
            self.heard.append(f"{item.name} {done}/{total}")

        return move


class World:
    """All fakes together, and the ports made of them."""

    def __init__(self) -> None:
        self.files = FakeFiles()
        self.store = FakeStore(self.files)
        self.files.store = self.store
        self.journal = FakeJournal()
        self.checkpoints = FakeCheckpoints()
        self.pointer = FakePointer()
        self.reviewer = FakeReviewer()
        self.catalog = FakeCatalog()
        self.listener = FakeListener()
        self.tracebacks: list[BaseException] = []
        self.workflow_sha256: str | None = None
        self.signatures = FakeSignatures()
        self.reviewers = FakeReviewers()
        self.signer: FakeSigner | None = None
        self.author, self.packages = "Ann", "1" * 64
        self.wrote: dict[str | None, Sequence[str]] = {}
        self.changes: dict[tuple[object, object], ReleaseChange] = {}

    def step(self, name: str, function: Callable[..., object]) -> None:
        """Install a step function."""
        self.catalog.functions[name] = function

    def keep_traceback(self, error: BaseException) -> str:
        self.tracebacks.append(error)
        return "crash.log"

    def release_change(self, before: Artifact, after: Artifact) -> ReleaseChange:
        """Return what `changes` says of two bundles, by their content; a new model where it says nothing."""
        contents = [str(self.store.get(one)) for one in (before, after)]
        return self.changes.get((contents[0], contents[1]), ReleaseChange(level="minor", reasons=("the model",)))

    @property
    def ports(self) -> Ports:
        return Ports(
            store=self.store,
            journal=self.journal,
            checkpoints=self.checkpoints,
            pointer=self.pointer,
            reviewer=self.reviewer,
            catalog=self.catalog,
            listener=self.listener,
            files=self.files,
            clock=FakeClock(),
            author=self.author,
            packages_sha256=self.packages,
            workflow_sha256=lambda _: self.workflow_sha256,
            release_change=self.release_change,
            keep_traceback=self.keep_traceback,
            pseudonym=lambda text: f"p:{digest(text)[:32]}",
            signatures=self.signatures,
            reviewers=self.reviewers,
            writers=lambda _, since: self.wrote.get(since, ()),
            signer=self.signer,
        )

    def begin(self, text: str, run_id: str = "261123-aaaa") -> Run:
        """Start a run of the workflow that `text` declares."""
        parsed: Parsed = parse(text, "workflows/test.yaml")
        self.workflow_sha256 = digest(parsed.workflow)
        run = Run(
            id=run_id,
            workflow_path=parsed.path,
            workflow_sha256=digest(parsed.workflow),
            declared=parsed.workflow,
            started_at=START,
        )
        self.journal.start(run)
        return run
