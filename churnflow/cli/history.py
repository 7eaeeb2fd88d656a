"""The commands that read what is kept: status, log, show and diff."""

from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer, Next
from churnflow.cli.phases import run_data
from churnflow.cli.places import lagging
from churnflow.cli.screens import (
    LISTED,
    View,
    approvals_view,
    checks_view,
    commands_view,
    confidence_view,
    counted,
    findings_view,
    issues_view,
    lines_view,
    measure_text,
    moment,
    run_view,
    standings_view,
    table_view,
    together,
)
from churnflow.cli.session import session_of
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import Silent
from churnflow.domain.base import digest, stamp
from churnflow.domain.checkpoint import Checkpoint, Summary
from churnflow.domain.journal import StepRecord
from churnflow.domain.ledger import answered, as_of, open_issues, whole_ledger
from churnflow.domain.release import Release
from churnflow.engine.claims import past_runs, track_record
from churnflow.engine.compare import compare
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.engine.ports import Ports
from churnflow.engine.reachable import needed_by
from churnflow.engine.refs import resolve
from churnflow.project import Project, SystemClock

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="A checkpoint: name, tag, HEAD~1, v1.0.0, served.")]

NEWEST: Final = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("status")(status)
    app.command("log")(log)
    app.command("show")(show)
    app.command("diff")(diff)


def status(context: typer.Context) -> Answer:
    """Say where the run stands, what is open, and what the API serves."""
    session = session_of(context)
    project = session.project()
    run = project.journal.current()
    served = project.pointer.read()
    serves = _serves(served)
    if run is None:
        said, command = project.where_none_is_current()
        return Answer(
            data={"items": [], "served": None},
            view=lines_view(said, f"the API {serves}"),
            next=(Next(command),),
            alarms=_cut_off(project),
        )
    stale = stale_items(run, replace(_ports(project), catalog=project.remembered))
    unsettled = open_issues(as_of(run, SystemClock().now()))
    weighty = [line for line in unsettled if line.severity != "note"]
    barring = [f"forbids to ship: {line.id}: {line.text} ({answered(line)})" for line in unsettled if line.forbids]
    notes = counted(len(unsettled) - len(weighty), "note")
    tail = f"open: {counted(len(weighty), 'issue')} of weight, {notes}; the API {serves}"
    behind = lagging(project, served.version if served else None)
    data: dict[str, Any] = {
        **run_data(run, stale),
        "open_issues": [line.model_dump(mode="json") for line in unsettled],
        "served": served.model_dump(mode="json") if served else None,
        "deployed": [move.as_json() for move in behind],
    }
    return Answer(
        data=data,
        view=together(
            run_view(run, stale), lines_view(tail, *barring), commands_view(*(move.state for move in behind))
        ),
        next=ending(run, stale)[2],
        run=run.id,
        # Only programs read it, and git costs more than all else here.
        checkpoint=project.newest_tag(run) if session.as_json else None,
        alarms=_cut_off(project),
    )


def _serves(served: Release | None) -> str:
    return (
        f"serves {served.version} ({served.artifact.sha256[:12]}, {served.checkpoint})" if served else "serves nothing"
    )


def _cut_off(project: Project) -> tuple[str, ...]:
    """Return what to say of a rollback that was killed, or could not be finished."""
    intent = project.journal.intent()
    if intent is None:
        return ()
    return (f"a rollback to {intent.target} stopped half way; the next command that writes finishes it",)


def log(
    context: typer.Context,
    most: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many of the newest to list.")] = NEWEST,
    *,
    everything: Annotated[bool, typer.Option("--all", help="List all.")] = False,
) -> Answer:
    """List the checkpoints of the run, newest last."""
    project = session_of(context).project()
    run_id = _run_to_list(project)
    history = project.checkpoints.summaries(run_id)
    rows = [
        [
            f"{summary.number:02d}",
            summary.name,
            moment(summary.created_at),
            "" if summary.confidence is None else str(summary.confidence),
            summary.restores.rpartition("/")[2].partition("-")[0] if summary.restores else "",
            summary.serves or "",
        ]
        for summary in (history if everything else history[-most:])
    ]
    columns = ("no", "name", "created (UTC)", "confidence", "restores", "serves")
    data = {"checkpoints": [_brief(summary) for summary in history]}
    step = Next(f"churnflow show {history[-1].name}") if history else Next("churnflow status")
    tags = f"each is the tag churnflow/{run_id}/NO-NAME, and a YAML file in checkpoints/{run_id}/"
    notes = [tags] if rows else []
    if len(rows) < len(history):
        notes.append(f"{len(history) - len(rows)} older ones: churnflow log --all")
    view = together(table_view(f"Checkpoints of run {run_id}", columns, rows), lines_view(*notes))
    return Answer(data=data, view=view, next=(step,), run=run_id, checkpoint=history[-1].tag if history else None)


def show(context: typer.Context, ref: RefArgument = "HEAD") -> Answer:
    """Show a checkpoint: every confidence as a sum, every metric, what it holds and how to come back."""
    project = session_of(context).project()
    checkpoint = load_checkpoint(project, ref)
    claims, standings = track_record(checkpoint.run, project.checkpoints)
    lines = whole_ledger(as_of(checkpoint.run, checkpoint.created_at))
    rows = [[item.name, item.codec, f"{item.size_bytes:,}", item.sha256[:16]] for item in checkpoint.artifacts]
    artifacts = table_view("Artifacts", ("name", "codec", "bytes", "sha256"), rows)
    views = [*_record_views(project, checkpoint), standings_view(standings), issues_view(lines), artifacts]
    data = {
        "checkpoint": checkpoint.model_dump(mode="json", by_alias=True),
        "sha256": digest(checkpoint),
        "issues": [line.model_dump(mode="json") for line in lines],
        "claims": [claim.model_dump(mode="json") for claim in claims],
        "standings": [standing.model_dump(mode="json") for standing in standings],
    }
    step = Next(f"churnflow rollback {checkpoint.tag} --dry-run")
    return Answer(
        data=data,
        view=together(*views),
        next=(step,),
        run=checkpoint.run.id,
        checkpoint=checkpoint.tag,
        warnings=_lacks(project, checkpoint),
    )


def _record_views(project: Project, checkpoint: Checkpoint) -> list[View]:
    """Return how to come back to a checkpoint, its confidences as sums, and its steps."""
    views: list[View] = [
        lines_view(
            f"{checkpoint.tag}",
            f"created  {stamp(checkpoint.created_at)}",
            f"sha256   {digest(checkpoint)}",
            f"back     {checkpoint.restore.command}",
            f"by git   {checkpoint.restore.git}",
            *_release_lines(checkpoint.release),
            "",
        )
    ]
    for title, confidence in (
        ("initial confidence", initial_confidence(checkpoint.run, past_runs(checkpoint.run, project.checkpoints))),
        ("build confidence", build_confidence(checkpoint.run)),
        ("final confidence", final_confidence(checkpoint.run)),
    ):
        if confidence is not None:
            views.append(confidence_view(title, confidence))
    views.extend(_step_view(record) for record in checkpoint.run.steps())
    views.append(approvals_view(checkpoint.run))
    return views


def _lacks(project: Project, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return what to say of a checkpoint whose artifacts are not all here."""
    missing = {one.sha256 for one in needed_by(checkpoint) if not project.store.has(one)}
    text = f"{counted(len(missing), 'artifact')} of it are not here; to fetch: `churnflow pull {checkpoint.tag}`"
    return (text,) if missing else ()


def _release_lines(release: Release | None) -> list[str]:
    if release is None:
        return []
    return [f"serves   {release.version}" + (f" ({release.change})" if release.change else "")]


def diff(
    context: typer.Context,
    older: Annotated[str, typer.Argument(metavar="A", help="The older checkpoint.")],
    newer: Annotated[str, typer.Argument(metavar="B", help="The newer checkpoint.")] = "HEAD",
) -> Answer:
    """Say what differs between two checkpoints: code, data, parameters, metrics, environment, confidence."""
    project = session_of(context).project()
    before, after = load_checkpoint(project, older), load_checkpoint(project, newer)
    differences = compare(before, after)
    files = list(project.checkpoints.differing_files(before, after))
    rows = [["code", path, "", "differs"] for path in files[:LISTED]]
    if more := len(files) - len(rows):
        rows.append(["code", f"{more:,} more: churnflow --json diff {before.tag} {after.tag}", "", "differ"])
    rows += [[item.section, item.name, item.older, item.newer] for item in differences]
    title = f"{before.name} ({before.number:02d}) -> {after.name} ({after.number:02d})"
    data = {"files": files, "differences": [item.model_dump() for item in differences]}
    view = table_view(title, ("what", "name", "before", "after"), rows, empty="nothing differs")
    return Answer(data=data, view=view, next=(Next(f"churnflow show {after.tag}"),), run=after.run.id)


def _ports(project: Project) -> Ports:
    return project.ports(AbsentReviewer(), Silent())


def load_checkpoint(project: Project, ref: str) -> Checkpoint:
    """Return the checkpoint that `ref` means. Raises UsageError for one that means none."""
    ports = _ports(project)
    return project.checkpoints.load(resolve(ref, project.journal.current(), ports))


def _brief(summary: Summary) -> dict[str, Any]:
    return {"number": summary.number, "name": summary.name, **summary.model_dump(mode="json")}


def _step_view(record: StepRecord) -> View:
    rows = [[name, measure_text(measure)] for name, measure in record.metrics.items()]
    rows += [[name, text] for name, text in record.facts.items()]
    if record.stated:
        rows.append(["says of itself", f"{record.stated.score}: {record.stated.because}"])
    return together(
        confidence_view(f"step {record.name}", record.confidence),
        table_view("", ("metric or fact", "value"), rows),
        checks_view(record),
        findings_view([record]),
    )


def run_at(project: Project) -> str:
    """Return the run that the project is at; in a clone, where it is at none yet, the newest that was fetched."""
    fetched = [] if project.journal.current() else project.checkpoints.runs()
    return fetched[-1] if fetched else project.run().id


def _run_to_list(project: Project) -> str:
    """Return the run as `run_at` does; in a clone that has not pulled, the newest that it has tags of."""
    if project.journal.current() is None and not project.checkpoints.runs():
        kept = project.kept_runs()
        if kept:
            return kept[-1].run_id
    return run_at(project)
