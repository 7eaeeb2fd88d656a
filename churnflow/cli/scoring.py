"""The command that scores a whole file of customers with the released model."""

import csv
import importlib
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer, Next
from churnflow.cli.scored import lines_of, warnings_of
from churnflow.cli.screens import lines_view
from churnflow.cli.serving import nothing_to_serve
from churnflow.cli.session import Session, one_line, session_of
from churnflow.cli.watching import Silent
from churnflow.domain.database import database_files
from churnflow.domain.release import Release
from churnflow.engine.verify import verify_served
from churnflow.errors import UsageError
from churnflow.project import Project

Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="CSV, Parquet, Excel, JSON lines, SQLite, or a database's address.")
]
Output = Annotated[
    str,
    typer.Option("-o", "--output", metavar="FILE", help="Ends in .csv, .parquet or .jsonl; - writes CSV to stdout."),
]
Top = Annotated[int | None, typer.Option("--top", min=1, metavar="N", help="Only the first N.")]
Budget = Annotated[
    float | None,
    typer.Option("--budget", min=0, metavar="AMOUNT", help="Whom to contact while the money lasts: by expected value."),
]
Explained = Annotated[
    int, typer.Option("--reasons", min=0, max=20, metavar="K", help="Why, for customers at risk; 0 for none.")
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="COLUMNS", help="Columns of the input to add, with commas between."),
]
Rename = Annotated[
    list[str] | None, typer.Option("--rename", metavar="NEW=OLD", help="The input calls OLD of the training data NEW.")
]
InOrder = Annotated[bool, typer.Option("--in-order", help="All rows in the order of the input, instead of ranked.")]
Table = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Of a database: the table.")]
Query = Annotated[str | None, typer.Option("--query", metavar="SQL", help="Of a database: a query that only reads.")]
Sheet = Annotated[str | None, typer.Option("--sheet", metavar="NAME", help="Of a workbook: the sheet.")]
Separator = Annotated[str | None, typer.Option("--separator", metavar="CHAR", help="Of CSV, where it is not found.")]
Encoding = Annotated[str | None, typer.Option("--encoding", metavar="NAME", help="Of text, where it is not found.")]
PasswordEnv = Annotated[
    str | None, typer.Option("--password-env", metavar="VAR", help="The variable with the database's password.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite FILE.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("score")(score)


def score(
    context: typer.Context,
    source: Input,
    output: Output,
    top: Top = None,
    budget: Budget = None,
    reasons: Explained = 3,
    keep: Keep = None,
    rename: Rename = None,
    *,
    in_order: InOrder = False,
    table: Table = None,
    query: Query = None,
    sheet: Sheet = None,
    separator: Separator = None,
    encoding: Encoding = None,
    password_env: PasswordEnv = None,
    force: Force = False,
) -> Answer | int:
    """Score customers with the released model: a ranked list with decision, risk band and reasons in words."""
    session = session_of(context)
    asked: dict[str, Any] = {"top": top, "budget": budget, "reasons": reasons, "keep": keep, "rename": rename}
    reading = {"table": table, "query": query, "sheet": sheet, "separator": separator, "encoding": encoding}
    places = {"source": source, "output": output, "password_env": password_env, "force": force}
    given = _given(session, {**asked, **reading, **places, "in_order": in_order})
    project = session.project()
    release = verify_served(project.ports(AbsentReviewer(), Silent()))
    if release is None:
        raise nothing_to_serve(project)
    found = _scored(session, project, release, given)
    return _told(session, found, given["output"], release)


def _given(session: Session, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as the fields of a job, paths from where the command works."""
    given = dict(options)
    if given["output"] == "-" and session.as_json:
        message = "with --json stdout is one JSON object, and -o - writes the list there"
        raise UsageError(message, hint="name a file with -o")
    source, output = given["source"], given["output"]
    kept, renamed, in_order = (given.pop(name) for name in ("keep", "rename", "in_order"))
    return given | {
        "source": source if "://" in source else str(session.directory / source),
        "output": None if output == "-" else session.directory / output,
        "keep": tuple(name for text in kept or () for name in next(csv.reader([text]))),
        "renamed": dict(map(_renaming, renamed or ())),
        "ranked": not in_order,
    }


def campaign_of(project: Project, release: Release) -> Mapping[str, Any] | None:
    """Return the campaign that the workflow of a release declares, or `--set` did, None without one.

    A campaign by itself, as `churn.evaluate` takes it, counts before one that a threshold was chosen for.
    """
    steps = list(project.checkpoints.load(release.checkpoint).run.workflow.steps())
    for name in ("campaign", "objective"):
        for step in steps:
            declared = step.params.get(name)
            if isinstance(declared, dict):
                return declared
    return None


def _renaming(text: str) -> tuple[str, str]:
    new, equals, old = text.partition("=")
    if not new or not equals or not old:
        message = f"--rename {text!r} does not read NEW=OLD"
        raise UsageError(message, hint="for example --rename MonthlyCharges=monthly_charges")
    return new, old


def _scored(session: Session, project: Project, release: Release, given: Mapping[str, Any]) -> dict[str, Any]:
    files = project.store.get(release.artifact)
    # Reached by name: it brings pandas and DuckDB, which no other command needs.
    run = importlib.import_module("churnflow.batch.run")
    with _bar(session) as progress:
        found: dict[str, Any] = run.score(
            files, {**given, "campaign": campaign_of(project, release)}, progress, project.leave_out
        )
    # Only now is it known to be a table of customers, and not a file that was named by mistake.
    for path in map(session.directory.joinpath, database_files(given["source"]) or (given["source"],)):
        if path.is_file():
            project.leave_out(path)
    return found


def _told(session: Session, found: Mapping[str, Any], path: Path | None, release: Release) -> Answer | int:
    lines, warnings = lines_of(found, path, release.version), warnings_of(found)
    if path is None:
        # The list has stdout for itself.
        for line in () if session.quiet else (*lines, *(f"warning: {warning}" for warning in warnings)):
            sys.stderr.write(f"{one_line(line)}\n")
        return 0
    data = {**found, "output": str(path), "version": release.version, "sha256": release.artifact.sha256}
    step = Next("churnflow status") if path.suffix.startswith(".p") else Next(shlex.join(["head", str(path)]))
    return Answer(data, lines_view(*lines), next=(step,), run=release.run, warnings=warnings)


@contextmanager
def _bar(session: Session) -> Iterator[Callable[[int, int, str], None]]:
    """Yield what takes the progress: a bar where a person watches."""
    if session.quiet or session.as_json or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.progress import (  # noqa: PLC0415 - only where a person watches
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from churnflow.adapters.terminal import PlainConsole  # noqa: PLC0415 - brings rich

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=PlainConsole(file=sys.stderr), transient=True) as drawn:
        task = drawn.add_task("reading", total=None)

        def move(done: int, total: int, text: str) -> None:
            drawn.update(task, completed=done, total=total or None, description=text)

        yield move


def _ignore(done: int, total: int, text: str) -> None:
    """Take progress that nobody watches."""
