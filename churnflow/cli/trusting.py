"""The command that trusts step code which came from elsewhere, once a person has seen what it is."""

import sys
from typing import Annotated

import typer

from churnflow.adapters.trusted_code import digest_of, untrusted
from churnflow.cli.answer import Answer, Next
from churnflow.cli.phases import WorkflowArgument, first_command
from churnflow.cli.screens import lines_view, table_view
from churnflow.cli.session import session_of
from churnflow.errors import RefusedError, UntrustedError

WORD = "trust"


def register(app: typer.Typer) -> None:
    """Add the command of this module to the program."""
    app.command("trust")(trust)


def trust(
    context: typer.Context,
    workflow: WorkflowArgument = None,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="SHA256", help="Trust exactly this, without being asked.")
    ] = None,
) -> Answer:
    """Show the files of steps that came from elsewhere with their digests, and let them run in this clone."""
    session = session_of(context)
    project = session.project()
    with project.lock("churnflow trust"):
        parsed = project.workflow(workflow)
        unknown = project.catalog.unknown(parsed.workflow)
        step = Next(f"churnflow {first_command(parsed)}")
        if not unknown:
            text = f"{parsed.path}: nothing to trust, its steps run no code that is not known here"
            return Answer(data={"trusted": {}}, view=lines_view(text), next=(step,))
        whole = digest_of(unknown)
        table = table_view("Step code from elsewhere", ("file", "sha256"), [[*one] for one in unknown.items()])
        shown = Answer(data={"untrusted": unknown, "digest": whole}, view=table)
        if digest is None and not session.interactive:
            raise _showing(
                untrusted(unknown), shown, f"`churnflow trust` at a terminal, or `--digest {whole}` for this"
            )
        if digest is None:
            session.show(shown)
            sys.stderr.write(f"  these files run with your rights; type {WORD} once you have read them: ")
            sys.stderr.flush()
            digest = whole if sys.stdin.readline().strip() == WORD else ""
        if digest != whole:
            message = "nothing is trusted: the answer was another" if not digest else f"the code is not {digest[:12]}"
            raise _showing(RefusedError(message, hint="`churnflow trust` shows what it is"), shown, "")
        project.catalog.trust(parsed.workflow)
    lines = lines_view(f"trusted in this clone: {', '.join(unknown)}")
    return Answer(data={"trusted": unknown, "digest": whole}, view=lines, next=(step,))


def _showing(error: RefusedError, shown: Answer, hint: str) -> RefusedError:
    """Return the error with what it is about, which the command shows beside it."""
    if hint:
        error = UntrustedError(str(error), hint=hint)
    error.answer = shown  # type: ignore[attr-defined]
    return error
