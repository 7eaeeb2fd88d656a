"""The command that tries out what churnflow needs of a machine."""

from typing import Final

import typer

from churnflow.adapters.machine import Seen, examine
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import commands_view, counted, lines_view, table_view, together
from churnflow.cli.session import session_of
from churnflow.errors import ChurnflowError, ConflictError, UsageError

WORDS: Final = {"ok": "ok", "look": "look", "bad": "failed"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("doctor")(doctor)


def doctor(context: typer.Context) -> Answer:
    """Try out what churnflow needs of this machine: git, disk, locks, clock; also where there is no project."""
    session = session_of(context)
    project, why = None, None
    try:
        project = session.project()
    except UsageError as failure:
        why = failure
    seen = list(examine(project.repository if project else None))
    note = project.identity_note() if project else None
    if note is not None:
        seen.append(Seen("identity", "look", note, 'git config user.name "Your Name", and user.email'))
    answer = _answer(seen)
    bad = [one for one in seen if one.state == "bad"]
    if bad:
        text = f"{counted(len(bad), 'check')} failed: {bad[0].name}: {bad[0].said}"
        failed: ChurnflowError = ConflictError(text, hint=bad[0].hint)
        failed.answer = answer  # type: ignore[attr-defined]
        raise failed from why
    return answer


def _answer(seen: list[Seen]) -> Answer:
    rows = [[WORDS[one.state], one.name, one.said] for one in seen]
    hints = [f"{one.name}: {one.hint}" for one in seen if one.hint]
    view = together(table_view("This machine", ("", "what", "found"), rows), commands_view(*hints))
    if not hints:
        view = together(view, lines_view("all is well"))
    data = {"checks": [{"name": one.name, "state": one.state, "said": one.said, "hint": one.hint} for one in seen]}
    step = "status"
    if any(one.name == "git" and one.state == "bad" for one in seen):
        step = "doctor"
    elif any(one.name == "project" for one in seen):
        step = "new DIR"
    return Answer(data=data, view=view, next=(Next(f"churnflow {step}"),))
