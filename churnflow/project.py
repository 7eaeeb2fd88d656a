"""A project directory, opened: the one place that chooses the adapters behind the engine's ports."""

import importlib
import secrets
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, cast

from churnflow.adapters.answers_reviewer import account
from churnflow.adapters.artifact_files import ArtifactFiles
from churnflow.adapters.durable import explained, make_folder, make_private, write_durably
from churnflow.adapters.git_reviewers import GitReviewers, GitWriters
from churnflow.adapters.journal_files import JournalFiles
from churnflow.adapters.left_out import LeftOut
from churnflow.adapters.packages import packages_sha256
from churnflow.adapters.project_lock import ProjectLock
from churnflow.adapters.release_files import ReleaseFiles
from churnflow.adapters.remembered_code import RememberedCode
from churnflow.adapters.remotes_file import RemotesFile
from churnflow.adapters.repository import Repository, open_repository
from churnflow.adapters.source_files import SourceFiles
from churnflow.adapters.ssh_signatures import SshSignatures
from churnflow.adapters.step_code import StepCode
from churnflow.adapters.tracked_tables import TrackedTables
from churnflow.adapters.trusted_code import TrustedCode
from churnflow.domain.base import digest
from churnflow.domain.evidence import Artifact
from churnflow.domain.failures import without_messages
from churnflow.domain.journal import Mark, Run
from churnflow.domain.release import Change
from churnflow.engine.parse import Parsed, read
from churnflow.engine.ports import CheckpointStore, Listener, Ports, Reviewer
from churnflow.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from churnflow.adapters.git_names import Kept

STEPS: Final = {
    "churn.scope": "churnflow.steps.scope:scope",
    "churn.extract": "churnflow.steps.extract:extract",
    "churn.ingest": "churnflow.steps.ingest:ingest",
    "churn.from_events": "churnflow.steps.from_events:from_events",
    "churn.features": "churnflow.steps.features:features",
    "churn.audit": "churnflow.steps.audit:audit",
    "churn.train": "churnflow.steps.train:train",
    "churn.evaluate": "churnflow.steps.evaluate:evaluate",
    "churn.rehearse": "churnflow.steps.rehearse:rehearse",
    "churn.assure": "churnflow.steps.assure:assure",
    "churn.review": "churnflow.steps.review:review",
    "churn.observe": "churnflow.steps.observe:observe",
    "churn.watch_drift": "churnflow.steps.watch_drift:watch_drift",
    "churn.watch_quality": "churnflow.steps.watch_quality:watch_quality",
    "churn.watch_performance": "churnflow.steps.watch_performance:watch_performance",
    "churn.watch_service": "churnflow.steps.watch_service:watch_service",
    "churn.advise": "churnflow.steps.advise:advise",
}
CODECS: Final = {
    "frame": "churnflow.codecs.frame",
    "json": "churnflow.codecs.json_document",
    "text": "churnflow.codecs.text",
    "bytes": "churnflow.codecs.raw",
    "model": "churnflow.codecs.model",
    "release": "churnflow.codecs.release",
}
DEFAULT_WORKFLOW: Final = "workflows/churn.yaml"
_BEGIN: Final = "churnflow run"
_FETCH: Final = "churnflow pull"
_LEADS_ON: Final = {
    _BEGIN: "begins one",
    _FETCH: "fetches what is missing, then `churnflow rollback TAG` makes one current",
}


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Return the time in UTC, to the second, as records keep it."""
        return datetime.now(UTC).replace(microsecond=0)

    def stopwatch(self) -> float:
        """Return seconds that never run backwards."""
        return monotonic()


@dataclass(frozen=True)
class Project:
    """A directory under git with workflows, and everything that churnflow keeps about it."""

    repository: Repository

    @classmethod
    def open(cls, directory: Path) -> "Project":
        """Open the project that holds `directory`. Raises UsageError where there is no git repository."""
        return cls(open_repository(directory))

    @property
    def root(self) -> Path:
        """The project's directory; every path in a workflow is relative to it."""
        return self.repository.root

    @cached_property
    def journal(self) -> JournalFiles:
        """The runs of this project."""
        return JournalFiles(self.repository.state_dir, self.repository.shared_dir)

    @cached_property
    def store(self) -> ArtifactFiles:
        """The artifacts, shared by all worktrees of the repository."""
        return ArtifactFiles(self.repository.shared_dir / "store", CODECS)

    @cached_property
    def pointer(self) -> ReleaseFiles:
        """What the API of this project serves."""
        return ReleaseFiles(self.repository.state_dir)

    @property
    def serving_dir(self) -> Path:
        """Where keys, the secret of pseudonyms and the predictions log of this project are."""
        return self.repository.state_dir / "serving"

    @property
    def statements_dir(self) -> Path:
        """Where statements lie that are to be signed elsewhere."""
        return self.repository.state_dir / "statements"

    @property
    def keys_path(self) -> Path:
        """Where the API keys of this project are, as digests."""
        return self.serving_dir / "keys.json"

    @property
    def secret_path(self) -> Path:
        """Where the key is that customers are pseudonymised with."""
        return self.serving_dir / "pseudonym.key"

    @property
    def identifiers_key_path(self) -> Path:
        """Where the key is that steps hash identifiers with.

        It is another than that of the predictions log, which goes wherever the API runs; this one never leaves the
        repository, whose work trees share it as they share the results that were made with it.
        """
        return self.repository.shared_dir / "identifiers.key"

    @property
    def log_url(self) -> str:
        """The URL of the predictions log where none is named: a SQLite file beside the keys."""
        return f"sqlite:///{self.serving_dir / 'predictions.db'}"

    def leave_out(self, path: Path) -> None:
        """Keep a file with customers out of every checkpoint's commit, where it lies in the project."""
        real = path.resolve()
        if real.is_relative_to(self.root.resolve()):
            LeftOut(self.repository.state_dir).add_list(real.relative_to(self.root.resolve()).as_posix())

    @property
    def monitor_dir(self) -> Path:
        """Where the runs of monitoring are, apart from the run that the project is at."""
        return self.repository.state_dir / "monitor"

    @cached_property
    def tracked(self) -> TrackedTables:
        """What monitoring has recorded of each release."""
        return TrackedTables(self.monitor_dir / "tracked")

    @cached_property
    def remotes(self) -> RemotesFile:
        """Where the checkpoints of this repository are shared."""
        return RemotesFile(self.repository.shared_dir)

    @cached_property
    def files(self) -> SourceFiles:
        """The source files that steps read."""
        return SourceFiles(self.root, self.store, self.repository.state_dir)

    @cached_property
    def catalog(self) -> TrustedCode:
        """The steps that workflows of this project can name; code from elsewhere is imported once it is trusted."""
        return TrustedCode(StepCode(self.root, STEPS), self.repository, self._git)

    @cached_property
    def remembered(self) -> RememberedCode:
        """The same for commands that only show whether code has changed, and have to be quick."""
        package = Path(__file__).resolve().parent
        return RememberedCode(self.catalog, STEPS, package, self.repository.state_dir / "code-digests.json")

    @cached_property
    def checkpoints(self) -> CheckpointStore:
        """The checkpoints; git is reached only when one of them is."""
        return cast("CheckpointStore", _Late(self._git_checkpoints))

    def identity_note(self) -> str | None:
        """Say under which name checkpoints are made, where the user has configured none."""
        return cast("str | None", getattr(self.checkpoints, "identity_note", None))

    def left_out(self) -> Sequence[str]:
        """Say which files this command has found to hold customers' rows, so that no checkpoint takes them."""
        copies = cast("Mapping[str, str]", getattr(self.checkpoints, "copies", {}))
        told = "{0} stays out of checkpoints: it has rows as in {1} (to keep it all the same: git add {2})"
        return [told.format(path, table, shlex.quote(f"./{path}")) for path, table in copies.items()]

    def ports(self, reviewer: Reviewer, listener: Listener) -> Ports:
        """Return what the engine works with."""
        return Ports(
            store=self.store,
            journal=self.journal,
            checkpoints=self.checkpoints,
            pointer=self.pointer,
            reviewer=reviewer,
            catalog=self.catalog,
            listener=listener,
            files=self.files,
            clock=SystemClock(),
            author=account(),
            packages_sha256=packages_sha256(),
            workflow_sha256=self._workflow_sha256,
            release_change=self._release_change,
            keep_traceback=self.keep_traceback,
            pseudonym=self.pseudonym,
            signatures=SshSignatures(),
            reviewers=GitReviewers(self.repository),
            writers=GitWriters(self.repository),
        )

    def lock(self, command: str, *, alone: bool = False) -> AbstractContextManager[None]:
        """Hold the project's lock while writing; alone: also that of all projects which share the store.

        Raises ConflictError that names the process which holds it.
        """
        for folder in {self.repository.git_dir / "churnflow", self.repository.shared_dir}:
            with explained(folder):
                make_private(folder)
        return ProjectLock(self.repository.state_dir, self.repository.shared_dir).lock(command, alone=alone)

    def workflow(self, named: str | None) -> Parsed:
        """Read the workflow that is named, or the project's only one."""
        shown = named or self._default_workflow()
        return read(self.root / shown, shown)

    def run(self) -> Run:
        """Return the run that the project is at. Raises ConflictError before the first."""
        run = self.journal.current()
        if run is None:
            message, command = self.where_none_is_current()
            raise ConflictError(message, hint=f"`{command}` {_LEADS_ON.get(command, 'makes one current')}")
        return run

    def where_none_is_current(self) -> tuple[str, str]:
        """Return what to say where no run is current, and the command that leads on."""
        kept = self.kept_runs()
        if not kept:
            return "no run has begun", _BEGIN
        runs = "1 run" if len(kept) == 1 else f"{len(kept)} runs"
        pulled = [one for one in kept if one.has_ref]
        command = f"churnflow rollback {pulled[-1].tag}" if pulled else _FETCH
        return f"checkpoints of {runs} are here (churnflow log), none is current", command

    def kept_runs(self) -> Sequence["Kept"]:
        """Return the runs that have checkpoints here, begun here or not, the one with the newest checkpoint last."""
        names = importlib.import_module("churnflow.adapters.git_names")
        chain = importlib.import_module("churnflow.adapters.git_chain")
        plumbing = self._git()
        found: Sequence[Kept] = names.Names(plumbing, chain.Chain(plumbing, self.repository), self.repository).kept()
        return found

    def newest_tag(self, run: Run) -> str | None:
        """Return the tag of the newest checkpoint, None without one; of a run that made none git is not asked."""
        return self.checkpoints.find(run.id, "HEAD") if any(isinstance(entry, Mark) for entry in run.entries) else None

    def codecs(self) -> Collection[str]:
        """Return the names of the codecs that outputs can have."""
        return self.store.codecs()

    def new_run(self, parsed: Parsed) -> Run:
        """Return a run of the workflow that has not begun; its id cannot collide with another clone's."""
        now = SystemClock().now()
        tail = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(4))
        return Run(
            id=f"{now:%y%m%d}-{tail}",
            workflow_path=parsed.path,
            workflow_sha256=digest(parsed.workflow),
            declared=parsed.workflow,
            started_at=now,
            by=account(),
        )

    def keep_traceback(self, error: BaseException) -> str:
        """Write the traceback of `error`, without what it says, into the git directory and return where."""
        folder = self.repository.state_dir / "crash"
        make_folder(folder, 0o700)
        path = folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.log"
        write_durably(path, without_messages(error).encode(errors="backslashreplace"), 0o600)
        return str(path)

    def pseudonym(self, identifier: str) -> str:
        """Return what stands for an identifier in the artifacts of this repository."""
        return cast("str", self._pseudonyms.pseudonym(self._identifiers_key, identifier))

    @cached_property
    def _pseudonyms(self) -> Any:
        return importlib.import_module("churnflow.modelling.pseudonyms")

    @cached_property
    def _identifiers_key(self) -> bytes:
        return cast("bytes", self._pseudonyms.secret_at(self.identifiers_key_path))

    def _workflow_sha256(self, path: str) -> str | None:
        try:
            return digest(self.workflow(path).workflow)
        except UsageError:
            return None

    def _release_change(self, before: Artifact, after: Artifact) -> Change:
        module = importlib.import_module("churnflow.modelling.release_change")
        level, reasons = module.release_change(self.store.get(before), self.store.get(after))
        return Change(level=level, reasons=reasons)

    def _default_workflow(self) -> str:
        if (self.root / DEFAULT_WORKFLOW).is_file():
            return DEFAULT_WORKFLOW
        found = sorted(path.name for path in (self.root / "workflows").glob("*.yaml") if path.name != "monitor.yaml")
        if len(found) == 1:
            return f"workflows/{found[0]}"
        message = f"which workflow? {self.root} has {', '.join(found) if found else 'none in workflows/'}"
        raise UsageError(message, hint="name one on the command line; `churnflow new DIR` makes a project with one")

    def _git(self) -> Any:
        return importlib.import_module("churnflow.adapters.git_plumbing").Plumbing(self.repository)

    def _git_checkpoints(self) -> object:
        module = importlib.import_module("churnflow.adapters.git_checkpoints")
        return module.GitCheckpoints(self.repository, packages_sha256())


class _Late:
    """Stands for an adapter that is made at its first use: GitPython takes 0.2 s to import, most commands need none."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._made: object | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)
