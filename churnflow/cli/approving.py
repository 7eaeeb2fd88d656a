"""The command with which people answer an approval."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from churnflow.adapters.answers_reviewer import AnswersReviewer, account
from churnflow.cli.answer import Answer
from churnflow.cli.phases import AnswersOption, run_data
from churnflow.cli.screens import lines_view
from churnflow.cli.session import Session, session_of
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import Silent
from churnflow.engine.advance import answer
from churnflow.engine.ports import Reviewer
from churnflow.engine.settle import settle
from churnflow.errors import WaitingError


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("approve")(approve)


def approve(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The approval, as the workflow names it.")],
    reviewer: Annotated[str | None, typer.Option("--reviewer", metavar="NAME", help="Who answers.")] = None,
    notes: Annotated[
        list[str] | None, typer.Option("--notes", metavar="TEXT", help="A note; ! opens an issue, ? a condition.")
    ] = None,
    answers: AnswersOption = None,
    *,
    reject: Annotated[bool, typer.Option("--reject", help="Say no; this alone needs no terminal.")] = False,
) -> Answer:
    """Answer a waiting approval: see what is approved, what changed and what is open, then say yes or no."""
    session = session_of(context)
    project = session.project()
    with project.lock(f"churnflow approve {name}"):
        who = _reviewer(session, name, reviewer, tuple(notes or ()), answers, reject=reject)
        ports = project.ports(who, Silent())
        settle(ports)
        run = answer(project.run(), name, ports)
        stale = stale_items(run, ports)
        failure, code, steps = ending(run, stale)
        entry = run.latest(name)
        passed = entry is not None and entry.passed
        said = getattr(entry, "answer", "")
        view = lines_view(f"{name}: {said} by {getattr(entry, 'reviewer', '')}")
        keep = None if passed else failure
        return Answer(
            data=run_data(run, stale), view=view, code=0 if passed else code, next=steps, run=run.id, failure=keep
        )


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
