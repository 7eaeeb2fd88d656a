"""The last parts of the report: review, decision, performance, checkpoints, times, and how to trace a number."""

from collections.abc import Iterator, Sequence

from churnflow.domain.base import stamp
from churnflow.domain.evidence import Finding
from churnflow.domain.journal import Approval, Decision, Run, StepRecord
from churnflow.domain.ledger import LedgerLine
from churnflow.reporting.blocks import SHORT, confidence, issue
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.wording import code, number, plain, seconds, table


def findings(record: StepRecord, run: Run) -> Iterator[str]:
    """Write a review's checklist by topic; what was asked of a person stands with the answer."""
    answers = {
        question: text
        for entry in run.current()
        if isinstance(entry, Approval)
        for question, text in entry.answers.items()
    }
    topics = dict.fromkeys(line.topic for line in record.findings)
    for topic in topics:
        lines = [line for line in record.findings if line.topic == topic]
        yield f"#### {plain(topic).capitalize()}"
        yield ""
        yield from table(
            ("result", "check", "evidence"),
            [[line.state.upper(), plain(line.claim), _evidence(line, answers)] for line in lines],
        )


def _evidence(line: Finding, answers: dict[str, str]) -> str:
    said = answers.get(line.claim) or answers.get(f"{line.claim}?")
    return plain(line.evidence) + (f"; answered: {plain(said)}" if said else "")


def issues(lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Write every issue of the run with what became of it."""
    yield "### Issues found"
    yield ""
    yield from (f"- {plain(line.source)}: {issue(line)}" for line in lines)
    if not lines:
        yield "None."
    yield ""


def decision(entry: Decision, document: ReportInput) -> Iterator[str]:
    """Write the verdict: the band that holds, the reasons, the next action, and the release."""
    fix, ship = entry.bands
    marks = {name: "<- holds" if name == entry.verdict else "" for name in ("ship", "fix", "rework")}
    yield f"**{entry.verdict.upper()}** with a confidence of {entry.confidence.score}, {stamp(entry.at)}."
    yield ""
    yield from table(
        ("band", "verdict", ""),
        [
            [f"{ship}-100", "ship", marks["ship"]],
            [f"{fix}-{ship - 1}", "fix critical issues first", marks["fix"]],
            [f"below {fix}", "rework", marks["rework"]],
        ],
    )
    yield "Reasons:"
    yield ""
    yield from (f"- {plain(reason)}" for reason in entry.reasons)
    yield ""
    yield f"Next action: {entry.next_action}"
    yield ""
    yield from confidence("Final confidence", entry.confidence)
    release = next((item.release for item in document.checkpoints if _made(item.release, document.run)), None)
    if release is not None:
        bundle = f"bundle sha256 {code(release.artifact.sha256)}"
        yield f"Release {code(release.version)}: {bundle}, tag {code(release.checkpoint)}."
        yield ""


def _made(release: object, run: Run) -> bool:
    return getattr(release, "run", None) == run.id


def performance(rows: Sequence[PerformanceRow], *, served: bool) -> Iterator[str]:
    """Write what the served model did over time."""
    yield "## Performance tracking"
    yield ""
    if not rows:
        yield "Nothing measured yet: the release is served." if served else "Empty until a release is served."
        yield ""
        return
    yield from table(
        ("period", "F1", "requests", "avg latency", "error rate", "uptime"),
        [
            [
                plain(row.period),
                "no labels yet" if row.f1 is None else f"{row.f1:.3f} [{row.f1_low}, {row.f1_high}]",
                f"{row.requests:,}",
                f"{number(row.avg_latency_ms)} ms",
                f"{row.error_rate:.2%}",
                f"{row.uptime:.2%}",
            ]
            for row in rows
        ],
    )


def figures(document: ReportInput) -> Iterator[str]:
    """Write the plots with their captions."""
    if document.plots:
        yield "## Figures"
        yield ""
        for name, caption in document.plots.items():
            yield f"![{plain(caption)}]({name})"
            yield ""
            yield f"*{plain(caption)}*"
            yield ""


def checkpoints(document: ReportInput) -> Iterator[str]:
    """Write the list of checkpoints with the way back to each."""
    yield "## Checkpoints"
    yield ""
    rows = [
        [
            f"{item.number:02d}",
            plain(item.name),
            stamp(item.created_at),
            str(item.confidence.score) if item.confidence else "",
            plain(item.restores.rpartition("/")[2]) if item.restores else "",
            code(item.restore.command),
        ]
        for item in document.checkpoints
    ]
    if rows:
        yield from table(("no", "name", "created", "confidence", "restores", "rollback"), rows)
    else:
        yield "None yet."
        yield ""


def times(run: Run) -> Iterator[str]:
    """Write how long machines worked and how long people were waited for."""
    rows = []
    active = waiting = 0.0
    for entry in run.current():
        if isinstance(entry, StepRecord):
            active += entry.seconds
            rows.append([plain(entry.phase), plain(entry.name), seconds(entry.seconds), ""])
        elif isinstance(entry, Approval):
            waiting += entry.waited
            rows.append([plain(entry.phase), plain(entry.name), "", seconds(entry.waited)])
    yield "## Times"
    yield ""
    yield from table(("phase", "item", "active", "waiting"), [*rows, ["all", "", seconds(active), seconds(waiting)]])


def traceability(document: ReportInput) -> Iterator[str]:
    """Write the digests from which every number can be traced, and the commands that follow them."""
    run = document.run
    yield "## Traceability"
    yield ""
    yield f"- workflow {code(run.workflow_path)}, sha256 {code(run.workflow_sha256[:SHORT])}"
    newest = document.checkpoints[-1] if document.checkpoints else None
    if newest is not None:
        here = newest.environment
        yield from (f"- data {code(path)}, sha256 {code(item.sha256[:SHORT])}" for path, item in newest.data.items())
        packages = f"packages sha256 {code(here.packages_sha256[:SHORT])}"
        yield f"- Python {plain(here.python)} on {plain(here.platform)}, {packages}"
        yield f"- {code(f'churnflow show {newest.tag}')} explains every score line by line"
    yield f"- {code('churnflow verify')} follows every digest of this history"
    yield ""
