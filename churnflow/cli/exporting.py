"""The command that writes a checkpoint as a bundle which anyone can check with sha256sum, git and ssh-keygen."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import typer

from churnflow.adapters.ssh_signatures import allowed_signers
from churnflow.adapters.tar_file import Content, write_tar
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import RefArgument, load_checkpoint
from churnflow.cli.rendering import render
from churnflow.cli.screens import counted, lines_view
from churnflow.cli.session import session_of
from churnflow.domain import approval, reviewers
from churnflow.domain.approval import Grade, Signed
from churnflow.domain.base import canonical_json, digest
from churnflow.domain.checkpoint import Checkpoint, file_of, tag_of
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Decision
from churnflow.domain.ledger import as_of
from churnflow.domain.reviewers import ADMIN
from churnflow.engine.keys import subject_of, subject_of_gate
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import trusted
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
        # Before it is there: no checkpoint of another command takes it into git meanwhile.
        project.leave_out(path)
        sha256 = write_tar(path, folder, files, checkpoint.created_at)
    return _told(path, sha256, sorted(files), checkpoint)


def _told(path: Path, sha256: str, files: Sequence[str], checkpoint: Checkpoint) -> Answer:
    record, grades = digest(checkpoint), _grades(checkpoint)
    data = {"path": str(path), "sha256": sha256, "record_sha256": record, "approvals": grades, "files": list(files)}
    approved = ", ".join(f"{name} {grade}" for name, grade in grades.items()) or "none"
    view = lines_view(
        f"{path}: {counted(len(files), 'file')}, as INSTRUCTIONS.md in it says to be checked",
        f"sha256 of the file    {sha256}",
        f"sha256 of the record  {record}",
        f"approvals             {approved}",
    )
    follow = Next(shlex.join(["tar", "xf", str(path)]), "then follow its INSTRUCTIONS.md")
    return Answer(data=data, view=view, next=(follow,), run=checkpoint.run.id, checkpoint=checkpoint.tag)


def _refuse_place(path: Path) -> None:
    if path.name == "-" or path.is_dir() or not path.parent.is_dir():
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
    history = _proved(project, checkpoint)
    for item in history:
        yield f"records/{_short(item)}.json", canonical_json(item.model_dump(mode="json", by_alias=True))
        yield f"records/{_short(item)}.yaml", project.checkpoints.record_bytes(item)
    project.checkpoints.bundle(checkpoint, scratch / "history.bundle")
    yield "history.bundle", scratch / "history.bundle"
    for artifact in artifacts_of(checkpoint):
        if with_data or artifact.codec in _LEAVING:
            project.store.verify(artifact)
            yield f"artifacts/{artifact.sha256}", project.store.path(artifact)
    for form in FORMS:
        text, plots = render(project, checkpoint.run, form, checkpoint, bare=True)
        yield f"reports/report.{form}", text.encode()
        yield from ((f"reports/{name}", plot.encode()) for name, plot in plots.items())
    approved = {**dict(_answers(checkpoint)), **dict(_statements(checkpoint)), **dict(_reviewers(project, checkpoint))}
    yield from approved.items()
    yield "INSTRUCTIONS.md", _instructions(project, checkpoint, approved, with_data=with_data).encode()


def _proved(project: Project, checkpoint: Checkpoint) -> list[Checkpoint]:
    ports = _ports(project)
    verify(checkpoint.run.id, ports)
    with following("record"):
        history = project.checkpoints.history(checkpoint.run.id)
    return [item for item in history if item.number <= checkpoint.number]


def _ports(project: Project) -> Ports:
    from churnflow.adapters.answers_reviewer import AbsentReviewer  # noqa: PLC0415 - for the ports alone
    from churnflow.cli.watching import Silent  # noqa: PLC0415

    return project.ports(AbsentReviewer(), Silent())


def _answers(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield each answer and decision as the record holds it, and what its key is the digest of.

    A rescue may hold one about an earlier state, which is left out.
    """
    run = checkpoint.run
    for entry in run.current():
        if isinstance(entry, Approval | Decision):
            item = next(item for item in run.declared.items() if item.name == entry.name)
            is_gate = isinstance(entry, Decision)
            content = subject_of_gate(as_of(run, entry.at), item) if is_gate else subject_of(run, item)
            if digest(content) == entry.key:
                yield f"approvals/{entry.name}.json", canonical_json(entry.model_dump(mode="json", by_alias=True))
                yield f"approvals/{entry.name}.subject.json", canonical_json(content)


def _statements(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield what was ever signed in the run as reviewers signed it, each with its signature."""
    for one in _signed(checkpoint):
        text = one.statement.text()
        name = f"statements/{one.statement.approval}-{hashlib.sha256(text).hexdigest()[:12]}.json"
        yield name, text
        yield f"{name}.sig", one.signature.encode()


def _signed(checkpoint: Checkpoint) -> list[Signed]:
    return [one for entry in checkpoint.run.entries if isinstance(entry, Approval) for one in entry.signed]


def _reviewers(project: Project, checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield the versions of the list of reviewers from the first to the newest that a statement names.

    Later ones are left out, so that the same checkpoint always gives the same export.
    """
    named = {one.statement.reviewers for one in _signed(checkpoint)}
    if not named:
        return
    ports = _ports(project)
    with following("signature"):
        known = [listed.sha256 for listed in trusted(ports)]
        versions = ports.reviewers.history()
    newest = max(place for place, sha256 in enumerate(known) if sha256 in named)
    for version in versions[: newest + 1]:
        listed, name = version.listed, f"reviewers/{version.listed.number}"
        admins = (one for one in listed.reviewers if ADMIN in one.roles)
        yield f"{name}.json", listed.text()
        yield f"{name}.json.sig", version.signature.encode()
        yield f"{name}.allowed_signers", allowed_signers(listed.reviewers, approval.NAMESPACE).encode()
        yield f"{name}.admins", allowed_signers(admins, reviewers.NAMESPACE).encode()


def _grades(checkpoint: Checkpoint) -> dict[str, Grade]:
    return {entry.name: entry.grade for entry in checkpoint.run.approvals()}


def _instructions(project: Project, checkpoint: Checkpoint, files: Mapping[str, bytes], *, with_data: bool) -> str:
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
    first = files.get("reviewers/1.json")
    known = hashlib.sha256(first).hexdigest() if first else None
    return instructions(facts, release, _grades(checkpoint), first=known, data=with_data)


def _short(checkpoint: Checkpoint) -> str:
    return checkpoint.tag.rpartition("/")[2]
