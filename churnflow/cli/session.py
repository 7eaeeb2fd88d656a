"""One invocation: the global options, the project it works in, and how its answer is printed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churnflow.cli.answer import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from churnflow.project import Project


@dataclass
class Session:
    """The global options of one invocation."""

    directory: Path = field(default_factory=Path.cwd)
    as_json: bool = False
    no_input: bool = False
    quiet: bool = False
    verbose: bool = False
    command: str = ""

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: stdin and stderr are terminals and nobody forbade it."""
        return not self.no_input and not self.as_json and sys.stdin.isatty() and sys.stderr.isatty()

    def project(self) -> Project:
        """Open the project in which the command was called."""
        from churnflow.project import Project  # noqa: PLC0415 - half of the start-up, which `--help` need not pay

        return Project.open(self.directory)

    def show(self, answer: Answer) -> int:
        """Print `answer` and return its exit code: the answer on stdout, everything else on stderr."""
        if self.as_json:
            sys.stdout.write(json.dumps(answer.envelope(self.command), ensure_ascii=False) + "\n")
            return answer.code
        if answer.view is not None and not self.quiet:
            answer.view(console())
        sys.stdout.flush()
        for warning in answer.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        if answer.failure is not None:
            sys.stderr.write(f"error: {one_line(answer.failure.text)}\nhint: {one_line(answer.failure.hint)}\n")
        for step in answer.next[:1]:
            sys.stdout.write(f"next: {step.command}\n")
        return answer.code


def session_of(context: typer.Context) -> Session:
    """Return the session that the callback of the app has filled."""
    session = context.find_root().obj
    assert isinstance(session, Session)  # noqa: S101 - main() passes it; for the type checker
    session.command = str(context.info_name)
    return session


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints no markup from data and keeps a readable width where there is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that `--help` and `--json` need not pay

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 110
    return Console(file=stream, width=width, markup=False, highlight=False, soft_wrap=False)


def one_line(text: str) -> str:
    """Fold a message into one printable line, so that an error has two."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
