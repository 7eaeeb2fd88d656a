"""The command that serves: only a release whose gate passed and whose digests verify."""

import os
import sys
from typing import Annotated, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer
from churnflow.cli.session import session_of
from churnflow.cli.stops import run_ships
from churnflow.cli.watching import Silent
from churnflow.domain.ledger import as_of
from churnflow.engine.judge import barring_issues
from churnflow.engine.verify import verify_served
from churnflow.errors import RefusedError
from churnflow.project import Project, SystemClock

LOG_VARIABLE: Final = "CHURNFLOW_LOG"

LogOption = Annotated[
    str | None,
    typer.Option("--log", metavar="URL", help=f"The predictions log; default {LOG_VARIABLE}, else SQLite."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("serve")(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="How many processes answer.")] = 1,
    log: LogOption = None,
) -> Answer:
    """Serve the released model over HTTP; it follows ship, rollback and undo while it runs."""
    session = session_of(context)
    project = session.project()
    if verify_served(project.ports(AbsentReviewer(), Silent())) is None:
        raise nothing_to_serve(project)
    arguments = [*server_command(project), "--host", host, "--port", str(port), "--workers", str(workers)]
    # The server takes this process over, so that signals reach it and nothing of the command line stays in memory.
    environment = server_environment(project, log)
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - fixed program, arguments of our own making


def server_command(project: Project) -> list[str]:
    """Return the command line of a server that follows the project's release."""
    return [
        sys.executable,
        "-P",  # else a json.py in the folder where the command is called would shadow the standard library
        "-m",
        "churnflow.serving",
        "--pointer",
        str(project.pointer.path),
        "--store",
        str(project.store.root),
        "--keys",
        str(project.keys_path),
        "--secret",
        str(project.secret_path),
    ]


def server_environment(project: Project, log: str | None = None) -> dict[str, str]:
    """Return the environment of such a server.

    The log is named there, where other users of the machine do not see the password that may be in its URL.
    """
    return {**os.environ, LOG_VARIABLE: log or os.environ.get(LOG_VARIABLE) or project.log_url}


def nothing_to_serve(project: Project) -> RefusedError:
    """Return the error that says why there is no release yet, and what comes next."""
    run = project.journal.current()
    if run is None:
        return RefusedError("nothing to serve: no run has begun", hint="`churnflow run` leads to a release")
    if run_ships(run) and all(artifact.codec != "release" for artifact in run.artifacts().values()):
        text = "nothing to serve: the gate passed, and no step of the workflow produces a release"
        return RefusedError(text, hint="let one do so as the step churn.rehearse does: produces: {candidate: release}")
    if run_ships(run):
        text = "nothing to serve: the gate passed, and the checkpoint that ships is missing"
        return RefusedError(text, hint="`churnflow decide` makes it")
    missing = [item.name for item in run.declared.items() if not (entry := run.latest(item.name)) or not entry.passed]
    barring = [line.id for line in barring_issues(as_of(run, SystemClock().now()))]
    issues = f"; critical issues open: {', '.join(barring)}" if barring else ""
    text = f"nothing to serve: the gate has not passed; missing: {', '.join(missing)}{issues}"
    return RefusedError(text, hint="`churnflow status` says what comes next")
