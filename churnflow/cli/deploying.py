"""The command that writes what serves the release elsewhere: an image to build, and manifests to apply."""

from __future__ import annotations

import json
import platform
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from pydantic import ValidationError

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.adapters.key_file import KeyFile
from churnflow.adapters.kubectl import require_kubectl
from churnflow.adapters.whole_folder import write_folder
from churnflow.cli.answer import Answer, Next
from churnflow.cli.places import folder_of, moves, put, record_of
from churnflow.cli.screens import commands_view, counted
from churnflow.cli.serving import nothing_to_serve
from churnflow.cli.session import session_of
from churnflow.cli.watching import Silent
from churnflow.deployment import commands
from churnflow.deployment.image import context_files, facts
from churnflow.deployment.layout import MANIFESTS
from churnflow.deployment.manifests import manifests
from churnflow.deployment.packages import DRIVERS, has
from churnflow.domain.deployment import Deployed, Place, Target
from churnflow.engine.verify import verify_served
from churnflow.errors import ChurnflowError, ConflictError, UsageError
from churnflow.modelling.pseudonyms import secret_at
from churnflow.project import Project, SystemClock

if TYPE_CHECKING:
    from churnflow.domain.journal import Run
    from churnflow.domain.release import Release

HOME: Final = "deploy"
SIGN: Final = "churnflow-deployment.json"
# The metric of a step that has watched the server's memory, as churn.rehearse does.
PEAK: Final = "memory_peak_mb"


Where = Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="[deploy/TARGET/VERSION]")]
To = Annotated[Literal["docker", "kubernetes"], typer.Option("--target", help="docker or kubernetes.")]
Image = Annotated[
    str | None, typer.Option("--image", metavar="NAME", help="Without a tag, which is the version; or with a digest.")
]
Called = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Of the Deployment or the container. [the workflow's]")
]
Namespace = Annotated[str | None, typer.Option("--namespace", metavar="NS", help="Of Kubernetes. [default]")]
Cluster = Annotated[
    str | None, typer.Option("--context", metavar="NAME", help="Of kubectl, for another cluster than its own.")
]
Replicas = Annotated[int | None, typer.Option("--replicas", metavar="N", help="How many pods. [2]")]
Most = Annotated[
    int | None, typer.Option("--max-replicas", metavar="N", help="How many under load, by an autoscaler. [none]")
]
Base = Annotated[
    str | None, typer.Option("--base", metavar="IMAGE", help="What the image is built on. [python:X.Y.Z-slim]")
]
Force = Annotated[bool, typer.Option("--force", help="Write DIR anew where it was changed.")]
Apply = Annotated[bool, typer.Option("--apply", help="Also run kubectl, once the image is pushed.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("deploy")(deploy)


def deploy(
    context: typer.Context,
    target: To,
    output: Where = None,
    image: Image = None,
    name: Called = None,
    namespace: Namespace = None,
    cluster: Cluster = None,
    replicas: Replicas = None,
    most: Most = None,
    base: Base = None,
    *,
    force: Force = False,
    apply: Apply = False,
) -> Answer:
    """Write what serves the release elsewhere: a Dockerfile with all that it needs, manifests for Kubernetes.

    What is not said is as it was the last time. Keys and secrets are never written: the lines it prints bring them.
    """
    session = session_of(context)
    project = session.project()
    named = {"image": image, "name": name, "namespace": namespace, "context": cluster, "base": base}
    options = {**named, "replicas": replicas, "max_replicas": most}
    given = {option: value for option, value in options.items() if value is not None}
    _refuse_meaningless(target, given, apply=apply)
    folder = session.directory / output if output else None
    with project.lock(f"churnflow deploy --target {target}"):
        made, written = _write(project, target, given, folder, force=force)
    if apply:
        _apply(project, made)
    return _answer(project, made, written=written, applied=apply)


def _write(
    project: Project, target: Target, given: Mapping[str, Any], wanted: Path | None, *, force: bool
) -> tuple[Deployed, bool]:
    """Write the release that is served for a place, and record it; return whether there was anything to write."""
    release, run = _released(project)
    place = _place(project, target, given, _name(run.declared.name))
    folder = (wanted or project.root / HOME / target / release.version).absolute()
    written = write_folder(folder, _files(project, place, release, _peak(run)), SIGN, force=force)
    if wanted is None:
        _hide(project.root / HOME)
    made = Deployed(
        place=place,
        version=release.version,
        sha256=release.artifact.sha256,
        folder=_relative(folder, project.root),
        at=SystemClock().now(),
    )
    # Made here if no server has yet, so that pods and this machine call a customer by the same pseudonym.
    secret_at(project.secret_path)
    record_of(project).add(made)
    return made, written


def _refuse_meaningless(target: Target, given: Mapping[str, Any], *, apply: bool) -> None:
    if target == "kubernetes":
        if apply:
            require_kubectl()
        return
    of_clusters = [option for option in ("namespace", "context", "replicas", "max_replicas") if option in given]
    wrong = next((f"--{option.replace('_', '-')}" for option in of_clusters), "--apply" if apply else None)
    if wrong is not None:
        message = f"{wrong} means nothing to the target docker"
        raise UsageError(message, hint=f"leave it out, or --target kubernetes {wrong}")


def _released(project: Project) -> tuple[Release, Run]:
    """Return what is served, verified, and the run that led to it.

    Raises RefusedError where nothing is served, IntegrityError where that is not what a gate let pass.
    """
    release = verify_served(project.ports(AbsentReviewer(), Silent()))
    if release is None:
        raise nothing_to_serve(project)
    return release, project.checkpoints.load(release.checkpoint).run


def _peak(run: Run) -> float | None:
    """Return the most memory that a step of the run saw the server take, in 10^6 bytes, None where none looked."""
    return max((record.metrics[PEAK].value for record in run.steps() if PEAK in record.metrics), default=None)


def _name(declared: str) -> str:
    """Return the name of a workflow as a label of RFC 1123."""
    return re.sub(r"[^a-z0-9]+", "-", declared).strip("-")[:40].strip("-")


def _place(project: Project, target: Target, given: Mapping[str, Any], usual: str) -> Place:
    """Return the place that the options name; what they do not is as at the last time, or as usual.

    Raises UsageError for an option that can not be so.
    """
    last = record_of(project).read().latest(target, given)
    known = last.model_dump(exclude_none=True) if last else {}
    if last:
        known["image"] = last.image.partition("@")[0]  # a digest was that of another release
    defaults = {"target": target, "name": usual, "base": f"python:{platform.python_version()}-slim"}
    if target == "kubernetes":
        defaults["namespace"] = "default"
    merged = {**defaults, **known, **given}
    try:
        return Place.model_validate({"image": merged["name"], **merged})
    except ValidationError as error:
        wrong = error.errors()[0]
        option = "".join(f"--{str(part).replace('_', '-')} " for part in wrong["loc"])
        message = f"{option}{wrong['msg'].removeprefix('Value error, ')}"
        raise UsageError(message, hint="`churnflow deploy --help` says what each option takes") from None


def _files(project: Project, place: Place, release: Release, peak: float | None) -> dict[str, bytes]:
    bundle = project.store.path(release.artifact).read_bytes()
    files = context_files(place, release, bundle)
    if place.target == "kubernetes":
        files |= {f"{MANIFESTS}/{name}": text for name, text in manifests(place, release, peak).items()}
    told = {"schema": "churnflow/deployment@1", "place": place.model_dump(exclude_none=True), **facts(release)}
    return {**files, SIGN: (json.dumps(told, indent=2) + "\n").encode()}


def _hide(home: Path) -> None:
    """Keep the folder out of git and so out of checkpoints: bundles are large, and a rollback leaves them alone."""
    ignored = home / ".gitignore"
    if not ignored.exists():
        with explained(ignored):
            make_folder(home)
            write_durably(ignored, b"# Made by churnflow deploy, and made again by it.\n*\n")


def _relative(folder: Path, root: Path) -> str:
    real = folder.resolve()
    return str(real.relative_to(root) if real.is_relative_to(root) else real)


def _apply(project: Project, made: Deployed) -> None:
    move = next(move for move in moves(project, made.version) if move.last.place == made.place)
    try:
        put(project, move)
    except ChurnflowError as failure:
        message = f"everything is written, and {made.place.label} does not have it: {failure}"
        raise ConflictError(message, hint=f"{failure.hint}: {move.command}") from failure


def _answer(project: Project, made: Deployed, *, written: bool, applied: bool) -> Answer:
    place, folder = made.place, folder_of(project, made)
    count = counted(sum(path.is_file() for path in folder.rglob("*")), "file")
    steps = _steps(project, made, folder)
    lines = [
        f"{'wrote' if written else 'there already, the same:'} {count} in {folder}",
        f"{made.version} ({made.sha256[:12]}) as {place.image_of(made.version)} for {place.label}",
        *([] if applied else [f"{what:7} {command}" for what, command in steps]),
        *(["applied and rolled out"] if applied else []),
    ]
    data = {
        "folder": str(folder),
        "written": written,
        "applied": applied,
        "version": made.version,
        "sha256": made.sha256,
        "image": place.image_of(made.version),
        "place": place.model_dump(mode="json"),
        "commands": [{"what": what, "command": command} for what, command in steps],
    }
    following = (Next("churnflow status"),) if applied else tuple(Next(command, what) for what, command in steps)
    return Answer(data, commands_view(*lines), next=following, warnings=_warnings(project, place))


def _steps(project: Project, made: Deployed, folder: Path) -> list[tuple[str, str]]:
    """Return what a person does with the folder, in order: a word and the line of a shell."""
    place = made.place
    steps = [("build", shlex.join(commands.build(place, made.version, folder)))]
    if place.target == "kubernetes":
        steps.append(("push", shlex.join(commands.push(place, made.version))))
        steps += zip(("keys", "log"), commands.secrets(place, project.serving_dir), strict=True)
    put_it = commands.put(made, folder, project.serving_dir)
    return [*steps, ("apply" if place.target == "kubernetes" else "run", put_it)]


def _warnings(project: Project, place: Place) -> tuple[str, ...]:
    found = []
    if place.target == "docker" and project.serving_dir.stat().st_uid == 0:
        found.append(f"{project.serving_dir} belongs to root, and so the container runs as root: chown it to a user")
    if not KeyFile(project.keys_path).read().active:
        found.append("there is no API key, without which the server does not start: churnflow keys add NAME")
    if place.target == "kubernetes":
        found.append("a pod keeps nothing: without the address of a PostgreSQL as the log, no prediction is taken down")
        if not has(DRIVERS[0]):
            found.append(f"{DRIVERS[0]} is not installed here, so that the image can not write to a PostgreSQL")
    return tuple(found)
