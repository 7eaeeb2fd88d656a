"""The ledger: every issue, condition and risk of a run, from what noticed it to what closed it."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple, get_args

from churnflow.domain.base import Frozen, Moment, stamp
from churnflow.domain.evidence import Issue, Severity
from churnflow.domain.journal import Approval, IssueAnswer, Proof, Run, StepRecord
from churnflow.domain.notes import Kind, issues_of_answers, opened_by_notes
from churnflow.domain.workflow import Risk

State = Literal["open", "closed", "waived"]

# The source of what the workflow itself states.
RISKS: Final = "risks"
_WEIGHTS: Final = get_args(Severity)


class Noticed(NamedTuple):
    """What was noticed, of which kind, when, and by the item called `source`, whose record has that key."""

    source: str
    key: str
    issue: Issue
    kind: Kind = "issue"
    at: datetime | None = None

    @property
    def id(self) -> str:
        """The id of the line in the ledger."""
        return issue_id(self.source, self.key, self.issue, self.kind)


class LedgerLine(Frozen):
    """One issue, condition or risk, with where and when it was noticed and what became of it.

    by, reason: of the answer that holds. until: when the waiver that holds ends. evidence: what closed it. answers: all
    that was said of it, oldest first, and where a waiver ended.
    """

    id: str
    source: str
    severity: Severity
    text: str
    state: State = "open"
    by: str | None = None
    reason: str | None = None
    kind: Kind = "issue"
    noticed_at: Moment | None = None
    until: Moment | None = None
    evidence: Proof | None = None
    answers: tuple[IssueAnswer, ...] = ()

    @property
    def forbids(self) -> bool:
        """Whether nothing ships while this is open: it is critical, or an approval was given on the promise of it."""
        return self.severity == "critical" or self.kind == "condition"

    @property
    def ended(self) -> IssueAnswer | None:
        """The end of the waiver that this stood under, where that is why it is open again."""
        last = self.answers[-1] if self.answers else None
        return last if last is not None and last.action == "expire" else None


def weight(line: LedgerLine) -> str:
    """Return how much a line weighs as screens say it: its severity, `promised` for a condition of an approval."""
    return "promised" if line.kind == "condition" else line.severity


def answered(line: LedgerLine) -> str:
    """Return what became of a line, in words: open, or who waived or closed it, until when, by what, and why."""
    ended = line.ended
    if ended is not None:
        return f"open again, the waiver of {ended.by} ended on {ended.at:%Y-%m-%d}"
    if line.state == "open":
        return "open"
    whose = f" by {line.by}" if line.by else ""
    until = f" until {line.until:%Y-%m-%d}" if line.until else ""
    evidence = f" by {line.evidence}" if line.evidence else ""
    return f"{line.state}{whose}{until}{evidence} ({line.reason})"


def story(line: LedgerLine) -> tuple[str, ...]:
    """Return a line from birth to end, one sentence each: when and by what it was noticed, and each answer to it."""
    at = f", {stamp(line.noticed_at)}" if line.noticed_at else ""
    told = [f"noticed by {'the plan' if line.source == RISKS else line.source}{at}"]
    for answer in line.answers:
        until = f" until {stamp(answer.until)}" if answer.until else ""
        evidence = f" by {answer.evidence}" if answer.evidence else ""
        said = {"close": "closed", "waive": "waived", "expire": "the waiver ended of what was waived"}[answer.action]
        told.append(f"{said} by {answer.by}{until}{evidence}, {stamp(answer.at)}: {answer.reason}")
    if line.state == "closed" and line.evidence is not None and line.by is None:
        told.append(f"closed by {line.evidence}: {line.reason}")
    return tuple(told)


def issue_id(source: str, key: str, issue: Issue, kind: Kind = "issue") -> str:
    """Return an id of the issue and of what its source was made from (`key`).

    So an answer never slips to another issue, and does not outlive what it was given for.
    """
    told = f"{key} {issue.severity} {issue.text}" + ("" if kind == "issue" else f" {kind}")
    return f"{source}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def as_of(run: Run, at: datetime) -> Run:
    """Return the run as it stands at a moment: a waiver that has ended by then is followed by its end.

    The journal holds no such entry: when a waiver ends, nobody need be there to write it.
    """
    latest = {answer.name: answer for answer in run.answers()}
    ended = [
        answer.model_copy(update={"action": "expire", "at": answer.until, "until": None})
        for answer in latest.values()
        if answer.action == "waive" and answer.until is not None and answer.until <= at
    ]
    return run.with_entries((*run.entries, *ended)) if ended else run


def end_of_waivers(run: Run, at: datetime) -> datetime | None:
    """Return when the last of the waivers ended that had ended by a moment: as of it the run stands as at that."""
    return max(
        (answer.until for answer in run.answers() if answer.until is not None and answer.until <= at), default=None
    )


def ledger(run: Run) -> tuple[LedgerLine, ...]:
    """Return the risks that the workflow states, and all that the run's current records notice, in its order.

    What several steps noticed stands once, as the step tells it that finds it gravest, of these the first; and once
    more where a step has noticed it after it was closed.
    """
    return (*_risks(run), *(_line(one, _said_of(run, number)) for number, one in _told(run).items()))


def whole_ledger(run: Run) -> tuple[LedgerLine, ...]:
    """Return the ledger and, after it, what earlier records of steps noticed and the newest ones do no more."""
    return (*ledger(run), *_measured_away(run))


def open_issues(run: Run) -> tuple[LedgerLine, ...]:
    """Return the lines that nothing has closed and nobody has waived."""
    return tuple(line for line in ledger(run) if line.state == "open")


def told_once(
    noticed: Iterable[Noticed], again: Callable[[Noticed, str], bool] = lambda *_: False
) -> dict[str, Noticed]:
    """Return, by id, each thing that was noticed once: as it is told where it is found gravest, of these the first.

    again: tells of what is known, and of the item that notices the same, whether that is to be told once more.
    """
    told: list[Noticed] = []
    latest: dict[str, int] = {}
    for one in noticed:
        about = one.issue.about
        known = told[latest[about]] if about in latest else None
        if not about or known is None or again(known, one.source):
            latest[about] = len(told)
            told.append(one)
        elif _WEIGHTS.index(one.issue.severity) > _WEIGHTS.index(known.issue.severity):
            told[latest[about]] = one
    return {one.id: one for one in told}


def _told(run: Run) -> dict[str, Noticed]:
    entries = list(enumerate(run.entries))
    places = {entry.name: place for place, entry in entries if isinstance(entry, StepRecord | Approval)}
    answers = {entry.name: (place, entry) for place, entry in entries if isinstance(entry, IssueAnswer)}
    closed = {name: place for name, (place, answer) in answers.items() if answer.action == "close"}
    return told_once(_noticed(run), lambda known, source: closed.get(known.id, places[source]) < places[source])


def _noticed(run: Run) -> Iterator[Noticed]:
    for entry in run.current():
        match entry:
            case StepRecord():
                yield from _of_step(entry)
            case Approval():
                yield from _of_approval(run, entry)
            case _:
                pass


def _of_step(record: StepRecord) -> Iterator[Noticed]:
    return (Noticed(record.name, record.key, issue, at=record.at) for issue in record.issues)


def _of_approval(run: Run, newest: Approval) -> Iterator[Noticed]:
    """Yield what the notes of all answers to an approval opened, and the newest answers to its questions.

    To answer again takes no note back: whoever approves after a colleague inherits what that one has opened. A note
    that is given again stands once.
    """
    given = [entry for entry in run.entries if isinstance(entry, Approval) and entry.name == newest.name]
    for place, entry in enumerate(given):
        later = {opened for other in given[place + 1 :] for opened in opened_by_notes(other.notes)}
        for opened in opened_by_notes(entry.notes):
            if opened not in later:
                yield Noticed(entry.name, entry.key, opened.issue, opened.kind, entry.at)
    for issue in issues_of_answers(newest.answers):
        yield Noticed(newest.name, newest.key, issue, at=newest.at)


def _said_of(run: Run, number: str) -> tuple[IssueAnswer, ...]:
    return tuple(answer for answer in run.answers() if answer.name == number)


def _line(noticed: Noticed, answers: tuple[IssueAnswer, ...]) -> LedgerLine:
    issue = noticed.issue
    line = LedgerLine(
        id=noticed.id,
        source=noticed.source,
        severity=issue.severity,
        text=issue.text,
        kind=noticed.kind,
        noticed_at=noticed.at,
        answers=answers,
    )
    last = answers[-1] if answers else None
    if last is None or last.action == "expire":
        return line
    state: State = "closed" if last.action == "close" else "waived"
    said = {"by": last.by, "reason": last.reason, "until": last.until, "evidence": last.evidence}
    return line.model_copy(update={"state": state, **said})


def _risks(run: Run) -> Iterator[LedgerLine]:
    for name, stated in run.declared.risks.items():
        risk = stated if isinstance(stated, Risk) else Risk(risk=stated, severity="note")
        issue = Issue(text=f"{name}: {risk.risk}", severity=risk.severity)
        noticed = Noticed(RISKS, name, issue, "risk", run.started_at)
        yield _measured(run, risk, _line(noticed, _said_of(run, noticed.id)))


def _measured(run: Run, risk: Risk, line: LedgerLine) -> LedgerLine:
    """Return the line closed by the step whose measure keeps the limit that the risk names, where it does."""
    if risk.closed_by is None:
        return line
    step, _, metric = risk.closed_by.metric.partition(".")
    record = next((record for record in run.steps() if record.name == step and record.passed), None)
    check = risk.closed_by.model_copy(update={"metric": metric}).judge(record.metrics if record else {})
    if record is None or not check.passed:
        return line
    reason = f"{risk.closed_by}: observed {check.observed:.4g}"
    closed = {"state": "closed", "by": None, "reason": reason, "until": None}
    return line.model_copy(update={**closed, "evidence": Proof(kind="step", name=step, sha256=record.key)})


def _measured_away(run: Run) -> Iterator[LedgerLine]:
    newest = {record.name: record for record in run.steps()}
    here = {_matter(one) for record in newest.values() for one in _of_step(record)}
    earlier = (
        one
        for entry in run.entries
        if isinstance(entry, StepRecord) and not newest[entry.name].raised and entry is not newest[entry.name]
        for one in _of_step(entry)
        if _matter(one) not in here
    )
    first: dict[str, Noticed] = {}
    for one in earlier:
        first.setdefault(_matter(one), one)
    for one in first.values():
        proof = Proof(kind="step", name=one.source, sha256=newest[one.source].key)
        update = {"state": "closed", "by": None, "reason": "measured again, and gone", "until": None}
        yield _line(one, _said_of(run, one.id)).model_copy(update={**update, "evidence": proof})


def _matter(noticed: Noticed) -> str:
    """Return what is the same matter in two records: what it is about, else its words where they were said."""
    issue = noticed.issue
    return f"about {issue.about}" if issue.about else f"{noticed.source}: {issue.severity} {issue.text}"
