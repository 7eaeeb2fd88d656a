"""The commands that make a project: new, and demo, which also takes it through everything."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from churnflow.cli import demonstration
from churnflow.cli.answer import Answer, Next
from churnflow.cli.scaffold import ADVISED_ROWS, EventSource, Source, bundled_source, columns_of, guess, scaffold
from churnflow.cli.screens import lines_view
from churnflow.cli.session import Session, session_of
from churnflow.errors import UsageError, WaitingError
from churnflow.project import Project

WINDOW: Final = re.compile(r"[1-9]\d{0,4}[dw]")
DEFAULT_OUTCOME: Final = "90d"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("new")(new)
    app.command("demo")(demo)


Column = Annotated[str | None, typer.Option("--id", metavar="COL", help="The column that names a customer.")]
Template = Annotated[
    Literal["churn", "events", "quickstart"], typer.Option("--template", help="churn, events or quickstart.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Your customers, one row each; with events, a log of what they do."),
]
Target = Annotated[str | None, typer.Option("--target", metavar="COL", help="The column that says who left.")]
Positive = Annotated[str | None, typer.Option("--positive", metavar="VALUE", help="Its value for who left.")]
Time = Annotated[str | None, typer.Option("--time", metavar="COL", help="With events: the column that says when.")]
Amount = Annotated[
    str | None, typer.Option("--amount", metavar="COL", help="With events: the column that says how much.")
]
Outcome = Annotated[
    str | None, typer.Option("--outcome", metavar="SPAN", help="With events: who has none in it has left. [90d]")
]


def new(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    template: Template = "churn",
    data: Data = None,
    target: Target = None,
    positive: Positive = None,
    id_column: Column = None,
    time: Time = None,
    amount: Amount = None,
    outcome: Outcome = None,
) -> Answer:
    """Make a ready project: git repository, workflow, ignore file; with --data, for your own file."""
    session = session_of(context)
    folder = session.directory / directory
    file = None if data is None else session.directory / data
    of_events = {"--time": time, "--amount": amount, "--outcome": outcome}
    of_customers = {"--target": target, "--positive": positive}
    _refuse(of_customers if template == "events" else of_events, template)
    if file is not None and not file.exists():
        message = f"no such file: {data}"
        raise UsageError(message, hint="name one that is there: --data FILE")
    source: Source | EventSource
    if template == "events":
        source, reasons = _events(file, id_column, of_events)
    elif file is not None:
        source, reasons = _source(session, file, target, positive, id_column)
    else:
        source, reasons = bundled_source(), []
        if target or positive or id_column:
            message = "--target, --positive and --id describe the file that --data names"
            raise UsageError(message, hint="add --data FILE")
    written = _adopted(folder, scaffold(folder, template, source))
    lines = [*reasons, *(f"wrote {path}" for path in written)]
    command = f"churnflow -C {shlex.quote(str(folder))} run"
    return Answer(
        data={"project": str(folder), "files": [str(path) for path in written], "reasons": reasons},
        view=lines_view(*lines),
        next=(Next(command, "does everything up to the first approval"),),
    )


def _adopted(folder: Path, written: list[Path]) -> list[Path]:
    """Return the files of a new project, whose code is from now on known as written here."""
    Project.open(folder).catalog.adopt([path.resolve() for path in written if path.suffix == ".py"])
    return written


def demo(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")] = Path("churnflow-demo"),
    *,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the API running at the end.")] = False,
) -> Answer | int:
    """Show everything on real data: plan, build, review, decide, serve, roll back, report."""
    session = session_of(context)
    folder = session.directory / directory
    scaffold(folder, "churn", bundled_source())
    session.directory = folder
    session.resuming = f"churnflow -C {shlex.quote(str(folder))} run"
    answer = demonstration.demonstrate(session, folder)
    return demonstration.serve_on(session, folder, answer) if serve and answer.code == 0 else answer


def _refuse(options: Mapping[str, str | None], template: str) -> None:
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        message = f"{given} means nothing to the template {template}"
        raise UsageError(message, hint="`churnflow new --help` says to which template an option belongs")


def _events(
    file: Path | None, customer: str | None, options: Mapping[str, str | None]
) -> tuple[EventSource, list[str]]:
    """Return the log that the options describe. Raises UsageError where one is missing, or names no column of it."""
    usage = "`churnflow new DIR --template events --data FILE --id COL --time COL`"
    if file is None:
        message = "the template events works on a log of your own"
        raise UsageError(message, hint=usage)
    columns = columns_of(file)
    time, amount, outcome = options["--time"], options["--amount"], options["--outcome"] or DEFAULT_OUTCOME
    if customer is None or time is None:
        message = f"which columns of {file.name} name the customer and the time of an event?"
        raise WaitingError(message, hint=f"{usage}; its columns: {', '.join(columns)}")
    for name in (customer, time, amount):
        if name is not None and name not in columns:
            message = f"{file.name} has no column {name!r}"
            raise UsageError(message, hint=f"its columns: {', '.join(columns)}")
    if not WINDOW.fullmatch(outcome):
        message = f"--outcome is a number of days or weeks, not {outcome!r}"
        raise UsageError(message, hint="write it as 90d or 13w")
    reasons = [f"customer: {customer}", f"time: {time}", f"amount: {amount or 'none'}"]
    reasons.append(f"churned: no event in the {outcome} after a cut")
    return EventSource(file, file.name, customer, time, amount, outcome), reasons


def _source(
    session: Session, file: Path, target: str | None, positive: str | None, id_column: str | None
) -> tuple[Source, list[str]]:
    found = guess(file)
    for name in (target, id_column):
        if name is not None and name not in found.columns:
            message = f"{file.name} has no column {name!r}"
            raise UsageError(message, hint=f"its columns: {', '.join(found.columns)}")
    if target is None:
        target = _ask_target(session, file, found)
    ids = [column for column in found.ids if column.name != target]
    if id_column is None:
        id_column = _ask_id(found.columns, ids) if session.interactive else next((column.name for column in ids), None)
    classes = _classes(session, found, target, positive)
    reasons = [
        f"target: {target}" + _why(target, found.targets),
        f"positive: {classes.positive}, against {classes.negative} ({classes.reason})",
        f"id: {id_column}" + _why(id_column, found.ids) if id_column else "id: none",
    ]
    source = Source(file, file.name, target, classes.positive, id_column, found.rows)
    return source, [*reasons, *_lowered(source)]


def _lowered(source: Source) -> list[str]:
    """Say that the checks of the workflow ask for fewer rows than are advised, where the file has no more."""
    least = source.least_rows
    if least >= ADVISED_ROWS:
        return []
    why = f"to fit the {source.rows:,} of {source.name}; {ADVISED_ROWS:,} or more are advised"
    return [f"rows: the checks ask for {least:,}, lowered {why}"]


def _classes(session: Session, found: Any, target: str, positive: str | None) -> Any:
    """Return the classes of the target; where no usual word tells which is positive, a person has to."""
    try:
        return found.labels(target, positive)
    except UsageError as unclear:
        values = found.values(target)
        if positive is not None or len(values) != 2:  # noqa: PLR2004 - a binary target has two values
            raise
        if not session.interactive:
            raise WaitingError(str(unclear), hint=f"add --positive {shlex.quote(values[0])}, or the other") from None
        return found.labels(target, _ask(f"Which value of {target} says that the customer left?", values, (), None))


def _why(name: str | None, candidates: Sequence[Any]) -> str:
    reason = next((column.reason for column in candidates if column.name == name), None)
    return f" ({reason})" if reason else ""


def _ask_target(session: Session, file: Path, found: Any) -> str:
    likely = found.targets[0].name if found.targets else None
    if not session.interactive:
        message = f"which column of {file.name} says who left? nobody can be asked here"
        likely_or = f"--target {shlex.quote(likely)}" if likely else "--target COL"
        reason = f": {found.targets[0].reason}" if likely else f"; its columns: {', '.join(found.columns)}"
        raise WaitingError(message, hint=f"`churnflow new DIR --data {shlex.quote(str(file))} {likely_or}`{reason}")
    return _ask("Which column says who left?", found.columns, found.targets, likely)


def _ask_id(columns: Sequence[str], ids: Sequence[Any]) -> str | None:
    answer = _ask("Which column names a customer? (- for none)", (*columns, "-"), ids, ids[0].name if ids else "-")
    return None if answer == "-" else answer


def _ask(question: str, known: Sequence[str], candidates: Sequence[Any], default: str | None) -> str:
    """Ask until a column is named. Raises WaitingError when the input ends before."""
    for column in candidates[:5]:
        sys.stderr.write(f"  {column.name}: {column.reason}\n")
    while True:
        sys.stderr.write(f"{question} [{default}] " if default else f"{question} ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            message = "the input ended before a column was named; nothing was written"
            raise WaitingError(message, hint="`churnflow new DIR --data FILE --target COL` asks nothing")
        answer = line.strip() or default
        if answer in known:
            return str(answer)
        sys.stderr.write(f"  choose one of: {', '.join(known)}\n")
