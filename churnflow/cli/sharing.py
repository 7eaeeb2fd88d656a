"""The commands that share checkpoints: remote, push and pull."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.git_plumbing import Plumbing
from churnflow.adapters.git_remote import GitRemote, remotes_of
from churnflow.adapters.remote_store import RemoteStore, Report
from churnflow.adapters.sharing import Shared
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import bytes_text, commands_view, counted, lines_view, table_view, together
from churnflow.cli.session import Session, session_of
from churnflow.cli.watching import Silent
from churnflow.domain.remote import DEFAULT, NAME, Remotes, split_url, why_refused
from churnflow.engine.reachable import needed_by
from churnflow.engine.refs import resolve
from churnflow.engine.settle import settle
from churnflow.errors import ChurnflowError, UsageError
from churnflow.project import Project

GitOption = Annotated[str, typer.Option("--git", metavar="NAME", help="The git remote that has the records.")]

remote_app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("push")(push)
    app.command("pull")(pull)
    app.add_typer(remote_app, name="remote")


@remote_app.callback(invoke_without_command=True)
def remote(context: typer.Context) -> Answer | None:
    """Say where checkpoints are shared."""
    return remote_list(context) if context.invoked_subcommand is None else None


@remote_app.command("list")
def remote_list(context: typer.Context) -> Answer:
    """List the addresses of artifacts, by the git remote that has their records."""
    remotes = session_of(context).project().remotes.read()
    rows = [[name, url, "default" if name == remotes.default() else ""] for name, url in sorted(remotes.urls.items())]
    view = table_view("Remotes", ("git remote", "artifacts", ""), rows)
    step = Next("churnflow push") if rows else Next("churnflow remote set URL")
    return Answer(data={"remotes": remotes.urls, "default": remotes.default()}, view=view, next=(step,))


@remote_app.command("set")
def remote_set(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="A folder, s3://BUCKET/PATH, gs://, az:// or sftp://.")],
    git: GitOption = DEFAULT,
) -> Answer:
    """Say where the artifacts are shared, beside the records at a git remote; credentials stay in the environment."""
    session = session_of(context)
    project = session.project()
    address = _checked(url, project, session.directory)
    RemoteStore(address)
    known = remotes_of(Plumbing(project.repository))
    if not NAME.fullmatch(git) or git not in known:
        message = f"git knows no remote {git!r}"
        hint = f"its remotes are {', '.join(known)}" if known else f"add it first: git remote add {DEFAULT} URL"
        raise UsageError(message, hint=hint)
    with project.lock("churnflow remote set"):
        before = project.remotes.read()
        project.remotes.write(Remotes(urls={**before.urls, git: address}))
    text = f"records go to the git remote {git}, artifacts to {address}"
    after = Next("churnflow push" if project.checkpoints.runs() else "churnflow pull")
    return Answer(data={"git": git, "url": address}, view=commands_view(text), next=(after,))


def push(
    context: typer.Context,
    remote: Annotated[str | None, typer.Argument(metavar="REMOTE", help="A git remote of `churnflow remote`.")] = None,
) -> Answer:
    """Send all checkpoints with artifacts and reviewers; what is there is not sent again, nothing is overwritten."""
    session = session_of(context)
    project = session.project()
    name, url = _remote(project, remote)
    sending = import_module("churnflow.adapters.sending")
    with project.lock("churnflow push"), _bar(session, "sent") as report:
        ports = project.ports(AbsentReviewer(), Silent())
        settle(ports)
        shared = sending.Push(project.repository, project.store, ports).send(
            GitRemote(project.repository, name), RemoteStore(url), report
        )
    return _answered(shared, f"sent to {name} and {url}", Next("churnflow log"))


def pull(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(metavar="REMOTE|REF", help="A remote; or a checkpoint, of which only artifacts are fetched."),
    ] = None,
) -> Answer:
    """Fetch all checkpoints with artifacts and reviewers, each proved before it counts; nothing is overwritten."""
    session = session_of(context)
    project = session.project()
    is_remote = what is None or what in project.remotes.read().urls
    name, url = _remote(project, what if is_remote else None)
    fetching = import_module("churnflow.adapters.fetching")
    with project.lock("churnflow pull"), _bar(session, "fetched") as report:
        settle_where_whole(project)
        ports = project.ports(AbsentReviewer(), Silent())
        puller = fetching.Pull(project.repository, project.store, ports)
        if is_remote:
            shared = puller.fetch(GitRemote(project.repository, name), RemoteStore(url), report)
        else:
            tag = resolve(str(what), project.journal.current(), ports)
            needed = needed_by(project.checkpoints.load(tag))
            shared = puller.fetch_bytes(needed, RemoteStore(url), report)
            shared.runs, shared.checkpoints = [tag.split("/")[1]], 1
    return _answered(shared, f"fetched from {name} and {url}", Next("churnflow verify"))


def settle_where_whole(project: Project) -> None:
    """Finish what a killed command left undone; where bytes are missing for that, they are what a pull is to fetch."""
    try:
        settle(project.ports(AbsentReviewer(), Silent()))
    except ChurnflowError as failure:
        if failure.exit_name != "integrity":
            raise


def _remote(project: Project, named: str | None) -> tuple[str, str]:
    """Return the git remote and the address of artifacts that are meant. Raises UsageError where none is."""
    remotes = project.remotes.read()
    name = named or remotes.default()
    if name is not None and name in remotes.urls:
        return name, remotes.urls[name]
    known = ", ".join(sorted(remotes.urls))
    if named is None and not known:
        message = "there is no remote to share checkpoints with"
        raise UsageError(
            message, hint="`churnflow remote set URL` says where artifacts are: a folder, or s3://BUCKET/PATH"
        )
    message = f"no remote is called {named!r}" if named else "which remote?"
    hint = f"the remotes are {known}" if known else "`churnflow remote set URL --git NAME` makes one"
    raise UsageError(message, hint=hint)


def _checked(url: str, project: Project, directory: Path) -> str:
    """Return the address as it is kept; a folder is seen from `directory`. Raises UsageError for one not to be used."""
    refusal = why_refused(url)
    protocol, path = split_url(url)
    if refusal is None and protocol == "file":
        folder = _home_for_tilde(path)
        inside = (project.repository.work_tree, project.repository.common_dir)
        if folder is None:
            refusal = "nobody here has that home folder"
        elif any((directory / folder).resolve().is_relative_to(one) for one in inside):
            refusal = "it lies inside the repository, and git would take what is put there"
        else:
            return str((directory / folder).resolve())
    if refusal is not None:
        # What stands before an @ or after a ? may be a password.
        shown = "that address" if "secret" in refusal or set("@?") & set(url) else repr(url)
        message = f"{shown} can not be a remote: {refusal}"
        raise UsageError(message, hint="name a folder outside the repository, or s3://BUCKET/PATH")
    return url


def _home_for_tilde(path: str) -> Path | None:
    """Return the path with the home folder for a `~`, which no shell expands within an address; None without one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return None


@contextmanager
def _bar(session: Session, done: str) -> Iterator[Report]:
    """Yield what is told of the bytes that were moved: a bar at a terminal, else silence."""
    if session.quiet or session.as_json or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn  # noqa: PLC0415

    from churnflow.adapters.terminal import PlainConsole  # noqa: PLC0415 - brings rich

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=PlainConsole(file=sys.stderr), transient=True) as progress:
        task = progress.add_task(done, total=None)
        yield lambda moved, total: progress.update(task, completed=moved, total=total)


def _answered(shared: Shared, where: str, after: Next) -> Answer:
    """Return what was moved. Raises the refusal of what was not, which carries the answer of the rest."""
    objects = f"{counted(shared.objects, 'object')} ({bytes_text(shared.size_bytes)})"
    text = f"{objects} and {counted(shared.records, 'record')} {where}"
    all_there = f"on both sides: {counted(shared.checkpoints, 'checkpoint')} of {counted(len(shared.runs), 'run')}"
    data: dict[str, Any] = {
        "runs": shared.runs,
        "checkpoints": shared.checkpoints,
        "records": shared.records,
        "objects": shared.objects,
        "bytes": shared.size_bytes,
        "refused": [str(failure) for failure in shared.refused],
    }
    answer = Answer(
        data=data,
        view=together(commands_view(text), lines_view(all_there)),
        next=(after,),
        warnings=tuple(shared.notes),
    )
    failure = shared.failure()
    if failure is not None:
        failure.answer = Answer(data=data, view=answer.view, warnings=answer.warnings)  # type: ignore[attr-defined]
        raise failure
    return answer
