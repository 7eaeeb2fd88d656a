"""Where a run has stopped: the exit code, the two lines of an error if there is one, and who does what next."""

from collections.abc import Collection
from typing import Final

from churnflow.cli.answer import Failure, Next
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Run, StepRecord
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Item, Step
from churnflow.engine.advance import waiting_item
from churnflow.engine.ports import Ports

COMMANDS: Final = {"plan": "plan", "build": "build", "review": "review", "decision": "decide"}
VERDICTS: Final = {"ship": 0, "fix": 8, "rework": 9}
Ending = tuple[Failure | None, int, tuple[Next, ...]]


def ending(run: Run, ports: Ports, wanted: Collection[str], until: str | None) -> Ending:
    """Return how a command that advanced `run` by the phases `wanted` ends."""
    placed = waiting_item(run, ports)
    if placed is None:
        return None, 0, (_after_all(run),)
    phase, item = placed
    entry = run.latest(item.name)
    if entry is not None and not entry.passed:
        return _stopped(item, entry, phase)
    return None, 0, (_following(phase, item, wanted, until),)


def _stopped(item: Item, entry: ItemEntry, phase: str) -> Ending:
    command = f"churnflow {COMMANDS.get(phase, 'run')}"
    match entry:
        case StepRecord():
            return _failure(entry, command), 7, (Next(command, "once the cause is gone"),)
        case Approval():
            text = f"{entry.reviewer} rejected the approval {entry.name!r}: {'; '.join(entry.notes) or 'no notes'}"
            again = f"churnflow approve {item.name}"
            return Failure(text, f"settle what the notes say, then `{again}`"), 4, (Next(again, "", "reviewer"),)
        case Decision():
            return None, VERDICTS[entry.verdict], (Next(_first_command(entry), entry.next_action),)
        case Mark():
            return None, 0, (Next(command),)


def _failure(record: StepRecord, command: str) -> Failure:
    broken = [check for check in record.checks if not check.passed]
    if broken:
        first = broken[0]
        seen = "was not measured" if first.observed is None else f"does not hold: observed {first.observed:.6g}"
        return Failure(f"step {record.name}: {first.claim} {seen}", f"mend the data or the limit, then `{command}`")
    reason = next((issue.text for issue in record.issues if issue.severity == "critical"), "it did not pass")
    return Failure(f"step {record.name}: {reason}", record.facts.get("hint", f"mend the cause, then `{command}`"))


def _first_command(decision: Decision) -> str:
    return "churnflow issues" if decision.verdict == "fix" else "churnflow report"


def _following(phase: str, item: Item, wanted: Collection[str], until: str | None) -> Next:
    command = f"churnflow {COMMANDS.get(phase, 'run')}"
    match item:
        case ApprovalRequest():
            return Next(f"churnflow approve {item.name}", "a person has to answer", "reviewer")
        case Step() | CheckpointRequest() | Gate():
            stopped = f"stopped after {until!r} as asked" if until and phase in wanted else f"{item.name!r} comes next"
            return Next(command, stopped)


def _after_all(run: Run) -> Next:
    decided = any(isinstance(entry, Decision) and entry.verdict == "ship" for entry in run.current())
    released = any(artifact.codec == "release" for artifact in run.artifacts().values())
    if decided and released:
        return Next("churnflow serve", "the gate passed")
    return Next("churnflow report", "everything is done")
