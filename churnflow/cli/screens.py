"""What people see: tables and panels made from records; rich is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from churnflow.domain.approval import Answer
from churnflow.domain.claims import Standing, in_words
from churnflow.domain.evidence import Confidence, Measure
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, answered, weight
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Item
from churnflow.reporting.wording import interval, number

if TYPE_CHECKING:
    from rich.console import Console

View = Callable[["Console"], None]
STYLES: Final = {
    "done": "green",
    "reused": "green",
    "kept": "green",
    "ship": "bold green",
    "approved": "green",
    "failed": "bold red",
    "rejected": "bold red",
    "waits": "bold yellow",
    "rework": "bold red",
    "fix": "bold yellow",
    "stale": "yellow",
    "critical": "bold red",
    "warning": "yellow",
}

# Of what can be thousands a screen shows the first; the JSON has all.
LISTED: Final = 50
LONGEST_NAME: Final = 37
NARROWEST: Final = 12
GAP: Final = 2
SAID: Final[dict[Answer, str]] = {"approve": "approved", "approve-with-notes": "approved", "reject": "rejected"}


def table_view(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str = "none") -> View:
    """Return a view of a plain table, `empty` in its place without rows; a cell that is a known state is coloured."""

    def view(console: Console) -> None:
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        if title:
            console.print(Text(title, style="bold"))
        if not rows:
            console.print(f"{empty}\n")
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        whole = _unbroken(columns, rows, console.width)
        for index, column in enumerate(columns):
            table.add_column(column, overflow="fold", no_wrap=index in whole)
        for row in rows:
            table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        console.print(table)
        console.print()

    return view


def _unbroken(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """Return the columns whose cells stay on one line: all but those of prose, if these have room enough then."""
    longest = [max(len(column), *(len(row[index]) for row in rows)) for index, column in enumerate(columns)]
    short = {index for index, length in enumerate(longest) if length <= LONGEST_NAME}
    room = width - sum(longest[index] for index in short) - GAP * (len(columns) - 1)
    return short if room >= NARROWEST * (len(columns) - len(short)) else set()


def lines_view(*lines: str) -> View:
    """Return a view of plain lines."""

    def view(console: Console) -> None:
        for line in lines:
            console.print(line)

    return view


def commands_view(*lines: str) -> View:
    """Return a view of lines to copy, as commands and paths are: however long, none is broken."""

    def view(console: Console) -> None:
        for line in lines:
            console.print(line, soft_wrap=True)

    return view


def together(*views: View) -> View:
    """Return a view that shows one after the other."""

    def view(console: Console) -> None:
        for each in views:
            each(console)

    return view


def run_view(run: Run, stale: Collection[str] = ()) -> View:
    """Return the table of a run's items, and the decision if there is one; `stale` are those to be done again."""
    due = next((item.name for item in run.declared.items() if item.name in stale or not _is_done(item, run)), None)
    rows = [_row(phase, item, run, due) for phase, item in run.workflow.placed_items()]
    rows = [[*row[:2], "stale" if row[1] in stale else row[2], *row[3:]] for row in rows]
    title = f"{run.declared.task}   run {run.id}"
    views = [table_view(title, ("phase", "item", "state", "time", "conf.", "evidence"), rows)]
    decision = next((entry for entry in reversed(run.current()) if isinstance(entry, Decision)), None)
    if decision is not None:
        views.append(decision_view(decision, stale=decision.name in stale))
    return together(*views)


def decision_view(decision: Decision, *, stale: bool = False) -> View:
    """Return the verdict with its reasons, and whether what it was about has changed since."""
    fix, ship = decision.bands
    return lines_view(
        f"Decision: {decision.word.upper()}{' (stale)' if stale else ''}  confidence {decision.confidence.score}"
        f"  (ship {ship}-100, fix {fix}-{ship - 1}, rework below {fix})",
        *(["  - stale: what it was about has changed since"] if stale else []),
        *(f"  - {reason}" for reason in decision.reasons),
    )


def findings_view(records: Sequence[StepRecord]) -> View:
    """Return the checklist that steps have computed, nothing where none did."""

    def view(console: Console) -> None:
        from churnflow.adapters.console_reviewer import checklist  # noqa: PLC0415 - brings rich

        for table in checklist([line for record in records for line in record.findings]):
            console.print(table)
            console.print()

    return view


def checks_view(record: StepRecord) -> View:
    """Return the checks that the workflow declares for a step, with what was observed."""

    def view(console: Console) -> None:
        from churnflow.adapters.console_reviewer import checks_table  # noqa: PLC0415 - brings rich

        if record.checks:
            console.print(checks_table(record.checks))
            console.print()

    return view


def confidence_view(title: str, confidence: Confidence) -> View:
    """Return the sum that a confidence is, line by line."""
    rows = [[f"{part.points:+.1f}", part.text] for part in confidence.parts]
    return table_view(f"{title}: {confidence.score}  ({confidence.because})", ("points", "why"), rows)


def standings_view(standings: Sequence[Standing]) -> View:
    """Return what came true of what each author claimed."""
    rows = [[standing.author, in_words(standing)] for standing in standings]
    return table_view("Claims and what came true", ("author", "of all claims at hand"), rows)


def approvals_view(run: Run) -> View:
    """Return who approved what in a run, at which grade, and with which keys; nothing where nobody was asked."""
    rows = [
        [
            entry.name,
            "waits" if entry.lacks else SAID[entry.answer],
            entry.grade,
            approval_text(entry),
            moment(entry.at),
        ]
        for entry in run.approvals()
    ]
    view = table_view("Approvals", ("name", "answer", "grade", "by", "at (UTC)"), rows)
    return view if rows else together()


def issues_view(lines: Sequence[LedgerLine]) -> View:
    """Return the ledger of issues."""
    rows = [[line.id, weight(line), line.state, line.text, _answers(line)] for line in lines]
    return table_view("Issues", ("id", "severity", "state", "what", "answered"), rows)


def _answers(line: LedgerLine) -> str:
    """Return the answer that holds, with its end or its evidence, and where a waiver has ended, that."""
    if line.ended is not None:
        return answered(line)
    facts = (line.until and f"until {line.until:%Y-%m-%d}", line.evidence and str(line.evidence))
    named = ", ".join(str(part) for part in (line.by, *facts) if part)
    return f"{named}: {line.reason}" if named else ""


def moment(at: datetime) -> str:
    """Return a time in UTC to the minute, as narrow columns have it."""
    return f"{at:%Y-%m-%d %H:%M}"


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def bytes_text(count: int) -> str:
    """Return a number of bytes as people read it: `512 bytes`, `3.4 MB`."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:  # noqa: PLR2004 - decimal units, as disks are sold
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def measure_text(measure: Measure) -> str:
    """Return a metric with its interval and n, as screens print it."""
    count = "" if measure.n is None else f"n={measure.n:,}"
    return " ".join(filter(None, (number(measure.value), interval(measure.low, measure.high), count)))


def key_metrics(record: StepRecord, requirements: Collection[Rule], most: int) -> str:
    """Return the metrics of a step that say most, in one line.

    First what a requirement tests or what keeps a check from holding, then the first one reported, which is the one
    that the step's author puts first, then what other checks test, then the rest.
    """
    tested = {Rule.model_validate(check.claim).metric: check.passed for check in record.checks}
    required = {rule.metric.removeprefix(f"{record.name}.") for rule in requirements}
    first = next(iter(record.metrics), "")

    def rank(name: str) -> int:
        if name in required or not tested.get(name, True):
            return 0
        return 1 if name == first else 2 if name in tested else 3

    names = sorted(record.metrics, key=rank)
    return "  ".join(f"{name} {number(record.metrics[name].value)}" for name in names[:most])


def approval_text(entry: Approval) -> str:
    """Return who answered an approval, how, at which grade, and whether with notes."""
    others = [one.statement.reviewer for one in entry.signed if one.statement.reviewer != entry.reviewer]
    who = ", ".join(dict.fromkeys((entry.reviewer, *others, *entry.others)))
    return f"{who} ({entry.how}, {entry.grade})" + (", with notes" if entry.notes else "")


def _is_done(item: Item, run: Run) -> bool:
    entry = run.latest(item.name)
    return entry is not None and entry.passed


def _row(phase: str, item: Item, run: Run, due: str | None) -> list[str]:
    entry: ItemEntry | None = run.latest(item.name)
    if entry is None:
        waits = isinstance(item, ApprovalRequest) and item.name == due
        return [phase, item.name, "waits" if waits else "-", "", "", _kind(item)]
    match entry:
        case StepRecord():
            state = "failed" if not entry.passed else "reused" if entry.reused else "done"
            evidence = key_metrics(entry, run.declared.requirements, 2)
            return [phase, item.name, state, f"{entry.seconds:.1f} s", str(entry.confidence.score), evidence]
        case Mark():
            return [phase, item.name, "kept", "", "", f"at {moment(entry.at)} UTC"]
        case Approval():
            said = "waits" if entry.lacks else SAID[entry.answer]
            return [phase, item.name, said, "", "", approval_text(entry)]
        case Decision():
            reasons = counted(len(entry.reasons), "reason")
            return [phase, item.name, entry.word, "", str(entry.confidence.score), reasons]


def _kind(item: Item) -> str:
    match item:
        case CheckpointRequest():
            return "checkpoint"
        case ApprovalRequest():
            return "approval"
        case Gate():
            return "gate"
        case _:
            return item.uses
