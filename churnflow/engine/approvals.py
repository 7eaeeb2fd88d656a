"""From answers to an approval to whether it is given: who approved, at which grade, and what is still missing."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from churnflow.domain.approval import NAMESPACE, Grade, Policy, Signed, Statement, reaches
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import Approval, Run
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.domain.workflow import ApprovalRequest, Gate, Item, Workflow
from churnflow.engine.judge import LIST_DEMANDS, approvals_before
from churnflow.engine.keys import subject
from churnflow.engine.ports import Ports
from churnflow.engine.recorded import ever_recorded, signed_answers
from churnflow.engine.reviewers import conflict_unless_listed, pin, refuse_foreign, trusted
from churnflow.engine.scrutiny import FORGED, Scrutiny, bound, newest, reached, writers
from churnflow.errors import IntegrityError, RefusedError


@dataclass(frozen=True)
class Standing:
    """What the answers to an approval come to.

    grades: those of the signed approvals that count, by reviewer. typed: who approved it without a signature. rejected:
    whose signed answer is a no. refused: why other signed answers do not count. forged: those of them that are
    forged, and not only outdated. statements: those of who approved signed.
    """

    grades: dict[str, Grade]
    typed: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    forged: tuple[str, ...] = ()
    statements: Mapping[str, Statement] = field(default_factory=dict)

    def grade(self, policy: Policy) -> Grade:
        """Return the grade that the approvals have together."""
        typed: list[Grade] = ["unsigned" for _ in self.typed if policy.grade == "unsigned"]
        return reached([*self.grades.values(), *typed], policy)

    def lacks(self, policy: Policy, listed: ReviewerList | None) -> str | None:
        """Return what is missing to what a policy demands, None if nothing is."""
        if self.rejected:
            return f"was rejected by {', '.join(self.rejected)}"
        given = [name for name, grade in self.grades.items() if reaches(grade, policy.grade)]
        if policy.grade == "unsigned":
            given += [name for name in self.typed if name not in given]
        if len(given) >= policy.approvers:
            return None
        so_far = f"given by {', '.join(given)}" if given else "given by nobody"
        parts = [f"needs {policy.in_words()}; {so_far}"]
        parts += [f"not distinct: {name} wrote part of it" for name in self.grades if name not in given]
        parts += self.refused
        if policy.grade != "unsigned" and listed is not None:
            could = [name for name in listed.holders(policy.role) if name not in self.grades]
            parts.append(
                f"missing: {policy.approvers - len(given)} more, of {', '.join(could) or 'nobody who is listed'}"
            )
        return "; ".join(parts)


def collect(run: Run, request: ApprovalRequest, said: Approval, ports: Ports) -> Approval:
    """Return the record of an answer together with the earlier ones that still count.

    run: with the earlier answers to `request`. Raises RefusedError for a signed answer that does not count,
    IntegrityError for one with a signature that is not over it.
    """
    earlier = run.answers_to(request.name, said.key)
    before = [one for entry in earlier for one in entry.signed]
    ever = [*signed_answers(ever_recorded(run.id, ports), run, request), *before]
    by_key = bool(said.signed or ports.signer or ever) or request.grade != "unsigned"
    if not by_key and request.policy == Policy():
        return said
    lists = trusted(ports) if by_key else ()
    scrutiny = Scrutiny(run, request, lists, ports, ports.clock.now())
    signed = _signed_now(said, scrutiny, ever)
    for one in signed:
        _refuse(one, scrutiny, ever)
    pin(lists, ports)
    kept = tuple(scrutiny.counting([*before, *signed]).values())
    last = earlier[-1] if earlier and earlier[-1].answer != "reject" else None
    others = _typed(last) if last else ()
    signer = {"reviewer": signed[0].statement.reviewer} if signed else {}
    entry = said.model_copy(update={"signed": kept, "others": () if said.answer == "reject" else others, **signer})
    standing = standing_of(entry, scrutiny)
    lacks = standing.lacks(request.policy, lists[-1] if lists else None)
    passed = said.passed and lacks is None
    grade = standing.grade(request.policy) if said.passed else _own_grade(signed)
    return entry.model_copy(update={"passed": passed, "lacks": lacks if said.passed else None, "grade": grade})


def standing_of(entry: Approval, scrutiny: Scrutiny) -> Standing:
    """Return what the answers that a record holds come to, each signature proved anew."""
    given = list(_all_signed(entry, scrutiny.run))
    accepted = scrutiny.counting(given)
    reasons = {name: reason for name, one in newest(given).items() if (reason := scrutiny.refusal(one)) is not None}
    refused = {name: f"the answer of {name} does not count: {reason}" for name, reason in reasons.items()}
    yes = {name: one for name, one in accepted.items() if one.statement.answer != "reject"}
    return Standing(
        grades={name: scrutiny.grade(one) for name, one in yes.items()},
        typed=_typed(entry) if entry.answer != "reject" else (),
        rejected=tuple(name for name in accepted if name not in yes),
        refused=tuple(refused.values()),
        forged=tuple(refused[name] for name, reason in reasons.items() if reason.startswith(FORGED)),
        statements={name: one.statement for name, one in yes.items()},
    )


def unproven(run: Run, gate: Gate, ports: Ports, but: str | None = None) -> list[str]:
    """Return what keeps a gate from counting the approvals before it, each proved from the records as they are now.

    but: an approval that counts as given. Raises IntegrityError for a list of reviewers that can not be trusted.
    """
    before = approvals_before(run, gate)
    asked = [request for request in before if request.name != but]
    if not (asked or releases(run.declared)):
        return []
    lists = trusted(ports)
    refuse_foreign(lists, ports)
    pin(lists, ports)
    now, decider = ports.clock.now(), frozenset({ports.author})
    scrutinies = [Scrutiny(run, request, lists, ports, now, decider) for request in asked]
    found = [reason for scrutiny in scrutinies for reason in lacking(scrutiny)]
    floor, ships = lists[-1].floor if lists else Policy(), candidate(run, gate)
    short = below(floor, scrutinies, ships)
    asking = next((request for request in before if request.name == but), None)
    if short and asking is not None:
        short = _below_with(floor, Scrutiny(run, asking, lists, ports, now, decider), ships)
    return [*found, *short]


def lacking(scrutiny: Scrutiny) -> Iterator[str]:
    """Yield why an approval does not suffice, as the gate says it; nothing for one that does."""
    entry = scrutiny.run.latest(scrutiny.request.name)
    if not isinstance(entry, Approval) or not entry.passed or _is_plain(entry, scrutiny):
        return
    standing = standing_of(entry, scrutiny)
    reason = standing.lacks(scrutiny.request.policy, scrutiny.lists[-1] if scrutiny.lists else None)
    if reason is not None:
        yield f"the approval {entry.name!r} {reason}"
    elif scrutiny.request.grade != "unsigned" and not _says_what_was_signed(entry):
        yield f"the approval {entry.name!r} does not say what {entry.reviewer} signed"
    elif standing.forged:
        yield f"the approval {entry.name!r}: {standing.forged[0]}"


def below(floor: Policy, scrutinies: Sequence[Scrutiny], ships: Artifact | None) -> list[str]:
    """Return that no approval meets what the list of reviewers demands of a gate, nothing where one does.

    ships: what the gate lets through, None where nothing that can be served was made; an approval from before it was
    made says nothing of it.
    """
    if floor.grade == "unsigned" or any(_meets(floor, scrutiny, ships) for scrutiny in scrutinies):
        return []
    of_it = f" of {ships.name!r}" if ships else ""
    return [f"{LIST_DEMANDS} {floor.in_words()} before a gate, which no approval{of_it} here is"]


def _below_with(floor: Policy, scrutiny: Scrutiny, ships: Artifact | None) -> list[str]:
    """Return that an approval will not meet the list's demand with the yes that is about to be given, nothing if so."""
    given = scrutiny.counting(scrutiny.ever)
    able = {
        name
        for name, one in given.items()
        if one.statement.answer != "reject"
        and _is_able(one.statement, floor, ships)
        and reaches(scrutiny.grade(one), floor.grade)
    }
    signer = scrutiny.ports.signer.signs_as(scrutiny.lists[-1]) if scrutiny.ports.signer else None
    if signer is not None and floor.role in {None, *signer.roles}:
        wrote = floor.grade == "signed+distinct" and signer.is_one_of(scrutiny.writers)
        able |= set() if wrote else {signer.name}
    if len(able) >= floor.approvers:
        return []
    who = ", ".join(sorted(able)) or "nobody"
    return [f"{LIST_DEMANDS} {floor.in_words()} before a gate; with this answer that will be of {who}"]


def candidate(run: Run, gate: Gate) -> Artifact | None:
    """Return what a checkpoint after `gate` would release, None where nothing of the kind was made before."""
    made = run.before(gate.name).artifacts().values()
    return next((artifact for artifact in made if artifact.codec == "release"), None)


def releases(workflow: Workflow) -> bool:
    """Tell whether a workflow makes what can be served."""
    return any(codec == "release" for step in workflow.steps() for codec in step.produces.values())


def gate_before(run: Run, name: str) -> Gate | None:
    """Return the gate that stands directly before the item called `name`, None where another item does."""
    items: list[Item] = list(run.declared.items())
    place = next((number for number, item in enumerate(items) if item.name == name), 0)
    before = items[place - 1] if place else None
    return before if isinstance(before, Gate) else None


def briefed(request: ApprovalRequest, ports: Ports) -> tuple[tuple[str, str] | None, ReviewerList | None]:
    """Return the digests of the first and the present list of reviewers, and that list, if `request` needs to know.

    Raises ConflictError where something is to be signed and nobody is listed.
    """
    if request.grade == "unsigned" and ports.signer is None:
        return None, None
    lists = trusted(ports)
    if ports.signer is not None:
        conflict_unless_listed(lists)
    return ((lists[0].sha256, lists[-1].sha256), lists[-1]) if lists else (None, None)


def _meets(floor: Policy, scrutiny: Scrutiny, ships: Artifact | None) -> bool:
    entry = scrutiny.run.latest(scrutiny.request.name)
    if not isinstance(entry, Approval) or not entry.passed or entry.key != subject(scrutiny.run, scrutiny.request):
        return False
    standing = standing_of(entry, scrutiny)
    able = (name for name, statement in standing.statements.items() if _is_able(statement, floor, ships))
    grades = {name: standing.grades[name] for name in able}
    return Standing(grades, rejected=standing.rejected).lacks(floor, None) is None


def _is_able(statement: Statement, floor: Policy, ships: Artifact | None) -> bool:
    in_role = floor.role is None or statement.role == floor.role
    return in_role and (ships is None or statement.models.get(ships.name) == ships.sha256)


def _signed_now(said: Approval, scrutiny: Scrutiny, ever: Sequence[Signed]) -> tuple[Signed, ...]:
    """Return the statement that came signed, or the one that is signed here and now."""
    run, request, ports = scrutiny.run, scrutiny.request, scrutiny.ports
    if said.signed or ports.signer is None:
        return said.signed
    listed = conflict_unless_listed(scrutiny.lists)
    reviewer = ports.signer.signs_as(listed)
    statement = Statement(
        **bound(run, request, listed, ports).model_dump(),
        role=request.role or _role(listed.floor.role, reviewer.roles),
        reviewer=reviewer.name,
        answer=said.answer,
        notes=said.notes,
        answers=said.answers,
        at=max(said.at, scrutiny.made_at, listed.at, *_after_own(reviewer.name, scrutiny, ever)),
        nonce=secrets.token_hex(16),
        reviewers=listed.sha256,
        wrote=tuple(sorted(writers(run, ports))),
    )
    return (Signed(statement=statement, signature=ports.signer.sign(statement.text(), NAMESPACE)),)


def _role(wanted: str | None, roles: Sequence[str]) -> str:
    return next((role for role in roles if role == wanted), roles[0])


def _refuse(signed: Signed, scrutiny: Scrutiny, ever: Sequence[Signed]) -> None:
    nonces = {one.statement.nonce for one in ever}
    replayed = "its nonce was used before" if signed.statement.nonce in nonces else None
    reason = replayed or scrutiny.refusal(signed) or _superseded(signed.statement, scrutiny, ever)
    if reason is None:
        return
    name = scrutiny.request.name
    message = f"the signed answer of {signed.statement.reviewer} to {name!r} is refused: {reason}"
    hint = f"`churnflow approve {name} --key FILE` makes a new one; `churnflow reviewers` says who may"
    raise (IntegrityError if reason.startswith(FORGED) else RefusedError)(message, hint=hint)


def refuse_without_role(request: ApprovalRequest, reviewer: ListedReviewer | None) -> None:
    """Raise RefusedError before anything is asked of whose key is not listed in the role that is demanded."""
    if reviewer is not None and request.role is not None and request.role not in reviewer.roles:
        message = f"{reviewer.name} is not listed in the role {request.role}, which {request.name!r} demands"
        raise RefusedError(message, hint="`churnflow reviewers` says who is")


def _all_signed(entry: Approval, run: Run) -> Iterator[Signed]:
    """Yield what was ever signed about the same, so that a later no is not hidden by leaving it out of the record."""
    for other in (*run.answers_to(entry.name, entry.key), entry):
        yield from other.signed


def _superseded(statement: Statement, scrutiny: Scrutiny, ever: Sequence[Signed]) -> str | None:
    """Return why an answer changes nothing: which of a reviewer's is the last is told by their dates alone."""
    later = max(_after_own(statement.reviewer, scrutiny, ever), default=None)
    return "it is not dated after the answer before" if later is not None and statement.at < later else None


def _after_own(reviewer: str, scrutiny: Scrutiny, ever: Sequence[Signed]) -> list[datetime]:
    """Return when a reviewer's next answer may be dated at the earliest, by each earlier one; dates are seconds."""
    own = (one for one in ever if one.statement.reviewer == reviewer and scrutiny.refusal(one) is None)
    return [one.statement.at + timedelta(seconds=1) for one in own]


def _typed(entry: Approval) -> tuple[str, ...]:
    """Return who approved without a signature, each once."""
    signers = {one.statement.reviewer for one in entry.signed}
    own = () if entry.reviewer in signers else (entry.reviewer,)
    return tuple(dict.fromkeys(name.strip().casefold() for name in (*entry.others, *own)))


def _own_grade(signed: Sequence[Signed]) -> Grade:
    return "signed" if signed else "unsigned"


def _says_what_was_signed(entry: Approval) -> bool:
    said = (entry.reviewer, entry.answer, entry.notes, entry.answers)
    signed = (one.statement for one in entry.signed)
    return any(said == (one.reviewer, one.answer, one.notes, one.answers) for one in signed)


def _is_plain(entry: Approval, scrutiny: Scrutiny) -> bool:
    return scrutiny.request.policy == Policy() and not entry.signed and not scrutiny.ever
