"""What stood in the journal around an entry: earlier answers and attempts, and how long they took."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from churnflow.domain.base import stamp
from churnflow.domain.journal import Approval, Decision, Entry, StepRecord
from churnflow.reporting.document import ReportInput
from churnflow.reporting.wording import plain

Answered = StepRecord | Approval | Decision
ANSWERS = {"approve": "approved", "approve-with-notes": "approved with notes", "reject": "rejected"}


def earlier(entry: Answered, document: ReportInput) -> list[Answered]:
    """Return what was recorded for the same item before `entry`, also by a checkpoint alone, oldest first."""
    kept = (other for checkpoint in document.checkpoints for other in checkpoint.run.entries)
    found: list[Answered] = []
    for other in (*kept, *document.run.entries):
        if isinstance(other, Answered) and other.name == entry.name and other != entry and other.at <= entry.at:
            found += [other] if other not in found else []
    return sorted(found, key=lambda other: other.at)


def before(entry: Answered, document: ReportInput) -> Iterator[str]:
    """Write what was said or tried before, so that a refusal does not vanish behind a later consent."""
    yield from (f"- **Before, {stamp(other.at)}:** {_outcome(other)}" for other in earlier(entry, document))


def spent(entries: Iterable[Entry]) -> tuple[float, float]:
    """Return the seconds that machines worked and those that people were waited for, repeated attempts included."""
    kept = list(entries)
    active = sum(entry.seconds for entry in kept if isinstance(entry, StepRecord))
    return active, sum(entry.waited for entry in kept if isinstance(entry, Approval))


def _outcome(entry: Answered) -> str:
    match entry:
        case StepRecord():
            failed = [check.claim for check in entry.checks if not check.passed]
            raised = [issue.text for issue in entry.issues] if entry.raised else []
            reasons = "; ".join(map(plain, (*failed, *raised)))
            state = "passed" if entry.passed else f"did not pass ({reasons})"
            return f"{state}, confidence {entry.confidence.score}"
        case Approval():
            notes = "; ".join(map(plain, entry.notes)) or "no notes"
            return f"{ANSWERS[entry.answer]} by {plain(entry.reviewer)} ({plain(entry.how)}, {entry.grade}): {notes}"
        case Decision():
            return f"{entry.word} with a confidence of {entry.confidence.score}: {'; '.join(map(plain, entry.reasons))}"
        case _ as never:
            assert_never(never)
