"""The recurring blocks of the report: a step, an approval, a checkpoint, a confidence as a sum."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from churnflow.domain.approval import Grade, Signed
from churnflow.domain.base import stamp
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.evidence import Artifact, Check, Confidence, Measure
from churnflow.domain.journal import Approval, Mark, StepRecord
from churnflow.domain.ledger import LedgerLine, answered, weight
from churnflow.reporting import trail
from churnflow.reporting.document import ReportInput
from churnflow.reporting.wording import code, counted, flat, measured, plain, seconds, table, values

SHORT = 12
FEWEST_FOLDED = 3
GRADES: Final[Mapping[Grade, str]] = {
    "unsigned": "typed or read from a file: intent only",
    "signed": "by a listed reviewer's key",
    "signed+distinct": "by a listed reviewer's key, who wrote none of the run and none of the code",
}
STALE = "**stale: what it was about has changed since**"


def step(record: StepRecord, noted: Sequence[LedgerLine], document: ReportInput) -> Iterator[str]:
    """Write one step as the document has it: implemented, self-tested, issues noted, confidence, metrics."""
    required = _required(record, document)
    yield f"### Step: {plain(record.name)}{'' if record.passed else ' (did not pass)'}"
    yield ""
    yield f"- **Implemented:** {code(record.uses)}{_parameters(record)}"
    yield f"- **In:** {_artifacts(record.inputs)}"
    yield f"- **Out:** {_artifacts(record.outputs)}"
    yield f"- **Time:** {_time(record)}"
    yield f"- **Self-tested:** {_tested(record, required)}"
    yield f"- **Issues noted:** {len(noted) or 'none'}{_elsewhere(record, noted)}"
    yield from (f"  - {issue(line)}" for line in noted)
    yield f"- **Confidence:** {record.confidence.score} ({plain(record.confidence.because)})"
    if record.stated is not None:
        yield f"- **Says of itself:** {record.stated.score} ({plain(record.stated.because)})"
    yield from pairs("Facts", record.facts)
    yield from trail.before(record, document)
    yield ""
    rows = [
        [code(check.claim), measured(check), "PASS" if check.passed else "FAIL"]
        for check in (*record.checks, *required)
    ]
    if rows:
        yield from table(("check", "observed", "result"), rows)
    yield from confidence("Confidence as a sum", record.confidence)
    yield from _metrics(record)


def confidence(title: str, score: Confidence) -> Iterator[str]:
    """Write a confidence as the sum that it is."""
    if score.parts:
        rows = [[f"{part.points:+.1f}", plain(part.text)] for part in score.parts]
        yield from table(("points", f"{title}: {score.score}"), rows)


def approval(entry: Approval, noted: Sequence[LedgerLine], document: ReportInput) -> Iterator[str]:
    """Write who answered what, and how."""
    waited = f", after {seconds(entry.waited)}" if entry.waited else ""
    stale = f"; {STALE}" if entry.name in document.stale else ""
    yield f"### Approval: {plain(entry.name)}"
    yield ""
    yield f"- **Reviewer:** {plain(entry.reviewer)} ({plain(entry.how)}{waited})"
    yield f"- **Answer:** {trail.ANSWERS[entry.answer]}, {stamp(entry.at)}{stale}"
    yield f"- **Grade:** {entry.grade} ({GRADES[entry.grade]})"
    if entry.lacks is not None:
        yield f"- **Not given yet:** it {plain(entry.lacks)}"
    yield from (f"  - {signature(one)}" for one in entry.signed)
    yield f"- **What was approved:** sha256 {code(entry.key[:SHORT])}"
    notes = [plain(note) for note in entry.notes if flat(note)]
    yield f"- **Notes:**{'' if notes else ' none'}"
    yield from (f"  - {note}" for note in notes)
    if noted:
        yield f"- **Issues opened:** {len(noted)}"
        yield from (f"  - {issue(line)}" for line in noted)
    yield from pairs("Asked", entry.answers)
    yield from trail.before(entry, document)
    yield ""


def signature(one: Signed) -> str:
    """Return one signed answer: whose, in which role, when, and under which list of reviewers."""
    said = one.statement
    listed = f"list of reviewers {code(said.reviewers[:SHORT])}"
    return f"{plain(said.reviewer)} as {plain(said.role)}: {trail.ANSWERS[said.answer]}, {stamp(said.at)}, {listed}"


def checkpoint(mark: Mark, document: ReportInput) -> Iterator[str]:
    """Write a checkpoint at the place where it was made."""
    kept = _kept(mark, document)
    answers = document.run.approvals_for(mark)
    people = ", ".join(f"{plain(answer.reviewer)} ({plain(answer.how)}, {answer.grade})" for answer in answers)
    notes = "; ".join(plain(note) for answer in answers for note in answer.notes)
    stale = f"; {STALE}" if mark.name in document.stale else ""
    yield f"### Checkpoint: {plain(mark.name)}"
    yield ""
    yield f"- **Timestamp:** {stamp(mark.at)}{stale}"
    yield f"- **Reviewer:** {people or 'none was asked since the checkpoint before'}"
    yield f"- **Notes:** {notes or 'none'}"
    if kept is None:
        yield "- **State saved:** not found in this repository"
    else:
        size = sum(artifact.size_bytes for artifact in kept.artifacts)
        held = f"{counted(len(kept.artifacts), 'artifact')}, {size:,} bytes"
        yield f"- **State saved:** {held}; code tree {code(kept.code.tree[:SHORT])}; tag {code(kept.tag)}"
        yield f"- **Rollback:** {code(kept.restore.command)}"
        yield f"- **Plain git:** {code(kept.restore.git)}"
    yield ""


def issue(line: LedgerLine) -> str:
    """Return one issue with what became of it."""
    return f"{weight(line)}, {plain(answered(line))}: {plain(line.text)} ({code(line.id)})"


def pairs(title: str, texts: Mapping[str, str]) -> Iterator[str]:
    """Write names with what was said of them as a list under a title, nothing where there are none."""
    if texts:
        yield f"- **{title}:**"
        yield from (
            f"  - {plain(name)}{'' if name.endswith('?') else ':'} {plain(text)}" for name, text in texts.items()
        )


def _kept(mark: Mark, document: ReportInput) -> Checkpoint | None:
    found = [item for item in document.checkpoints if item.run.entries and item.run.entries[-1] == mark]
    return found[0] if found else None


def _time(record: StepRecord) -> str:
    if record.reused is not None:
        return f"reused from run {code(record.reused.run)}, measured {stamp(record.reused.at)}"
    return seconds(record.seconds)


def _metrics(record: StepRecord) -> Iterator[str]:
    telling, zeros = _zeros_apart(record.metrics)
    yield from values(telling)
    if zeros:
        yield f"Zero: {', '.join(map(code, zeros))}."
        yield ""


def _elsewhere(record: StepRecord, noted: Sequence[LedgerLine]) -> str:
    """Say how many issues of a step another one tells, which has noticed the same."""
    told = len({issue.text for issue in record.issues}) - len(noted)
    return f", and {told} that another step tells" if told > 0 else ""


def _zeros_apart(metrics: Mapping[str, Measure]) -> tuple[list[tuple[str, Measure]], list[str]]:
    """Return the metrics that tell something, and the names of those that are zero where several of a kind are.

    Of a kind are counts whose names begin alike, such as `rejected_ragged` and `rejected_no_label`.
    """
    zero = Counter(_kind(name) for name, measure in metrics.items() if _is_plain_zero(measure))
    folded = [
        name for name, measure in metrics.items() if _is_plain_zero(measure) and zero[_kind(name)] >= FEWEST_FOLDED
    ]
    return [(name, measure) for name, measure in metrics.items() if name not in folded], folded


def _kind(metric: str) -> str:
    return metric.partition("_")[0]


def _is_plain_zero(measure: Measure) -> bool:
    return measure == Measure(value=0)


def _required(record: StepRecord, document: ReportInput) -> list[Check]:
    """Test what the business and gates require of this step's metrics; nothing where it did not run to its end."""
    dotted = {f"{record.name}.{name}": measure for name, measure in record.metrics.items()}
    rules = document.run.declared.limits()
    return [rule.judge(dotted) for rule in rules if rule.metric.startswith(f"{record.name}.") and not record.raised]


def _tested(record: StepRecord, required: Sequence[Check]) -> str:
    if record.raised:
        return "it did not run to its end"
    groups = {
        "checks": [check.passed for check in record.checks],
        "requirements": [check.passed for check in required],
        "findings": [line.state == "pass" for line in record.findings if line.state != "ask"],
    }
    held = [f"{sum(group)} of {len(group)} {name} hold" for name, group in groups.items() if group]
    asked = sum(line.state == "ask" for line in record.findings)
    return ", ".join([*held, *([f"{asked} asked of a person"] if asked else [])]) or "no check declared"


def _parameters(record: StepRecord) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in record.params.items())
    return f" with {code(shown)}" if shown else ""


def _artifacts(artifacts: Sequence[Artifact]) -> str:
    return ", ".join(f"{plain(item.name)} {code(item.sha256[:SHORT])}" for item in artifacts) or "nothing"
