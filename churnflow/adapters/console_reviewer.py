"""A reviewer at a terminal: shown what is approved, what changed and what is open; answers by typing."""

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from churnflow.adapters.answers_reviewer import account
from churnflow.adapters.terminal import PlainConsole
from churnflow.domain.approval import Answer, Policy
from churnflow.domain.claims import in_words
from churnflow.domain.evidence import Check, Finding, FindingState, Measure
from churnflow.domain.journal import Approval, Decision, StepRecord
from churnflow.domain.ledger import weight
from churnflow.domain.notes import MARKS
from churnflow.engine.ports import Brief
from churnflow.errors import WaitingError

STYLES: Final[dict[FindingState, str]] = {"pass": "green", "fail": "bold red", "ask": "yellow"}
_PLAIN: Final = re.compile(r"(y|yes|n|no)\b", re.IGNORECASE)
CHOICES: Final[dict[str, Answer]] = {"a": "approve", "w": "approve-with-notes", "r": "reject"}


class ConsoleReviewer:
    """Asks the person at the terminal; end of input, an empty answer or silence never approves."""

    def __init__(self, reviewer: str | None = None, notes: Sequence[str] = ()) -> None:
        """Take a name and notes given on the command line, which are then not asked for."""
        self._reviewer = reviewer
        self._notes = tuple(notes)
        self._console = PlainConsole(file=sys.stderr, markup=False, highlight=False)

    def review(self, brief: Brief, phase: str) -> Approval | None:
        """Show the brief and ask. Raises WaitingError when the input ends before an answer.

        Nothing is asked, and None returned, where a signature is demanded and none would be made.
        """
        if brief.only_signed:
            return None
        began = monotonic()
        self._show(brief, phase)
        try:
            answers = {question: self._answer(question) for question in brief.questions}
            answer = self._choice()
            notes = self._notes or (() if answer == "approve" else self._note_lines())
            signer = brief.signs_as.name if brief.signs_as else None
            reviewer = signer or self._reviewer or self._required(f"  reviewer [{account()}]: ", default=account())
        except EOFError:
            message = f"the input ended before the approval {brief.request.name!r} was answered; nothing is approved"
            raise WaitingError(message, hint=f"`churnflow approve {brief.request.name}` asks again") from None
        return Approval(
            name=brief.request.name,
            phase=phase,
            passed=answer != "reject",
            key=brief.subject,
            at=datetime.now(UTC).replace(microsecond=0),
            waited=round(monotonic() - began, 1),
            answer=answer,
            reviewer=reviewer,
            notes=notes,
            answers=answers,
            how="prompt",
        )

    def _show(self, brief: Brief, phase: str) -> None:
        title = f"Approval: {brief.request.name}"
        risks = [f"risk, {kind}: {risk}" for kind, risk in brief.run.declared.risks.items()]
        about = f"run {brief.run.id}, digest of what is approved {brief.subject[:12]}"
        head = [brief.run.declared.task, about, *_grade(brief), *risks]
        self._console.print(Panel(Text("\n".join(head)), title=title, title_align="left"))
        self._console.print(_steps(brief))
        for record in brief.run.steps():
            if record.phase == phase and record.facts:
                self._console.print(_facts(record))
        for table in checklist([line for record in brief.run.steps() for line in record.findings]):
            self._console.print(table)
        self._console.print(_changed(brief))
        self._console.print(_issues(brief))
        self._console.print(_standings(brief))
        self._console.print(_confidence(brief))

    def _choice(self) -> Answer:
        while True:
            typed = self._ask("  [a]pprove, approve [w]ith notes, or [r]eject? ").strip().lower()
            if typed[:1] in CHOICES and typed in {typed[:1], CHOICES[typed[:1]]}:
                return CHOICES[typed[:1]]
            self._console.print("  type a, w or r; Ctrl-C leaves it unanswered")

    def _note_lines(self) -> tuple[str, ...]:
        self._console.print(f"  notes, one a line, an empty line ends; {MARKS}:")
        lines: list[str] = []
        while line := self._ask("  > ").strip():
            lines.append(line)
        return tuple(lines)

    def _answer(self, question: str) -> str:
        """Return the answer, which begins with yes or no: what begins with neither would count as a yes."""
        while not _PLAIN.match(typed := self._ask(f"  {question} [yes/no, ...] ").strip()):
            self._console.print("  begin with yes or no; what follows is kept beside it")
        if typed.lower().startswith("n"):
            self._console.print("  a no opens a critical issue: the gate does not ship until it is closed or waived")
        return typed

    def _required(self, prompt: str, default: str = "") -> str:
        while not (typed := self._ask(prompt).strip() or default):
            pass
        return typed

    def _ask(self, prompt: str) -> str:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line.endswith("\n"):  # cut off by the end of the input, so that nobody has sent it
            raise EOFError
        return line


def checklist(findings: Sequence[Finding]) -> Iterator[Table]:
    """Yield the lines of a checklist topic by topic: PASS, FAIL or ASK, the claim, the evidence behind it."""
    for topic in dict.fromkeys(line.topic for line in findings):
        lines = [(line.state, f"{line.claim}: {line.evidence}") for line in findings if line.topic == topic]
        yield _lines(f"Checklist: {topic}", lines)


def checks_table(checks: Sequence[Check]) -> Table:
    """Return the declared checks of a step as such lines, with what was observed."""
    lines: list[tuple[FindingState, str]] = []
    for check in checks:
        measure = None if check.observed is None else Measure(value=check.observed, low=check.low, high=check.high)
        observed = "not measured" if measure is None else f"observed {_short(measure)}"
        lines.append(("pass" if check.passed else "fail", f"{check.claim}: {observed}"))
    return _lines("Checks", lines)


def _lines(title: str, lines: Sequence[tuple[FindingState, str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for state, text in lines:
        table.add_row(Text(state.upper(), STYLES[state]), Text(text))
    return table


def _grade(brief: Brief) -> Iterator[str]:
    """Yield what the answer will be worth, and under which list of reviewers."""
    if brief.signs_as is None:
        yield "grade unsigned: what is typed shows intent, and proves nobody"
    else:
        yield f"grade signed, as {brief.signs_as.name} ({brief.signs_as.fingerprint})"
    if brief.policy != Policy():
        yield f"needed: {brief.policy.in_words()}"
    if brief.lists is not None:
        yield f"list of reviewers {brief.lists[1][:12]}, first trusted {brief.lists[0][:12]}"


def _steps(brief: Brief) -> Table:
    table = Table("step", "evidence score", "key metrics", title="What is approved", title_justify="left", box=None)
    for record in brief.run.steps():
        table.add_row(record.name, str(record.confidence.score), _key_metrics(record))
    return table


def _facts(record: StepRecord) -> Table:
    table = Table(title=f"Facts: {record.name}", title_justify="left", box=None, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in record.facts.items():
        table.add_row(Text(name), Text(text))
    return table


def _key_metrics(record: StepRecord) -> str:
    return "  ".join(f"{name} {_short(measure)}" for name, measure in list(record.metrics.items())[:4])


def _short(measure: Measure) -> str:
    interval = "" if measure.low is None else f" [{measure.low:.3g}, {measure.high:.3g}]"
    value = f"{measure.value:,.0f}" if measure.value.is_integer() else f"{measure.value:.4g}"
    return f"{value}{interval}"


def _changed(brief: Brief) -> Text:
    if brief.previous is None:
        return Text("Changed since the last checkpoint: there is none yet")
    before = {entry.name: entry.key for entry in brief.previous.run.current()}
    done = [entry.name for entry in brief.run.current() if before.get(entry.name) != entry.key]
    read = [artifact for record in brief.run.steps() for artifact in record.inputs if artifact.codec == "file"]
    known = {path: artifact.sha256 for path, artifact in brief.previous.data.items()}
    data = dict.fromkeys(source.name for source in read if known.get(source.name) != source.sha256)
    parts = (
        f"done {', '.join(done) or 'nothing'}",
        f"files: {', '.join(brief.changed_files[:8]) or 'no file'}",
        f"source data: {', '.join(data) or 'unchanged'}",
    )
    return Text(f"Changed since {brief.previous.name}: {'; '.join(parts)}")


def _standings(brief: Brief) -> Text:
    lines = [f"  {standing.author}: {in_words(standing)}" for standing in brief.standings]
    return Text("\n".join(["Claims so far, and what came true:", *lines])) if lines else Text("Claims so far: none")


def _issues(brief: Brief) -> Text:
    # Risks in words alone stand in the head, where the plan states them.
    told = [line for line in brief.issues if line.kind != "risk" or line.severity != "note"]
    if not told:
        return Text("Open issues: none")
    lines = [f"  {weight(line):8} {line.id}: {line.text}" for line in told]
    return Text("\n".join(["Open issues:", *lines]))


def _confidence(brief: Brief) -> Text:
    """Return the scores of the run with their reasons, and what the gate makes of them once this is approved."""
    outlook = brief.outlook
    told = None if outlook is None else outlook.confidence  # stands in the first reason of the gate, with its band
    lines = [
        f"{name.capitalize()} confidence: {score.score} ({score.because})"
        for name, score in brief.scores.items()
        if score != told
    ]
    if outlook is not None:
        lines.append(f"Once approved, the gate {outlook.name!r} {_says(outlook)}:")
        lines += [f"  - {reason}" for reason in outlook.reasons]
    return Text("\n".join(lines))


def _says(outlook: Decision) -> str:
    if outlook.passed:
        return "would say SHIP; " + ("nothing stands against it" if len(outlook.reasons) == 1 else "know all of this")
    return f"would not ship but say {outlook.verdict.upper()}"
