"""The measured probability that all requirements hold on the next batch, as the sum from which a final score starts."""

from collections.abc import Sequence

from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Run, StepRecord
from churnflow.engine.tally import Tally

HOLD = "requirements_hold"
SHORT = 12


def assured(run: Run, tally: Tally) -> str | None:
    """Add the probability to `tally`, requirement by requirement, and return what it claims; None if none measured it.

    Only a step that was given the evidence can measure it, for it is a statement about all that was measured before.
    What each requirement takes is `requirement_K_takes`, the K-th of the workflow's, with `requirement_K` among the
    facts as its reason; a step that reports the probability alone is taken as it is.
    """
    record = next((step for step in reversed(run.steps()) if HOLD in step.metrics and step.evidence), None)
    if record is None:
        return None
    probability = min(1.0, max(0.0, record.metrics[HOLD].value))
    source = f"{record.name}.{HOLD} = {_short_of_one(probability):.3f}"
    lines = _lines(record, len(run.declared.requirements))
    if lines:
        held = f"all hold in {_short_of_one(probability):.1%} of those drawn ({source})"
        tally.add(100, f"100, less the share of next batches in which a requirement fails: {held}")
        for points, text in lines:
            tally.add(points, text)
    else:
        tally.add(100 * probability, f"measured by the step {record.name} ({source})")
    count = len(run.declared.requirements)
    together = f"all {count} requirements hold together" if count > 1 else "the requirement holds"
    return f"probability that {together} on the next batch from the same source"


def _short_of_one(probability: float) -> float:
    """Return the probability as three decimals may tell it: one only where every drawn batch held."""
    return probability if probability >= 1 else min(probability, 0.999)


def _lines(record: StepRecord, requirements: int) -> list[tuple[float, str]]:
    """Return what each requirement takes and why, the most first; none where that does not add up to the whole."""
    lines = []
    for place in range(1, requirements + 1):
        name = f"requirement_{place}"
        taken = record.metrics.get(f"{name}_takes")
        if taken is not None:
            text = record.facts.get(name, f"{name} fails, and none above it")
            lines.append((-100 * taken.value + 0.0, text + _traced(text, record.inputs)))
    whole = 100 + sum(points for points, _ in lines)
    adds_up = abs(whole - 100 * record.metrics[HOLD].value) < 1e-6  # noqa: PLR2004 - rounding of a sum
    return sorted(lines) if adds_up else []


def _traced(text: str, inputs: Sequence[Artifact]) -> str:
    """Return the digests of the artifacts that a reason names."""
    named = [f"{artifact.name} {artifact.sha256[:SHORT]}" for artifact in inputs if artifact.name in text.split()]
    return f" ({', '.join(named)})" if named else ""
