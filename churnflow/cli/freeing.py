"""The command that frees what no checkpoint, release, approval or run needs any more."""

from collections import Counter
from typing import Annotated, Any, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.sweeping import Found, find_garbage, sweep
from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import LISTED, bytes_text, counted, lines_view, table_view, together
from churnflow.cli.session import session_of
from churnflow.cli.watching import Silent
from churnflow.engine.settle import settle

KEEP_DAYS: Final = 30
WORDS: Final = {
    "object": ("object", "objects"),
    "result": ("result kept for reuse", "results kept for reuse"),
    "journal": ("journal of a run that is over", "journals of runs that are over"),
    "monitoring run": ("run of monitoring", "runs of monitoring"),
    "left-over": ("file of a killed command", "files of killed commands"),
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("gc")(gc)


def gc(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what it would free; remove nothing.")] = False,
    keep_days: Annotated[
        int,
        typer.Option("--keep-days", metavar="N", min=0, help="Keep results to reuse and finished runs for N days."),
    ] = KEEP_DAYS,
) -> Answer:
    """Free what no checkpoint, release, approval or run needs, in all work trees that share the store."""
    project = session_of(context).project()
    if dry_run:
        found = find_garbage(project.repository, project.store, keep_days)
        rows = [[one.kind, str(one.path), f"{one.size_bytes:,}"] for one in found.garbage[:LISTED]]
        more = len(found.garbage) - len(rows)
        notes = [f"and {more} more: `churnflow --json gc --dry-run` lists all"] if more else []
        table = table_view("Would be freed", ("what", "where", "bytes"), rows, empty="nothing")
        text = [*notes, f"would free {_freed(found)}", _stays(found), "nothing was removed"]
        again = "" if keep_days == KEEP_DAYS else f" --keep-days {keep_days}"
        step = Next(f"churnflow gc{again}") if found.garbage else Next("churnflow status")
        return Answer(data=_data(found), view=together(table, lines_view(*text)), next=(step,))
    with project.lock("churnflow gc", alone=True):
        settle(project.ports(AbsentReviewer(), Silent()))
        found = find_garbage(project.repository, project.store, keep_days)
        sweep(found.garbage)
    step = Next("churnflow verify") if found.checkpoints else Next("churnflow status")
    return Answer(data=_data(found), view=lines_view(f"freed {_freed(found)}", _stays(found)), next=(step,))


def _freed(found: Found) -> str:
    if not found.garbage:
        return "nothing"
    count: Counter[str] = Counter(one.kind for one in found.garbage)
    parts = [f"{count[kind]} {one if count[kind] == 1 else many}" for kind, (one, many) in WORDS.items() if count[kind]]
    return f"{', '.join(parts)}: {bytes_text(sum(one.size_bytes for one in found.garbage))}"


def _stays(found: Found) -> str:
    young = f"; {counted(found.young, 'object')} younger than an hour stay for now" if found.young else ""
    needed = f"{counted(found.checkpoints, 'checkpoint')} and what is at work need {counted(found.needed, 'object')}"
    return needed + young


def _data(found: Found) -> dict[str, Any]:
    """Return what was found, for programs."""
    kinds = {kind: [one for one in found.garbage if one.kind == kind] for kind in WORDS}
    return {
        "freed": {
            kind: {"count": len(ones), "bytes": sum(one.size_bytes for one in ones)} for kind, ones in kinds.items()
        },
        "bytes": sum(one.size_bytes for one in found.garbage),
        "garbage": [{"kind": one.kind, "path": str(one.path), "bytes": one.size_bytes} for one in found.garbage],
        "checkpoints": found.checkpoints,
        "needed": found.needed,
        "young": found.young,
    }
