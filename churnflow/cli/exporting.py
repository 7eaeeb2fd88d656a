"""The command that writes a checkpoint as a bundle which anyone can check with sha256sum, git and ssh-keygen."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.tar_file import Content, write_tar
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import RefArgument, load_checkpoint
from churnflow.cli.rendering import render
from churnflow.cli.screens import counted, lines_view
from churnflow.cli.session import session_of
from churnflow.cli.watching import Silent
from churnflow.domain.base import canonical_json, digest
from churnflow.domain.checkpoint import Checkpoint, file_of, tag_of
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Decision
from churnflow.engine.keys import subject_of, subject_of_gate
from churnflow.engine.ports import Ports
from churnflow.engine.verify import artifacts_of, following, verify
from churnflow.errors import ConflictError, RefusedError, UsageError
from churnflow.project import Project
from churnflow.reporting.instructions import instructions

FORMS: Final = ("md", "html", "json")
# Only these leave by themselves: any other codec can hold rows of customers.
_LEAVING: Final = ("release",)


def register(app: typer.Typer) -> None:
    """Add the command of this module to the program."""
    app.command("export")(export)


def export(
    context: typer.Context,
    ref: RefArgument = "HEAD",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.tar", help="[churnflow-RUN-NN-NAME.tar]")
    ] = None,
    *,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also all other artifacts, rows of customers included.")
    ] = False,
) -> Answer:
    """Write a checkpoint and what it follows on as a tar that anyone can check without churnflow."""
    session = session_of(context)
    project = session.project()
    checkpoint = load_checkpoint(project, ref)
    folder = f"churnflow-{checkpoint.run.id}-{_short(checkpoint)}"
    path = session.directory / (output or f"{folder}.tar")
    _refuse_place(path)
    if not with_data:
        _refuse_rows(project, checkpoint)
    with TemporaryDirectory() as scratch:
        files = dict(_files(project, checkpoint, Path(scratch), with_data=with_data))
        sha256 = write_tar(path, folder, files, checkpoint.created_at)
    record = digest(checkpoint)
    text = f"{path}: {counted(len(files), 'file')}, as INSTRUCTIONS.md in it says to be checked"
    data = {"path": str(path), "sha256": sha256, "record_sha256": record, "files": sorted(files)}
    return Answer(
        data=data,
        view=lines_view(text, f"sha256 of the file    {sha256}", f"sha256 of the record  {record}"),
        next=(Next(shlex.join(["tar", "xf", str(path)]), "then follow its INSTRUCTIONS.md"),),
        run=checkpoint.run.id,
        checkpoint=checkpoint.tag,
    )


def _refuse_place(path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir():
        message = f"{path} is no place for a file"
        raise UsageError(message, hint="name a file in a folder that is there: -o FILE.tar")
    if path.exists():
        message = f"{path} is there already: it would be overwritten"
        raise ConflictError(message, hint="name another file with -o, or move that one away")


def _refuse_rows(project: Project, checkpoint: Checkpoint) -> None:
    """Raise RefusedError where git's history holds a source file, which would leave with it."""
    held = project.checkpoints.held_in_history(checkpoint, sorted(checkpoint.data))
    if held:
        message = f"the git history holds {held[0]}, and with it rows of customers; the export would take them along"
        raise RefusedError(message, hint="`churnflow export --with-data` takes them along all the same")


def _files(
    project: Project, checkpoint: Checkpoint, scratch: Path, *, with_data: bool
) -> Iterator[tuple[str, Content]]:
    """Yield the files of the export by name. Raises IntegrityError unless the run proves whole."""
    ports = project.ports(AbsentReviewer(), Silent())
    for item in _proved(project, checkpoint, ports):
        yield f"records/{_short(item)}.json", canonical_json(item.model_dump(mode="json", by_alias=True))
        yield f"records/{_short(item)}.yaml", project.checkpoints.record_bytes(item)
    project.checkpoints.bundle(checkpoint, scratch / "history.bundle")
    yield "history.bundle", scratch / "history.bundle"
    for artifact in artifacts_of(checkpoint):
        if with_data or artifact.codec in _LEAVING:
            project.store.verify(artifact)
            yield f"artifacts/{artifact.sha256}", project.store.path(artifact)
    for form in FORMS:
        text, plots = render(project, checkpoint.run, form, checkpoint)
        yield f"reports/report.{form}", text.encode()
        yield from ((f"reports/{name}", plot.encode()) for name, plot in plots.items())
    yield from _answers(checkpoint)
    lists = dict(_lists(checkpoint, ports))
    yield from lists.items()
    first = next(iter(lists), None)
    yield "INSTRUCTIONS.md", _instructions(project, checkpoint, first, with_data=with_data).encode()


def _proved(project: Project, checkpoint: Checkpoint, ports: Ports) -> list[Checkpoint]:
    verify(checkpoint.run.id, ports)
    with following("record"):
        history = project.checkpoints.history(checkpoint.run.id)
    return [item for item in history if item.number <= checkpoint.number]


def _answers(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield each answer and decision as the record holds it, what its key is the digest of, and what was signed."""
    run = checkpoint.run
    for entry in run.current():
        if isinstance(entry, Approval | Decision):
            item = next(item for item in run.declared.items() if item.name == entry.name)
            content = subject_of_gate(run, item) if isinstance(entry, Decision) else subject_of(run, item)
            yield f"approvals/{entry.name}.json", canonical_json(entry.model_dump(mode="json", by_alias=True))
            yield f"approvals/{entry.name}.subject.json", canonical_json(content)
            for number, one in enumerate(entry.signed if isinstance(entry, Approval) else (), 1):
                yield f"approvals/{entry.name}.{number}.statement", one.statement.text()
                yield f"approvals/{entry.name}.{number}.statement.sig", one.signature.encode()


def _lists(checkpoint: Checkpoint, ports: Ports) -> Iterator[tuple[str, bytes]]:
    """Yield the list of reviewers with its signatures, up to the newest version that a signed answer names."""
    named = {one.statement.reviewers for entry in checkpoint.run.approvals() for one in entry.signed}
    versions = ports.reviewers.history() if named else ()
    last = max((version.listed.number for version in versions if version.listed.sha256 in named), default=0)
    for version in versions[:last]:
        name = f"reviewers/{version.listed.number:04d}.json"
        yield name, version.listed.text()
        yield f"{name}.sig", version.signature.encode()


def _instructions(project: Project, checkpoint: Checkpoint, first_list: str | None, *, with_data: bool) -> str:
    prefix = f"{project.repository.prefix}/" if project.repository.prefix else ""
    record = file_of(checkpoint.run.id, checkpoint.number, checkpoint.name)
    facts = {
        "run": checkpoint.run.id,
        "name": _short(checkpoint),
        "sha256": digest(checkpoint),
        "prefix": tag_of(checkpoint.run.id, 0, "").removesuffix("00-"),
        "folder": f"{prefix}{record.rpartition('/')[0]}/",
    }
    served: Artifact | None = checkpoint.release.artifact if checkpoint.release else None
    release = {"sha256": served.sha256, "name": served.name} if served else None
    first = first_list.rpartition("/")[2] if first_list else None
    return instructions(facts, release, first_list=first, data=with_data)


def _short(checkpoint: Checkpoint) -> str:
    return checkpoint.tag.rpartition("/")[2]
