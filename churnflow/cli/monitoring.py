"""The command that watches what is served: drift, data quality, performance, service, and what to do about it."""

import importlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.webhook import checked, post
from churnflow.cli.answer import Answer, Failure, Next
from churnflow.cli.forgetting import open_log
from churnflow.cli.monitored import (
    Round,
    Watched,
    own_log,
    refuse_unfit,
    settings_of,
    watch_once,
    write_reports,
)
from churnflow.cli.screens import View, commands_view, counted, lines_view, table_view, together
from churnflow.cli.serving import LOG_VARIABLE, LogOption, nothing_to_serve
from churnflow.cli.session import Session, one_line, session_of
from churnflow.cli.stops import VERDICTS
from churnflow.cli.watching import Silent, watch
from churnflow.domain.release import Release
from churnflow.domain.serving import Privacy
from churnflow.engine.parse import Parsed
from churnflow.engine.verify import verify_served
from churnflow.errors import ChurnflowError, ConflictError, UsageError
from churnflow.project import Project
from churnflow.reporting.closing import PERFORMANCE_COLUMNS, performance_cells

WORKFLOW: Final = "workflows/monitor.yaml"
EVERY: Final = re.compile(r"([1-9]\d{0,4})([smhd])")
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SERVER: Final = "http://127.0.0.1:8000"
SCHEMA: Final = "churnflow/monitor@1"
UNUSED: Final = {
    "unknown": "unknown to the log",
    "unlabelled": "without a label",
    "contradictory": "with both labels",
    "wrong": "with another label",
}
STEP_FAILED: Final = 7

Labels = Annotated[
    Path | None, typer.Option("--labels", metavar="FILE", help="Outcomes that have arrived: id and target.")
]
Every = Annotated[str | None, typer.Option("--every", metavar="TIME", help="Repeat until Ctrl-C: 30m, 1h, 1d.")]
Hook = Annotated[str | None, typer.Option("--webhook", metavar="URL", help="Post the outcome there as JSON.")]
Notify = Annotated[Literal["problems", "always"], typer.Option("--notify", help="When to post it.")]
Length = Annotated[str | None, typer.Option("--window", metavar="TIME", help="How far to look back: 14d, 4w.")]
By = Annotated[Literal["day", "week"] | None, typer.Option("--by", help="The periods of the table.")]
WorkflowArgument = Annotated[str, typer.Argument(help="The monitoring workflow.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command("monitor")(monitor)


def monitor(
    context: typer.Context,
    workflow: WorkflowArgument = WORKFLOW,
    labels: Labels = None,
    log: LogOption = None,
    every: Every = None,
    webhook: Hook = None,
    notify: Notify = "problems",
    window: Length = None,
    by: By = None,
) -> Answer | int:
    """Watch what is served: healthy (exit 0), look (8) or act (9), with reasons, the table and what to do."""
    session = session_of(context)
    seconds = _seconds(session, every)
    project = session.project()
    asked = _Asked(
        parsed=_parsed(project, workflow),
        log=log,
        labels=None if labels is None else session.directory / labels,
        webhook=None if webhook is None else checked(webhook),
        always=notify == "always",
        params={"window": window, "period": by},
    )
    refuse_unfit(project, asked.parsed, asked.settings())
    if seconds is None:  # a schedule may be begun before the file is there
        asked.refuse_missing_labels()
    rounds = _Rounds(session, project, asked)
    rounds.release()
    return rounds.once() if seconds is None else _repeated(rounds, seconds)


@dataclass(frozen=True)
class _Asked:
    """What the command was asked for."""

    parsed: Parsed
    log: str | None
    labels: Path | None
    webhook: str | None
    always: bool
    params: Mapping[str, str | None]

    def url(self, project: Project) -> str:
        """Return the URL of the predictions log: an option, the workflow, the environment, else that of the project."""
        return self.log or own_log(self.parsed) or os.environ.get(LOG_VARIABLE) or project.log_url

    def settings(self) -> list[tuple[str, str, object]]:
        """Return the parameters to set in the workflow."""
        return settings_of(self.parsed, {**self.params, "log": LOG_VARIABLE if self.log else None})

    def refuse_missing_labels(self) -> None:
        """Raise UsageError where the file of outcomes is not there."""
        if self.labels is not None and not self.labels.is_file():
            message = f"there is no file {self.labels}"
            raise UsageError(message, hint="name the file of outcomes: --labels FILE")


@dataclass
class _Rounds:
    """Rounds of monitoring in one project."""

    session: Session
    project: Project
    asked: _Asked
    warnings: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    _seen: tuple[int, int] | None = None
    _reported: tuple[tuple[str, ...], tuple[Path, ...]] = ((), ())

    def release(self) -> Release:
        """Return what is served, verified. Raises RefusedError when nothing is."""
        served = verify_served(self.project.ports(AbsentReviewer(), Silent()))
        if served is None:
            raise nothing_to_serve(self.project)
        return served

    def once(self) -> Answer:
        """Do a round and answer with all of it."""
        release = self.release()
        taken = self._prepared(release)
        if taken is None:
            return _nothing_yet(self.project, release)
        with watch(self.session, self.asked.parsed.workflow) as listener:
            watched = watch_once(self.project, self._round(release), listener)
        watched = write_reports(self.project, watched)
        self._tell(watched)
        return replace(_answer(watched, taken), warnings=tuple(self.warnings), alarms=tuple(self.alarms))

    def line(self) -> str:
        """Do a round and return one line about it; a report is left by what was not found in the round before."""
        release = self.release()
        if self._prepared(release) is None:
            return f"no predictions yet of {release.version}"
        watched = watch_once(self.project, self._round(release), Silent())
        if not watched.is_calm:
            known, reports = self._reported
            same = known == watched.subjects
            watched = replace(watched, reports=reports) if same else write_reports(self.project, watched)
        self._reported = (watched.subjects, watched.reports)
        self._tell(watched)
        return _line(watched)

    def _prepared(self, release: Release) -> dict[str, int] | None:
        """Take in what labels there are; None where nothing was predicted yet by the release."""
        self.warnings.clear()
        self.asked.refuse_missing_labels()
        url = self.asked.url(self.project)
        if not self.asked.log and url == self.project.log_url and not self._is_begun():
            return None
        log, failed = open_log(self.project, url)
        try:
            with closing(log.predictions(0.0, time.time() + 1, release.artifact.sha256)) as batches:
                nothing = next(batches, None) is None
            return None if nothing else self._labelled(release, log)
        except failed as error:
            message = f"the predictions log can not be read: {error}"
            raise ConflictError(message, hint="see that its database answers, then monitor again") from None
        finally:
            log.close()

    def _round(self, release: Release) -> Round:
        return Round(self.asked.parsed, release, self.asked.url(self.project), self.asked.settings())

    def _is_begun(self) -> bool:
        return Path(self.project.log_url.removeprefix("sqlite:///")).exists()

    def _labelled(self, release: Release, log: Any) -> dict[str, int]:
        """Take the outcomes of the file, unless it is as it was in the round before."""
        path = self.asked.labels
        if path is None:
            return {}
        state = (path.stat().st_mtime_ns, path.stat().st_size)
        if state == self._seen:
            return {}
        label_file, pseudonyms = (
            importlib.import_module(f"churnflow.modelling.{name}") for name in ("label_file", "pseudonyms")
        )
        secret = pseudonyms.secret_at(self.project.secret_path)
        naming = label_file.Naming((release.privacy or Privacy()).customer, secret)
        files = self.project.store.get(release.artifact)
        taken = label_file.take_outcomes(path, files, log, naming, time.time())
        self._seen = state
        counts = asdict(taken)
        unused = ", ".join(text for text in _uncounted(counts, UNUSED))
        if unused:
            self.warnings.append(f"outcomes of {path.name} that are not used: {unused}")
        return counts

    def _tell(self, watched: Watched) -> None:
        self.alarms.clear()
        if self.asked.webhook and (self.asked.always or not watched.is_calm):
            content = watched.as_json()
            text = f"churnflow monitor: {watched.word}, {watched.release.version}: {content['next_action']}"
            failed = post(self.asked.webhook, {"schema": SCHEMA, "text": text, **content, "reports": []})
            self.alarms.extend([failed] if failed else [])


def _repeated(rounds: _Rounds, seconds: int) -> int:
    """Do a round every so many seconds until Ctrl-C; one that fails is told, and the next is done all the same."""
    done = 0
    with _asked_to_stop() as stop:
        while not stop.is_set():
            began = time.monotonic()
            _say(_outcome(rounds))
            for warning in (*rounds.alarms, *rounds.warnings):
                sys.stderr.write(f"warning: {one_line(warning)}\n")
            done += 1
            stop.wait(max(0.0, began + seconds - time.monotonic()))
    _say(f"stopped after {counted(done, 'round')}")
    return 0


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C or SIGTERM sets, so that a round comes to its end; a second one is not waited for."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as of what a shell runs in the background
            signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outcome(rounds: _Rounds) -> str:
    try:
        return rounds.line()
    except (ChurnflowError, OSError) as error:
        hint = f"; {error.hint}" if isinstance(error, ChurnflowError) else ""
        return f"failed: {error}{hint}"
    except Exception as error:  # noqa: BLE001 - a schedule outlives a bug, whose log is kept
        return f"failed: {type(error).__name__}; the log is in {rounds.project.keep_traceback(error)}"


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC  {one_line(text)}\n")
    sys.stdout.flush()


def _line(watched: Watched) -> str:
    if watched.decision is None:
        return f"failed: {'; '.join(watched.reasons)}"
    parts = [f"{watched.word}, confidence {watched.decision.confidence.score}"]
    parts += [f"not enough to tell {name}: {text}" for name, text in watched.not_told.items()]
    parts += [_newest(performance_cells(row)) for row in watched.rows[-1:]]
    if not watched.is_calm:
        parts += [watched.decision.next_action, *map(str, watched.reports[:1])]
    return "; ".join(parts)


def _newest(cells: list[str]) -> str:
    named = (f"{name} {cell}" for name, cell in zip(PERFORMANCE_COLUMNS[1:], cells[1:], strict=True))
    return f"{cells[0]}: {', '.join(named)}"


def _seconds(session: Session, every: str | None) -> int | None:
    if every is None:
        return None
    found = EVERY.fullmatch(every)
    if found is None:
        message = f"--every {every!r} is no time"
        raise UsageError(message, hint="write it as 30m, 1h or 1d")
    if session.as_json:
        message = "--json prints one object, and --every never ends"
        raise UsageError(message, hint="leave --every out and call it by cron; or leave --json out")
    return int(found[1]) * SECONDS[found[2]]


def _parsed(project: Project, workflow: str) -> Parsed:
    if workflow == WORKFLOW and not (project.root / WORKFLOW).is_file():
        message = f"there is no {WORKFLOW} in this project"
        raise UsageError(message, hint=f"`churnflow new DIR` writes one that can be copied: DIR/{WORKFLOW}")
    return project.workflow(workflow)


def _nothing_yet(project: Project, release: Release) -> Answer:
    text = f"no predictions yet of {release.version}: nothing can be watched"
    curl = _asking(project)
    steps = (Next("churnflow serve", "then ask it for predictions"), Next(curl, "asks it"))
    nothing = dict.fromkeys(("verdict", "confidence", "run")) | {
        "word": "no predictions yet",
        "next_action": steps[0].why,
    }
    none = {name: list[str]() for name in ("reasons", "noticed", "rows", "reports")}
    data: dict[str, Any] = {**nothing, **none, "parts": {}, "metrics": {}, "labels": {}, "release": release.version}
    return Answer(data, together(lines_view(text), commands_view(f"ask for some: {curl}")), next=steps)


def _asking(project: Project) -> str:
    """Return a command that asks a server of the release about an example of its schema, as it stands."""
    current, page = (importlib.import_module(f"churnflow.serving.{name}") for name in ("current", "page"))
    known = current.Current(current.Source(project.pointer.path, project.store.root))
    known.refresh()
    return str(page.asking(known.served, SERVER))


def _answer(watched: Watched, taken: Mapping[str, int]) -> Answer:
    decision = watched.decision
    report = [f"report  {path}" for path in watched.reports]
    views = [_table(watched), *_labels_view(taken), _verdict(watched), commands_view(*report)]
    code = VERDICTS[decision.verdict] if decision else STEP_FAILED
    failure = None if decision else _failure(watched)
    data = {**watched.as_json(), "labels": dict(taken)}
    return Answer(data, together(*views), code, _next(watched), run=watched.run.id, failure=failure)


def _failure(watched: Watched) -> Failure:
    record = next(record for record in reversed(watched.run.steps()) if not record.passed)
    broken = [check.claim for check in record.checks if not check.passed]
    reason = f"{', '.join(broken)} does not hold" if broken else "; ".join(watched.reasons) or "it did not pass"
    usual = "limits that a verdict is to rest on stand under `rules:` of the gate" if broken else "mend the cause"
    return Failure(f"step {record.name}: {reason}", record.facts.get("hint", usual))


def _next(watched: Watched) -> tuple[Next, ...]:
    action = watched.decision.next_action if watched.decision else ""
    named = next((text for text in action.split("`")[1::2] if text.startswith("churnflow ")), None)
    usual = "churnflow report" if watched.is_calm else "churnflow monitor"
    return (Next(named or usual, action),)


def _table(watched: Watched) -> View:
    rows = [performance_cells(row) for row in watched.rows]
    return table_view(f"What {watched.release.version} did", PERFORMANCE_COLUMNS, rows, empty="no period yet")


def _labels_view(taken: Mapping[str, int]) -> list[View]:
    if not taken:
        return []
    text = "".join(f", {told}" for told in _uncounted(taken, {"repeated": "told before", **UNUSED}))
    return [lines_view(f"labels  {counted(taken['matched'], 'customer')} matched{text}", "")]


def _uncounted(taken: Mapping[str, int], texts: Mapping[str, str]) -> list[str]:
    return [f"{taken[name]:,} {what}" for name, what in texts.items() if taken[name]]


def _verdict(watched: Watched) -> View:
    decision = watched.decision
    if decision is None:
        return lines_view()
    fix, ship = decision.bands
    bands = f"healthy {ship}-100, look {fix}-{ship - 1}, act below {fix}"
    return lines_view(
        f"{watched.word.upper()}  confidence {decision.confidence.score}  ({bands})",
        *(f"  - {reason}" for reason in (*decision.reasons, *watched.noticed)),
        f"to do   {decision.next_action}",
    )
