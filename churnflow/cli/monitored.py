"""One run of monitoring: a workflow on the predictions log, with a journal and a report of its own."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

from churnflow.adapters.answers_reviewer import AbsentReviewer
from churnflow.adapters.durable import remove_leftovers
from churnflow.adapters.journal_files import JournalFiles
from churnflow.adapters.project_lock import ProjectLock
from churnflow.adapters.tracked_tables import Tracked
from churnflow.cli.rendering import OBSERVES, TRACKING, performance_of, render, table_in
from churnflow.cli.reporting import FOLDER, write_report
from churnflow.cli.serving import LOG_VARIABLE
from churnflow.domain.evidence import Severity
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.domain.ledger import ledger
from churnflow.domain.release import Release
from churnflow.domain.workflow import ApprovalRequest
from churnflow.engine.advance import advance, override
from churnflow.engine.check import check
from churnflow.engine.judge import AS_FAR, NOT_TOLD, all_metrics, barring_issues, not_told
from churnflow.engine.parse import Parsed, WorkflowError
from churnflow.engine.ports import Listener, Ports
from churnflow.errors import UsageError
from churnflow.project import Project
from churnflow.reporting.document import PerformanceRow

SEVERITIES: Final = get_args(Severity)
ISSUE: Final = re.compile(r"^critical issue open: [\w-]+: ")
FIGURE: Final = re.compile(r"(?<![\w.])-?\d")
WORDS: Final[Mapping[str, str]] = {"ship": "healthy", "fix": "look", "rework": "act"}


@dataclass(frozen=True)
class Watched:
    """How a run of monitoring ended. decision: None where a step stopped it. reports: the files that were written."""

    run: Run
    release: Release
    decision: Decision | None
    rows: tuple[PerformanceRow, ...]
    reports: tuple[Path, ...] = ()

    @property
    def word(self) -> str:
        """The verdict as screens say it, also of a workflow whose gate has no words; `failed` where there is none."""
        if self.decision is None:
            return "failed"
        usual = WORDS[self.decision.verdict]
        as_far = f" {AS_FAR}" if self.is_calm and self.not_told else ""
        return self.decision.said or usual + as_far

    @property
    def is_calm(self) -> bool:
        """Whether nothing was found that somebody should see to."""
        return self.decision is not None and self.decision.verdict == "ship"

    @property
    def not_told(self) -> Mapping[str, str]:
        """The parts that had too little to judge by, with what they had and need."""
        return not_told(self.run)

    @property
    def reasons(self) -> Sequence[str]:
        """Why: the reasons of the gate, or of the step that stopped the run."""
        if self.decision is not None:
            return self.decision.reasons
        return [issue.text for record in self.run.steps() if not record.passed for issue in record.issues]

    @property
    def noticed(self) -> list[str]:
        """What was noticed and has weight, the critical first, but for what the reasons of the gate tell already."""
        told = [] if self.decision is None else [line.id for line in barring_issues(self.run)]
        here = (line for line in ledger(self.run) if line.severity != "note" and line.state != "closed")
        lines = [line for line in here if line.id not in told]
        return [f"{line.source}: {line.text}" for line in sorted(lines, key=lambda line: line.severity)]

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the outcome is about, without its numbers: a problem that stands for days is one problem."""
        reasons = (ISSUE.sub("", text) for text in (*self.reasons[1:], *self.noticed))
        return (self.word, *(FIGURE.split(text)[0] for text in reasons))

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """What became of each part that was looked at: `unknown`, `ok`, `warning` or `critical`, and on how many."""
        return {record.name: _part(record) for record in self.run.steps() if "judged" in record.metrics}

    def as_json(self) -> dict[str, Any]:
        """Return the outcome for programs: nothing in it is about one person."""
        decision = self.decision
        return {
            "verdict": decision.verdict if decision else "failed",
            "word": self.word,
            "confidence": decision.confidence.score if decision else None,
            "release": self.release.version,
            "run": self.run.id,
            "reasons": list(self.reasons),
            "noticed": self.noticed,
            "parts": self.parts,
            "next_action": decision.next_action if decision else "`churnflow monitor` again, once the cause is gone",
            "metrics": {name: value.model_dump(mode="json") for name, value in all_metrics(self.run).items()},
            "rows": [row.model_dump(mode="json") for row in self.rows],
            "reports": [str(path) for path in self.reports],
        }


def _part(record: StepRecord) -> dict[str, Any]:
    weight = max((issue.severity for issue in record.issues), key=SEVERITIES.index, default="note")
    told = "ok" if weight == "note" else weight
    return {
        "state": told if record.metrics["judged"].value else "unknown",
        "have": record.metrics["sample"].value,
        "needed": record.metrics["sample_needed"].value,
        "why": record.facts.get(NOT_TOLD, ""),
    }


def own_log(parsed: Parsed) -> str | None:
    """Return the URL of the predictions log that the workflow itself names, None where it leaves that to the caller."""
    named = [str(step.params.get("log", "")) for step in parsed.workflow.steps() if step.uses == OBSERVES]
    return next((log for log in named if "://" in log), None)


def settings_of(parsed: Parsed, asked: Mapping[str, str | None]) -> list[tuple[str, str, object]]:
    """Return the parameters to set at each step that observes: what was asked for, and the time, once for all.

    So an hour later nothing is answered from what is kept, and the record says which time was looked at.
    """
    values = {"until": datetime.now(UTC).isoformat(), **{name: text for name, text in asked.items() if text}}
    steps = [step.name for step in parsed.workflow.steps() if step.uses == OBSERVES]
    if not steps:
        message = f"{parsed.path} does not watch anything: no step uses {OBSERVES}"
        raise UsageError(message, hint="name a monitoring workflow, such as workflows/monitor.yaml")
    return [(step, name, value) for step in steps for name, value in values.items()]


@dataclass(frozen=True)
class Round:
    """What a run of monitoring works on. url: of the predictions log. settings: parameters to set."""

    parsed: Parsed
    release: Release
    url: str
    settings: Sequence[tuple[str, str, object]]


def watch_once(project: Project, asked: Round, listener: Listener) -> Watched:
    """Run the workflow in a new run beside that of the project, and record the table of the release.

    Raises ConflictError while another monitoring is at work.
    """
    parsed, release = asked.parsed, asked.release
    project.catalog.require(parsed.workflow)
    lock = ProjectLock(project.monitor_dir, project.repository.shared_dir)
    with lock.lock("churnflow monitor"), _named_log(asked.url):
        ports = _ports(project, listener)
        run = project.new_run(parsed)
        ports.journal.start(run)
        run = override(run, asked.settings, ports)
        run = advance(run, ports, phases=tuple(parsed.workflow.phases))
        table = run.artifacts().get(TRACKING)
        # A rollback while it ran has had it watch another release than the one that was asked about.
        about = table_in(project, table).get("release", {}).get("sha256")
        if table is not None and about:
            project.tracked.keep(about, Tracked(run=run.id, artifact=table))
    decision = next((entry for entry in reversed(run.current()) if isinstance(entry, Decision)), None)
    return Watched(run, release, decision, performance_of(project, run))


def write_reports(project: Project, watched: Watched) -> Watched:
    """Write the report of a run of monitoring as Markdown and HTML; return it with where they are."""
    folder = project.root / FOLDER / watched.run.id
    # Each run of monitoring has a folder of its own, so that nobody else would clear up after one that was killed.
    for other in (project.root / FOLDER).glob("*/"):
        remove_leftovers(other)
    paths = []
    for form in ("md", "html"):
        path = folder / f"report.{form}"
        write_report(path, *render(project, watched.run, form))
        paths.append(path)
    return replace(watched, reports=tuple(paths))


@contextmanager
def _named_log(url: str) -> Iterator[None]:
    """Tell the steps where the log is, by the environment: no record is to repeat a password that is in its URL."""
    before = os.environ.get(LOG_VARIABLE)
    os.environ[LOG_VARIABLE] = url
    try:
        yield
    finally:
        del os.environ[LOG_VARIABLE]
        os.environ |= {} if before is None else {LOG_VARIABLE: before}


def _ports(project: Project, listener: Listener) -> Ports:
    journal = JournalFiles(project.monitor_dir, project.repository.shared_dir)
    return replace(project.ports(AbsentReviewer(), listener), journal=journal)


def refuse_unfit(project: Project, parsed: Parsed, settings: Sequence[tuple[str, str, object]]) -> None:
    """Raise WorkflowError or UsageError for a workflow that, with these parameters set, can not watch anything."""
    _refuse_approvals(parsed)
    workflow = parsed.workflow
    for step, parameter, value in settings:
        workflow = workflow.with_override(step, parameter, value)
    problems = check(replace(parsed, workflow=workflow), project.catalog, project.files, project.codecs())
    if problems:
        raise WorkflowError(parsed.path, problems)


def _refuse_approvals(parsed: Parsed) -> None:
    asked = [item.name for item in parsed.workflow.items() if isinstance(item, ApprovalRequest)]
    if asked:
        message = f"{parsed.path} asks for the approval {asked[0]!r}, and nobody is there while a service is watched"
        raise UsageError(message, hint="take approvals out of a monitoring workflow; its gate decides alone")
