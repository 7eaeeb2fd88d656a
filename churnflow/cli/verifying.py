"""The command that proves: every link from tag to server, one checkpoint, or a report."""

from pathlib import Path
from typing import Annotated

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer, Failure, Next
from churnflow.cli.history import run_at
from churnflow.cli.screens import counted, lines_view
from churnflow.cli.session import Session, session_of
from churnflow.cli.watching import Silent
from churnflow.engine.refs import resolve
from churnflow.engine.verify import BrokenLinkError, Verified, following, verify_all, verify_one
from churnflow.errors import IntegrityError, UsageError
from churnflow.project import Project


def register(app: typer.Typer) -> None:
    """Add the command of this module to the program."""
    app.command("verify")(verify)


def verify(
    context: typer.Context,
    ref: Annotated[
        str | None, typer.Argument(metavar="REF|REPORT", help="A checkpoint, or a report's file; default all runs.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Ask the server there what it serves, too.")
    ] = None,
) -> Answer:
    """Follow every link from tag to server, of all runs or one checkpoint; or prove a report by making it again."""
    session = session_of(context)
    project = session.project()
    try:
        return _report(project, ref, url, session) or _links(project, ref, url)
    except BrokenLinkError as broken:
        failure = Failure(str(broken), broken.hint)
        named = (text for text in broken.hint.split("`")[1::2] if text.startswith("churnflow "))
        step = Next(next(named, "churnflow log"))
        return Answer({"link": broken.link}, code=broken.exit_code, failure=failure, next=(step,))


def _links(project: Project, ref: str | None, url: str | None) -> Answer:
    ports = project.ports(AbsentReviewer(), Silent())
    with following("journal"):
        current = project.journal.current()
    if ref is None:
        run_id, found = run_at(project), verify_all(ports)
    else:
        tag = resolve(ref, current, ports)
        run_id, found = tag.split("/")[1], verify_one(tag, ports)
    if url is not None:
        from churnflow.adapters.served_at import refuse_other  # noqa: PLC0415 - brings HTTP, for this option alone

        with following("server", IntegrityError):
            refuse_other(url, project.pointer.read())
    return _whole(found, run_id, url)


def _whole(found: Verified, run_id: str, url: str | None) -> Answer:
    kept = f"{counted(found.checkpoints, 'checkpoint')} and {counted(found.artifacts, 'artifact')}"
    served = f"; serves {found.served}, bundle whole" if found.served else ""
    asked = f"; so says {url}" if url else ""
    data = {"checkpoints": found.checkpoints, "artifacts": found.artifacts, "served": found.served, "server": url}
    view = lines_view(f"{kept} hashed again, all whole{served}{asked}")
    return Answer(data=data, view=view, next=(Next("churnflow log"),), run=run_id)


def _report(project: Project, ref: str | None, url: str | None, session: Session) -> Answer | None:
    """Prove the report that `ref` names, None where it names no file that could be one."""
    from churnflow.cli.reproving import SUFFIXES, prove_report  # noqa: PLC0415 - brings what draws a report

    if ref is None or Path(ref).suffix.lower() not in SUFFIXES:
        return None
    if url is not None:
        message = f"{ref} is proved by the records alone: no server is asked about a report"
        raise UsageError(message, hint=f"`churnflow verify {ref}`, and `churnflow verify --url URL` for the server")
    path = session.directory / ref
    if not path.is_file():
        message = f"no such report: {ref}"
        raise UsageError(message, hint="name a file that `churnflow report` wrote, or a checkpoint")
    with following("report", IntegrityError):
        proved = prove_report(project, path)
    source = proved.source
    at = source.checkpoint or "none"
    text = f"{ref} is what the records of run {source.run} say, to the byte; newest checkpoint: {at}"
    data = {"report": ref, "made_from": source.model_dump(mode="json")}
    step = Next("churnflow verify")
    return Answer(data=data, view=lines_view(text), next=(step,), run=source.run, warnings=proved.warnings)
