"""The loop: the next item is performed and its entry kept, until something waits, stops, or all is done."""

from collections.abc import Callable, Collection

from churnflow.domain.journal import Approval, Decision, ItemEntry, Override, Run
from churnflow.domain.secrets import holds_password
from churnflow.domain.workflow import ApprovalRequest, Item
from churnflow.engine.bind import parameters, remedy_of_set, wrong_value
from churnflow.engine.keys import holds
from churnflow.engine.perform import ask, perform
from churnflow.engine.ports import Ports
from churnflow.errors import ConflictError, UsageError

Holds = Callable[[Item, ItemEntry], bool]


def next_item(run: Run, holds_today: Holds, until: str | None = None) -> tuple[str, Item] | None:
    """Return the first item, with its phase, that is not done; None if all are, or all up to and with `until`.

    An item is done when its newest entry passed and is made from what is still so.
    """
    for phase, item in run.workflow.placed_items():
        entry = run.latest(item.name)
        if entry is None or not entry.passed or not holds_today(item, entry):
            return phase, item
        if item.name == until:
            return None
    return None


def advance(run: Run, ports: Ports, *, phases: Collection[str], until: str | None = None) -> Run:
    """Do what is not yet done of `phases`, in order; stop at an entry that did not pass, or after `until`.

    Raises ConflictError when an earlier phase is not done, WaitingError at an approval that nobody can answer here.
    """
    done: set[str] = set()
    while True:
        placed = _next(run, ports, until)
        if placed is None or placed[0] not in phases:
            _refuse_gap(placed, phases, run)
            return run
        phase, item = placed
        if _is_answered(run, item, ports):
            return run
        if item.name in done:
            message = f"{item.name!r} was done by this command and is stale again: a step changes what it is made from"
            raise ConflictError(
                message, hint="let steps write outputs of their own, not files or outputs that they read"
            )
        done.add(item.name)
        ports.listener.started(phase, item)
        entry = perform(phase, item, run, ports)
        ports.journal.append(run, entry)
        run = run.add(entry)
        ports.listener.finished(phase, entry)
        if not entry.passed or item.name == until:
            return run


def waiting_item(run: Run, ports: Ports) -> tuple[str, Item] | None:
    """Return the item that comes next, with its phase, None when all is done."""
    return _next(run, ports, None)


def answer(run: Run, name: str, ports: Ports) -> Run:
    """Ask for one approval by name, again if it was answered before. Raises ConflictError if it is not its turn."""
    item = next((item for item in run.declared.items() if item.name == name), None)
    if not isinstance(item, ApprovalRequest):
        names = [other.name for other in run.declared.items() if isinstance(other, ApprovalRequest)]
        message = f"the workflow has no approval {name!r}"
        raise UsageError(message, hint=f"its approvals: {', '.join(names) or 'none'}")
    placed = _next(run, ports, None)
    if placed is not None and placed[1].name != name and run.latest(name) is None:
        message = f"the approval {name!r} is not due: {placed[1].name!r} comes first"
        raise ConflictError(message, hint=f"`churnflow {placed[0]}` does what comes before it")
    phase = next(phase for phase, other in run.declared.placed_items() if other.name == name)
    entry = ask(phase, item, run, ports)
    ports.journal.append(run, entry)
    return run.add(entry)


def override(run: Run, assignments: Collection[tuple[str, str, object]], ports: Ports) -> Run:
    """Set parameters of steps that are not yet done in this run; what is set already stays.

    Raises UsageError for an unknown step, parameter or type, and for a password, ConflictError for a step that is done.
    """
    for step_name, parameter, value in assignments:
        _refuse_password(f"{step_name}.{parameter}", value)
        step = next((step for step in run.workflow.steps() if step.name == step_name), None)
        if step is None:
            message = f"--set names no step of the workflow: {step_name!r}"
            raise UsageError(message, hint=f"its steps: {', '.join(step.name for step in run.workflow.steps())}")
        known = parameters(ports.catalog.function(step.uses))
        if parameter not in known:
            message = f"{step.uses} takes no parameter {parameter!r}"
            raise UsageError(message, hint=f"it takes: {', '.join(known)}")
        reason = wrong_value(known[parameter], value)
        if reason is not None:
            message = f"--set {step_name}.{reason}"
            raise UsageError(message, hint=remedy_of_set(step_name, known[parameter], value))
        if step.params.get(parameter) == value:
            continue
        done = run.latest(step_name)
        if done is not None and done.passed:
            message = f"{step_name!r} is done in this run; its parameter {parameter!r} can not change any more"
            raise ConflictError(message, hint="`churnflow plan --new` starts a run that reuses what is unchanged")
        entry = Override(name=step_name, parameter=parameter, value=value, at=ports.clock.now())  # type: ignore[arg-type]
        ports.journal.append(run, entry)
        run = run.add(entry)
    return run


def _refuse_password(name: str, value: object) -> None:
    if holds_password(value):
        message = f"--set {name} holds a password, which every record of the run would repeat"
        hint = "take it out; the driver's own password file or an environment variable can hold it"
        raise UsageError(message, hint=hint)


def _next(run: Run, ports: Ports, until: str | None) -> tuple[str, Item] | None:
    return next_item(run, lambda item, entry: holds(run, item, entry, ports), until)


def _is_answered(run: Run, item: Item, ports: Ports) -> bool:
    """Tell whether a person or the gate has said no to exactly this; only a step is tried again as it is."""
    entry = run.latest(item.name)
    return isinstance(entry, Approval | Decision) and not entry.passed and holds(run, item, entry, ports)


def _refuse_gap(placed: tuple[str, Item] | None, phases: Collection[str], run: Run) -> None:
    if placed is None:
        return
    order = list(run.declared.phases)
    if order.index(placed[0]) < min(order.index(phase) for phase in phases):
        message = f"the phase {placed[0]!r} is not done: {placed[1].name!r} comes first"
        raise ConflictError(message, hint=f"`churnflow {placed[0]}`")
