"""The program `churnflow`: its commands, its global options, and the one place where endings become exit codes."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from churnflow.cli.answer import Answer, Failure, Next
from churnflow.cli.commands import CommandGroup
from churnflow.cli.session import Session
from churnflow.errors import ChurnflowError

INTERRUPTED: Final = 130
BUG: Final = 1
USAGE: Final = 2

app = typer.Typer(
    name="churnflow",
    cls=CommandGroup,
    help="Take a tabular model from plan to production: every step with evidence, every checkpoint with a way back.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    directory: Annotated[Path, typer.Option("-C", metavar="DIR", help="Work in DIR instead of here.")] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never prompt.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only errors and what is next.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print more.")] = False,
) -> None:
    """Take a tabular model from plan to production: every step with evidence, every checkpoint with a way back."""
    session = context.obj
    session.directory = directory
    session.as_json = as_json
    session.no_input = no_input
    session.quiet = quiet
    session.verbose = verbose


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and leave with the documented exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; print its answer or its error; return the exit code."""
    session = Session(as_json="--json" in arguments)
    try:
        outcome = app(args=list(arguments) or ["--help"], prog_name="churnflow", standalone_mode=False, obj=session)
    except ChurnflowError as error:
        return session.show(_failed(error, session))
    except typer.TyperException as error:
        return session.show(_usage(error))
    except (typer.Abort, KeyboardInterrupt):
        return session.show(_interrupted(session))
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user never sees a traceback
        return session.show(_bug(error, session))
    if outcome == INTERRUPTED:
        return session.show(_interrupted(session))
    return session.show(outcome) if isinstance(outcome, Answer) else int(outcome or 0)


def _failed(error: ChurnflowError, session: Session) -> Answer:
    waits = getattr(error, "answer", None)
    base = waits if isinstance(waits, Answer) else Answer()
    step = Next(error.hint.split("`")[1], "", "you") if error.hint.count("`") > 1 else Next("churnflow status")
    return Answer(
        data=base.data,
        view=base.view,
        code=error.exit_code,
        next=base.next or (step,),
        run=base.run or _run_id(session),
        checkpoint=base.checkpoint,
        failure=Failure(str(error), error.hint),
    )


def _usage(error: typer.TyperException) -> Answer:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    hint = "`churnflow --help` lists the commands, `churnflow COMMAND --help` their options"
    return Answer(code=USAGE, failure=Failure(message, hint), next=(Next("churnflow --help"),))


def _interrupted(session: Session) -> Answer:
    again = f"churnflow {session.command}".strip()
    failure = Failure("interrupted; everything finished so far is kept", f"`{again}` goes on from there")
    return Answer(code=INTERRUPTED, failure=failure, next=(Next(again),), run=_run_id(session))


def _bug(error: Exception, session: Session) -> Answer:
    try:
        where = session.project().keep_traceback(error)
    except Exception:  # noqa: BLE001 - the crash log is a courtesy; without a project there is no place for it
        where = "no project to keep a log in; run again with -v"
    text = f"this is a bug in churnflow: {type(error).__name__}"
    return Answer(code=BUG, failure=Failure(text, f"the log is in {where}"), next=(Next("churnflow status"),))


def _run_id(session: Session) -> str | None:
    try:
        run = session.project().journal.current()
    except ChurnflowError:
        return None
    return run.id if run else None
