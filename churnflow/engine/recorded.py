"""What was ever recorded of a run: a rollback takes entries out of its state, and nothing out of what was said."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from churnflow.domain.approval import Signed
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Approval, Entry, Run
from churnflow.domain.workflow import ApprovalRequest
from churnflow.engine.keys import subject
from churnflow.engine.ports import Ports
from churnflow.errors import IntegrityError


def ever_recorded(run_id: str, ports: Ports) -> tuple[Entry, ...]:
    """Return every entry of a run that is known here, oldest first, also those that a rollback left.

    Where the journal does not go back to the beginning, its checkpoints tell: a rollback keeps in one what it leaves.
    """
    ever = ports.journal.ever(run_id)
    return tuple(_held(ports.checkpoints.history(run_id)) if ever is None else ever)


def recorded_before(made: Checkpoint, ports: Ports) -> tuple[Entry, ...]:
    """Return the entries that came before a checkpoint that ends with its mark, from its chain and from the journal.

    What came after says nothing of what it was made from. A chain or a journal that is not whole is named by `verify`,
    and keeps nobody from what this checkpoint alone proves.
    """
    found: list[Entry] = []
    with suppress(IntegrityError):
        found += _held(one for one in ports.checkpoints.history(made.run.id) if one.number < made.number)
    with suppress(IntegrityError):
        ever, mark = ports.journal.ever(made.run.id) or (), made.run.entries[-1]
        found += ever[: ever.index(mark)] if mark in ever else ()
    return tuple(found)


def signed_answers(entries: Iterable[Entry], run: Run, request: ApprovalRequest) -> tuple[Signed, ...]:
    """Return what was signed about an approval of a run as it is now, in the order of `entries`."""
    asked = (request.name, subject(run, request))
    answers = (one for one in entries if isinstance(one, Approval) and (one.name, one.key) == asked)
    return tuple(signed for answer in answers for signed in answer.signed)


def _held(checkpoints: Iterable[Checkpoint]) -> Iterator[Entry]:
    return (entry for checkpoint in checkpoints for entry in checkpoint.run.entries)
