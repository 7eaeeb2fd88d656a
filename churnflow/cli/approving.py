"""The commands with which people answer: approve, and the ledger of issues."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer, AnswersReviewer, account
from churnflow.cli.answer import Answer, Next
from churnflow.cli.phases import AnswersOption, run_data
from churnflow.cli.screens import issues_view, lines_view
from churnflow.cli.session import Session, session_of
from churnflow.cli.signing import Signing
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import Silent
from churnflow.domain.journal import Approval, IssueAnswer, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, ledger
from churnflow.engine.advance import answer
from churnflow.engine.check import nearest
from churnflow.engine.ports import Ports, Reviewer
from churnflow.engine.settle import settle
from churnflow.errors import RefusedError, UsageError, WaitingError
from churnflow.project import SystemClock

issues_app = typer.Typer(help="What was noticed and is still open.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("approve")(approve)
    app.add_typer(issues_app, name="issues")


def approve(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The approval, as the workflow names it.")],
    reviewer: Annotated[str | None, typer.Option("--reviewer", metavar="NAME", help="Who answers.")] = None,
    notes: Annotated[
        list[str] | None, typer.Option("--notes", metavar="TEXT", help="A note; ! opens an issue.")
    ] = None,
    answers: AnswersOption = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Sign it with this SSH key, or .pub of an agent's.")
    ] = None,
    signature: Annotated[
        Path | None, typer.Option("--signature", metavar="FILE.sig", help="Take a statement signed elsewhere.")
    ] = None,
    *,
    statement: Annotated[bool, typer.Option("--statement", help="Write what is to be signed elsewhere.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Say no; this alone needs no terminal.")] = False,
) -> Answer:
    """Answer a waiting approval: see what is approved, what changed and what is open, then say yes or no."""
    session = session_of(context)
    project = session.project()
    signing = Signing(key, signature, statement)
    with project.lock(f"churnflow approve {name}"):
        who = signing.returned(session) or _reviewer(
            session, name, reviewer, tuple(notes or ()), answers, reject=reject
        )
        ports = replace(project.ports(who, Silent()), signer=signing.signer(session, name, reviewer))
        settle(ports)
        return _answered(answer(project.run(), name, ports), name, ports)


def _answered(run: Run, name: str, ports: Ports) -> Answer:
    """Say who answered, at which grade, and what is next; not 0 where the approval is not given by that."""
    stale = stale_items(run, ports)
    failure, code, steps = ending(run, stale)
    entry = run.latest(name)
    passed = entry is not None and entry.passed
    said = entry if isinstance(entry, Approval) else None
    view = lines_view(f"{name}: {said.answer} by {said.reviewer}, grade {said.grade}") if said else None
    return Answer(
        data=run_data(run, stale),
        view=view,
        code=0 if passed else code,
        next=steps,
        run=run.id,
        failure=None if passed else failure,
    )


@issues_app.callback(invoke_without_command=True)
def issues(context: typer.Context) -> Answer | None:
    """List what was noticed and what became of it."""
    return issues_list(context) if context.invoked_subcommand is None else None


@issues_app.command("list")
def issues_list(context: typer.Context) -> Answer:
    """List what was noticed and what became of it."""
    session = session_of(context)
    run = session.project().run()
    lines = ledger(run)
    unsettled = [line for line in lines if line.state == "open" and line.severity != "note"]
    worst = next((line for line in unsettled if line.severity == "critical"), unsettled[0] if unsettled else None)
    step = _next_for(run, worst) if worst else Next("churnflow status")
    data = {"issues": [line.model_dump(mode="json") for line in lines]}
    return Answer(data=data, view=issues_view(lines), next=(step,), run=run.id)


def _next_for(run: Run, line: LedgerLine) -> Next:
    if line.severity == "critical" and isinstance(run.latest(line.source), StepRecord):
        return Next(
            "churnflow run", "once it is mended as it says; `churnflow issues waive` lets it stand in your name"
        )
    return Next(f"churnflow issues close {line.id} --reason TEXT")


@issues_app.command("close")
def issues_close(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="ID", help="The issue, as the list names it.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What settled it; the report says so.")],
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who closes it; default the account.")] = None,
) -> Answer:
    """Close an issue that is settled."""
    return _settle(session_of(context), number, "close", reason, by)


@issues_app.command("waive")
def issues_waive(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="ID", help="The issue, as the list names it.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it does not matter; the report says so.")
    ],
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who waives it; default the account.")] = None,
) -> Answer:
    """Let an issue stand, in your name and for a reason that the report prints."""
    return _settle(session_of(context), number, "waive", reason, by)


def _settle(session: Session, number: str, action: str, reason: str, by: str | None) -> Answer:
    project = session.project()
    if not reason.strip():
        message = f"to {action} an issue needs a reason"
        raise UsageError(message, hint=f"`churnflow issues {action} {number} --reason TEXT`")
    with project.lock(f"churnflow issues {action} {number}"):
        settle(project.ports(AbsentReviewer(), Silent()))
        run = project.run()
        line = _line(run, number)
        if line.severity == "critical":
            _refuse_a_word(run, line, action)
            _confirm(session, line, action)
        who = by or account()
        entry = IssueAnswer.model_validate(
            {"name": line.id, "action": action, "by": who, "reason": reason.strip(), "at": SystemClock().now()}
        )
        project.journal.append(run, entry)
        run = run.add(entry)
    line = _line(run, line.id)
    data = {"issue": line.model_dump(mode="json")}
    return Answer(data=data, view=issues_view([line]), next=(Next("churnflow status"),), run=run.id)


def _line(run: Run, number: str) -> LedgerLine:
    """Return the issue whose id is, or alone begins with, `number`. Raises UsageError with the nearest id."""
    lines = ledger(run)
    found = [line for line in lines if line.id.startswith(number)]
    if len(found) != 1:
        message = f"the run {run.id} has {len(found) or 'no'} issue{'s' * (len(found) > 1)} {number!r}"
        raise UsageError(message, hint=f"{nearest(number, [line.id for line in lines])} `churnflow issues` shows them")
    return found[0]


def _refuse_a_word(run: Run, line: LedgerLine, action: str) -> None:
    """Have what a step measured be mended, not declared settled: a new measurement takes the issue away by itself."""
    if action == "close" and isinstance(run.latest(line.source), StepRecord):
        message = f"{line.id} is what {line.source} measured, which no word settles"
        hint = f"mend it and run again, or let it stand: `churnflow issues waive {line.id} --reason TEXT`"
        raise RefusedError(message, hint=hint)


def _confirm(session: Session, line: LedgerLine, action: str) -> None:
    """Have a person type the id of a critical issue; neither an option nor a script lifts what forbids to ship."""
    if not session.interactive:
        message = f"{line.id} is critical: only a person at a terminal can {action} it"
        raise WaitingError(message, hint=f"`churnflow issues {action} {line.id} --reason TEXT` at a terminal")
    sys.stderr.write(f"  {line.text}\n  type {line.id} to {action} it: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != line.id:
        message = f"{line.id} was not typed; nothing is changed"
        raise RefusedError(message, hint=f"`churnflow issues {action} {line.id} --reason TEXT` asks again")


def _reviewer(
    session: Session, name: str, reviewer: str | None, notes: tuple[str, ...], answers: Path | None, *, reject: bool
) -> Reviewer:
    if answers is not None:
        return AnswersReviewer.from_file(session.directory / answers)
    if reject:
        return AnswersReviewer.saying(name, "reject", reviewer or account(), notes, how="command line")
    if not session.interactive:
        missing = "stdin is no terminal" if not sys.stdin.isatty() else "prompts are switched off"
        message = f"an approval is given by a person at a terminal, and {missing}"
        raise WaitingError(message, hint=f"`churnflow approve {name}` at a terminal, or with --answers FILE")
    from churnflow.adapters.console_reviewer import ConsoleReviewer  # noqa: PLC0415 - brings rich, for prompts only

    return ConsoleReviewer(reviewer, notes)
