"""What a step leaves behind: measures, facts, issues, findings, and the confidence that follows from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from churnflow.domain.base import Frozen, Score, Sha256

Severity = Literal["note", "warning", "critical"]
FindingState = Literal["pass", "fail", "ask"]


class Measure(Frozen):
    """A measured number: its value, a 95% interval where one was computed, and the count it rests on."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class Issue(Frozen):
    """Something noticed; it stays open until it is closed, or waived by a named person.

    about: what was noticed, where another step may notice the same in other words or numbers: it is listed once.
    """

    text: str
    severity: Severity = "note"
    about: str = ""

    @model_serializer(mode="wrap")
    def _plain(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out where it says nothing, so that a record from before it was known keeps its digest.
        return {name: value for name, value in write(self).items() if value or name != "about"}


class Finding(Frozen):
    """One line of a review checklist: a claim, what became of it, and the evidence for that."""

    topic: str
    claim: str
    state: FindingState
    evidence: str
    severity: Severity = "critical"


class Part(Frozen):
    """One line of the sum that a confidence is: the points it adds or takes, and why."""

    points: float
    text: str


class Confidence(Frozen):
    """A score of 0-100 with its reason; `parts` add up to the score, caps included."""

    score: Score
    because: str
    parts: tuple[Part, ...] = ()


class Check(Frozen):
    """A rule after testing: what it claims, what was observed, and whether it held."""

    claim: str
    observed: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool


class Artifact(Frozen):
    """A stored output, identified by the sha256 of its bytes."""

    name: str
    codec: str
    sha256: Sha256
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step function returns. Steps measure; workflows judge.

    outputs: artifacts by name, each stored with the codec that the workflow's `produces` names.
    metrics: numbers by name, the unit in the name; a plain float, or a `Measure` with interval and n.
    facts: short texts worth reading, never a customer's row or identifier.
    issues: what was noticed. findings: checklist lines, for a step that reviews.
    confidence: what the step says of itself; it is kept apart and never raises the computed score.
    """

    outputs: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float | Measure] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    issues: Sequence[Issue] = ()
    findings: Sequence[Finding] = ()
    confidence: Confidence | None = None
