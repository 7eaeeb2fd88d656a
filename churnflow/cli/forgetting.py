"""The command that takes a person, or what is too old, out of the predictions log."""

import importlib
import os
import re
import time
from typing import Annotated, Any, Final

import typer

from churnflow.cli.answer import Answer, Next
from churnflow.cli.screens import counted, lines_view
from churnflow.cli.serving import LOG_VARIABLE, LogOption
from churnflow.cli.session import session_of
from churnflow.errors import ChurnflowError, ConflictError, UsageError
from churnflow.project import Project

AGE: Final = re.compile(r"([1-9]\d{0,4})([dw])")
KEPT: Final = "what is left: sources and artifacts of runs, which checkpoints hold, and backups of the log"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("forget")(forget)


def forget(
    context: typer.Context,
    customer: Annotated[
        str | None, typer.Argument(metavar="ID", help="The customer, as predictions were asked.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Instead: all that is older, 90d or 12w.")
    ] = None,
    log: LogOption = None,
) -> Answer:
    """Remove a person from the predictions log: predictions, and the outcomes told of them.

    It may be kept under a pseudonym or as it is: both are removed.
    """
    project = session_of(context).project()
    if (customer is None) == (older_than is None):
        message = "who is to be forgotten?"
        raise UsageError(message, hint="`churnflow forget ID`, or `churnflow forget --older-than 90d`")
    opened, failed = open_log(project, log)
    try:
        if customer is None:
            return _pruned(opened, older_than or "")
        return _forgotten(opened, customer, project)
    except failed as error:
        message = f"the predictions log can not be written: {error}"
        raise ConflictError(message, hint=f"{error.hint}; then run the same command again") from None
    finally:
        opened.close()


def open_log(project: Project, url: str | None) -> tuple[Any, type[ChurnflowError]]:
    """Return the project's predictions log and the type of its errors; the module brings SQLAlchemy along.

    Raises UsageError when there is none, ConflictError when it can not be reached.
    """
    module = importlib.import_module("churnflow.modelling.prediction_log")
    try:
        address = url or os.environ.get(LOG_VARIABLE) or project.log_url
        return module.PredictionLog.open(address, create=False), module.LogError
    except module.LogError as error:
        message = f"the predictions log can not be reached: {error}"
        raise ConflictError(message, hint=f"name it with --log URL or {LOG_VARIABLE}, or start the database") from None


def _forgotten(log: Any, customer: str, project: Project) -> Answer:
    names, warnings = _names(customer, project)
    predictions, outcomes = log.forget(*names)
    text = f"removed {counted(predictions, 'prediction')} and {counted(outcomes, 'outcome')}"
    known = text if predictions + outcomes else "the predictions log knows no such customer"
    return Answer(
        {"predictions": predictions, "outcomes": outcomes},
        lines_view(known, KEPT),
        next=(Next("churnflow status"),),
        warnings=warnings,
    )


def _names(customer: str, project: Project) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what the log may call a customer, as its `privacy:` may have changed over time, and what to warn of."""
    if not project.secret_path.exists():
        # A key that is made now would find nobody, and stand in the way of the right one.
        missing = f"there is no key of pseudonyms at {project.secret_path}, so nobody under a pseudonym was found"
        return (customer,), (missing,)
    pseudonyms = importlib.import_module("churnflow.modelling.pseudonyms")
    return (customer, pseudonyms.pseudonym(pseudonyms.secret_at(project.secret_path), customer)), ()


def _pruned(log: Any, age: str) -> Answer:
    written = AGE.fullmatch(age)
    if written is None:
        message = f"{age!r} is no age"
        raise UsageError(message, hint="write it as 90d or 12w")
    days = int(written[1]) * (7 if written[2] == "w" else 1)
    removed = log.prune(time.time() - days * 24 * 3600)
    text = f"removed {counted(removed, 'prediction')} older than {counted(days, 'day')}"
    return Answer({"predictions": removed}, lines_view(text), next=(Next("churnflow status"),))
