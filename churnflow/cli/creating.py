"""The commands that make a project: new, and demo, which also takes it through everything."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from churnflow.cli import demonstration
from churnflow.cli.answer import Answer, Next
from churnflow.cli.scaffold import Source, bundled_source, guess, scaffold
from churnflow.cli.screens import lines_view
from churnflow.cli.session import Session, session_of
from churnflow.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("new")(new)
    app.command("demo")(demo)


def new(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    template: Annotated[
        Literal["churn", "quickstart"], typer.Option("--template", help="churn or quickstart.")
    ] = "churn",
    data: Annotated[Path | None, typer.Option("--data", metavar="FILE", help="Your customers, one row each.")] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COL", help="The column that says who left.")
    ] = None,
    positive: Annotated[str | None, typer.Option("--positive", metavar="VALUE", help="Its value for who left.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COL", help="The column that names a customer.")
    ] = None,
) -> Answer:
    """Make a ready project: git repository, workflow, ignore file; with --data, for your own file."""
    session = session_of(context)
    folder = session.directory / directory
    reasons: list[str] = []
    if data is None:
        source = bundled_source()
        if target or positive or id_column:
            message = "--target, --positive and --id describe the file that --data names"
            raise UsageError(message, hint="add --data FILE")
    else:
        source, reasons = _source(session, session.directory / data, target, positive, id_column)
    written = scaffold(folder, template, source)
    lines = [*reasons, *(f"wrote {path}" for path in written)]
    command = f"churnflow -C {directory} run"
    return Answer(
        data={"project": str(folder), "files": [str(path) for path in written], "reasons": reasons},
        view=lines_view(*lines),
        next=(Next(command, "does everything up to the first approval"),),
    )


def demo(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")] = Path("churnflow-demo"),
    *,
    serve: Annotated[bool, typer.Option("--serve", help="Leave the API running at the end.")] = False,
) -> Answer:
    """Show everything on real data: plan, build, review, decide, serve, roll back, report."""
    session = session_of(context)
    folder = session.directory / directory
    scaffold(folder, "churn", bundled_source())
    return demonstration.demonstrate(session, folder, serve=serve)


def _source(
    session: Session, file: Path, target: str | None, positive: str | None, id_column: str | None
) -> tuple[Source, list[str]]:
    found = guess(file)
    if target is None:
        target = _ask_column(session, "target", found.targets)
    elif target not in found.columns:
        message = f"{file.name} has no column {target!r}"
        raise UsageError(message, hint=f"its columns: {', '.join(found.columns)}")
    if id_column is not None and id_column not in found.columns:
        message = f"{file.name} has no column {id_column!r}"
        raise UsageError(message, hint=f"its columns: {', '.join(found.columns)}")
    reasons = [f"target: {target}" + _why(target, found.targets)]
    candidate = next((column for column in found.ids if column.name != target), None)
    if id_column is None and candidate is not None:
        id_column = candidate.name
    reasons.append(f"id: {id_column}" + _why(id_column, found.ids) if id_column else "id: none found")
    return Source(file, file.name, target, positive, id_column, found.rows), reasons


def _why(name: str | None, candidates: Sequence[Any]) -> str:
    reason = next((column.reason for column in candidates if column.name == name), None)
    return f" ({reason})" if reason else ""


def _ask_column(session: Session, what: str, candidates: Sequence[Any]) -> str:
    likely = candidates[0].name if candidates else None
    if not session.interactive:
        suggestion = f"--{what} {likely!r} is likely: {candidates[0].reason}" if likely else f"add --{what} COL"
        message = f"which column is the {what}? nobody can be asked here"
        raise UsageError(message, hint=suggestion)
    for column in candidates[:5]:
        typer.echo(f"  {column.name}: {column.reason}", err=True)
    answer = typer.prompt(f"Which column is the {what}?", default=likely, err=True)
    return str(answer)
