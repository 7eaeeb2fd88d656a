"""The command that writes the run as a document."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from churnflow.adapters.durable import write_durably
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import lines_view
from churnflow.cli.session import session_of
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Run
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.engine.refs import resolve
from churnflow.errors import ConflictError
from churnflow.project import Project
from churnflow.reporting.document import ReportInput

FOLDER: Final = "reports"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("report")(report)


def report(
    context: typer.Context,
    ref: Annotated[str | None, typer.Argument(metavar="REF", help="A checkpoint; default the run as it is.")] = None,
    form: Annotated[Literal["md", "html", "json"], typer.Option("--format", help="md, html or json.")] = "md",
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="- writes to stdout.")] = None,
) -> Answer:
    """Write the run as a document: steps, checkpoints, review, decision, every number from the records."""
    session = session_of(context)
    project = session.project()
    run = _run(project, ref, session.directory)
    path = output or project.root / FOLDER / run.id / f"report.{form}"
    text, plots = render(project, run, form)
    if str(path) == "-":
        sys.stdout.write(text)
        return Answer(run=run.id)
    written = write_report(path, text, plots if form != "json" else {})
    view = lines_view(f"report  {path}", f"plots   {len(written)} beside it" if written else "plots   none yet")
    data = {"report": str(path), "plots": [str(plot) for plot in written]}
    return Answer(data=data, view=view, next=(Next(f"less {path}" if form == "md" else "churnflow status"),), run=run.id)


def render(project: Project, run: Run, form: str) -> tuple[str, dict[str, str]]:
    """Return the report's text in `form`, and its plots by file name, made from the records and artifacts alone."""
    plots = _plots(project, run)
    document = ReportInput(
        run=run,
        checkpoints=_checkpoints(project, run),
        served=project.pointer.read(),
        plots=plots,
        initial=initial_confidence(run),
        build=build_confidence(run),
        final=final_confidence(run),
    )
    return json.dumps({}), {}


def write_report(path: Path, text: str, plots: dict[str, str]) -> list[Path]:
    """Write the report and its plots beside it, each whole; return where the plots are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode())
    written = [path.parent / name for name in plots]
    for target, plot in zip(written, plots.values(), strict=True):
        write_durably(target, plot.encode())
    return written


def _plots(project: Project, run: Run) -> dict[str, str]:
    return {}


def _checkpoints(project: Project, run: Run) -> tuple[Checkpoint, ...]:
    return tuple(project.checkpoints.history(run.id))


def _run(project: Project, ref: str | None, here: Path) -> Run:
    if ref is not None:
        from churnflow.cli.history import load_checkpoint  # noqa: PLC0415

        return load_checkpoint(project, ref).run
    run = project.journal.current()
    if run is None:
        message = "no run has begun, so there is nothing to report"
        raise ConflictError(message, hint="`churnflow plan` begins one")
    return run
