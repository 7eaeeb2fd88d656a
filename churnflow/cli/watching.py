"""What a person sees while steps run: a live table at a terminal, plain lines elsewhere, nothing for machines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from churnflow.cli.screens import SAID, approval_text, key_metrics
from churnflow.cli.session import Session, one_line
from churnflow.domain.contract import Progress
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, StepRecord
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import ApprovalRequest, Item, Workflow
from churnflow.engine.ports import Listener

if TYPE_CHECKING:
    from rich.live import Live as Display
    from rich.progress import Progress as Bar


@contextmanager
def watch(session: Session, workflow: Workflow, *, keep: bool = False) -> Iterator[Listener]:
    """Yield the listener that suits where the output goes; of a step it shows first what the requirements test.

    keep: leave what was done on a terminal, too, where no answer follows that says it.
    """
    if session.quiet or session.as_json:
        yield Silent()
    elif sys.stderr.isatty():
        with live(workflow, keep=keep) as listener:
            yield listener
    else:
        yield Lines(workflow.requirements, verbose=session.verbose)


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
    """A table of the phase's items as they are done, and a bar for long work; the answer of the command replaces it."""

    def __init__(self, displays: Callable[[], Display], bar: Bar, workflow: Workflow) -> None:
        """Take what makes a display, the bar to show in it, and the workflow, which knows the items to come."""
        self._displays = displays
        self._display: Display | None = None
        self._bar = bar
        self._workflow = workflow
        self._task = bar.add_task("", total=None, count="")
        self._phase = ""
        self._ended: dict[str, str] = {}
        self.said: list[str] = []

    def started(self, phase: str, item: Item) -> None:
        """Show the item as running; a prompt needs the screen for itself."""
        self._phase = phase
        self._ended.pop(item.name, None)
        if isinstance(item, ApprovalRequest):
            self.stop()
            return
        self._bar.reset(self._task, description=item.name, total=None, count="")
        self._draw(running=item.name)

    def finished(self, phase: str, entry: ItemEntry) -> None:
        """Show how the item ended."""
        self._phase = phase
        self._ended[entry.name] = summary(entry, self._workflow.requirements)
        self.said.append(f"{phase:9} {self._ended[entry.name]}")
        if self._display is not None:
            self._draw(running="")

    def stop(self) -> None:
        """Leave the screen to others."""
        if self._display is not None:
            self._display.stop()
            # A display that is started again wipes as many lines as it had, which by then are somebody else's.
            self._display = None

    def progress(self, item: Item) -> Progress:
        """Return a callable that moves the bar."""

        def move(done: int, total: int, text: str = "") -> None:
            description = f"{item.name} {one_line(text)}".strip()
            self._bar.update(self._task, completed=done, total=total, description=description, count=f"{done}/{total}")

        return move

    def _draw(self, running: str) -> None:
        from rich.console import Group  # noqa: PLC0415 - only where a person watches
        from rich.text import Text  # noqa: PLC0415

        lines = [
            self._ended.get(item.name) or f"{'running' if item.name == running else '-':8} {item.name}"
            for item in self._workflow.phases.get(self._phase, ())
        ]
        table = Text("\n".join([self._phase, *(f"  {line}" for line in lines)]), no_wrap=True, overflow="ellipsis")
        if self._display is None:
            self._display = self._displays()
            self._display.start()
        self._display.update(Group(table, self._bar) if running else table, refresh=True)


@contextmanager
def live(workflow: Workflow, *, keep: bool = False) -> Iterator[Live]:
    """Yield a listener that draws on the terminal of stderr, and leaves there what was done if that is to be kept."""
    from rich.live import Live as RichLive  # noqa: PLC0415 - only where a person watches
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    from churnflow.adapters.terminal import PlainConsole  # noqa: PLC0415 - brings rich

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    console = PlainConsole(file=sys.stderr)
    listener = Live(
        lambda: RichLive(console=console, transient=True, refresh_per_second=8),
        Progress(*columns, console=console),
        workflow,
    )
    try:
        yield listener
    finally:
        listener.stop()
        for line in listener.said if keep else ():
            sys.stderr.write(f"{line}\n")


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
            return f"{entry.word:8} {entry.name:18} {'':8}  confidence {entry.confidence.score:3}"


def _ignore(done: int, total: int, text: str = "") -> None:
    """Take progress that nobody watches."""
