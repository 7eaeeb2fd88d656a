"""Return to a checkpoint by adding one that equals it; what is left is kept first, so that `undo` finds it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Run
from churnflow.domain.release import Release
from churnflow.engine.keep import compose, serve_release, source_files
from churnflow.engine.ports import Change, Intent, Ports
from churnflow.engine.verify_approvals import prove_release
from churnflow.errors import UsageError


@dataclass(frozen=True)
class Plan:
    """What a rollback would do: files by action, source files to bring back, and the release before and after."""

    run: Run
    head: Checkpoint | None
    target: Checkpoint
    changes: tuple[Change, ...]
    data: tuple[str, ...]
    served_now: Release | None
    served_then: Release | None

    @property
    def overwritten(self) -> tuple[str, ...]:
        """The paths whose present content gives way."""
        return tuple(change.path for change in self.changes if change.action == "restore")

    @property
    def kept(self) -> tuple[str, ...]:
        """The paths that the checkpoint does not know; they are left alone."""
        return tuple(change.path for change in self.changes if change.action == "keep")


@dataclass(frozen=True)
class Outcome:
    """What a rollback did; `verified` counts the files and artifacts that were hashed again and found right."""

    plan: Plan
    checkpoint: Checkpoint
    rescue: Checkpoint | None
    verified: int
    total: int


def plan_rollback(tag: str, ports: Ports) -> Plan:
    """Return what going back to `tag` would do.

    Raises IntegrityError when something it needs is missing or altered, ConflictError when something stands in the way.
    """
    target = ports.checkpoints.load(tag)
    run = ports.journal.current() or target.run
    head = ports.checkpoints.head(run.id)
    # A way back is never shut by what git has already; what is new is refused before anything is done.
    for held in filter(None, (target, head)):
        ports.checkpoints.hold(held)
    if target.release is not None:
        prove_release(target.release, ports)
    for artifact in _needed(target):
        ports.store.verify(artifact)
    changes = tuple(ports.checkpoints.changes(target))
    data = tuple(path for path, artifact in target.data.items() if ports.files.sha256(path) != artifact.sha256)
    ports.files.refuse_blocked(*data, *(change.path for change in changes if change.action != "keep"))
    served = ports.pointer.read()
    return Plan(run, head, target, changes, data, served, target.release or served)


def rollback(tag: str, ports: Ports, reason: str | None = None) -> Outcome:
    """Bring back the files, artifacts and release of the checkpoint `tag`.

    The order is: rescue, intent, files, data, journal, new checkpoint, release pointer. A kill between any two leaves
    the intent, with which the next command finishes.
    """
    plan = plan_rollback(tag, ports)
    rescue = _rescue(plan, ports)
    before = rescue or plan.head
    intent = Intent(target=tag, before=before.tag if before else tag, reason=reason)
    ports.journal.intend(intent)
    checkpoint, verified = _bring_back(intent, plan.target, ports)
    total = verified + len(_needed(plan.target))
    return Outcome(plan, checkpoint, rescue, verified=total, total=total)


def finish(ports: Ports) -> Checkpoint | None:
    """Finish the rollback that a killed command had begun; return its checkpoint, None if there was none.

    Files that were edited since are kept first, in one more rescue.
    """
    intent = ports.journal.intent()
    if intent is None:
        return None
    plan = plan_rollback(intent.target, ports)
    if _is_edited_since(ports.checkpoints.load(intent.before), plan, ports):
        _rescue(plan, ports)
    return _bring_back(intent, plan.target, ports)[0]


def undo(ports: Ports) -> Outcome:
    """Return to the state before the last rollback. Raises UsageError when the newest checkpoint is none."""
    tag, before = _last_rollback(ports)
    return rollback(before, ports, reason=f"undo of {tag}")


def left_by_rollback(ports: Ports) -> str:
    """Return the tag of what an undo returns to. Raises UsageError when the newest checkpoint is no rollback."""
    return _last_rollback(ports)[1]


def _last_rollback(ports: Ports) -> tuple[str, str]:
    """Return the tag of the newest checkpoint, a rollback, and that of the state which it left."""
    run = ports.journal.current()
    head = ports.checkpoints.head(run.id) if run else None
    if head is None or head.before is None:
        message = "there is no rollback to undo: the newest checkpoint is not one"
        raise UsageError(message, hint="`churnflow log` lists the checkpoints, `churnflow rollback REF` returns to one")
    return head.tag, head.before


def _is_edited_since(left: Checkpoint, plan: Plan, ports: Ports) -> bool:
    """Tell whether a file that is to be overwritten is neither as it was left nor as it will be."""
    changed = {change.path for change in ports.checkpoints.changes(left)}
    was = {path: artifact.sha256 for path, artifact in left.data.items()}
    return bool(changed.intersection(plan.overwritten)) or any(
        ports.files.sha256(path) not in {None, was.get(path)} for path in plan.data
    )


def _rescue(plan: Plan, ports: Ports) -> Checkpoint | None:
    """Keep whatever the newest checkpoint does not hold: entries, files, and source files as they are now."""
    run, head = plan.run, plan.head
    today = _data_today([*source_files(run, ports), *plan.data], ports)
    rescue = compose(run, "rescue", head, ports, plan.overwritten).model_copy(update={"data": today})
    if head is not None and (head.run.entries, head.data, head.code.tree) == (
        rescue.run.entries,
        today,
        rescue.code.tree,
    ):
        return None
    ports.checkpoints.save(rescue)
    return rescue


def _data_today(paths: Iterable[str], ports: Ports) -> dict[str, Artifact]:
    today: dict[str, Artifact] = {}
    for path in paths:
        try:
            today[path] = ports.store.put_file(path, ports.files.resolve(path))
        except UsageError:
            continue
    return today


def _bring_back(intent: Intent, target: Checkpoint, ports: Ports) -> tuple[Checkpoint, int]:
    """Do what was planned; the artifacts have just been hashed for the plan, and are not read twice."""
    head = ports.checkpoints.head(target.run.id)
    verified = ports.checkpoints.restore_files(target)
    for path, artifact in target.data.items():
        if ports.files.sha256(path) != artifact.sha256:
            ports.files.restore(path, artifact)
    if head is None or (head.restores, head.before) != (intent.target, intent.before):
        head = _add(intent, target, head, ports)
    ports.journal.reset(target.run, head.tag)
    serve_release(head, ports)
    ports.journal.intend(None)
    return head, verified


def _add(intent: Intent, target: Checkpoint, head: Checkpoint | None, ports: Ports) -> Checkpoint:
    checkpoint = compose(target.run, target.name, head, ports).model_copy(
        update={
            "phase": target.phase,
            "confidence": target.confidence,
            "data": target.data,
            "release": target.release or ports.pointer.read(),
            "restores": intent.target,
            "before": intent.before,
            "reason": intent.reason,
        }
    )
    ports.checkpoints.save(checkpoint)
    return checkpoint


def _needed(target: Checkpoint) -> Sequence[Artifact]:
    """Return every stored object that the checkpoint names, each once."""
    released = [target.release.artifact] if target.release else []
    named = [*target.artifacts, *target.data.values(), *released]
    return list({artifact.sha256: artifact for artifact in named}.values())
