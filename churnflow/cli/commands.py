"""The commands by name: the module that holds each, imported when it is called, and its line in `--help`."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group

from churnflow.errors import UsageError


class Place(NamedTuple):
    """Where a command is: its module in this package, and the line that `--help` prints of it."""

    module: str
    line: str


COMMANDS: Final[dict[str, Place]] = {
    "new": Place("creating", "make a ready project, for your own data with --data"),
    "demo": Place("creating", "show everything on bundled real data"),
    "check": Place("inspecting", "find what is wrong in a workflow before running it"),
    "trust": Place("trusting", "let step code from elsewhere run in this clone"),
    "steps": Place("inspecting", "list the installed steps with their parameters"),
    "plan": Place("phases", "profile the data, state the risks, have the plan approved"),
    "build": Place("phases", "do the steps of the build, with their checkpoints"),
    "review": Place("phases", "compute the checklist, have the release approved"),
    "decide": Place("phases", "let the gate decide: ship (exit 0), fix (8) or rework (9)"),
    "run": Place("phases", "do all phases, until something waits or stops"),
    "approve": Place("approving", "answer an approval that waits"),
    "reviewers": Place("reviewers", "who may approve, by which key and in which role"),
    "issues": Place("issues", "list, close or waive what was noticed"),
    "status": Place("history", "where the run stands, what is open, what is served"),
    "log": Place("history", "list the checkpoints"),
    "show": Place("history", "a checkpoint, each confidence as a sum"),
    "diff": Place("history", "what differs between two checkpoints"),
    "verify": Place("verifying", "follow every link from tag to server, or prove a report"),
    "export": Place("exporting", "write a checkpoint as a bundle that anyone can check"),
    "rollback": Place("back", "return to a checkpoint: files, data, model, release"),
    "undo": Place("back", "return to the state before the last rollback"),
    "report": Place("reporting", "write the run as a document"),
    "serve": Place("serving", "serve the released model over HTTP"),
    "deploy": Place("deploying", "write what serves it elsewhere: an image, manifests"),
    "monitor": Place("monitoring", "watch what is served, and say what is to be done"),
    "score": Place("scoring", "score a file of customers: a ranked list with reasons"),
    "push": Place("sharing", "send the checkpoints with their artifacts to a remote"),
    "pull": Place("sharing", "fetch the checkpoints, or one's artifacts, from a remote"),
    "remote": Place("sharing", "say where checkpoints are shared"),
    "gc": Place("freeing", "free what no checkpoint, release or run needs"),
    "doctor": Place("doctoring", "try out what churnflow needs of this machine"),
    "forget": Place("forgetting", "take a person out of the predictions log"),
    "keys": Place("keys", "add, list or revoke the keys of the API"),
}
PHASES: Final = {"plan": "plan", "build": "build", "review": "review", "decide": "decision"}
_NAMED: Final = re.compile(r"`churnflow ([^\s`]+)`")


def command_for(phase: str) -> str:
    """Return the command that does a phase: its own, `run` for a phase that has none."""
    return next((command for command, does in PHASES.items() if does == phase), "run")


def in_commands(hint: str) -> str:
    """Return a hint of the engine, which knows phases alone, with the command in the place of a phase."""
    return _NAMED.sub(lambda named: named[0] if named[1] in COMMANDS else f"`churnflow {command_for(named[1])}`", hint)


class CommandGroup(TyperGroup):
    """The commands of `COMMANDS`; a module is imported only when one of its commands is called.

    Most of what `churnflow --help` and a quick `status` would cost otherwise is the import of the other commands.
    """

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
        """Return the names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the library's signature
        """Return the command. Raises UsageError with the nearest name if there is none of that name."""
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, n=1)
            message = f"there is no command {cmd_name!r}"
            raise UsageError(
                message, hint=f"did you mean `churnflow {near[0]}`?" if near else "`churnflow --help` lists them"
            )
        holder = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
        import_module(f"churnflow.cli.{COMMANDS[cmd_name].module}").register(holder)
        return get_group(holder).commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the library's signature
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_rows()))


def _rows() -> Iterator[tuple[str, str]]:
    return ((name, place.line) for name, place in COMMANDS.items())
