"""The commands that advance a run: plan, build, review, decide, and run for all of them."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer, AnswersReviewer
from churnflow.cli.answer import Answer
from churnflow.cli.screens import run_view
from churnflow.cli.session import Session, session_of
from churnflow.cli.stops import COMMANDS, ending
from churnflow.cli.watching import watch
from churnflow.domain.base import digest
from churnflow.domain.journal import Mark, Run
from churnflow.engine.advance import advance, override
from churnflow.engine.check import check
from churnflow.engine.parse import Parsed, WorkflowError
from churnflow.engine.ports import Ports, Reviewer
from churnflow.engine.settle import settle
from churnflow.errors import ConflictError, UsageError, WaitingError
from churnflow.project import Project

PHASES: Final = {"plan": "plan", "build": "build", "review": "review", "decide": "decision"}

WorkflowArgument = Annotated[str | None, typer.Argument(help="The workflow file; default workflows/churn.yaml.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="STEP.PARAM=VALUE", help="Set a parameter.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="ITEM", help="Stop after this item.")]
AnswersOption = Annotated[Path | None, typer.Option("--answers", metavar="FILE", help="Take approvals from a file.")]
NewOption = Annotated[bool, typer.Option("--new", help="Begin a new run; what is unchanged is reused.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("plan")(plan)
    app.command("build")(build)
    app.command("review")(review)
    app.command("decide")(decide)
    app.command("run")(run)


def plan(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    settings: SetOption = None,
    until: UntilOption = None,
    answers: AnswersOption = None,
    *,
    new: NewOption = False,
) -> Answer:
    """Begin a run, or go on with its plan: profile the data, state the risks, have the plan approved."""
    return proceed(session_of(context), ("plan",), workflow, settings, until, answers, begin=True, new=new)


def build(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    settings: SetOption = None,
    until: UntilOption = None,
    answers: AnswersOption = None,
) -> Answer:
    """Do the steps of the build: ingest, features, train, evaluate, rehearse, with their checkpoints."""
    return proceed(session_of(context), ("build",), workflow, settings, until, answers)


def review(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    settings: SetOption = None,
    until: UntilOption = None,
    answers: AnswersOption = None,
) -> Answer:
    """Compute the review's checklist and have the release approved."""
    return proceed(session_of(context), ("review",), workflow, settings, until, answers)


def decide(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    settings: SetOption = None,
    until: UntilOption = None,
    answers: AnswersOption = None,
) -> Answer:
    """Let the gate decide: ship (exit 0), fix (8) or rework (9)."""
    return proceed(session_of(context), ("decision",), workflow, settings, until, answers)


def run(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    settings: SetOption = None,
    until: UntilOption = None,
    answers: AnswersOption = None,
    *,
    new: NewOption = False,
) -> Answer:
    """Do all phases in order, until something waits or stops."""
    return proceed(session_of(context), (), workflow, settings, until, answers, begin=True, new=new)


def proceed(
    session: Session,
    phases: Collection[str],
    workflow: str | None,
    settings: list[str] | None,
    until: str | None,
    answers: Path | None,
    *,
    begin: bool = False,
    new: bool = False,
) -> Answer:
    """Advance the run by `phases` (all if empty) and say where it stands."""
    project = session.project()
    parsed = project.workflow(workflow)
    _known_phases(parsed, phases)
    _known_item(parsed, until)
    reviewer = reviewer_for(session, answers)
    with project.lock(f"churnflow {session.command}"), watch(session, parsed.workflow) as listener:
        ports = project.ports(reviewer, listener)
        settle(ports)
        begin = begin or list(phases)[:1] == list(parsed.workflow.phases)[:1]
        current = _current(project, parsed, begin=begin, new=new)
        kept = _marks(current)
        current = override(current, [_assignment(text) for text in settings or ()], ports)
        wanted = tuple(phases) or tuple(current.declared.phases)
        try:
            current = advance(current, ports, phases=wanted, until=until)
        except WaitingError as waiting:
            answer = _answer(project, _fresh(project), ports)
            asked = {"approval": waiting.approval, "questions": list(waiting.questions)}
            waiting.answer = replace(answer, data={**answer.data, "waiting": asked})  # type: ignore[attr-defined]
            raise
        answer = _answer(project, current, ports, wanted, until)
        note = project.identity_note() if _marks(current) > kept else None
        return replace(answer, warnings=(note,)) if note else answer


def reviewer_for(session: Session, answers: Path | None) -> Reviewer:
    """Return who answers approvals: the file if one is given, else the person at the terminal, else nobody."""
    if answers is not None:
        return AnswersReviewer.from_file(session.directory / answers)
    if session.interactive:
        from churnflow.adapters.console_reviewer import ConsoleReviewer  # noqa: PLC0415 - brings rich, for prompts only

        return ConsoleReviewer()
    return AbsentReviewer()


def _current(project: Project, parsed: Parsed, *, begin: bool, new: bool) -> Run:
    """Return the run to go on with, a new one where one is wanted or there is none to go on with."""
    current = project.journal.current()
    changed = current is not None and current.workflow_sha256 != digest(parsed.workflow)
    if current is not None and not changed and not new:
        return current
    if not begin:
        if current is None:
            message = "no run has begun"
            raise ConflictError(message, hint=f"`churnflow {first_command(parsed)}` begins one")
        message = f"the workflow {parsed.path} changed under the run {current.id}"
        hint = f"`churnflow {first_command(parsed)}` begins a new run with it, reusing what is unchanged"
        raise ConflictError(message, hint=hint)
    problems = check(parsed, project.catalog, project.files, project.codecs())
    if problems:
        raise WorkflowError(parsed.path, problems)
    started = project.new_run(parsed)
    project.journal.start(started)
    return started


def first_command(parsed: Parsed) -> str:
    """Return the command that begins a run of the workflow: that of its first phase."""
    return COMMANDS.get(next(iter(parsed.workflow.phases)), "run")


def _marks(current: Run) -> int:
    return sum(isinstance(entry, Mark) for entry in current.entries)


def _fresh(project: Project) -> Run:
    current = project.journal.current()
    assert current is not None  # noqa: S101 - a run is under way; for the type checker
    return current


def _answer(
    project: Project, current: Run, ports: Ports, wanted: Collection[str] = (), until: str | None = None
) -> Answer:
    failure, code, steps = ending(current, ports, wanted, until)
    head = project.checkpoints.head(current.id) if any(e.kind == "checkpoint" for e in current.entries) else None
    return Answer(
        data=run_data(current),
        view=run_view(current),
        code=code,
        next=steps,
        run=current.id,
        checkpoint=head.tag if head else None,
        failure=failure,
    )


def run_data(current: Run) -> dict[str, Any]:
    """Return the items of a run with their states, for `--json`."""
    items = []
    for phase, item in current.declared.placed_items():
        entry = current.latest(item.name)
        items.append(
            {
                "phase": phase,
                "name": item.name,
                "state": "pending" if entry is None else "done" if entry.passed else "not passed",
                "record": entry.model_dump(mode="json") if entry else None,
            }
        )
    return {"items": items, "workflow": current.workflow_path}


def _known_phases(parsed: Parsed, phases: Collection[str]) -> None:
    for phase in phases:
        if phase not in parsed.workflow.phases:
            message = f"{parsed.path} has no phase {phase!r}"
            known = ", ".join(parsed.workflow.phases)
            raise UsageError(message, hint=f"its phases: {known}; `churnflow run` does all of them")


def _known_item(parsed: Parsed, until: str | None) -> None:
    names = [item.name for item in parsed.workflow.items()]
    if until is not None and until not in names:
        message = f"--until names no item of {parsed.path}: {until!r}"
        raise UsageError(message, hint=f"its items: {', '.join(names)}")


def _assignment(text: str) -> tuple[str, str, object]:
    target, equals, value = text.partition("=")
    step, dot, parameter = target.partition(".")
    if not equals or not dot or not step or not parameter:
        message = f"--set {text!r} does not read STEP.PARAM=VALUE"
        raise UsageError(message, hint="for example --set train.trials=10")
    try:
        return step, parameter, json.loads(value)
    except ValueError:
        return step, parameter, value
