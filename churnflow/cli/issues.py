"""The commands of the ledger: list what was noticed, close it on evidence, or let it stand for a time."""

import re
import sys
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Annotated, Any, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer, account
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import issues_view, lines_view, together
from churnflow.cli.session import Session, session_of
from churnflow.cli.watching import Silent
from churnflow.domain.journal import IssueAnswer, Run, StepRecord
from churnflow.domain.ledger import RISKS, LedgerLine, as_of, ledger, weight, whole_ledger
from churnflow.domain.workflow import DEFAULT_WAIVER_DAYS, MOST_WAIVER_DAYS
from churnflow.engine.check import nearest
from churnflow.engine.ports import Ports
from churnflow.engine.proof import proof_of
from churnflow.engine.settle import settle
from churnflow.errors import RefusedError, UsageError, WaitingError
from churnflow.project import SystemClock

SPAN: Final = re.compile(r"([1-9]\d{0,3})([dw])")
DAYS: Final = {"d": 1, "w": 7}

issues_app = typer.Typer(help="What was noticed and is still open.", rich_markup_mode=None)

Number = Annotated[str, typer.Argument(metavar="ID", help="The issue, as the list names it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.add_typer(issues_app, name="issues")


@issues_app.callback(invoke_without_command=True)
def issues(context: typer.Context) -> Answer | None:
    """List what was noticed and what became of it."""
    return issues_list(context) if context.invoked_subcommand is None else None


@issues_app.command("list")
def issues_list(context: typer.Context) -> Answer:
    """List what was noticed and what became of it: issues, conditions of approvals, risks of the plan."""
    session = session_of(context)
    run = as_of(session.project().run(), SystemClock().now())
    lines = whole_ledger(run)
    unsettled = [line for line in lines if line.state == "open" and line.severity != "note"]
    worst = next((line for line in unsettled if line.forbids), unsettled[0] if unsettled else None)
    step = _next_for(run, worst) if worst else Next("churnflow status")
    data = {"issues": [line.model_dump(mode="json") for line in lines]}
    return Answer(data=data, view=issues_view(lines), next=(step,), run=run.id)


def _next_for(run: Run, line: LedgerLine) -> Next:
    if line.severity == "critical" and _is_measured(run, line):
        return Next(
            "churnflow run", "once it is mended as it says; `churnflow issues waive` lets it stand in your name"
        )
    return Next(f"churnflow issues close {line.id} --reason TEXT --evidence STEP")


@issues_app.command("close")
def issues_close(
    context: typer.Context,
    number: Number,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What settled it; the report says so.")],
    evidence: Annotated[
        str | None, typer.Option("--evidence", metavar="STEP|REF", help="What shows it: a step, or a checkpoint.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who closes it; default the account.")] = None,
) -> Answer:
    """Close an issue that is settled, on the evidence of a step or a checkpoint that was made since."""

    def closed(run: Run, line: LedgerLine, ports: Ports) -> dict[str, Any]:
        if line.severity == "critical":
            _refuse_a_word(run, line)
        if evidence is None:
            message = f"a word alone does not close {line.id}: evidence is missing"
            hint = f"`churnflow issues close {line.id} --reason TEXT --evidence STEP`, or a checkpoint; else waive it"
            raise RefusedError(message, hint=hint)
        return {"evidence": proof_of(evidence, line, run, ports)}

    return _settle(session_of(context), number, "close", reason, by, closed)


@issues_app.command("waive")
def issues_waive(
    context: typer.Context,
    number: Number,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it does not matter; the report says so.")
    ],
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE|DAYS", help="When it is open again: 2027-01-31, 30d or 4w. [90d]"),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who waives it; default the account.")] = None,
) -> Answer:
    """Let an issue stand for a time, in your name and for a reason that the report prints; then it is open again."""

    def waived(run: Run, _line: LedgerLine, ports: Ports) -> dict[str, Any]:
        days = run.declared.waiver_days or DEFAULT_WAIVER_DAYS
        return {"until": _end(until or f"{days}d", ports.clock.now())}

    return _settle(session_of(context), number, "waive", reason, by, waived)


def _end(written: str, now: datetime) -> datetime:
    """Return when a waiver ends: at the end of a day in UTC. Raises UsageError for what is no such day, or too late."""
    span = SPAN.fullmatch(written)
    try:
        day = now.date() + timedelta(int(span[1]) * DAYS[span[2]]) if span else datetime.fromisoformat(written).date()
    except ValueError:
        message = f"--until {written!r} is no date and no number of days"
        raise UsageError(message, hint="write a date, 2027-01-31, or days or weeks, 30d or 4w") from None
    end = datetime.combine(day, time_of_day(23, 59, 59), UTC)
    if not timedelta(0) < end - now <= timedelta(MOST_WAIVER_DAYS + 1):
        message = f"--until {written} is {'past' if end <= now else f'more than {MOST_WAIVER_DAYS} days from now'}"
        raise UsageError(message, hint=f"an issue is waived for a time: from today to {MOST_WAIVER_DAYS} days from now")
    return end


def _settle(session: Session, number: str, action: str, reason: str, by: str | None, more: Any) -> Answer:
    project = session.project()
    if not reason.strip():
        message = f"to {action} an issue needs a reason"
        raise UsageError(message, hint=f"`churnflow issues {action} {number} --reason TEXT`")
    ports = project.ports(AbsentReviewer(), Silent())
    with project.lock(f"churnflow issues {action} {number}"):
        settle(ports)
        run = project.run()
        line = _line(as_of(run, ports.clock.now()), number)
        said = more(run, line, ports)
        if line.forbids:
            _confirm(session, line, action)
        who = (by or "").strip() or account()
        entry = IssueAnswer.model_validate(
            {"name": line.id, "action": action, "by": who, "reason": reason.strip(), "at": ports.clock.now(), **said}
        )
        project.journal.append(run, entry)
        run = run.add(entry)
    line = _line(run, line.id)
    data = {"issue": line.model_dump(mode="json")}
    ends = () if line.until is None else (f"it is open again after {line.until:%Y-%m-%d}",)
    view = together(issues_view([line]), lines_view(*ends))
    return Answer(data=data, view=view, next=(Next("churnflow status"),), run=run.id)


def _line(run: Run, number: str) -> LedgerLine:
    """Return the issue whose id is, or alone begins with, `number`. Raises UsageError with the nearest id."""
    lines = ledger(run)
    found = [line for line in lines if line.id.startswith(number)]
    if len(found) != 1:
        message = f"the run {run.id} has {len(found) or 'no'} issue{'s' * (len(found) > 1)} {number!r}"
        raise UsageError(message, hint=f"{nearest(number, [line.id for line in lines])}; `churnflow issues` shows them")
    return found[0]


def _is_measured(run: Run, line: LedgerLine) -> bool:
    return line.source != RISKS and isinstance(run.latest(line.source), StepRecord)


def _refuse_a_word(run: Run, line: LedgerLine) -> None:
    """Have what a step measured be mended, not declared settled: a new measurement takes the issue away by itself."""
    if _is_measured(run, line):
        message = f"{line.id} is what {line.source} measured, which no word settles"
        hint = f"mend it and run again, or let it stand: `churnflow issues waive {line.id} --reason TEXT`"
        raise RefusedError(message, hint=hint)


def _confirm(session: Session, line: LedgerLine, action: str) -> None:
    """Have a person type the id of what forbids to ship; neither an option nor a script lifts that."""
    if not session.interactive:
        message = f"{line.id} is {weight(line)}: only a person at a terminal can {action} it"
        raise WaitingError(message, hint=f"`{session.typed}` at a terminal")
    sys.stderr.write(f"  {line.text}\n  type {line.id} to {action} it: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != line.id:
        message = f"{line.id} was not typed; nothing is changed"
        raise RefusedError(message, hint=f"`{session.typed}` asks again")
