"""What happened: the entries of a run, in the order in which they were recorded."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Annotated, Final, Literal

from pydantic import Field, JsonValue, model_validator

from churnflow.domain.approval import Answer, Grade, Signed
from churnflow.domain.base import Frozen, Moment, Name, Score, Sha256
from churnflow.domain.evidence import Artifact, Check, Confidence, Finding, Issue, Measure
from churnflow.domain.notes import opened_by_notes
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Step, Workflow

Verdict = Literal["ship", "fix", "rework"]


class Reuse(Frozen):
    """Where a reused result came from: the run that measured it, and when."""

    run: str
    at: Moment


class StepRecord(Frozen):
    """A step as it was done: what went in, what came out, what was measured, and how sure that makes us.

    `key` is the digest of everything the result depends on: code, parameters, inputs, environment. evidence: the digest
    of the earlier records, for a step that reads them. raised: the function did not return, so nothing was measured.
    """

    kind: Literal["step"] = "step"
    name: Name
    phase: str
    passed: bool
    key: Sha256
    at: Moment
    seconds: float = 0.0
    uses: str
    params: dict[str, JsonValue] = {}
    inputs: tuple[Artifact, ...] = ()
    outputs: tuple[Artifact, ...] = ()
    metrics: dict[str, Measure] = {}
    facts: dict[str, str] = {}
    checks: tuple[Check, ...] = ()
    issues: tuple[Issue, ...] = ()
    findings: tuple[Finding, ...] = ()
    confidence: Confidence
    stated: Confidence | None = None
    evidence: Sha256 | None = None
    raised: bool = False
    reused: Reuse | None = None


class Mark(Frozen):
    """The place of a checkpoint in the journal; `key` is the digest of what stood before it."""

    kind: Literal["checkpoint"] = "checkpoint"
    name: Name
    phase: str
    passed: bool = True
    key: Sha256
    at: Moment


class Approval(Frozen):
    """A named reviewer's answer; `key` is the digest of what was approved.

    how: `prompt` (typed at a terminal), `answers file`, `scripted demo`. waited: seconds since the
    entry before. grade: what the answers to exactly this come to together. signed: those that were signed, the newest
    of each reviewer. others: who had approved it unsigned before. lacks: what the workflow demands beyond that.
    """

    kind: Literal["approval"] = "approval"
    name: Name
    phase: str
    passed: bool
    key: Sha256
    at: Moment
    waited: float = 0.0
    answer: Answer
    reviewer: str
    notes: tuple[str, ...] = ()
    answers: dict[str, str] = {}
    how: str
    grade: Grade = Field(default="unsigned", exclude_if=lambda grade: grade == "unsigned")
    signed: tuple[Signed, ...] = Field(default=(), exclude_if=lambda signed: not signed)
    others: tuple[str, ...] = Field(default=(), exclude_if=lambda others: not others)
    lacks: str | None = Field(default=None, exclude_if=lambda lacks: lacks is None)


class Decision(Frozen):
    """The verdict of a gate, with its reasons and the next action; `key` is the digest of what was judged.

    by: who had the gate decide. said: what the gate calls its verdict, where it has words of its own. Both are left out
    where they are not known, so that the digests of older records stay the same.
    """

    kind: Literal["decision"] = "decision"
    name: Name
    phase: str
    passed: bool
    key: Sha256
    at: Moment
    verdict: Verdict
    confidence: Confidence
    bands: tuple[Score, Score]
    reasons: tuple[str, ...]
    next_action: str
    by: str | None = Field(default=None, exclude_if=lambda by: by is None)
    said: str | None = Field(default=None, exclude_if=lambda said: said is None)

    @property
    def word(self) -> str:
        """The verdict as people are told it."""
        return self.said or self.verdict


class Proof(Frozen):
    """What an issue was closed by: a step's record, by its key, or a checkpoint, by its tag and digest."""

    kind: Literal["step", "checkpoint"]
    name: str
    sha256: Sha256

    def __str__(self) -> str:
        """Write what it is and how its digest begins, as screens and reports print it."""
        return f"{self.kind} {self.name} ({self.sha256[:12]})"


class IssueAnswer(Frozen):
    """What became of an issue: closed by evidence, or waived by a named person for a reason and for a time.

    expire: the end of a waiver; it stands in no journal, but follows from `until` (`domain.ledger.as_of`). Records from
    before waivers had an end and closings named their evidence have neither.
    """

    kind: Literal["issue"] = "issue"
    name: str
    passed: bool = True
    at: Moment
    action: Literal["close", "waive", "expire"]
    by: str
    reason: str
    until: Moment | None = Field(default=None, exclude_if=lambda until: until is None)
    evidence: Proof | None = Field(default=None, exclude_if=lambda evidence: evidence is None)


class Override(Frozen):
    """A parameter set on the command line for a step not yet done (`--set STEP.PARAM=VALUE`)."""

    kind: Literal["override"] = "override"
    name: str
    passed: bool = True
    at: Moment
    parameter: str
    value: JsonValue


Entry = Annotated[
    StepRecord | Mark | Approval | Decision | IssueAnswer | Override,
    Field(discriminator="kind"),
]
ItemEntry = StepRecord | Mark | Approval | Decision
_RECORDED_AS: Final[dict[type, type]] = {
    Step: StepRecord,
    CheckpointRequest: Mark,
    ApprovalRequest: Approval,
    Gate: Decision,
}


class Run(Frozen):
    """One execution of a workflow: a journal that only grows. by: who began it, None where that is not known."""

    id: Name
    workflow_path: str
    workflow_sha256: Sha256
    declared: Workflow
    started_at: Moment
    by: str | None = Field(default=None, exclude_if=lambda by: by is None)
    entries: tuple[Entry, ...] = ()

    @model_validator(mode="after")
    def _entries_are_of_their_items(self) -> "Run":
        wrong = self.misplaced(self.entries)
        if wrong is not None:
            message = f"{wrong.name} is no {wrong.kind} in this workflow"
            raise ValueError(message)
        return self

    def misplaced(self, entries: Iterable[Entry]) -> ItemEntry | None:
        """Return the first entry that is recorded of another kind of item than the workflow declares, None for none.

        A decision in the name of a checkpoint would be a gate that nobody declared.
        """
        kinds = {item.name: _RECORDED_AS[type(item)] for item in self.declared.items()}
        recorded = (entry for entry in entries if isinstance(entry, ItemEntry))
        return next((entry for entry in recorded if not isinstance(entry, kinds.get(entry.name, ItemEntry))), None)

    def add(self, entry: Entry) -> "Run":
        """Return the run with one more entry."""
        return self.model_copy(update={"entries": (*self.entries, entry)})

    def condensed(self) -> "Run":
        """Return the run with the newest entry of each item, and what people answered and set: all that still counts.

        An answer to an approval that opened something counts also after it was given anew: what was open stays so. So a
        checkpoint does not grow with the number of those before it; what was superseded stays in them and in the
        journal.
        """
        newest = {entry.name: entry for entry in self.entries if isinstance(entry, ItemEntry)}
        kept = [entry for entry in self.entries if newest.get(entry.name) is entry or _is_lasting(entry)]
        return self.with_entries(kept)

    def with_entries(self, entries: Sequence[Entry]) -> "Run":
        """Return the run with another journal, as a rollback does."""
        return self.model_copy(update={"entries": tuple(entries)})

    @property
    def workflow(self) -> Workflow:
        """The declared workflow with the parameters that were set on the command line."""
        workflow = self.declared
        for entry in self.entries:
            if isinstance(entry, Override):
                workflow = workflow.with_override(entry.name, entry.parameter, entry.value)
        return workflow

    def latest(self, name: str) -> ItemEntry | None:
        """Return the newest entry of the item called `name`, None if it was not reached."""
        for entry in reversed(self.entries):
            if isinstance(entry, ItemEntry) and entry.name == name:
                return entry
        return None

    def current(self) -> tuple[ItemEntry, ...]:
        """Return the newest entry of each item, in the order of the workflow."""
        newest = {entry.name: entry for entry in self.entries if isinstance(entry, ItemEntry)}
        return tuple(newest[item.name] for item in self.declared.items() if item.name in newest)

    def approvals_for(self, mark: Mark) -> tuple[Approval, ...]:
        """Return the answers given between the checkpoint before `mark` and it, in the order of the workflow."""
        found: list[Approval] = []
        for entry in takewhile(lambda entry: entry != mark, self.current()):
            if isinstance(entry, Mark):
                found = []
            elif isinstance(entry, Approval):
                found.append(entry)
        return tuple(found)

    def approvals(self) -> tuple[Approval, ...]:
        """Return the newest answer to each approval, in the order of the workflow."""
        return tuple(entry for entry in self.current() if isinstance(entry, Approval))

    def answers_to(self, name: str, key: str) -> tuple[Approval, ...]:
        """Return every answer to the approval called `name` about the state of that digest, oldest first."""
        return tuple(e for e in self.entries if isinstance(e, Approval) and (e.name, e.key) == (name, key))

    def steps(self) -> tuple[StepRecord, ...]:
        """Return the newest record of each step, in the order of the workflow."""
        return tuple(entry for entry in self.current() if isinstance(entry, StepRecord))

    def before(self, name: str) -> "Run":
        """Return the run as of the item called `name`: without entries of that item and those declared after it.

        What was done after an item in an earlier pass is neither an input of it nor evidence for it.
        """
        names = [item.name for item in self.declared.items()]
        past = set(names[: names.index(name)])
        return self.with_entries([e for e in self.entries if not isinstance(e, ItemEntry) or e.name in past])

    def artifacts(self) -> dict[str, Artifact]:
        """Return the artifacts at hand by name; a later step's output replaces an earlier one of the same name."""
        return {artifact.name: artifact for record in self.steps() if record.passed for artifact in record.outputs}

    def answers(self) -> tuple[IssueAnswer, ...]:
        """Return what people said of issues, oldest first."""
        return tuple(entry for entry in self.entries if isinstance(entry, IssueAnswer))


def _is_lasting(entry: Entry) -> bool:
    """Tell whether an entry counts although a newer one of its name was made."""
    if isinstance(entry, Approval):
        return bool(opened_by_notes(entry.notes))
    return not isinstance(entry, ItemEntry)
