"""The approvals of a checkpoint, proved: every signature in it, and that what it shipped was approved as demanded."""

from collections.abc import Iterator, Sequence

from churnflow.domain.approval import Policy
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Approval, Decision, Run
from churnflow.domain.release import Release
from churnflow.domain.reviewers import ReviewerList
from churnflow.domain.workflow import ApprovalRequest, Gate
from churnflow.engine.approvals import below, candidate, lacking
from churnflow.engine.judge import approvals_before
from churnflow.engine.keys import gate_subject, subject
from churnflow.engine.ports import Ports
from churnflow.engine.reviewers import acknowledged, in_force, refuse_foreign, trusted, version_after
from churnflow.engine.scrutiny import Scrutiny, Shipped
from churnflow.engine.shipping import proved_maker_of
from churnflow.errors import IntegrityError

_HINT = "`churnflow show REF` prints the approvals, `churnflow reviewers` who may give them; do not use this release"
_ACKNOWLEDGE = (
    "`churnflow show {tag}`: do not use it, unless it was made where that list was not known yet, which an admin says"
    " with `churnflow reviewers acknowledge {tag} --sign-with KEY`"
)


def check_signatures(history: Sequence[Checkpoint], ports: Ports) -> None:
    """Prove the approvals of each checkpoint against the list of reviewers. Raises IntegrityError at the first."""
    lists = trusted(ports)
    for checkpoint in history:
        prove_approvals(checkpoint, lists, ports)


def prove_approvals(
    checkpoint: Checkpoint, lists: Sequence[ReviewerList], ports: Ports, held: int | None = None
) -> None:
    """Check every signed answer of a checkpoint, and the approvals before each gate that let it ship.

    They are looked at as of then. held: the number of the version of the list that they are held to, None to find that
    out. Raises IntegrityError that names the first one that does not hold.
    """
    run = checkpoint.run
    for request, entry in _answered(run):
        for reason in _false(request, entry, Scrutiny(run, request, lists, ports, None)):
            raise _broken(checkpoint, f"the approval {entry.name!r}: {reason}")
    makes = checkpoint.release is not None and checkpoint.release.checkpoint == checkpoint.tag
    for gate in (item for item in run.declared.items() if isinstance(item, Gate)):
        decision = run.latest(gate.name)
        if not isinstance(decision, Decision) or decision.verdict != "ship":
            continue
        if not makes and decision.key != gate_subject(run, gate):
            continue
        if held is not None:
            listed = version_after(held, lists)
        else:
            listed = in_force(checkpoint, lists, ports) if makes else _listed_at(decision, lists)
        shipped = Shipped(checkpoint, listed, decision.at) if makes else None
        scrutinies = [Scrutiny(run, one, lists, ports, None, shipped=shipped) for one in approvals_before(run, gate)]
        found = below(listed.floor if listed else Policy(), scrutinies, candidate(run, gate))
        _prove_shipped(checkpoint, scrutinies, found)


def prove_release(release: Release, ports: Ports) -> None:
    """Prove that a checkpoint made a release, and the same of that. Raises IntegrityError at what does not hold."""
    prove_maker(proved_maker_of(release, ports), ports)


def prove_maker(made: Checkpoint, ports: Ports) -> None:
    """Prove the approvals of the checkpoint that made a release, and that no record names a list that is none of ours.

    Raises IntegrityError at what does not hold.
    """
    lists = trusted(ports)
    refuse_foreign(lists, ports)
    prove_approvals(made, lists, ports)


def _answered(run: Run) -> Iterator[tuple[ApprovalRequest, Approval]]:
    requests = {item.name: item for item in run.declared.items() if isinstance(item, ApprovalRequest)}
    return ((requests[entry.name], entry) for entry in run.approvals() if entry.name in requests)


def _false(request: ApprovalRequest, entry: Approval, scrutiny: Scrutiny) -> Iterator[str]:
    """Yield what is wrong with a record of answers; one about an earlier state has only to be about that."""
    if entry.key == subject(scrutiny.run, request):
        yield from (reason for one in entry.signed if (reason := scrutiny.refusal(one)) is not None)
    else:
        yield from (
            f"the answer of {one.statement.reviewer} was signed for something else"
            for one in entry.signed
            if (one.statement.approval, one.statement.run, one.statement.subject)
            != (entry.name, scrutiny.run.id, entry.key)
        )


def _prove_shipped(checkpoint: Checkpoint, scrutinies: Sequence[Scrutiny], too_little: Sequence[str]) -> None:
    found = [reason for scrutiny in scrutinies for reason in lacking(scrutiny)]
    for scrutiny in scrutinies:
        entry = checkpoint.run.latest(scrutiny.request.name)
        if scrutiny.request.policy != Policy() and not (isinstance(entry, Approval) and entry.passed):
            found.append(f"the approval {scrutiny.request.name!r} is missing")
    for reason in found:
        raise _broken(checkpoint, reason)
    for reason in too_little:
        raise _broken(checkpoint, reason, _ACKNOWLEDGE.format(tag=checkpoint.tag))


def _listed_at(decision: Decision, lists: Sequence[ReviewerList]) -> ReviewerList | None:
    """Return the list from before a decision: enough where nothing was released that could be served.

    Times are whole seconds: of a list and a decision of the same second the decision counts as the earlier one.
    """
    vouched = acknowledged(digest(decision), lists)
    if vouched is not None:
        return version_after(vouched, lists)
    return next((listed for listed in reversed(lists) if listed.at < decision.at), None)


def _broken(checkpoint: Checkpoint, reason: str, hint: str = _HINT) -> IntegrityError:
    return IntegrityError(f"{checkpoint.tag}: {reason}", hint=hint)
