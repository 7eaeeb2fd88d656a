"""The ledger of issues: every one noticed in a run, and whether it is open, closed or waived."""

import hashlib
from typing import Literal

from churnflow.domain.base import Frozen
from churnflow.domain.evidence import Issue, Severity
from churnflow.domain.journal import Approval, IssueAnswer, Run, StepRecord

State = Literal["open", "closed", "waived"]


class LedgerLine(Frozen):
    """One issue with where it was noticed and what became of it."""

    id: str
    source: str
    severity: Severity
    text: str
    state: State = "open"
    by: str | None = None
    reason: str | None = None


def issue_id(source: str, text: str) -> str:
    """Return an id that stays with the text, so that an answer never slips to another issue."""
    return f"{source}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def ledger(run: Run) -> tuple[LedgerLine, ...]:
    """Return every issue of the run's current records, in the order of the workflow."""
    answers = {answer.name: answer for answer in run.answers()}
    lines: dict[str, LedgerLine] = {}
    for source, issue in _noticed(run):
        number = issue_id(source, issue.text)
        lines[number] = _line(number, source, issue, answers.get(number))
    return tuple(lines.values())


def open_issues(run: Run) -> tuple[LedgerLine, ...]:
    """Return the issues that nobody has closed or waived."""
    return tuple(line for line in ledger(run) if line.state == "open")


def _noticed(run: Run) -> list[tuple[str, Issue]]:
    noticed: list[tuple[str, Issue]] = []
    for entry in run.current():
        match entry:
            case StepRecord():
                noticed += [(entry.name, issue) for issue in entry.issues]
            case Approval():
                noticed += [(entry.name, issue) for issue in issues_of_notes(entry.notes)]
            case _:
                pass
    return noticed


def issues_of_notes(notes: tuple[str, ...]) -> list[Issue]:
    """Return the issues that a reviewer opened: each note line that begins with `!`, critical if with `!!`."""
    return [
        Issue(text=note.lstrip("!").strip(), severity="critical" if note.startswith("!!") else "warning")
        for note in notes
        if note.startswith("!") and note.strip("! ")
    ]


def _line(number: str, source: str, issue: Issue, answer: IssueAnswer | None) -> LedgerLine:
    line = LedgerLine(id=number, source=source, severity=issue.severity, text=issue.text)
    if answer is None:
        return line
    state: State = "closed" if answer.action == "close" else "waived"
    return line.model_copy(update={"state": state, "by": answer.by, "reason": answer.reason})
