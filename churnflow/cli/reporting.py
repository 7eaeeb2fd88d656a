"""The command that writes the run as a document."""

import errno
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from churnflow.adapters.durable import explained, make_folder, remove_leftovers, write_durably
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import load_checkpoint
from churnflow.cli.rendering import render
from churnflow.cli.screens import lines_view
from churnflow.cli.session import session_of
from churnflow.domain.journal import Run
from churnflow.errors import ConflictError, UsageError
from churnflow.reporting import closing, json_report, svg

FOLDER: Final = "reports"
Form = Literal["md", "html", "json"]
FORMS: Final[Mapping[str, Form]] = {".md": "md", ".html": "html", ".htm": "html", ".json": "json"}
# By these a file is known to be one of ours, which the next report may replace; they stand near its begin or end.
SIGNS: Final = (closing.SIGN, 'name="generator" content="churnflow"', json_report.SCHEMA, svg.SIGN)
NEAR: Final = 4096


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
    make_folder(real.parent)
    remove_leftovers(real.parent)
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
