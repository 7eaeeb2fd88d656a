"""The report as Markdown, in the order and shape of the document that people used to write by hand."""

from collections import defaultdict
from collections.abc import Iterator
from typing import assert_never

from churnflow.domain.base import stamp
from churnflow.domain.evidence import Check, Measure
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Override, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, ledger
from churnflow.reporting import blocks, closing
from churnflow.reporting.document import ReportInput
from churnflow.reporting.wording import code, measured, plain, seconds, table


def markdown(document: ReportInput) -> str:
    """Return the whole report; equal records give equal bytes."""
    run = document.run
    lines = [
        *_task(document),
        *(line for phase in run.declared.phases for line in _phase(phase, document)),
        *closing.performance(document.performance, served=document.served is not None),
        *closing.figures(document),
        *closing.checkpoints(document),
        *closing.times(run),
        *closing.traceability(document),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _task(document: ReportInput) -> Iterator[str]:
    run = document.run
    yield f"# {plain(run.declared.task)}"
    yield ""
    yield _summary(document)
    yield ""
    yield "## Task"
    yield ""
    yield plain(run.declared.task) + "."
    for label, text in (("", run.declared.description), ("Using: ", run.declared.using)):
        if text:
            yield ""
            yield label + plain(text)
    yield ""
    if run.declared.requirements:
        checks = [rule.judge(_all_metrics(run)) for rule in run.declared.requirements]
        rows = [[code(check.claim), measured(check), _state(check)] for check in checks]
        yield from table(("requirement", "observed", "state"), rows)


def _summary(document: ReportInput) -> str:
    run = document.run
    decided = [entry for entry in run.current() if isinstance(entry, Decision)]
    verdict = f"**{decided[-1].verdict.upper()}**" if decided else f"not decided; {_pending(run)}"
    score = document.final or document.build or document.initial
    confidence = f", confidence {score.score}" if score else ""
    return f"Run {code(run.id)}, begun {stamp(run.started_at)}: {verdict}{confidence}."


def _pending(run: Run) -> str:
    for item in run.declared.items():
        entry = run.latest(item.name)
        if entry is None:
            return f"next is {plain(item.name)}"
        if not entry.passed:
            return f"{plain(item.name)} did not pass"
    return "every item is done"


def _phase(phase: str, document: ReportInput) -> Iterator[str]:
    run = document.run
    yield f"## {plain(phase).capitalize()}"
    yield ""
    entries = [entry for entry in run.current() if entry.phase == phase]
    if not entries:
        yield f"Not begun: {_pending(run)}."
        yield ""
        return
    if phase == next(iter(run.declared.phases)):
        yield from _opening(phase, document)
    for entry in entries:
        yield from _entry(entry, document)
    yield from _scores(phase, document, reviewed=any(getattr(entry, "findings", ()) for entry in entries))


def _entry(entry: ItemEntry, document: ReportInput) -> Iterator[str]:
    match entry:
        case StepRecord():
            yield from blocks.step(entry, _by_source(document.run))
            yield from closing.findings(entry, document.run)
        case Approval():
            yield from blocks.approval(entry)
        case Mark():
            yield from blocks.checkpoint(entry, document)
        case Decision():
            yield from closing.decision(entry, document)
        case _ as never:
            assert_never(never)


def _opening(phase: str, document: ReportInput) -> Iterator[str]:
    """Write what a plan states: when, which steps, which risks, and the first confidence."""
    run = document.run
    active = sum(record.seconds for record in run.steps() if record.phase == phase)
    names = ", ".join(plain(step.name) for step in run.declared.steps())
    yield f"- **Time:** begun {stamp(run.started_at)}, {seconds(active)} of work"
    yield f"- **Steps:** {names}"
    for name, text in run.declared.risks.items():
        yield f"- **Risk, {plain(name)}:** {plain(text)}"
    for entry in run.entries:
        if isinstance(entry, Override):
            yield f"- **Set on the command line:** {code(f'{entry.name}.{entry.parameter}={entry.value}')}"
    if document.initial is not None:
        yield f"- **Initial confidence:** {document.initial.score} ({plain(document.initial.because)})"
    yield ""


def _scores(phase: str, document: ReportInput, *, reviewed: bool) -> Iterator[str]:
    """Write the score that a phase ends with."""
    if phase == "build" and document.build is not None:
        yield f"**Overall build confidence: {document.build.score}** ({plain(document.build.because)})"
        yield ""
        yield from blocks.confidence("Build confidence", document.build)
    if reviewed:
        yield from closing.issues(ledger(document.run))
    if reviewed and document.final is not None:
        yield f"**Final confidence: {document.final.score}** ({plain(document.final.because)})"
        yield ""
        yield from blocks.confidence("Final confidence", document.final)


def _by_source(run: Run) -> dict[str, list[LedgerLine]]:
    grouped: dict[str, list[LedgerLine]] = defaultdict(list)
    for line in ledger(run):
        grouped[line.source].append(line)
    return grouped


def _all_metrics(run: Run) -> dict[str, Measure]:
    return {f"{record.name}.{name}": value for record in run.steps() for name, value in record.metrics.items()}


def _state(check: Check) -> str:
    if check.observed is None:
        return "not measured"
    return "met" if check.passed else "NOT MET"
