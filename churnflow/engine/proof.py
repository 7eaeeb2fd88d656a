"""What an issue is closed by: a step's record or a checkpoint, and only one that was made since it was noticed."""

from churnflow.domain.base import digest
from churnflow.domain.journal import Approval, Mark, Proof, Run, StepRecord
from churnflow.domain.ledger import RISKS, LedgerLine
from churnflow.engine.ports import Ports
from churnflow.engine.refs import resolve
from churnflow.errors import RefusedError


def proof_of(named: str, line: LedgerLine, run: Run, ports: Ports) -> Proof:
    """Return the evidence that `named` means for a line of the ledger: a step of the run, else a checkpoint.

    Raises RefusedError for a step that did not pass, and for what was there before the line was noticed: it shows
    nothing that whoever noticed it did not know. Raises UsageError for what is neither a step nor a checkpoint.
    """
    record = run.latest(named)
    if isinstance(record, StepRecord):
        if not record.passed:
            message = f"the step {named} did not pass, and is no evidence"
            raise RefusedError(message, hint=f"mend what it says and run it again, or waive {line.id}")
        _refuse_older(named, line, run, run.entries.index(record))
        return Proof(kind="step", name=named, sha256=record.key)
    checkpoint = ports.checkpoints.load(resolve(named, run, ports))
    marks = [place for place, entry in enumerate(run.entries) if isinstance(entry, Mark)]
    places = [place for place in marks if run.entries[place] in checkpoint.run.entries[-1:]]
    _refuse_older(checkpoint.name, line, run, places[-1] if places else -1)
    return Proof(kind="checkpoint", name=checkpoint.tag, sha256=digest(checkpoint))


def _refuse_older(named: str, line: LedgerLine, run: Run, place: int) -> None:
    if line.source == RISKS:
        return
    noticed = max(
        (
            at
            for at, entry in enumerate(run.entries)
            if isinstance(entry, StepRecord | Approval) and entry.name == line.source and entry.at == line.noticed_at
        ),
        default=-1,
    )
    if place <= noticed:
        message = f"{named} was made before {line.id} was noticed, and shows nothing of it"
        hint = f"`churnflow run` measures again once it is mended; or waive it: `churnflow issues waive {line.id}`"
        raise RefusedError(message, hint=hint)
