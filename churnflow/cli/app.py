"""The program `churnflow`: its commands, its global options, and the one place where endings become exit codes."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Final

import typer

from churnflow.cli.answer import Answer, Failure, Next
from churnflow.cli.commands import CommandGroup, in_commands
from churnflow.cli.session import Session
from churnflow.errors import ChurnflowError

OK: Final = 0
INTERRUPTED: Final = 130
BUG: Final = 1
USAGE: Final = 2
# Commands of which the help says more than the status does about what was wrong.
WITH_OPTIONS: Final = frozenset({"deploy", "keys", "monitor", "report", "score"})

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
    # A terminal or a pipe of another encoding spoils a character at worst, never the command.
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; print its answer or its error; return the exit code."""
    session = Session(as_json="--json" in arguments, arguments=tuple(arguments))
    outcome: object
    try:
        outcome = app(args=list(arguments) or ["--help"], prog_name="churnflow", standalone_mode=False, obj=session)
    except ChurnflowError as error:
        outcome = _failed(error, session)
    except typer.TyperException as error:
        outcome = _usage(error)
    except (typer.Abort, KeyboardInterrupt):
        outcome = INTERRUPTED
    except OSError as error:
        outcome = _by_the_system(error, session)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a user never sees a traceback
        outcome = _bug(error, session)
    if outcome == INTERRUPTED:
        outcome = _interrupted(session, arguments)
    return _ended(outcome, session)


def _ended(outcome: object, session: Session) -> int:
    """Show an answer and return its exit code; a command that has shown its own returns the code alone."""
    if isinstance(outcome, Answer):
        return session.show(outcome)
    return outcome if isinstance(outcome, int) else OK


def _failed(error: ChurnflowError, session: Session) -> Answer:
    waits = getattr(error, "answer", None)
    base = waits if isinstance(waits, Answer) else Answer()
    hint = in_commands(error.hint)
    named = (text for text in hint.split("`")[1::2] if text.startswith("churnflow "))
    step = Next(next(named, _way_on(error, session)))
    return Answer(
        data=base.data,
        view=base.view,
        code=error.exit_code,
        next=base.next or (step,),
        run=base.run or _run_id(session),
        checkpoint=base.checkpoint,
        warnings=base.warnings,
        failure=Failure(str(error), hint),
    )


def _way_on(error: ChurnflowError, session: Session) -> str:
    """Return what comes next after an error that does not say so itself."""
    if not _has_project(session):
        return "churnflow new DIR"
    misused = error.exit_code == USAGE and session.command.partition(" ")[0] in WITH_OPTIONS
    return f"churnflow {session.command} --help" if misused else "churnflow status"


def _usage(error: typer.TyperException) -> Answer:
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    message = said.replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "churnflow"
    shown = "lists the commands" if " " not in command else "lists what it takes"
    hint = _completed(error) or f"`{command} --help` {shown}"
    return Answer(code=USAGE, failure=Failure(message, hint), next=(Next(f"{command} --help"),))


def _completed(error: typer.TyperException) -> str:
    """Return how a command reads to which something is missing, "" where nothing is."""
    context, missing = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or missing is None or not error.format_message().startswith("Missing "):
        return ""
    needed = [parameter for parameter in context.command.params if parameter.required]
    words = [f"{one.opts[0]} {one.metavar}" if one.opts[0].startswith("-") else str(one.metavar) for one in needed]
    return f"write it as `{context.command_path} {' '.join(words)}`"


def _interrupted(session: Session, arguments: Sequence[str]) -> Answer:
    again = session.again(arguments)
    failure = Failure("interrupted; everything finished so far is kept", f"`{again}` goes on from there")
    return Answer(code=INTERRUPTED, failure=failure, next=(Next(again),), run=_run_id(session))


def _bug(error: Exception, session: Session) -> Answer:
    try:
        where = session.project().keep_traceback(error)
    except Exception:  # noqa: BLE001 - without a project, or with a broken one, the log goes where temporary files go
        where = _temporary_log(error)
    text = f"this is a bug in churnflow: {type(error).__name__}"
    failure = Failure(text, f"the log is in {where}; please report it")
    return Answer(code=BUG, failure=failure, next=(Next("churnflow status"),))


def _temporary_log(error: Exception) -> str:
    import tempfile  # noqa: PLC0415 - for a bug only

    from churnflow.domain.failures import without_messages  # noqa: PLC0415

    with tempfile.NamedTemporaryFile("w", prefix="churnflow-", suffix=".log", delete=False) as log:
        log.write(without_messages(error))
    return log.name


def _by_the_system(error: OSError, session: Session) -> Answer:
    """Return the answer for a full disk, a missing permission or a file in the way; anything else is a bug."""
    from churnflow.adapters.durable import explained  # noqa: PLC0415 - for a failure only

    try:
        with explained(session.directory):
            raise error
    except ChurnflowError as known:
        return _failed(known, session)
    except OSError:
        return _bug(error, session)


def _has_project(session: Session) -> bool:
    try:
        session.project()
    except ChurnflowError:
        return False
    return True


def _run_id(session: Session) -> str | None:
    try:
        run = session.project().journal.current()
    except (ChurnflowError, OSError):  # the answer goes without it; what stands in the way is said elsewhere
        return None
    return run.id if run else None
