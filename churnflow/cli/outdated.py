"""What is here and not in a report, though it proves whole: who wrote it may have chosen from what to make it."""

from collections.abc import Iterator, Sequence

from churnflow.cli.rendering import Made, counted_in, named, newest_table
from churnflow.cli.screens import counted
from churnflow.domain.base import stamp
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Entry, Run
from churnflow.domain.ledger import end_of_waivers
from churnflow.engine import claims
from churnflow.project import Project, SystemClock


def left_out(project: Project, made: Made, now: Run | None) -> Iterator[str]:
    """Yield, a sentence each, what a report made from `made` does not tell of what is here.

    now: the run as its journal has it, None without one.
    """
    history = project.checkpoints.history(made.run.id)
    current = now or (history[-1].run if history else made.run)
    yield from _entries(made.run, current)
    later = history[len(made.history) :]
    if later:
        yield f"it leaves out {counted(len(later), 'later checkpoint')} of the run: the newest is {later[-1].tag}"
    yield from _waivers(made)
    yield from _others(project, made)
    yield from _performance(project, made)
    served = project.pointer.read()
    if not made.as_of and served is not None and served != made.served:
        yield f"it does not tell of what the API serves now, {served.version}"


def _entries(run: Run, current: Run) -> Iterator[str]:
    later = [entry for entry in current.condensed().entries if entry not in run.entries]
    if later:
        number = "a later entry" if len(later) == 1 else f"{len(later)} later entries"
        yield f"it was made before {number} of the run: {_names(later)}"
    left = [entry for entry in run.condensed().entries if entry not in current.entries]
    if left:
        yield f"it tells of what the run has left since by a rollback: {_names(left)}"


def _names(entries: Sequence[Entry]) -> str:
    return ", ".join(dict.fromkeys(entry.name for entry in entries))


def _waivers(made: Made) -> Iterator[str]:
    ended = end_of_waivers(made.run, SystemClock().now())
    if ended is not None and ended != made.ended:
        yield f"it was made as if no waiver had ended on {stamp(ended)}"


def _others(project: Project, made: Made) -> Iterator[str]:
    if made.source.is_alone:
        return
    told = _heads(claims.counted(made.run, counted_in(project, made)))
    more = [name for name in _heads(claims.counted(made.run, project.checkpoints)) if name not in told]
    if more:
        yield f"it leaves out what other runs came to: {', '.join(more)}"


def _heads(heads: Sequence[Checkpoint]) -> list[str]:
    return [named(head) for head in heads]


def _performance(project: Project, made: Made) -> Iterator[str]:
    newest = newest_table(project, made.run)
    if newest is not None and (made.tracked is None or newest.sha256 != made.tracked.sha256):
        yield "it leaves out the newest table of performance: `churnflow report` shows it"
