"""What was made where a version of the list of reviewers was not known yet: an admin says so, in the next version."""

from collections.abc import Sequence
from contextlib import suppress

from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Decision
from churnflow.domain.reviewers import Acknowledged, ReviewerList
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import Draft, amend, conflict_unless_listed, trusted
from churnflow.engine.verify_approvals import prove_approvals
from churnflow.errors import ConflictError, IntegrityError


def acknowledge(tags: Sequence[str], ports: Ports) -> ReviewerList:
    """Make and keep the version of the list that holds checkpoints to an earlier one, signed by `ports.signer`.

    Each is held to the newest version whose floor it meets. Raises ConflictError for one that needs no such word,
    IntegrityError for one that none helps, RefusedError when the signer is no admin.
    """
    lists = trusted(ports)
    listed = conflict_unless_listed(lists)
    vouched = [_vouched(ports.checkpoints.load(tag), lists, ports) for tag in dict.fromkeys(tags)]
    return amend(Draft(listed.reviewers, acknowledged=tuple(vouched)), ports)


def _vouched(checkpoint: Checkpoint, lists: Sequence[ReviewerList], ports: Ports) -> Acknowledged:
    with suppress(IntegrityError):
        prove_approvals(checkpoint, lists, ports)
        message = f"{checkpoint.tag} is approved as the list of reviewers demands, and needs no word of an admin"
        raise ConflictError(message, hint="`churnflow verify` names what does")
    decisions = (entry for entry in checkpoint.run.entries if isinstance(entry, Decision))
    return Acknowledged(
        checkpoint=digest(checkpoint),
        decisions=tuple(dict.fromkeys(digest(decision) for decision in decisions if decision.verdict == "ship")),
        number=_number(checkpoint, lists, ports),
    )


def _number(checkpoint: Checkpoint, lists: Sequence[ReviewerList], ports: Ports) -> int:
    """Return the newest version whose floor the checkpoint meets, 0 if none."""
    for listed in reversed(lists):
        with suppress(IntegrityError):
            prove_approvals(checkpoint, lists, ports, listed.number)
            return listed.number
    prove_approvals(checkpoint, lists, ports, 0)
    return 0
