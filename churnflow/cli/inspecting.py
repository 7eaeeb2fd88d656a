"""The commands that look before anything runs: check and steps."""

import typer

from churnflow.cli.answer import Answer, Failure, Next
from churnflow.cli.phases import WorkflowArgument, first_command
from churnflow.cli.screens import counted, lines_view, table_view
from churnflow.cli.session import session_of
from churnflow.domain.contract import METRICS_ATTRIBUTE
from churnflow.engine.bind import parameters
from churnflow.engine.check import check as check_workflow
from churnflow.engine.parse import Problem, WorkflowError
from churnflow.errors import ChurnflowError

USAGE = 2


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("check")(check)
    app.command("steps")(steps)


def check(context: typer.Context, workflow: WorkflowArgument = None) -> Answer:
    """Find everything that can be known wrong in a workflow before it runs, each with line and remedy."""
    project = session_of(context).project()
    try:
        parsed = project.workflow(workflow)
        unknown = project.catalog.unknown(parsed.workflow)
        problems = check_workflow(parsed, project.catalog, project.files, project.codecs())
    except WorkflowError as error:
        return _wrong(error.path, error.problems)
    if problems:
        return _wrong(parsed.path, problems)
    items = len(list(parsed.workflow.items()))
    text = f"{parsed.path}: {items} items in {len(parsed.workflow.phases)} phases, nothing wrong"
    if unknown:
        note = f"code from elsewhere was not imported, so that what it takes is not looked at: {', '.join(unknown)}"
        data = {"problems": [], "untrusted": unknown}
        return Answer(data=data, view=lines_view(text), next=(Next("churnflow trust"),), warnings=(note,))
    step = Next(f"churnflow {first_command(parsed)}")
    return Answer(data={"problems": []}, view=lines_view(text), next=(step,))


def steps(context: typer.Context) -> Answer:
    """List the installed steps with their parameters."""
    catalog = session_of(context).project().catalog
    rows: list[list[str]] = []
    data = []
    warnings: list[str] = []
    for name in catalog.names():
        try:
            function = catalog.function(name)
            shown = [parameter.shown() for parameter in parameters(function).values()]
        except ChurnflowError as error:
            warnings.append(f"{name}: {error}; {error.hint}")
            continue
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        metrics = list(getattr(function, METRICS_ATTRIBUTE, ()))
        rows.append([name, "\n".join(shown), summary])
        data.append({"name": name, "summary": summary, "parameters": shown, "metrics": metrics})
    view = table_view("Steps", ("uses", "parameters", "what it does"), rows)
    return Answer(data={"steps": data}, view=view, next=(Next("churnflow check"),), warnings=tuple(warnings))


def _wrong(path: str, problems: tuple[Problem, ...]) -> Answer:
    rows = [[str(problem.line), problem.what, problem.remedy] for problem in problems]
    first = problems[0]
    return Answer(
        data={"problems": [problem.model_dump() for problem in problems]},
        view=table_view(f"{path}: {counted(len(problems), 'problem')}", ("line", "what is wrong", "what to do"), rows),
        code=USAGE,
        next=(Next(f"churnflow check {path}", "once they are mended"),),
        failure=Failure(f"{path}, line {first.line}: {first.what}", first.remedy),
    )
