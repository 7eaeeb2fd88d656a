"""The commands that go back: rollback and undo."""

from typing import Annotated, Any

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import RefArgument
from churnflow.cli.screens import View, lines_view, table_view, together
from churnflow.cli.session import session_of
from churnflow.cli.watching import Silent
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import Outcome, Plan, plan_rollback
from churnflow.engine.rollback import rollback as roll_back
from churnflow.engine.rollback import undo as undo_rollback
from churnflow.engine.settle import settle


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("rollback")(rollback)
    app.command("undo")(undo)


def rollback(
    context: typer.Context,
    ref: RefArgument,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do; change nothing.")] = False,
) -> Answer:
    """Return to a checkpoint: files, artifacts, source data and what the API serves, by adding one that equals it."""
    project = session_of(context).project()
    ports = project.ports(AbsentReviewer(), Silent())
    if dry_run:
        plan = plan_rollback(resolve(ref, project.journal.current(), ports), ports)
        step = Next(f"churnflow rollback {plan.target.tag}")
        view = together(_plan_view(plan, "would"), lines_view("nothing was changed"))
        return Answer(data=_plan_data(plan), view=view, next=(step,), run=plan.target.run.id)
    with project.lock(f"churnflow rollback {ref}"):
        settle(ports)
        return _done(roll_back(resolve(ref, project.journal.current(), ports), ports, reason))


def undo(context: typer.Context) -> Answer:
    """Return to the state before the last rollback."""
    project = session_of(context).project()
    ports = project.ports(AbsentReviewer(), Silent())
    with project.lock("churnflow undo"):
        settle(ports)
        return _done(undo_rollback(ports))


def _done(outcome: Outcome) -> Answer:
    lines = [f"{outcome.verified} of {outcome.total} verified: every file and artifact was hashed again"]
    if outcome.rescue is not None:
        lines.append(f"your state before it is kept: {outcome.rescue.tag}")
    lines.append(f"now at {outcome.checkpoint.tag}, which equals {outcome.checkpoint.restores}")
    data = {
        **_plan_data(outcome.plan),
        "verified": outcome.verified,
        "total": outcome.total,
        "rescue": outcome.rescue.tag if outcome.rescue else None,
    }
    return Answer(
        data=data,
        view=together(_plan_view(outcome.plan, "did"), lines_view(*lines)),
        next=(Next("churnflow undo", "returns to the state before"), Next("churnflow status")),
        run=outcome.checkpoint.run.id,
        checkpoint=outcome.checkpoint.tag,
    )


def _plan_view(plan: Plan, mood: str) -> View:
    verb = "restore" if mood == "would" else "restored"
    rows = [[change.action, change.path] for change in plan.changes]
    rows += [["restore", f"{path} (source data)"] for path in plan.data]
    rows.append(["artifacts", f"{len(plan.target.artifacts)} of the checkpoint, by hash"])
    rows.append(["release", _release(plan)])
    rows += [["can not", text] for text in plan.target.restore.cannot]
    return table_view(f"{verb} {plan.target.tag}", ("what", "which"), rows)


def _release(plan: Plan) -> str:
    then = plan.served_then.version if plan.served_then else "nothing"
    now = plan.served_now.version if plan.served_now else "nothing"
    if plan.target.release is None:
        return f"the checkpoint names none; the API keeps serving {now}"
    return f"the API serves {then}" + ("" if then == now else f" (served {now})")


def _plan_data(plan: Plan) -> dict[str, Any]:
    return {
        "target": plan.target.tag,
        "files": [{"action": change.action, "path": change.path} for change in plan.changes],
        "source_data": list(plan.data),
        "artifacts": len(plan.target.artifacts),
        "served_before": plan.served_now.version if plan.served_now else None,
        "served_after": plan.served_then.version if plan.served_then else None,
        "cannot_restore": list(plan.target.restore.cannot),
    }
