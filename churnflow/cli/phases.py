"""The commands that advance a run: plan, build, review, decide, and run for all of them."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer, AnswersReviewer
from churnflow.cli.answer import Answer
from churnflow.cli.commands import PHASES, command_for
from churnflow.cli.places import following, lagging
from churnflow.cli.screens import commands_view, findings_view, run_view, together
from churnflow.cli.session import Session, session_of
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import watch
from churnflow.domain.base import digest
from churnflow.domain.journal import Approval, Entry, ItemEntry, Mark, Run, StepRecord
from churnflow.engine.advance import advance, override
from churnflow.engine.check import check
from churnflow.engine.parse import Parsed, Problem, WorkflowError, parse_value
from churnflow.engine.ports import Journal, Ports, Reviewer
from churnflow.engine.settle import settle
from churnflow.errors import ConflictError, UsageError, WaitingError
from churnflow.project import Project

WorkflowArgument = Annotated[str | None, typer.Argument(help="The workflow file; default workflows/churn.yaml.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="STEP.PARAM=VALUE", help="Set a parameter.")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="ITEM", help="Stop after this item.")]
AnswersOption = Annotated[Path | None, typer.Option("--answers", metavar="FILE", help="Take approvals from a file.")]
NewOption = Annotated[bool, typer.Option("--new", help="Begin a new run; what is unchanged is reused.")]

LATER: Final = {
    "build": "Do the steps of the build: ingest, features, train, evaluate, rehearse, with their checkpoints.",
    "review": "Compute the review's checklist and have the release approved.",
    "decide": "Let the gate decide: ship (exit 0), fix (8) or rework (9).",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("plan")(plan)
    for command, does in LATER.items():
        app.command(command, help=does)(_later(command))
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


def _later(command: str) -> Callable[..., Answer]:
    """Return the command that goes on with a run by one phase."""

    def go_on(
        context: typer.Context,
        workflow: WorkflowArgument = None,
        settings: SetOption = None,
        until: UntilOption = None,
        answers: AnswersOption = None,
    ) -> Answer:
        return proceed(session_of(context), (PHASES[command],), workflow, settings, until, answers)

    return go_on


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
    assignments = [_assignment(text) for text in settings or ()]
    reviewer = reviewer_for(session, answers)
    with project.lock(f"churnflow {session.command}"), watch(session, parsed.workflow) as listener:
        ports = project.ports(reviewer, listener)
        settle(ports)
        begin = begin or list(phases)[:1] == list(parsed.workflow.phases)[:1]
        changed = () if new else _changed(project.journal.current(), parsed)
        current = _current(project, parsed, begin=begin, new=new)
        current = _begun(current, assignments, ports, lambda run: _refuse_wrong(project, parsed, run, assignments))
        asked = _Asked(tuple(phases), until, current)
        try:
            current = advance(current, ports, phases=asked.phases or tuple(current.declared.phases), until=until)
        except WaitingError as waiting:
            answer = _answer(project, project.run(), ports, asked)
            waits = {"approval": waiting.approval, "questions": list(waiting.questions)}
            answer = replace(answer, data={**answer.data, "waiting": waits}, warnings=(*changed, *project.left_out()))
            waiting.answer = answer  # type: ignore[attr-defined]
            raise
        answer = _answer(project, current, ports, asked)
        note = project.identity_note() if _marks(current) > _marks(asked.before) else None
        return replace(answer, warnings=(*changed, *project.left_out(), *([note] if note else [])))


@dataclass(frozen=True)
class _Asked:
    """What a command was asked for: its phases, all if empty, the item to stop after, and the run that it found."""

    phases: tuple[str, ...]
    until: str | None
    before: Run

    def reviewed(self, current: Run) -> list[StepRecord]:
        """Return the records whose checklist the command is to show: of the phases it names, or made by it."""
        known = self.before.steps()
        return [record for record in current.steps() if record.phase in self.phases or record not in known]


def reviewer_for(session: Session, answers: Path | None) -> Reviewer:
    """Return who answers approvals: the file if one is given, else the person at the terminal, else nobody."""
    if answers is not None:
        return AnswersReviewer.from_file(session.directory / answers)
    if session.interactive:
        from churnflow.adapters.console_reviewer import ConsoleReviewer  # noqa: PLC0415 - brings rich, for prompts only

        return ConsoleReviewer()
    return AbsentReviewer()


def _current(project: Project, parsed: Parsed, *, begin: bool, new: bool) -> Run:
    """Return the run to go on with; where one is wanted or there is none to go on with, a new one, not yet kept.

    Raises UntrustedError before any code of a step from elsewhere is imported.
    """
    project.catalog.require(parsed.workflow)
    current = project.journal.current()
    if current is not None and not new and not _changed(current, parsed):
        return current
    if not begin:
        if current is None:
            message = "no run has begun"
            raise ConflictError(message, hint=f"`churnflow {first_command(parsed)}` begins one")
        message = f"the workflow {parsed.path} changed under the run {current.id}"
        hint = f"`churnflow {first_command(parsed)}` begins a new run with it, reusing what is unchanged"
        raise ConflictError(message, hint=hint)
    return project.new_run(parsed)


def _refuse_wrong(project: Project, parsed: Parsed, run: Run, assignments: Collection[tuple[str, str, object]]) -> None:
    """Raise WorkflowError where a run that begins, or one that a parameter was set of, can be known wrong."""
    if assignments or not run.entries:
        as_set = replace(parsed, workflow=run.workflow)
        problems = check(as_set, project.catalog, project.files, project.codecs())
        if problems and assignments:
            _refuse_set(problems, check(parsed, project.catalog, project.files, project.codecs()), assignments)
        if problems:
            raise WorkflowError(parsed.path, problems)


def _refuse_set(
    problems: Collection[Problem], of_file: Collection[Problem], assignments: Collection[tuple[str, str, object]]
) -> None:
    """Raise UsageError for the first problem that the file does not have, in the words of the command line."""
    wrong = next((problem for problem in problems if problem not in of_file), None)
    if wrong is None:
        return
    names = [f"{step}.{parameter}" for step, parameter, _ in assignments]
    named = next((name for name in names if wrong.what.startswith(f"{name}:")), None)
    message = f"--set {wrong.what}" if named else f"--set {', '.join(names)}: {wrong.what}"
    raise UsageError(message, hint=wrong.remedy)


def _changed(current: Run | None, parsed: Parsed) -> tuple[str, ...]:
    """Return the warning that a new run begins because the workflow is another one, none where it does not."""
    if current is None or current.workflow_sha256 == digest(parsed.workflow):
        return ()
    return (f"{parsed.path} changed since the run {current.id}: a new run begins, which reuses what is unchanged",)


def _begun(
    run: Run, assignments: Collection[tuple[str, str, object]], ports: Ports, refuse_wrong: Callable[[Run], None]
) -> Run:
    """Return `run` with the parameters set, kept. Raises before anything is kept if one of them can not be set."""
    as_set = override(run, assignments, replace(ports, journal=cast("Journal", _Unwritten())))
    refuse_wrong(as_set)
    entries = as_set.entries
    known = ports.journal.current()
    if known is None or known.id != run.id:
        ports.journal.start(run)
    for entry in entries[len(run.entries) :]:
        ports.journal.append(run, entry)
        run = run.add(entry)
    return run


class _Unwritten:
    """Stands for the journal while it is found out whether all can be done that was asked."""

    def append(self, run: Run, entry: Entry) -> None:
        """Keep nothing."""


def first_command(parsed: Parsed) -> str:
    """Return the command that begins a run of the workflow: that of its first phase."""
    return command_for(next(iter(parsed.workflow.phases)))


def _marks(current: Run) -> int:
    return sum(isinstance(entry, Mark) for entry in current.entries)


def _answer(project: Project, current: Run, ports: Ports, asked: _Asked) -> Answer:
    stale = stale_items(current, ports)
    failure, code, steps = ending(current, stale, asked.phases, asked.until)
    served = project.pointer.read()
    has_shipped = served is not None and served.run == current.id
    behind = lagging(project, served.version) if served is not None and has_shipped else []
    lines = [move.state for move in behind]
    return Answer(
        data=run_data(current, stale),
        view=together(findings_view(asked.reviewed(current)), run_view(current, stale), commands_view(*lines)),
        code=code,
        next=(*steps, *following(behind)),
        run=current.id,
        checkpoint=project.newest_tag(current),
        failure=failure,
    )


def run_data(current: Run, stale: Collection[str] = ()) -> dict[str, Any]:
    """Return the items of a run with their states, for `--json`; `stale` are those to be done again."""
    items = []
    for phase, item in current.declared.placed_items():
        entry = current.latest(item.name)
        items.append(
            {
                "phase": phase,
                "name": item.name,
                "state": "stale" if item.name in stale else _state(entry),
                **({"grade": entry.grade} if isinstance(entry, Approval) else {}),
                "record": entry.model_dump(mode="json") if entry else None,
            }
        )
    return {"items": items, "workflow": current.workflow_path}


def _state(entry: ItemEntry | None) -> str:
    return "pending" if entry is None else "done" if entry.passed else "not passed"


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
        return step, parameter, parse_value(value) if value[:1] in {"[", "{"} else json.loads(value)
    except (ValueError, WorkflowError):
        return step, parameter, value
