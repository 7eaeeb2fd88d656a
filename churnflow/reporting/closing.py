"""The last parts of the report: review, decision, performance, checkpoints, times, and how to trace a number."""

from collections.abc import Iterator, Sequence

from churnflow.domain.base import stamp
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.claims import in_words
from churnflow.domain.evidence import Finding
from churnflow.domain.journal import Approval, Decision, ItemEntry, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, story
from churnflow.domain.release import Release
from churnflow.domain.workflow import USUAL_WORDS, Gate, Words
from churnflow.reporting import trail
from churnflow.reporting.blocks import SHORT, STALE, confidence, issue
from churnflow.reporting.document import PerformanceRow, ReportInput
from churnflow.reporting.source import line_of
from churnflow.reporting.wording import code, number, plain, prose, seconds, table

SIGN = "`churnflow verify` follows every digest of this history"
_ALONE = "Of this run alone: other runs are left out as of a checkpoint, so that every clone writes the same."
PERFORMANCE_COLUMNS = ("period", "F1", "requests", "avg latency", "error rate", "uptime")


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
        yield f"#### {plain(topic[:1].upper() + topic[1:])}"
        yield ""
        yield from table(
            ("result", "check", "evidence"),
            [[line.state.upper(), plain(line.claim), _evidence(line, answers)] for line in lines],
        )


def _evidence(line: Finding, answers: dict[str, str]) -> str:
    if line.state != "ask":
        return plain(line.evidence)
    said = answers.get(line.claim)
    return f"{plain(line.evidence)} **{f'Answered: {plain(said)}' if said else 'Not answered yet.'}**"


def issues(lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Write every issue, condition and risk of the run with what became of it, from birth to end."""
    yield "### Issues found"
    yield ""
    for line in lines:
        yield f"- {plain(line.source)}: {issue(line)}"
        yield from (f"  - {plain(told)}" for told in story(line))
    if not lines:
        yield "None."
    yield ""


def standings(document: ReportInput) -> Iterator[str]:
    """Write what came true of what each author claimed, nothing where nobody claimed anything."""
    if document.standings:
        yield "### Claims and what came true"
        yield ""
        yield from [_ALONE, ""] if _is_alone(document) else []
        yield from (f"- {plain(standing.author)}: {plain(in_words(standing))}" for standing in document.standings)
        yield ""


def decision(entry: Decision, document: ReportInput) -> Iterator[str]:
    """Write the verdict: the band that holds, the reasons, the next action, and the release."""
    fix, ship = entry.bands
    stale = f"; {STALE}" if entry.name in document.stale else ""
    score = entry.confidence.score
    band = "ship" if score >= ship else "fix" if score >= fix else "rework"
    ranges = {"ship": f"{ship}-100", "fix": f"{fix}-{ship - 1}", "rework": f"below {fix}"}
    here = {name: [f"confidence {score}"] if name == band else [] for name in ranges}
    here[entry.verdict].append("verdict")
    yield f"**{plain(entry.word.upper())}** with a confidence of {score}, {stamp(entry.at)}{stale}."
    yield ""
    words = _words(entry, document.run)
    rows = [[text, plain(getattr(words, name)), ", ".join(here[name])] for name, text in ranges.items()]
    yield from table(("band", "verdict", "this run"), rows)
    yield "Reasons:"
    yield ""
    yield from (f"- {plain(reason)}" for reason in entry.reasons)
    yield ""
    yield f"Next action: {prose(entry.next_action)}"
    yield ""
    if entry.confidence != document.final:
        yield from confidence("Confidence decided on", entry.confidence)
    yield from _before(entry, document)
    yield from _release(entry, document)


def _words(entry: Decision, run: Run) -> Words:
    gates = (item for item in run.declared.items() if isinstance(item, Gate) and item.name == entry.name)
    return next((gate.says for gate in gates if gate.says), USUAL_WORDS)


def _before(entry: Decision, document: ReportInput) -> Iterator[str]:
    lines = list(trail.before(entry, document))
    yield from [*lines, ""] if lines else []


def _release(entry: Decision, document: ReportInput) -> Iterator[str]:
    """Write the release that the decision led to, once the checkpoint after it has made it."""
    releases = (item.release for item in reversed(document.checkpoints))
    made = next((item for item in releases if item and item.run == document.run.id and item.at >= entry.at), None)
    if made is not None and entry.verdict == "ship":
        bundle = f"bundle sha256 {code(made.artifact.sha256)}"
        why = f" ({plain(made.change)})" if made.change else ""
        yield f"Release {code(made.version)}{why}: {bundle}, tag {code(made.checkpoint)}."
        yield ""


def _is_alone(document: ReportInput) -> bool:
    return document.source is not None and document.source.is_alone


def performance(document: ReportInput) -> Iterator[str]:
    """Write what the served model did over time."""
    yield "## Performance tracking"
    yield ""
    if document.performance:
        yield from table(PERFORMANCE_COLUMNS, [performance_cells(row) for row in document.performance])
        return
    yield "Empty until a release is served." if document.served is None else _served(document.served, document)
    yield ""


def performance_cells(row: PerformanceRow) -> list[str]:
    """Return a row of that table, in the order of PERFORMANCE_COLUMNS."""
    return [
        plain(row.period),
        _f1(row),
        f"{row.requests:,}",
        f"{number(row.avg_latency_ms)} ms",
        f"{row.error_rate:.2%}",
        f"{row.uptime:.2%}",
    ]


def _f1(row: PerformanceRow) -> str:
    if row.f1 is None:
        return "no labels yet"
    known = row.f1_low is not None and row.f1_high is not None
    few = f" too few labels: {row.labelled or 0:,}" if row.labels_suffice is False else ""
    return f"{row.f1:.3f}" + (f" [{row.f1_low:.3f}, {row.f1_high:.3f}]" if known else "") + few


def _served(served: Release, document: ReportInput) -> str:
    whose = "" if served.run == document.run.id else f" of another run, {code(served.run)}"
    bare = document.source is not None and document.source.bare
    left_out = "what was measured of it is left out, so that every clone writes the same"
    measured = left_out if bare else "nothing has been measured yet"
    return f"The API serves {code(served.version)}{whose}, released {stamp(served.at)}; {measured}."


def figures(document: ReportInput) -> Iterator[str]:
    """Write the plots with their captions."""
    if document.plots:
        yield "## Figures"
        yield ""
        for name, caption in document.plots.items():
            yield f"![{plain(name.partition('.')[0])}]({name})"
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
            _origin(item),
            code(item.restore.command),
        ]
        for item in document.checkpoints
    ]
    if rows:
        yield from table(("no", "name", "created", "confidence", "origin", "rollback"), rows)
        cannot = dict.fromkeys(text for item in document.checkpoints for text in item.restore.cannot)
        yield f"No rollback brings back {', '.join(map(plain, cannot))}."
    else:
        yield "None yet."
    yield ""


def _origin(item: Checkpoint) -> str:
    if item.restores is not None:
        reason = f" ({plain(item.reason)})" if item.reason else ""
        return f"rollback to {plain(item.restores.rpartition('/')[2])}{reason}"
    return plain(item.phase) or "kept before a rollback"


def times(run: Run) -> Iterator[str]:
    """Write how long machines worked and how long people were waited for, repeated attempts included."""
    rows = []
    entries = [entry for entry in run.entries if isinstance(entry, ItemEntry)]
    for entry in run.current():
        attempts = [other for other in entries if other.name == entry.name]
        active, waiting = map(seconds, trail.spent(attempts))
        name = plain(entry.name) + (f", {len(attempts)} attempts" if len(attempts) > 1 else "")
        if isinstance(entry, StepRecord):
            rows.append([plain(entry.phase), name, "reused" if entry.reused and len(attempts) == 1 else active, ""])
        elif isinstance(entry, Approval):
            rows.append([plain(entry.phase), name, "", waiting])
    active, waiting = map(seconds, trail.spent(entries))
    yield "## Times"
    yield ""
    yield from table(("phase", "item", "active", "waiting"), [*rows, ["all", "", active, waiting]])


def traceability(document: ReportInput) -> Iterator[str]:
    """Write the digests from which every number can be traced, and the commands that follow them."""
    run = document.run
    yield "## Traceability"
    yield ""
    digest = code(run.workflow_sha256[:SHORT])
    yield f"- workflow {code(run.workflow_path)}, sha256 of its content as canonical JSON {digest}"
    newest = document.checkpoints[-1] if document.checkpoints else None
    if newest is not None:
        here = newest.environment
        yield from (f"- data {code(path)}, sha256 {code(item.sha256[:SHORT])}" for path, item in newest.data.items())
        packages = f"packages sha256 {code(here.packages_sha256[:SHORT])}"
        yield f"- Python {plain(here.python)} on {plain(here.platform)}, {packages}"
        yield f"- {code(f'churnflow show {newest.tag}')} explains every score line by line"
    yield f"- {SIGN}"
    if document.source is not None:
        yield f"- made from {code(line_of(document.source))}"
    yield ""
