"""The command that writes the run as a document."""

import errno
import json
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from churnflow.adapters.durable import explained, write_durably
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import load_checkpoint
from churnflow.cli.screens import lines_view
from churnflow.cli.session import session_of
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.domain.ledger import as_of
from churnflow.domain.release import Release
from churnflow.engine.claims import past_runs, track_record
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.engine.keys import gate_subject, subject
from churnflow.errors import ConflictError, UsageError
from churnflow.project import Project, SystemClock
from churnflow.reporting import closing, json_report, monitor_plots, svg
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.markdown import markdown
from churnflow.reporting.plots import CAPTIONS, plots

FOLDER: Final = "reports"
Form = Literal["md", "html", "json"]
FORMS: Final[Mapping[str, Form]] = {".md": "md", ".html": "html", ".htm": "html", ".json": "json"}
# By these a file is known to be one of ours, which the next report may replace; they stand near its begin or end.
SIGNS: Final = (closing.SIGN, 'name="generator" content="churnflow"', json_report.SCHEMA, svg.SIGN)
NEAR: Final = 4096
TRACKING: Final = "tracking"
TRACKING_SCHEMA: Final = "churnflow/tracking@1"
OBSERVES: Final = "churn.observe"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("report")(report)


def report(
    context: typer.Context,
    ref: Annotated[str | None, typer.Argument(metavar="REF", help="A checkpoint; default the run as it is.")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Default: by FILE's name; without FILE, md and html.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="- writes to stdout.")] = None,
) -> Answer:
    """Write the run as a document: steps, checkpoints, review, decision, every number from the records."""
    session = session_of(context)
    project = session.project()
    at = load_checkpoint(project, ref) if ref is not None else None
    run = at.run if at is not None else project.run()
    if str(output) == "-":
        text, _ = render(project, run, form or "md", at)
        step = Next("churnflow report", "writes it into files, with figures")
        return Answer({"text": text}, next=(step,), run=run.id) if session.as_json else _to_stdout(text, run)
    if output is not None:
        paths = {form or FORMS.get(output.suffix.lower(), "md"): session.directory / output}
    else:
        folder = project.root / FOLDER / run.id / (at.tag.rpartition("/")[2] if at is not None else "")
        paths = {each: folder / f"report.{each}" for each in ([form] if form else ("md", "html"))}
    written: dict[Path, None] = {}
    for each, path in paths.items():
        text, drawn = render(project, run, each, at)
        written |= dict.fromkeys(write_report(path, text, drawn))
    named = [f"report  {path}" for path in paths.values()]
    view = lines_view(*named, f"plots   {len(written)} beside it" if written else "plots   none")
    first = next(iter(paths.values()))
    data = {"report": str(first), "reports": [str(path) for path in paths.values()], "plots": list(map(str, written))}
    step = Next(shlex.join(["less", str(first)]) if "md" in paths else "churnflow status")
    return Answer(data=data, view=view, next=(step,), run=run.id)


def render(project: Project, run: Run, form: str, at: Checkpoint | None = None) -> tuple[str, dict[str, str]]:
    """Return the report's text in `form`, and its plots by file name, made from the records and artifacts alone.

    at: the checkpoint as of which it is written; without, the run as it stands.
    """
    run = as_of(run, SystemClock().now() if at is None else at.created_at)
    drawn = _plots(project, run) if form != "json" else {}
    captions = {**CAPTIONS, **monitor_plots.CAPTIONS}
    history = project.checkpoints.history(run.id)
    watches = any(step.uses == OBSERVES for step in run.declared.steps())
    document = ReportInput(
        run=run,
        checkpoints=[item for item in history if at is None or item.number <= at.number],
        served=project.pointer.read() if at is None else at.release,
        plots={name: captions[name] for name in drawn},
        initial=None if watches else initial_confidence(run, past_runs(run, project.checkpoints)),
        build=build_confidence(run),
        final=final_confidence(run),
        stale=_stale(run),
        standings=track_record(run, project.checkpoints)[1],
        performance=performance_of(project, run) if at is None else performance_of_release(project, at.release),
        watches=watches,
    )
    if form == "json":
        return json.dumps(json_report.as_json(document), indent=2, ensure_ascii=False) + "\n", {}
    text = markdown(document)
    if form == "html":
        from churnflow.reporting.html import html  # noqa: PLC0415 - brings a Markdown parser, for this form alone

        text = html(text, drawn)
    return text, drawn


def performance_of(project: Project, run: Run) -> tuple[PerformanceRow, ...]:
    """Return the table that a run of monitoring has recorded: the run itself, or the newest one about its release."""
    artifact = run.artifacts().get(TRACKING)
    if artifact is None:
        made = [release for release in project.pointer.past() if release.run == run.id]
        return performance_of_release(project, made[-1] if made else None)
    return _rows(project, artifact)


def performance_of_release(project: Project, release: Release | None) -> tuple[PerformanceRow, ...]:
    """Return the newest table about a release, nothing where none was recorded."""
    tracked = project.tracked.newest(release.artifact.sha256) if release is not None else None
    return _rows(project, tracked.artifact if tracked else None)


def _rows(project: Project, artifact: Artifact | None) -> tuple[PerformanceRow, ...]:
    known = PerformanceRow.model_fields
    rows = table_in(project, artifact).get("rows", ())
    return tuple(PerformanceRow(**{name: row[name] for name in known if name in row}) for row in rows)


def table_in(project: Project, artifact: Artifact | None) -> Mapping[str, Any]:
    """Return the table that an artifact holds, nothing for none and for what somebody else calls a table."""
    value = project.store.get(artifact) if artifact is not None and artifact.codec == "json" else None
    return value if isinstance(value, dict) and value.get("schema") == TRACKING_SCHEMA else {}


def write_report(path: Path, text: str, plots: Mapping[str, str]) -> list[Path]:
    """Write the report and its plots beside it, each whole; return where the plots are.

    Raises UsageError where `path` is no place for a file, ConflictError before a file that no report has written.
    """
    try:
        with explained(path):
            return _written(path, text, plots)
    except (OSError, RuntimeError) as failure:  # RuntimeError: a circle of links, before Python 3.13
        message = f"{path} can not be written: {getattr(failure, 'strerror', None) or failure}"
        raise UsageError(message, hint="name another file with -o") from failure


def _written(path: Path, text: str, plots: Mapping[str, str]) -> list[Path]:
    real = path.resolve()
    if real.is_symlink():  # from Python 3.13 on a circle of links is no error by itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    targets = {real: text, **{real.parent / name: plot for name, plot in plots.items()}}
    for target in targets:
        _refuse_foreign(target)
    real.parent.mkdir(parents=True, exist_ok=True)
    for target, content in targets.items():
        write_durably(target, content.encode())
    return [path.parent / name for name in plots]


def _refuse_foreign(path: Path) -> None:
    if path.is_dir():
        message = f"{path} is a folder"
        raise UsageError(message, hint=f"name a file in it: -o {shlex.quote(str(path / 'report.md'))}")
    if not path.exists():
        return
    if not path.is_file():
        message = f"{path} is no regular file"
        raise UsageError(message, hint="name a file, or `-o -` for the standard output")
    with path.open("rb") as file:
        near = file.read(NEAR)
        file.seek(max(0, path.stat().st_size - NEAR), os.SEEK_SET)
        near += file.read(NEAR)
    if near and not any(sign.encode() in near for sign in SIGNS):
        message = f"{path} is there already, and no report of churnflow: it would be overwritten"
        raise ConflictError(message, hint="name another file with -o, or move that one away")


def _to_stdout(text: str, run: Run) -> Answer:
    with suppress(BrokenPipeError):  # whoever read has gone, as `head` does
        sys.stdout.write(text)
        sys.stdout.flush()
    return Answer(run=run.id)


def _plots(project: Project, run: Run) -> dict[str, str]:
    """Draw what evaluation, leaderboard and monitoring hold, also of a step whose checks did not hold."""
    outputs = {artifact.name: artifact for record in run.steps() for artifact in record.outputs}
    found = [
        project.store.get(outputs[name]) if name in outputs and outputs[name].codec == "json" else None
        for name in ("evaluation", "leaderboard", "drift", TRACKING)
    ]
    evaluation, leaderboard, drift, tracking = (value if isinstance(value, dict) else {} for value in found)
    return {**plots(evaluation, leaderboard), **monitor_plots.monitor_plots(drift, tracking)}


def _stale(run: Run) -> frozenset[str]:
    """Return the names of what was answered, kept or decided about something that has changed since."""
    names = []
    for item in run.declared.items():
        entry = run.latest(item.name)
        if entry is not None and not isinstance(entry, StepRecord):
            today = gate_subject(run, item) if isinstance(entry, Decision) else subject(run, item)
            names += [item.name] if entry.key != today else []
    return frozenset(names)
