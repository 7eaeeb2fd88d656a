"""The demo: the main job end to end on the bundled data, with scripted approvals that are marked as such."""

import csv
import json
import shlex
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from churnflow.adapters.answers_reviewer import AbsentReviewer, AnswersReviewer, Given
from churnflow.cli.answer import Answer, Next
from churnflow.cli.commands import PHASES
from churnflow.cli.phases import run_data
from churnflow.cli.rendering import render
from churnflow.cli.reporting import write_report
from churnflow.cli.screens import View, decision_view, lines_view, run_view, together
from churnflow.cli.serving import server_command, server_environment
from churnflow.cli.session import Session, console
from churnflow.cli.stops import ending, stale_items
from churnflow.cli.watching import Silent, watch
from churnflow.domain.journal import Approval, Decision, Run
from churnflow.engine.advance import advance
from churnflow.engine.ports import Brief
from churnflow.engine.refs import resolve
from churnflow.engine.rollback import Outcome, rollback
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError, RefusedError
from churnflow.project import Project

READY_SECONDS: Final = 30.0
PORT: Final = "8000"
REVIEWER: Final = "Demo Reviewer"
NOTES: Final = ("Scripted by churnflow demo: nobody has looked at this.",)


class Scripted(AnswersReviewer):
    """Says yes to everything, and every record says that a script did."""

    def __init__(self) -> None:
        """Begin without answers: they are made when asked for."""
        super().__init__({}, "scripted demo")

    def review(self, brief: Brief, phase: str) -> Approval:
        """Approve, answering each question with yes."""
        answers = dict.fromkeys(brief.questions, "yes (scripted)")
        given = Given(answer="approve-with-notes", reviewer=REVIEWER, notes=NOTES, answers=answers)
        return self.given(brief, phase, given)


def demonstrate(session: Session, folder: Path) -> Answer:
    """Take the new project in `folder` through plan, build, review, decide, serve, rollback and report."""
    began = time.monotonic()
    project = Project.open(folder)
    run = _all_phases(session, project)
    ports = project.ports(AbsentReviewer(), Silent())
    failure, code, steps = ending(run, stale_items(run, ports))
    if code != 0:
        return Answer(run_data(run), run_view(run), code, steps, run.id, failure=failure)
    with _server(project, "0") as (_, url):
        _say(session, "serve", f"the API answers at {url}")
        prediction = _ask(url, _example(url))
        first = prediction["predictions"][0]
        shown = f"probability {first['probability']:.3f}, label {first['label']}, risk {first['risk']}"
        _say(session, "serve", f"POST /api/v1/predict answers: {shown}")
        outcomes = _there_and_back(session, project)
        version = _get(f"{url}/api/v1/version")
        again = _ask(url, _example(url))
    _say(session, "serve", f"after both rollbacks the API serves {version['version']} and answers as before")
    ranked = _score(session, folder)
    watched = _monitor(session, folder)
    report = folder / "reports" / run.id / "report.md"
    for form in ("md", "html"):
        text, plots = render(project, run, form)
        write_report(report.with_suffix(f".{form}"), text, plots)
    data = {
        **run_data(run),
        "prediction": prediction,
        "same_after_rollback": _without_id(prediction) == _without_id(again),
        "verified": [f"{outcome.verified} of {outcome.total}" for outcome in outcomes],
        "ranked": ranked,
        "monitoring": watched,
        "report": str(report),
        "seconds": round(time.monotonic() - began, 1),
    }
    return Answer(
        data, _closing(folder, run, report), 0, (Next(f"churnflow -C {shlex.quote(str(folder))} serve"),), run.id
    )


def serve_on(session: Session, folder: Path, answer: Answer) -> int:
    """Show `answer` once the API listens where `churnflow serve` puts it, and stay until it ends; return how it did.

    Raises an error that carries the answer when it does not start.
    """
    try:
        with _server(Project.open(folder), PORT) as (process, url):
            try:
                session.show(replace(answer, data={**answer.data, "url": url}))
                _say(session, "serve", f"the API listens on {url}; stop with Ctrl-C")
                return process.wait()
            except KeyboardInterrupt:
                sys.stderr.write("stopped\n")
                return 0
    except ChurnflowError as failed:
        if isinstance(failed, ConflictError):  # the port is taken, and the demo has no option for another
            command = f"churnflow -C {shlex.quote(str(folder))} serve --port 0"
            failed.hint, answer = f"`{command}` takes a free one", replace(answer, next=(Next(command),))
        failed.answer = answer  # type: ignore[attr-defined]
        raise


def _all_phases(session: Session, project: Project) -> Run:
    parsed = project.workflow(None)
    run = project.new_run(parsed)
    with project.lock("churnflow demo"):
        project.journal.start(run)
        for command, phase in PHASES.items():
            _say(session, command, f"churnflow {command}")
            with watch(session, parsed.workflow, keep=True) as listener:
                run = advance(run, project.ports(Scripted(), listener), phases=(phase,))
            if not all(entry.passed for entry in run.current()):
                break  # the answer says why; the next phase would only say that this one is not done
    return run


def _there_and_back(session: Session, project: Project) -> list[Outcome]:
    """Spoil the workflow file, roll back to `features-validated`, look that it is mended, and come forward again."""
    path = project.root / "workflows" / "churn.yaml"
    right = path.read_text()
    path.write_text(right.replace("ship: 80 ", "ship: 10 "))
    _say(session, "rollback", "somebody lowers the ship band to 10 in workflows/churn.yaml ...")
    ports = project.ports(AbsentReviewer(), Silent())
    outcomes = []
    with project.lock("churnflow demo"):
        for name in ("features-validated", "shipped"):
            outcome = rollback(resolve(name, project.journal.current(), ports), ports, "shown by the demo")
            outcomes.append(outcome)
            state = "the file is as it was" if path.read_text() == right else "the file is NOT as it was"
            text = f"churnflow rollback {name}: {outcome.verified} of {outcome.total} verified, {state}"
            kept = f"; the edit is kept in {outcome.rescue.tag}" if outcome.rescue else ""
            _say(session, "rollback", text + kept)
    return outcomes


def _score(session: Session, folder: Path) -> Any:
    """Rank the customers of the bundled file with the release, as a team does before a campaign."""
    told = _call(folder, "score", "data/customers.csv.gz", "-o", "ranked.csv", "--top", "100")
    _say(session, "score", "churnflow score data/customers.csv.gz -o ranked.csv --top 100")
    with (folder / "ranked.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    shown = f"{first['customer_id']}, probability {float(first['probability']):.3f}: {first['reasons']}"
    _say(session, "score", f"first of them: {shown}")
    return told


def _monitor(session: Session, folder: Path) -> Any:
    """Watch what was served in these seconds, which is little."""
    told = _call(folder, "monitor")
    requests = sum(period["requests"] for period in told["rows"])
    _say(session, "monitor", f"churnflow monitor: {requests} requests so far, {told['word']}: {told['next_action']}")
    return told


def _without_id(answer: dict[str, Any]) -> Any:
    """Return what was predicted; each prediction has an id of its own."""
    return [{**one, "prediction_id": ""} for one in answer["predictions"]]


def _call(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a command on the project as its user does, and return the data of its answer. Raises what it says instead."""
    command = [sys.executable, "-P", "-m", "churnflow", "--json", "-C", str(folder), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    answer = json.loads(done.stdout)
    if answer["error"]:
        raise RefusedError(answer["error"]["text"], hint=answer["error"]["hint"])
    data: dict[str, Any] = answer["data"]
    return data


@contextmanager
def _server(project: Project, port: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the real API while the block runs, and stop it after; it also stops if this process is killed."""
    command = [*server_command(project), "--port", port, "--stop-with-stdin"]
    pipe, told = subprocess.PIPE, server_environment(project)
    with subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True, env=told) as process:
        try:
            url = _address(process)
            # Unread, a full pipe would stop the server; what it has to say goes on to the person who started it.
            reader = threading.Thread(target=_pass_on, args=(process.stderr,))
            reader.start()
            try:
                yield process, url
            finally:
                process.terminate()
                reader.join()
        finally:
            process.terminate()


def _address(process: "subprocess.Popen[str]") -> str:
    """Return where the server says that it listens. Raises what it says instead, with its exit code."""
    assert process.stderr is not None  # noqa: S101 - it is a pipe; for the type checker
    said = []
    for line in process.stderr:
        if line.startswith("listening on "):
            process.stderr.readline()  # what it serves, and how to stop it
            return line.removeprefix("listening on ").strip()
        said.append(line.strip())
    text = next((line.removeprefix("error: ") for line in said if line.startswith("error: ")), "the API did not start")
    hint = next((line.removeprefix("hint: ") for line in said if line.startswith("hint: ")), "`churnflow serve`")
    code = process.wait()
    raise next((kind for kind in (ConflictError, IntegrityError) if kind.exit_code == code), RefusedError)(
        text, hint=hint
    )


def _pass_on(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(line)


def _example(url: str) -> Any:
    """Return the example customer that the API's own documentation gives."""
    document = _get(f"{url}/openapi.json")
    body = document["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    return body["example"] if "example" in body else next(iter(body["examples"].values()))["value"]


def _ask(url: str, customer: Any) -> Any:
    body = json.dumps(customer).encode()
    request = urllib.request.Request(  # noqa: S310 - an address that we have just been told by our own server
        f"{url}/api/v1/predict", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=READY_SECONDS) as response:  # noqa: S310
        return json.load(response)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=READY_SECONDS) as response:  # noqa: S310
        return json.load(response)


def _say(session: Session, what: str, text: str) -> None:
    if not session.quiet and not session.as_json:
        console(stderr=True).print(f"{what:9} {text}", soft_wrap=True)


def _closing(folder: Path, run: Run, report: Path) -> View:
    decision = next(entry for entry in reversed(run.current()) if isinstance(entry, Decision))
    return together(
        decision_view(decision),
        lines_view(
            f"report       {report}",
            f"             {report.with_suffix('.html')}",
            f"checkpoints  {folder / 'checkpoints' / run.id}",
            f"ranked       {folder / 'ranked.csv'}",
            f"workflow     {folder / 'workflows' / 'churn.yaml'}",
        ),
    )
