"""What a person sees while steps run: a live table at a terminal, plain lines elsewhere, nothing for machines."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churnflow.cli.screens import SAID, approval_text, key_metrics
from churnflow.cli.session import Session, one_line
from churnflow.domain.contract import Progress
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, StepRecord
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import ApprovalRequest, Item
from churnflow.engine.ports import Listener

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


@contextmanager
def watch(session: Session, requirements: Collection[Rule]) -> Iterator[Listener]:
    """Yield the listener that suits where the output goes; of a step it shows first what `requirements` test."""
    if session.quiet or session.as_json:
        yield Silent()
    elif sys.stderr.isatty():
        with live(requirements) as listener:
            yield listener
    else:
        yield Lines(requirements, verbose=session.verbose)


class Silent:
    """Says nothing."""

    def started(self, phase: str, item: Item) -> None:
        """Say nothing."""

    def finished(self, phase: str, entry: ItemEntry) -> None:
        """Say nothing."""

    def progress(self, item: Item) -> Progress:  # noqa: ARG002 - the port's signature
        """Return a callable that says nothing."""
        return _ignore


class Lines:
    """One line on stderr when an item ends, and with -v one when it begins."""

    def __init__(self, requirements: Collection[Rule], *, verbose: bool) -> None:
        """Take the rules whose metrics are shown first, and whether to say that an item begins."""
        self._requirements = requirements
        self._verbose = verbose

    def started(self, phase: str, item: Item) -> None:
        """Say that the item begins, if that is wanted."""
        if self._verbose:
            sys.stderr.write(f"{phase:9} {'begins':8} {item.name}\n")
            sys.stderr.flush()

    def finished(self, phase: str, entry: ItemEntry) -> None:
        """Say how the item ended."""
        sys.stderr.write(f"{phase:9} {summary(entry, self._requirements)}\n")
        sys.stderr.flush()

    def progress(self, item: Item) -> Progress:  # noqa: ARG002 - the port's signature
        """Return a callable that says nothing: a bar makes no sense in a log."""
        return _ignore


class Live:
    """A bar for the running item, and a line above it for each that ended."""

    def __init__(self, bar: Bar, requirements: Collection[Rule]) -> None:
        """Take the bar to draw on, and the rules whose metrics are shown first."""
        self._bar = bar
        self._requirements = requirements
        self._task = bar.add_task("", visible=False, total=None, count="")

    def started(self, phase: str, item: Item) -> None:
        """Show the item as running; a prompt needs the screen for itself."""
        if isinstance(item, ApprovalRequest):
            self._bar.stop()
            return
        self._bar.start()
        self._bar.reset(self._task, description=f"{phase} {item.name}", total=None, visible=True, count="")

    def finished(self, phase: str, entry: ItemEntry) -> None:
        """Print how the item ended, above the bar."""
        self._bar.update(self._task, visible=False)
        self._bar.console.print(
            f"{phase:9} {summary(entry, self._requirements)}",
            markup=False,
            highlight=False,
            no_wrap=True,
            overflow="ellipsis",
        )

    def progress(self, item: Item) -> Progress:
        """Return a callable that moves the bar."""

        def move(done: int, total: int, text: str = "") -> None:
            self._bar.update(
                self._task,
                completed=done,
                total=total,
                description=f"{item.name} {one_line(text)}".strip(),
                count=f"{done}/{total}",
                visible=True,
            )

        return move


@contextmanager
def live(requirements: Collection[Rule]) -> Iterator[Live]:
    """Yield a listener that draws on the terminal of stderr."""
    from rich.console import Console  # noqa: PLC0415 - only where a person watches
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        yield Live(bar, requirements)


def summary(entry: ItemEntry, requirements: Collection[Rule]) -> str:
    """Return one line that says how an item ended: state, name, seconds, confidence, key metrics."""
    match entry:
        case StepRecord():
            state = "failed" if not entry.passed else "reused" if entry.reused else "done"
            score = f"{entry.seconds:6.1f} s  confidence {entry.confidence.score:3}"
            return f"{state:8} {entry.name:18} {score}  {key_metrics(entry, requirements, 3)}"
        case Mark():
            return f"{'kept':8} {entry.name}"
        case Approval():
            return f"{SAID[entry.answer]:8} {entry.name} by {approval_text(entry)}"
        case Decision():
            return f"{entry.verdict:8} {entry.name:18} {'':8}  confidence {entry.confidence.score:3}"


def _ignore(done: int, total: int, text: str = "") -> None:
    """Take progress that nobody watches."""
