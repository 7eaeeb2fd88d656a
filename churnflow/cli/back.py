"""The commands that go back: rollback and undo."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.cli.answer import Answer, Next
from churnflow.cli.history import RefArgument
from churnflow.cli.places import Move, following, moves, require_appliable, tell
from churnflow.cli.places import apply as apply_moves
from churnflow.cli.screens import LISTED, View, commands_view, lines_view, table_view, together
from churnflow.cli.session import session_of
from churnflow.cli.watching import Silent
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import Outcome, Plan, left_by_rollback, plan_rollback
from churnflow.engine.rollback import rollback as roll_back
from churnflow.engine.rollback import undo as undo_rollback
from churnflow.engine.settle import settle
from churnflow.errors import ConflictError
from churnflow.project import Project

ApplyOption = Annotated[bool, typer.Option("--apply", help="Also bring the cluster it is deployed to, by kubectl.")]


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
    apply: ApplyOption = False,
) -> Answer:
    """Return to a checkpoint: files, artifacts, source data and what the API serves, by adding one that equals it."""
    project = session_of(context).project()
    ports = project.ports(AbsentReviewer(), Silent())
    if dry_run:
        plan = plan_rollback(resolve(ref, project.journal.current(), ports), ports)
        step = Next(f"churnflow rollback {plan.target.tag}")
        after = [move.line for move in _following_moves(project, plan)]
        view = together(_plan_view(plan, "would"), commands_view(*after), lines_view("nothing was changed"))
        return Answer(data=_plan_data(plan), view=view, next=(step,), run=plan.target.run.id)
    with project.lock(f"churnflow rollback {ref}"):
        settle(ports)
        tag = resolve(ref, project.journal.current(), ports)
        if apply:
            _require_appliable(project, tag)
        outcome = roll_back(tag, ports, reason)
    return _everywhere(project, outcome, apply=apply)


def undo(context: typer.Context, *, apply: ApplyOption = False) -> Answer:
    """Return to the state before the last rollback."""
    project = session_of(context).project()
    ports = project.ports(AbsentReviewer(), Silent())
    with project.lock("churnflow undo"):
        settle(ports)
        if apply:
            _require_appliable(project, left_by_rollback(ports))
        outcome = undo_rollback(ports)
    return _everywhere(project, outcome, apply=apply)


def _require_appliable(project: Project, tag: str) -> None:
    """Raise before anything changes where the clusters could not follow to what the checkpoint serves."""
    release = project.checkpoints.load(tag).release or project.pointer.read()
    require_appliable(project, release.version if release else None)


def _everywhere(project: Project, outcome: Outcome, *, apply: bool) -> Answer:
    """Return the answer of a rollback that is done here, with what is done, or is to be done, where it was deployed.

    Raises ConflictError, which carries the answer, when a cluster does not follow.
    """
    version = _version(outcome.plan)
    found = moves(project, version) if apply else _following_moves(project, outcome.plan)
    answer = _done(outcome)
    waiting = _with_moves(answer, found)
    if not apply:
        tell(project, found)
        return waiting
    try:
        done = apply_moves(project, version, f"the project is rolled back to {version}")
    except ConflictError as failure:
        failure.answer = waiting  # type: ignore[attr-defined]
        raise
    left = [move for move in found if move not in done]
    tell(project, left)
    lines = [f"{move.last.place.label}: {version} applied and rolled out" for move in done]
    told = [*(move.as_json(applied=True) for move in done), *(move.as_json() for move in left)]
    view = together(answer.view or lines_view(), lines_view(*lines), commands_view(*(move.line for move in left)))
    return replace(answer, data={**answer.data, "deployed": told}, view=view, next=(*following(left), *answer.next))


def _with_moves(answer: Answer, found: Sequence[Move]) -> Answer:
    if not found:
        return answer
    return replace(
        answer,
        data={**answer.data, "deployed": [move.as_json() for move in found]},
        view=together(answer.view or lines_view(), commands_view(*(move.line for move in found))),
        next=(*following(found), *answer.next),
    )


def _following_moves(project: Project, plan: Plan) -> list[Move]:
    """Return the places that have to follow: none where the same release is served as before."""
    return [] if plan.served_now == plan.served_then else moves(project, _version(plan))


def _version(plan: Plan) -> str | None:
    return plan.served_then.version if plan.served_then else None


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
    rows = [*_rows_of_files(plan, mood), *(["restore", f"{path} (source data)"] for path in plan.data)]
    rows.append(["artifacts", f"{len(plan.target.artifacts)} of the checkpoint, by hash"])
    rows.append(["release", _release(plan)])
    rows += [["can not", text] for text in plan.target.restore.cannot]
    return table_view(f"{verb} {plan.target.tag}", ("what", "which"), rows)


def _rows_of_files(plan: Plan, mood: str) -> Iterator[list[str]]:
    """Give the first files, and how many more there are of each action."""
    yield from ([change.action, change.path] for change in plan.changes[:LISTED])
    where = f": churnflow --json rollback {plan.target.tag} --dry-run" if mood == "would" else ""
    for action, count in Counter(change.action for change in plan.changes[LISTED:]).items():
        yield [action, f"{count:,} more{where}"]


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
