"""Where a run has stopped: the exit code, the two lines of an error if there is one, and who does what next."""

from collections.abc import Collection
from typing import Final

from churnflow.cli.answer import Failure, Next
from churnflow.cli.commands import command_for
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Run, StepRecord
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Item, Step
from churnflow.engine.judge import LIST_DEMANDS, barring_issues, wanting
from churnflow.engine.keys import holds
from churnflow.engine.ports import Ports
from churnflow.errors import ChurnflowError

VERDICTS: Final = {"ship": 0, "fix": 8, "rework": 9}
Ending = tuple[Failure | None, int, tuple[Next, ...]]


def stale_items(run: Run, ports: Ports) -> frozenset[str]:
    """Return the items whose entry is about what is no longer so, and those that rest on one of these.

    A step that failed is none of them, since it is tried again anyhow.
    """
    stale: set[str] = set()
    spoiled: set[str] = set()
    for item in run.workflow.items():
        entry = run.latest(item.name)
        if entry is None or (isinstance(entry, StepRecord) and not entry.passed):
            continue
        if _rests_on(entry, stale, spoiled) or not _holds(run, item, entry, ports):
            stale.add(item.name)
        if isinstance(entry, StepRecord):
            made = {artifact.name for artifact in entry.outputs}
            spoiled = spoiled | made if item.name in stale else spoiled - made
    return frozenset(stale)


def _rests_on(entry: ItemEntry, stale: Collection[str], spoiled: Collection[str]) -> bool:
    if isinstance(entry, StepRecord) and entry.evidence is None:
        return any(artifact.codec != "file" and artifact.name in spoiled for artifact in entry.inputs)
    return bool(stale)


def _holds(run: Run, item: Item, entry: ItemEntry, ports: Ports) -> bool:
    try:
        return holds(run, item, entry, ports)
    except ChurnflowError:  # what the entry was made from can not even be read any more
        return False


def ending(run: Run, stale: Collection[str], wanted: Collection[str] = (), until: str | None = None) -> Ending:
    """Return how a command that advanced `run` by the phases `wanted` (all if empty) up to `until` ends.

    What stands after that does not make it fail, however it ended.
    """
    for phase, item in run.workflow.placed_items():
        entry = run.latest(item.name)
        if entry is None or item.name in stale:
            return None, 0, (_following(phase, item, wanted, until),)
        if not entry.passed:
            failure, code, steps = _stopped(run, item, entry, phase)
            asked = (not wanted or phase in wanted) and not _is_after(run, item, until)
            return (failure, code, steps) if asked else (None, 0, steps)
    return None, 0, (_after_all(run),)


def _is_after(run: Run, item: Item, until: str | None) -> bool:
    names = [other.name for other in run.declared.items()]
    return until is not None and names.index(item.name) > names.index(until)


def run_ships(run: Run) -> bool:
    """Tell whether the gate of the run said ship."""
    return any(isinstance(entry, Decision) and entry.verdict == "ship" for entry in run.current())


def _stopped(run: Run, item: Item, entry: ItemEntry, phase: str) -> Ending:
    command = f"churnflow {command_for(phase)}"
    match entry:
        case StepRecord():
            return _failure(entry, command), 7, (Next(command, "once the cause is gone"),)
        case Approval(lacks=str(lacks)):
            return _unfinished(item, lacks)
        case Approval():
            text = f"{entry.reviewer} rejected the approval {entry.name!r}: {'; '.join(entry.notes) or 'no notes'}"
            again = f"churnflow approve {item.name}"
            return Failure(text, f"settle what the notes say, then `{again}`"), 4, (Next(again, "", "reviewer"),)
        case Decision():
            return None, VERDICTS[entry.verdict], (_after_verdict(run, item, entry),)
        case Mark():
            return None, 0, (Next(command),)


def _unfinished(item: Item, lacks: str) -> Ending:
    """Return how a run ends at an approval that somebody gave, and that is not yet what is demanded."""
    again = _approve(item)
    failure = Failure(f"the approval {item.name!r} waits: it {lacks}", f"`{again}` by whoever is missing")
    return failure, 4 if lacks.startswith("was rejected") else 3, (Next(again, lacks, "reviewer"),)


def _approve(item: Item, *, by_key: bool = False) -> str:
    """Return the command that answers an approval, signed where that or the caller demands it."""
    signs = by_key or (isinstance(item, ApprovalRequest) and item.grade != "unsigned")
    return f"churnflow approve {item.name}{' --key FILE' if signs else ''}"


def _failure(record: StepRecord, command: str) -> Failure:
    broken = [check for check in record.checks if not check.passed]
    reason = next((issue.text for issue in record.issues if issue.severity == "critical"), "")
    if broken:
        first = broken[0]
        seen = "was not measured" if first.observed is None else f"does not hold: observed {first.observed:.6g}"
        listed = "`churnflow issues` lists what the step found; " if record.issues else ""
        remedy = f"{reason or f'{listed}mend the data or the limit'}; then `{command}`"
        return Failure(f"step {record.name}: {first.claim} {seen}", remedy)
    return Failure(
        f"step {record.name}: {reason or 'it did not pass'}",
        record.facts.get("hint", f"mend the cause, then `{command}`"),
    )


def _after_verdict(run: Run, gate: Item, decision: Decision) -> Next:
    """Return what a gate that did not ship leaves to do: the issues come before an approval, which they would spoil."""
    if decision.verdict != "fix":
        return Next("churnflow report", decision.next_action)
    missing = None if barring_issues(run) else wanting(run, gate, decision.reasons)
    if missing is None:
        return Next("churnflow issues", decision.next_action)
    request, why = missing
    return Next(_approve(request, by_key=why.startswith(LIST_DEMANDS)), why, "reviewer")


def _following(phase: str, item: Item, wanted: Collection[str], until: str | None) -> Next:
    command = f"churnflow {command_for(phase)}"
    match item:
        case ApprovalRequest():
            return Next(_approve(item), "a person has to answer", "reviewer")
        case Step() | CheckpointRequest() | Gate():
            stopped = f"stopped after {until!r} as asked" if until and phase in wanted else f"{item.name!r} comes next"
            return Next(command, stopped)


def _after_all(run: Run) -> Next:
    if run_ships(run) and any(artifact.codec == "release" for artifact in run.artifacts().values()):
        return Next("churnflow serve", "the gate passed")
    return Next("churnflow report", "everything is done")
