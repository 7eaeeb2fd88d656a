"""What an entry was made from, as one digest: an item is done as long as its entry's key still holds."""

from typing import assert_never

from churnflow.domain.base import digest
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Decision, ItemEntry, Mark, Run, StepRecord
from churnflow.domain.ledger import as_of, ledger
from churnflow.domain.workflow import Item, Step
from churnflow.engine.ports import Ports

SCHEMA = 1
# No artifact of a run has a blank in its name.
RELEASE = "release "


def step_key(step: Step, inputs: tuple[Artifact, ...], evidence: str | None, ports: Ports) -> str:
    """Return the digest of all that the result of `step` depends on: code, parameters, inputs, environment."""
    return digest(
        {
            "schema": SCHEMA,
            "code": ports.catalog.code_sha256(step.uses),
            "params": step.params,
            "needs": step.needs,
            "produces": step.produces,
            "inputs": sorted([artifact.name, artifact.sha256] for artifact in inputs),
            "evidence": evidence,
            "packages": ports.packages_sha256,
        }
    )


def subject(run: Run, item: Item) -> str:
    """Return the digest of everything recorded before `item`: what an approval approves and a gate judges."""
    return digest(subject_of(run, item))


def subject_of(run: Run, item: Item) -> dict[str, object]:
    """Return what `subject` is the digest of, as JSON can hold it."""
    before = [essence(entry) for entry in run.before(item.name).current()]
    return {"workflow": digest(run.workflow), "before": before}


def gate_subject(run: Run, item: Item) -> str:
    """Return the digest of what a gate judges: what stands before it, and the state of every issue of weight."""
    return digest(subject_of_gate(run, item))


def subject_of_gate(run: Run, item: Item) -> dict[str, object]:
    """Return what `gate_subject` is the digest of, as JSON can hold it."""
    issues = [[line.id, line.state] for line in ledger(run.before(item.name)) if line.severity != "note"]
    return {"subject": subject(run, item), "issues": issues}


def holds(run: Run, item: Item, entry: ItemEntry, ports: Ports) -> bool:
    """Tell whether what `entry` was made from is still so."""
    if isinstance(entry, StepRecord):
        made = isinstance(item, Step) and entry.key == _key_today(run, item, entry, ports)
        return made and all(ports.store.has(artifact) for artifact in entry.outputs)
    if isinstance(entry, Decision):
        return entry.key == gate_subject(as_of(run, ports.clock.now()), item)
    return entry.key == subject(run, item)


def _key_today(run: Run, step: Step, entry: StepRecord, ports: Ports) -> str | None:
    """Return the key that the step would have now, None when an input is gone."""
    at_hand = run.before(step.name).artifacts()
    inputs: list[Artifact] = []
    for recorded in entry.inputs:
        if recorded.codec == "file":
            sha256 = ports.files.sha256(recorded.name)
            today = recorded.model_copy(update={"sha256": sha256}) if sha256 else None
        elif recorded.name.startswith(RELEASE):
            # What it was compared with stays so when another release is served, the run's own for one.
            today = recorded
        else:
            today = at_hand.get(recorded.name)
        if today is None:
            return None
        inputs.append(today)
    evidence = subject(run, step) if entry.evidence else None
    return step_key(step, tuple(inputs), evidence, ports)


def essence(entry: ItemEntry) -> object:
    """Return what counts of an entry: not when, nor how long, nor whether it was measured anew or reused."""
    match entry:
        case StepRecord():
            return entry.model_dump(mode="json", exclude={"at", "seconds", "reused"})
        case Approval():
            nonces = [one.statement.nonce for one in entry.signed]
            said = [entry.kind, entry.name, entry.key, entry.answer, entry.reviewer, entry.notes]
            return [*said, nonces] if nonces else said
        case Decision():
            return [entry.kind, entry.name, entry.key, entry.verdict]
        case Mark():
            return [entry.kind, entry.name]
        case _ as never:
            assert_never(never)
