"""One invocation: the global options, the project it works in, and how its answer is printed."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from churnflow.cli.answer import EXIT_NAMES, Answer
from churnflow.errors import ConflictError

if TYPE_CHECKING:
    from rich.console import Console

    from churnflow.project import Project


@dataclass
class Session:
    """The global options of one invocation."""

    directory: Path = Path()
    as_json: bool = False
    no_input: bool = False
    quiet: bool = False
    verbose: bool = False
    command: str = ""
    resuming: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def typed(self) -> str:
        """The command as it was typed, without the options of all commands, which keep it from asking.

        What could not be pasted, or is a secret, is not repeated.
        """
        from churnflow.domain.secrets import holds_password  # noqa: PLC0415 - of no use where nothing is refused

        words = list(self.arguments)
        while words[0].startswith("-"):
            del words[: 2 if words[0] == "-C" else 1]
        plain = ("TEXT" if "`" in word or not word.isprintable() or holds_password(word) else word for word in words)
        return shlex.join(["churnflow", *plain])

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked: stdin and stderr are terminals and nobody forbade it."""
        return not self.no_input and not self.as_json and sys.stdin.isatty() and sys.stderr.isatty()

    def project(self) -> Project:
        """Open the project in which the command was called."""
        from churnflow.project import Project  # noqa: PLC0415 - half of the start-up, which `--help` need not pay

        return Project.open(self.directory)

    def again(self, arguments: Sequence[str]) -> str:
        """Return the command that goes on where this one was interrupted; `--new` would begin anew once more.

        An address with a password in it is not repeated.
        """
        from churnflow.domain.secrets import holds_password  # noqa: PLC0415 - of no use before an interrupt

        texts = ("URL" if holds_password(text) else text for text in arguments if text != "--new")
        return self.resuming or shlex.join(["churnflow", *texts])

    def show(self, answer: Answer) -> int:
        """Print `answer` and return its exit code: the answer on stdout, everything else on stderr."""
        try:
            self._print(
                replace(answer, next=tuple(replace(step, command=self._here(step.command)) for step in answer.next))
            )
            sys.stdout.flush()
        except (BrokenPipeError, SystemExit):
            # Whoever read has gone, as `head` does; rich makes an exit of it.
            _drop_what_is_left()
        except OSError as failure:
            _drop_what_is_left()
            return _unwritten(answer, failure)
        return answer.code

    def _here(self, command: str) -> str:
        """Return a command so that it works where this one was called, if that was with -C."""
        if self.directory == Path() or " -C " in command or not command.startswith("churnflow "):
            return command
        return command.replace("churnflow ", f"churnflow -C {shlex.quote(str(self.directory))} ", 1)

    def _print(self, answer: Answer) -> None:
        if self.as_json:
            sys.stdout.write(json.dumps(answer.envelope(self.command), ensure_ascii=False) + "\n")
            return
        if answer.view is not None and not self.quiet:
            answer.view(console())
        sys.stdout.flush()
        for warning in (*answer.alarms, *(() if self.quiet else answer.warnings)):
            sys.stderr.write(f"warning: {warning}\n")
        if answer.failure is not None:
            sys.stderr.write(f"error: {one_line(answer.failure.text)}\nhint: {one_line(answer.failure.hint)}\n")
        for step in answer.next[:1]:
            sys.stdout.write(f"next: {step.command}\n")


def _drop_what_is_left() -> None:
    """Lead the standard output to nowhere: what is buffered must not fail once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unwritten(answer: Answer, failure: OSError) -> int:
    """Say that the answer could not be written, as with `churnflow status > file` on a full disk; return the code."""
    with suppress(OSError):
        sys.stderr.write(f"error: the answer could not be written: {failure.strerror}\n")
        sys.stderr.write(f"hint: the command itself ended with {EXIT_NAMES[answer.code]}; see `churnflow status`\n")
    return answer.code or ConflictError.exit_code


def session_of(context: typer.Context) -> Session:
    """Return the session that the callback of the app has filled."""
    session = context.find_root().obj
    assert isinstance(session, Session)  # noqa: S101 - main() passes it; for the type checker
    session.command = context.command_path.removeprefix("churnflow ")
    return session


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints no markup from data and keeps a readable width where there is no terminal."""
    from churnflow.adapters.terminal import PlainConsole  # noqa: PLC0415 - rich: 0.1 s that `--help` need not pay

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 110
    return PlainConsole(file=stream, width=width, markup=False, highlight=False, soft_wrap=False)


def one_line(text: str) -> str:
    """Fold a message into one printable line, so that an error has two."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
