"""The command that writes the run as a document."""

import json
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from churnflow.adapters.durable import write_durably
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import load_checkpoint
from churnflow.cli.screens import lines_view
from churnflow.cli.session import session_of
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Run
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.errors import ConflictError
from churnflow.project import Project
from churnflow.reporting.document import ReportInput
from churnflow.reporting.json_report import as_json
from churnflow.reporting.markdown import markdown
from churnflow.reporting.plots import CAPTIONS, plots

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
    run = _run(project, ref)
    path = output or project.root / FOLDER / run.id / f"report.{form}"
    text, plots = render(project, run, form)
    if str(path) == "-":
        sys.stdout.write(text)
        return Answer(run=run.id)
    written = write_report(path, text, plots if form != "json" else {})
    view = lines_view(f"report  {path}", f"plots   {len(written)} beside it" if written else "plots   none yet")
    data = {"report": str(path), "plots": [str(plot) for plot in written]}
    return Answer(
        data=data, view=view, next=(Next(f"less {path}" if form == "md" else "churnflow status"),), run=run.id
    )


def render(project: Project, run: Run, form: str) -> tuple[str, dict[str, str]]:
    """Return the report's text in `form`, and its plots by file name, made from the records and artifacts alone."""
    drawn = _plots(project, run)
    document = ReportInput(
        run=run,
        checkpoints=_checkpoints(project, run),
        served=project.pointer.read(),
        plots={name: CAPTIONS[name] for name in drawn},
        initial=initial_confidence(run),
        build=build_confidence(run),
        final=final_confidence(run),
    )
    if form == "json":
        return json.dumps(as_json(document), indent=2, ensure_ascii=False) + "\n", {}
    text = markdown(document)
    if form == "html":
        from churnflow.reporting.html import html  # noqa: PLC0415 - brings a Markdown parser, for this form alone

        text = html(text, drawn)
    return text, drawn


def write_report(path: Path, text: str, plots: dict[str, str]) -> list[Path]:
    """Write the report and its plots beside it, each whole; return where the plots are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode())
    written = [path.parent / name for name in plots]
    for target, plot in zip(written, plots.values(), strict=True):
        write_durably(target, plot.encode())
    return written


def _plots(project: Project, run: Run) -> dict[str, str]:
    """Draw what the evaluation and the leaderboard hold, if the run has come that far."""
    at_hand = run.artifacts()
    found = {
        name: project.store.get(at_hand[name])
        for name in ("evaluation", "leaderboard")
        if name in at_hand and at_hand[name].codec == "json"
    }
    evaluation, leaderboard = (found.get(name) for name in ("evaluation", "leaderboard"))
    if not isinstance(evaluation, dict):
        return {}
    return plots(evaluation, leaderboard if isinstance(leaderboard, dict) else {})


def _checkpoints(project: Project, run: Run) -> tuple[Checkpoint, ...]:
    return tuple(project.checkpoints.history(run.id))


def _run(project: Project, ref: str | None) -> Run:
    if ref is not None:
        return load_checkpoint(project, ref).run
    run = project.journal.current()
    if run is None:
        message = "no run has begun, so there is nothing to report"
        raise ConflictError(message, hint="`churnflow plan` begins one")
    return run
