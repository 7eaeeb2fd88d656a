"""The report of a run, made from its records and artifacts alone, so that it can be made again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint, Summary
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Decision, Run, StepRecord
from churnflow.domain.ledger import as_of, end_of_waivers
from churnflow.domain.release import Release
from churnflow.engine.claims import Counted, KeptRuns, counted, initial_stated, past_runs, track_record
from churnflow.engine.judge import build_confidence, final_confidence, initial_confidence
from churnflow.engine.keys import gate_subject, subject
from churnflow.project import Project, SystemClock
from churnflow.reporting import json_report, monitor_plots
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.markdown import markdown
from churnflow.reporting.plots import CAPTIONS, plots
from churnflow.reporting.source import Source

TRACKING: Final = "tracking"
TRACKING_SCHEMA: Final = "churnflow/tracking@1"
OBSERVES: Final = "churn.observe"


def render(
    project: Project, run: Run, form: str, at: Checkpoint | None = None, *, bare: bool = False
) -> tuple[str, dict[str, str]]:
    """Return the report's text in `form`, and its plots by file name, made from the records and artifacts alone.

    at: the checkpoint as of which it is written; without, the run as it stands. bare: without what monitoring has
    measured of its release since.
    """
    history = project.checkpoints.history(run.id)
    if at is None:
        return rendered(project, made_now(project, run, history), form)
    made = made_as_of(at, history)
    if not bare:
        made = replace(made, tracked=made.tracked or _tracked_of(project, at.release), bare=False)
    return rendered(project, made, form)


@dataclass(frozen=True)
class Made:
    """What a report is made from: the run, its checkpoints, what was served, and the table of its performance.

    beside: the newest checkpoints then of the other runs that count, so that the same can be written again; None in a
    report of the time when that was told by `until` alone, after which no checkpoint counts. ended: when the last
    waiver ended that had ended when it was written.
    """

    run: Run
    history: Sequence[Checkpoint]
    served: Release | None
    tracked: Artifact | None
    as_of: bool
    ended: datetime | None = None
    beside: Sequence[Checkpoint] | None = None
    until: datetime | None = None
    bare: bool = False

    @property
    def source(self) -> Source:
        """What the report states of it."""
        newest = self.history[-1] if self.history else None
        return Source(
            run=self.run.id,
            records=digest(self.run),
            checkpoint=newest.tag if newest else None,
            checkpoint_sha256=digest(newest) if newest else None,
            as_of=self.as_of,
            bare=self.bare,
            until=self.until,
            served=digest(self.served) if self.served else None,
            tracked=self.tracked.sha256 if self.tracked else None,
            ended=self.ended,
            beside=None if self.beside is None else tuple(map(named, self.beside)),
            beside_sha256=digest_of(self.beside) if self.beside else None,
        )


def made_now(project: Project, run: Run, history: Sequence[Checkpoint]) -> Made:
    """Return what a report of a run as it stands is made from."""
    ended = end_of_waivers(run, SystemClock().now())
    beside = counted(run, project.checkpoints)
    return Made(
        run, history, project.pointer.read(), newest_table(project, run), as_of=False, ended=ended, beside=beside
    )


def made_as_of(at: Checkpoint, history: Sequence[Checkpoint]) -> Made:
    """Return what a report as of a checkpoint is made from: its own run up to then, which is the same in every clone.

    Other runs and what monitoring has measured since are left out: which are here depends on what was pulled.
    """
    before = [item for item in history if item.number <= at.number]
    tracked = at.run.artifacts().get(TRACKING)
    ended = end_of_waivers(at.run, at.created_at)
    return Made(at.run, before, at.release, tracked, as_of=True, bare=True, ended=ended, beside=())


def named(head: Checkpoint) -> str:
    """Return how a report names the newest checkpoint of another run."""
    return f"{head.run.id}/{head.number:02d}"


def digest_of(heads: Sequence[Checkpoint]) -> str:
    """Return one digest of the records of several checkpoints."""
    return digest([digest(head) for head in heads])


class _Until:
    """The checkpoints as they were at a moment."""

    def __init__(
        self, checkpoints: KeptRuns, history: Callable[[str], Sequence[Checkpoint]], until: datetime | None
    ) -> None:
        self._checkpoints = checkpoints
        self._history = history
        self._until = until

    def runs(self) -> Sequence[str]:
        return self._checkpoints.runs()

    def head(self, run_id: str) -> Checkpoint | None:
        head = self._checkpoints.head(run_id)
        if head is None or self._until is None or head.created_at <= self._until:
            return head
        before = [item for item in self._history(run_id) if item.created_at <= self._until]
        return before[-1] if before else None

    def summaries(self, run_id: str) -> Sequence[Summary]:
        return self._checkpoints.summaries(run_id)

    def load(self, tag: str) -> Checkpoint:
        return self._checkpoints.load(tag)


def rendered(project: Project, made: Made, form: str) -> tuple[str, dict[str, str]]:
    """Return the text and the plots of what was gathered."""
    run = as_of(made.run, made.ended) if made.ended else made.run
    watches = any(step.uses == OBSERVES for step in run.declared.steps())
    drawn = _plots(project, run) if form != "json" else {}
    captions = {**CAPTIONS, **monitor_plots.CAPTIONS}
    kept = counted_in(project, made)
    document = ReportInput(
        run=run,
        checkpoints=made.history,
        served=made.served,
        plots={name: captions[name] for name in drawn},
        initial=None if watches else _initial(made, run, kept),
        build=build_confidence(run),
        final=final_confidence(run),
        stale=_stale(run),
        standings=track_record(run, kept)[1],
        performance=_rows(project, made.tracked),
        watches=watches,
        source=made.source,
    )
    if form == "json":
        return json.dumps(json_report.as_json(document), indent=2, ensure_ascii=False) + "\n", {}
    text = markdown(document)
    if form == "html":
        from churnflow.reporting.html import html  # noqa: PLC0415 - brings a Markdown parser, for this form alone

        text = html(text, drawn)
    return text, drawn


def counted_in(project: Project, made: Made) -> KeptRuns:
    """Return the runs that a report counts, as they were then."""
    if made.beside is None:
        return _Until(project.checkpoints, project.checkpoints.history, made.until)
    return Counted(made.beside, project.checkpoints)


def _initial(made: Made, run: Run, kept: KeptRuns) -> Confidence | None:
    if made.source.is_alone:
        return initial_stated(run, made.history)
    return initial_confidence(run, past_runs(run, kept))


def performance_of(project: Project, run: Run) -> tuple[PerformanceRow, ...]:
    """Return the table that a run of monitoring has recorded: the run itself, or the newest one about its release."""
    return _rows(project, newest_table(project, run))


def newest_table(project: Project, run: Run) -> Artifact | None:
    """Return the table of a run of monitoring, or the newest one about the release of another run; None without any."""
    artifact = run.artifacts().get(TRACKING)
    if artifact is None:
        made = [release for release in project.pointer.past() if release.run == run.id]
        artifact = _tracked_of(project, made[-1] if made else None)
    return artifact


def _tracked_of(project: Project, release: Release | None) -> Artifact | None:
    """Return the newest table about a release, None where none was recorded."""
    tracked = project.tracked.newest(release.artifact.sha256) if release is not None else None
    return tracked.artifact if tracked else None


def _rows(project: Project, artifact: Artifact | None) -> tuple[PerformanceRow, ...]:
    known = PerformanceRow.model_fields
    return tuple(
        PerformanceRow(**{name: row[name] for name in known if name in row})
        for row in table_in(project, artifact).get("rows", ())
    )


def table_in(project: Project, artifact: Artifact | None) -> Mapping[str, Any]:
    """Return the table that an artifact holds, nothing for none and for what somebody else calls a table."""
    value = project.store.get(artifact) if artifact is not None and artifact.codec == "json" else None
    return value if isinstance(value, dict) and value.get("schema") == TRACKING_SCHEMA else {}


def _plots(project: Project, run: Run) -> dict[str, str]:
    """Draw what evaluation, leaderboard and monitoring hold, also of a step whose checks did not hold."""
    outputs = {artifact.name: artifact for record in run.steps() for artifact in record.outputs}
    found = [
        project.store.get(outputs[name]) if name in outputs and outputs[name].codec == "json" else None
        for name in ("evaluation", "leaderboard", "drift", TRACKING)
    ]
    evaluation, leaderboard, drift, tracking = (value if isinstance(value, dict) else {} for value in found)
    return {**plots(evaluation, leaderboard), **monitor_plots.monitor_plots(drift, tracking)}


def _stale(run: Run) -> frozenset[str]:
    """Return the names of what was answered, kept or decided about something that has changed since."""
    names = []
    for item in run.declared.items():
        entry = run.latest(item.name)
        if entry is not None and not isinstance(entry, StepRecord):
            today = gate_subject(run, item) if isinstance(entry, Decision) else subject(run, item)
            names += [item.name] if entry.key != today else []
    return frozenset(names)
