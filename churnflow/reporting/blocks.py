"""The recurring blocks of the report: a step, an approval, a checkpoint, a confidence as a sum."""

from collections.abc import Iterator, Mapping

from churnflow.domain.base import stamp
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact, Confidence
from churnflow.domain.journal import Approval, Mark, StepRecord
from churnflow.domain.ledger import LedgerLine
from churnflow.reporting.document import ReportInput
from churnflow.reporting.wording import code, interval, measured, number, plain, seconds, table

SHORT = 12


def step(record: StepRecord, ledger: Mapping[str, list[LedgerLine]]) -> Iterator[str]:
    """Write one step as the document has it: implemented, self-tested, issues noted, confidence, metrics."""
    state = "" if record.passed else " (did not pass)"
    yield f"### Step: {plain(record.name)}{state}"
    yield ""
    yield f"- **Implemented:** {code(record.uses)}{_parameters(record)}"
    yield f"- **In:** {_artifacts(record.inputs)}"
    yield f"- **Out:** {_artifacts(record.outputs)}"
    yield f"- **Time:** {_time(record)}"
    yield f"- **Self-tested:** {_tested(record)}"
    noted = ledger.get(record.name, [])
    yield f"- **Issues noted:** {len(noted) or 'none'}"
    yield from (f"  - {issue(line)}" for line in noted)
    yield f"- **Confidence:** {record.confidence.score} ({plain(record.confidence.because)})"
    if record.stated is not None:
        yield f"- **Says of itself:** {record.stated.score} ({plain(record.stated.because)})"
    yield from (f"- **{plain(name)}:** {plain(text)}" for name, text in record.facts.items())
    yield ""
    if record.checks:
        rows = [[code(check.claim), measured(check), "PASS" if check.passed else "FAIL"] for check in record.checks]
        yield from table(("check", "observed", "result"), rows)
    yield from confidence("Confidence as a sum", record.confidence)
    if record.metrics:
        yield from table(
            ("metric", "value", "95% interval", "n"),
            [
                [code(name), number(m.value), interval(m.low, m.high), "" if m.n is None else f"{m.n:,}"]
                for name, m in record.metrics.items()
            ],
        )


def confidence(title: str, score: Confidence) -> Iterator[str]:
    """Write a confidence as the sum that it is."""
    if score.parts:
        rows = [[f"{part.points:+.1f}", plain(part.text)] for part in score.parts]
        yield from table(("points", f"{title}: {score.score}"), rows)


def approval(entry: Approval) -> Iterator[str]:
    """Write who answered what, and how."""
    waited = f", after {seconds(entry.waited)}" if entry.waited else ""
    yield f"### Approval: {plain(entry.name)}"
    yield ""
    yield f"- **Reviewer:** {plain(entry.reviewer)} ({plain(entry.how)}{waited})"
    yield f"- **Answer:** {entry.answer}, {stamp(entry.at)}"
    yield f"- **Approved content:** sha256 {code(entry.key[:SHORT])}"
    yield f"- **Notes:** {'none' if not entry.notes else ''}".rstrip()
    yield from (f"  - {plain(note)}" for note in entry.notes)
    yield from (f"- {plain(question)} {plain(answer)}" for question, answer in entry.answers.items())
    yield ""


def checkpoint(mark: Mark, document: ReportInput) -> Iterator[str]:
    """Write a checkpoint at the place where it was made."""
    kept = _kept(mark, document)
    before = [entry for entry in _before(mark, document) if isinstance(entry, Approval)]
    yield f"### Checkpoint: {plain(mark.name)}"
    yield ""
    yield f"- **Timestamp:** {stamp(mark.at)}"
    yield f"- **Reviewer:** {plain(before[-1].reviewer) if before else 'none yet'}"
    notes = "; ".join(plain(note) for note in before[-1].notes) if before else ""
    yield f"- **Notes:** {notes or 'none'}"
    if kept is None:
        yield "- **State saved:** not found in this repository"
    else:
        size = sum(artifact.size_bytes for artifact in kept.artifacts)
        files = f"{len(kept.artifacts)} artifact(s), {size:,} bytes; code tree {code(kept.code.tree[:SHORT])}"
        yield f"- **State saved:** {files}; tag {code(kept.tag)}"
        yield f"- **Rollback:** {code(f'churnflow rollback {kept.name}')}"
        yield f"- **Plain git:** {code(kept.restore.git)}"
    yield ""


def issue(line: LedgerLine) -> str:
    """Return one issue with what became of it."""
    answered = f" by {plain(line.by)}: {plain(line.reason)}" if line.by else ""
    return f"{line.severity}, {line.state}{answered}: {plain(line.text)} ({code(line.id)})"


def _kept(mark: Mark, document: ReportInput) -> Checkpoint | None:
    found = [item for item in document.checkpoints if item.run.entries and item.run.entries[-1] == mark]
    return found[0] if found else None


def _before(mark: Mark, document: ReportInput) -> Iterator[object]:
    for entry in document.run.entries:
        if entry == mark:
            return
        yield entry


def _time(record: StepRecord) -> str:
    if record.reused is not None:
        return f"reused from run {code(record.reused.run)}, measured {stamp(record.reused.at)}"
    return seconds(record.seconds)


def _tested(record: StepRecord) -> str:
    if not record.checks:
        return "no check declared"
    return f"{sum(check.passed for check in record.checks)} of {len(record.checks)} checks hold"


def _parameters(record: StepRecord) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in record.params.items())
    return f" with {code(shown)}" if shown else ""


def _artifacts(artifacts: tuple[Artifact, ...]) -> str:
    return ", ".join(f"{plain(item.name)} {code(item.sha256[:SHORT])}" for item in artifacts) or "nothing"
