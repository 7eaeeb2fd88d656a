"""The ledger of issues: every one noticed in a run, and whether it is open, closed or waived."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, get_args

from churnflow.domain.base import Frozen
from churnflow.domain.evidence import Issue, Severity
from churnflow.domain.journal import Approval, IssueAnswer, Run, StepRecord

State = Literal["open", "closed", "waived"]

# Which item noticed what: its name and key, and the issue.
Noticed = tuple[str, str, Issue]

_WEIGHTS: Final = get_args(Severity)


class LedgerLine(Frozen):
    """One issue with where it was noticed and what became of it."""

    id: str
    source: str
    severity: Severity
    text: str
    state: State = "open"
    by: str | None = None
    reason: str | None = None


def issue_id(source: str, key: str, issue: Issue) -> str:
    """Return an id of the issue and of what its source was made from (`key`).

    So an answer never slips to another issue, and does not outlive what it was given for.
    """
    return f"{source}-{hashlib.sha256(f'{key} {issue.severity} {issue.text}'.encode()).hexdigest()[:8]}"


def ledger(run: Run) -> tuple[LedgerLine, ...]:
    """Return every issue of the run's current records, in the order of the workflow.

    What several steps noticed stands once, as the step tells it that finds it gravest, of these the first; and once
    more where a step has noticed it after it was closed.
    """
    answers = {answer.name: answer for answer in run.answers()}
    return tuple(_line(number, source, issue, answers.get(number)) for number, (source, _, issue) in _told(run).items())


def open_issues(run: Run) -> tuple[LedgerLine, ...]:
    """Return the issues that nobody has closed or waived."""
    return tuple(line for line in ledger(run) if line.state == "open")


def told_once(
    noticed: Iterable[Noticed], again: Callable[[Noticed, str], bool] = lambda *_: False
) -> dict[str, Noticed]:
    """Return, by id, each thing that was noticed once: as it is told where it is found gravest, of these the first.

    again: tells of what is known, and of the item that notices the same, whether that is to be told once more.
    """
    told: list[Noticed] = []
    latest: dict[str, int] = {}
    for source, key, issue in noticed:
        known = told[latest[issue.about]] if issue.about in latest else None
        if not issue.about or known is None or again(known, source):
            latest[issue.about] = len(told)
            told.append((source, key, issue))
        elif _WEIGHTS.index(issue.severity) > _WEIGHTS.index(known[2].severity):
            told[latest[issue.about]] = (source, key, issue)
    return {issue_id(*one): one for one in told}


def _told(run: Run) -> dict[str, Noticed]:
    entries = list(enumerate(run.entries))
    places = {entry.name: place for place, entry in entries if isinstance(entry, StepRecord | Approval)}
    answers = {entry.name: (place, entry) for place, entry in entries if isinstance(entry, IssueAnswer)}
    closed = {name: place for name, (place, answer) in answers.items() if answer.action == "close"}
    return told_once(_noticed(run), lambda known, source: closed.get(issue_id(*known), places[source]) < places[source])


def _noticed(run: Run) -> list[Noticed]:
    noticed: list[Noticed] = []
    for entry in run.current():
        match entry:
            case StepRecord():
                noticed += [(entry.name, entry.key, issue) for issue in entry.issues]
            case Approval():
                found = [*issues_of_notes(entry.notes), *issues_of_answers(entry.answers)]
                noticed += [(entry.name, entry.key, issue) for issue in found]
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


def issues_of_answers(answers: Mapping[str, str]) -> list[Issue]:
    """Return the issues that a reviewer's answers open: a no is critical, whatever else was said."""
    return [
        Issue(text=f"answered no: {question}", severity="critical")
        for question, answer in answers.items()
        if re.match(r"no?\b", answer.strip(), re.IGNORECASE)
    ]


def _line(number: str, source: str, issue: Issue, answer: IssueAnswer | None) -> LedgerLine:
    line = LedgerLine(id=number, source=source, severity=issue.severity, text=issue.text)
    if answer is None:
        return line
    state: State = "closed" if answer.action == "close" else "waived"
    return line.model_copy(update={"state": state, "by": answer.by, "reason": answer.reason})
