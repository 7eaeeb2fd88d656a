"""The report as Markdown, in the order and shape of the document that people used to write by hand."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, assert_never

from churnflow.domain.base import stamp
from churnflow.domain.evidence import Check, Measure
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Override, Run, StepRecord
from churnflow.domain.ledger import LedgerLine, ledger, weight, whole_ledger
from churnflow.domain.rule import Rule
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Step
from churnflow.reporting import blocks, closing, trail
from churnflow.reporting.document import ReportInput
from churnflow.reporting.wording import code, counted, measured, plain, seconds, table

KINDS: Final = {Step: "step", CheckpointRequest: "checkpoint", ApprovalRequest: "approval", Gate: "gate"}
WEIGHTS: Final = {"critical": "critical issue", "promised": "condition", "warning": "warning", "note": "note"}


def markdown(document: ReportInput) -> str:
    """Return the whole report; equal records give equal bytes."""
    run = document.run
    phases = [line for phase in run.declared.phases for line in _phase(phase, document)]
    results = [*closing.performance(document), *closing.figures(document)]
    lines = [
        *_task(document),
        *(results + phases if document.watches else phases + results),
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
    yield plain(run.declared.task)
    for label, text in (("", run.declared.description), ("Using: ", run.declared.using)):
        if text:
            yield ""
            yield label + plain(text)
    yield ""
    if run.declared.requirements:
        metrics = _all_metrics(run)
        checks = [(rule, rule.judge(metrics)) for rule in run.declared.requirements]
        rows = [[code(check.claim), measured(check), _state(rule, check, metrics)] for rule, check in checks]
        yield from table(("requirement", "observed", "state"), rows)


def _summary(document: ReportInput) -> str:
    run = document.run
    decided = [entry for entry in run.current() if isinstance(entry, Decision)]
    verdict = f"**{plain(decided[-1].word.upper())}**" if decided else f"not decided, {_pending(run)}"
    stale = f" ({blocks.STALE})" if decided and decided[-1].name in document.stale else ""
    score = document.final or (decided[-1].confidence if decided else document.build or document.initial)
    confidence = f", confidence {score.score}" if score else ""
    weights = [weight(line) for line in ledger(run) if line.state == "open"]
    counts = [counted(weights.count(name), text) for name, text in WEIGHTS.items() if name in weights]
    noted = f"open: {', '.join(counts)}" if counts else "no issue is open"
    return f"Run {code(run.id)}, begun {stamp(run.started_at)}: {verdict}{stale}{confidence}; {noted}."


def _pending(run: Run) -> str:
    for item in run.declared.items():
        entry = run.latest(item.name)
        if entry is None:
            return f"next is the {KINDS[type(item)]} {plain(item.name)}"
        if not entry.passed:
            outcome = "was refused" if isinstance(entry, Approval) else "did not pass"
            return f"the {KINDS[type(item)]} {plain(item.name)} {outcome}"
    return "every item is done"


def _phase(phase: str, document: ReportInput) -> Iterator[str]:
    run = document.run
    entries = [entry for entry in run.current() if entry.phase == phase]
    yield f"## {plain(phase).capitalize()}"
    yield ""
    if phase == next(iter(run.declared.phases)):
        yield from _opening(phase, document)
    if not entries:
        yield f"Not begun: {_pending(run)}."
        yield ""
    reviewed = [entry.name for entry in entries if isinstance(entry, StepRecord) and entry.findings]
    for entry in entries:
        yield from _entry(entry, document)
        if entry.name in reviewed[-1:]:
            yield from _final(document)
    if phase == "build" and document.build is not None:
        yield f"**Overall build confidence: {document.build.score}** ({plain(document.build.because)})"
        yield ""
        yield from blocks.confidence("Build confidence", document.build)


def _entry(entry: ItemEntry, document: ReportInput) -> Iterator[str]:
    match entry:
        case StepRecord():
            yield from blocks.step(entry, _by_source(document.run)[entry.name], document)
            yield from closing.findings(entry, document.run)
        case Approval():
            yield from blocks.approval(entry, _by_source(document.run)[entry.name], document)
        case Mark():
            yield from blocks.checkpoint(entry, document)
        case Decision():
            yield from closing.decision(entry, document)
        case _ as never:
            assert_never(never)


def _opening(phase: str, document: ReportInput) -> Iterator[str]:
    """Write what a plan states: its time, the steps, the risks, and the first confidence with its reasons."""
    run = document.run
    active, waiting = trail.spent(entry for entry in run.entries if getattr(entry, "phase", None) == phase)
    yield f"- **Time:** begun {stamp(run.started_at)}; {seconds(active)} active, {seconds(waiting)} waiting"
    yield "- **Steps:**"
    steps = {
        name: [item.name for item in items if isinstance(item, Step)] for name, items in run.declared.phases.items()
    }
    yield from (f"  - {plain(name)}: {', '.join(map(plain, names))}" for name, names in steps.items() if names)
    yield from blocks.pairs("Risks", {name: str(risk) for name, risk in run.declared.risks.items()})
    for entry in run.entries:
        if isinstance(entry, Override):
            yield f"- **Set on the command line:** {code(f'{entry.name}.{entry.parameter}={entry.value}')}"
    if document.initial is not None:
        yield f"- **Initial confidence:** {document.initial.score} ({plain(document.initial.because)})"
    told = () if document.watches else run.steps()
    yield from (f"  - {_reasons(record)}" for record in told if record.phase == phase)
    yield ""


def _reasons(record: StepRecord) -> str:
    shown = [f"its evidence gives {record.confidence.score} ({plain(record.confidence.because)})"]
    if record.stated is not None:
        shown.append(f"it says of itself {record.stated.score} ({plain(record.stated.because)})")
    return f"{plain(record.name)}: {', '.join(shown)}"


def _final(document: ReportInput) -> Iterator[str]:
    """Write what a review comes to: the issues, and the confidence after it."""
    yield from closing.issues(whole_ledger(document.run))
    if document.final is not None:
        yield f"**Final confidence: {document.final.score}** ({plain(document.final.because)})"
        yield ""
        yield from blocks.confidence("Final confidence", document.final)
    yield from closing.standings(document)


def _by_source(run: Run) -> dict[str, list[LedgerLine]]:
    grouped: dict[str, list[LedgerLine]] = defaultdict(list)
    for line in ledger(run):
        grouped[line.source].append(line)
    return grouped


def _all_metrics(run: Run) -> dict[str, Measure]:
    return {f"{record.name}.{name}": value for record in run.steps() for name, value in record.metrics.items()}


def _state(rule: Rule, check: Check, metrics: dict[str, Measure]) -> str:
    if check.observed is None:
        return "not measured"
    noise = ", within noise of the limit" if rule.within_noise(metrics) else ""
    return f"{'met' if check.passed else 'NOT MET'}{noise}"
