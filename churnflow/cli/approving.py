"""The command with which people answer an approval."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer, AnswersReviewer, account
from churnflow.cli.answer import Answer
from churnflow.cli.phases import AnswersOption, run_data
from churnflow.cli.screens import lines_view
from churnflow.cli.session import Session, session_of
from churnflow.cli.signing import Signing
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import Silent
from churnflow.domain.journal import Approval, Run
from churnflow.domain.workflow import ApprovalRequest
from churnflow.engine.advance import answer
from churnflow.engine.ports import Ports, Reviewer
from churnflow.engine.settle import settle
from churnflow.errors import UsageError, WaitingError

# Of each two only one may be given: the second says by itself what the first would.
_EITHER: Final = (
    ("--reject", "--answers"),
    ("--reject", "--signature"),
    ("--answers", "--signature"),
    ("--notes", "--answers"),
    ("--notes", "--signature"),
    ("--reviewer", "--answers"),
    ("--reviewer", "--signature"),
)


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
    _refuse_contradictory(
        {
            "--reject": reject,
            "--answers": answers is not None,
            "--signature": signature is not None,
            "--notes": bool(notes),
            "--reviewer": reviewer is not None and not (signing.key or statement),
        }
    )
    with project.lock(f"churnflow approve {name}"):
        given = _answers(session, name, reviewer, tuple(notes or ()), answers, reject=reject)
        who = (
            signing.returned(session) or given or _person(session, project.run(), name, signing, reviewer, notes or ())
        )
        ports = replace(project.ports(who, Silent()), signer=signing.signer(session, name, reviewer))
        settle(ports)
        return _answered(answer(project.run(), name, ports), name, ports)


def _refuse_contradictory(given: Mapping[str, bool]) -> None:
    """Raise UsageError where an option says what another says, too: an answer is given in one way."""
    for one, other in _EITHER:
        if given[one] and given[other]:
            message = f"{one} and {other} both say what the answer is"
            raise UsageError(message, hint="give one of them")


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


def _answers(
    session: Session, name: str, reviewer: str | None, notes: tuple[str, ...], answers: Path | None, *, reject: bool
) -> Reviewer | None:
    """Return who answers without a terminal: a file, or the command line with a no; None where neither does."""
    if answers is not None:
        return AnswersReviewer.from_file(session.directory / answers)
    if reject:
        return AnswersReviewer.saying(name, "reject", reviewer or account(), notes, how="command line")
    return None


def _person(session: Session, run: Run, name: str, signing: Signing, by: str | None, notes: Sequence[str]) -> Reviewer:
    """Return the person at the terminal. Raises WaitingError where none is.

    Nobody is returned where a signature is demanded and none would be made, or there is no such approval: the engine
    says so, and what helps.
    """
    asked = next((item for item in run.declared.items() if item.name == name), None)
    is_signed = isinstance(asked, ApprovalRequest) and asked.grade != "unsigned"
    if not session.interactive:
        if asked is None or (is_signed and not (signing.key or signing.statement)):
            return AbsentReviewer()
        missing = "stdin is no terminal" if not sys.stdin.isatty() else "prompts are switched off"
        message = f"an approval is given by a person at a terminal, and {missing}"
        instead = "" if is_signed or signing.key else ", or with --answers FILE"
        raise WaitingError(message, hint=f"`{session.typed}` at a terminal{instead}")
    from churnflow.adapters.console_reviewer import ConsoleReviewer  # noqa: PLC0415 - brings rich, for prompts only

    return ConsoleReviewer(by, tuple(notes))
