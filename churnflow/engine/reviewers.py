"""The list of reviewers, proved version by version; and its next version, signed by somebody whom it already trusts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import ValidationError

from churnflow.domain.approval import Policy
from churnflow.domain.base import digest
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.reviewers import ADMIN, NAMESPACE, Acknowledged, ListedReviewer, Pin, ReviewerList, SignedList
from churnflow.engine.claims import NEWEST
from churnflow.engine.ports import Ports, ReviewerLists
from churnflow.errors import ChurnflowError, ConflictError, IntegrityError, RefusedError, UsageError

FIRST_REVIEWER: Final = "churnflow reviewers add NAME --key FILE.pub --role admin --sign-with KEY"
_RESTORE = "fetch the true one: `git fetch REMOTE refs/churnflow/reviewers:refs/churnflow/reviewers`"
_PUT_BACK: Final = (
    "nothing was taken; whoever has the true list compares the digests that `churnflow reviewers` prints,"
    " then `git push REMOTE +refs/churnflow/reviewers`"
)
_CHOOSE: Final = (
    "agree on one with whoever made the other; to take that of the remote and make your change again: "
    "`git fetch REMOTE +refs/churnflow/reviewers:refs/churnflow/reviewers"
    ' && rm -f "$(git rev-parse --git-common-dir)/churnflow/reviewers.pin"`'
)


@dataclass(frozen=True)
class Draft:
    """What a new version of the list says: who is on it, what a gate needs at least, and the id if it is the first.

    acknowledged: the checkpoints of which it says that they were made before an earlier version was known there.
    """

    reviewers: tuple[ListedReviewer, ...]
    floor: Policy | None = None
    project: str = ""
    acknowledged: tuple[Acknowledged, ...] = ()


def trusted(ports: Ports) -> tuple[ReviewerList, ...]:
    """Return the versions of the list, oldest first, none where nobody was ever listed.

    The first is trusted as it was when it was first used here; each later one has to be signed by an admin of the one
    before. Raises IntegrityError where that is not so, where a version that was seen here is gone, and where records of
    the project name another list.
    """
    lists = _proved(ports)
    _follow_pin(lists, ports.reviewers.pinned())
    return lists


def newer(theirs: ReviewerLists, fetched: Iterable[Checkpoint], ports: Ports) -> tuple[ReviewerList, ...]:
    """Return the list to go by beside one from elsewhere: that one where it goes on from ours, else ours.

    theirs: the list from elsewhere. fetched: the checkpoints that came with it, which have to know it where no list was
    seen here before. Raises IntegrityError unless it proves, and is an older or a newer state of the list that was seen
    here; and where ours would be the one to go by, and does not prove.
    """
    with _refused():
        there = _proved(replace(ports, reviewers=theirs))
    here = tuple(version.listed for version in ports.reviewers.history())
    _refuse_forked(there, here)
    if len(there) <= len(here):
        return trusted(ports)
    with _refused():
        _follow_pin(there, ports.reviewers.pinned())
        refuse_foreign(there, ports)
        if not here and ports.reviewers.pinned() is None:
            refuse_unknown(fetched, there)
    return there


def _proved(ports: Ports) -> tuple[ReviewerList, ...]:
    history = ports.reviewers.history()
    for number, version in enumerate(history):
        _prove(version, history[number - 1].listed if number else None, ports)
    return tuple(version.listed for version in history)


@contextmanager
def _refused() -> Iterator[None]:
    """Say of a list from elsewhere that it is refused."""
    try:
        yield
    except IntegrityError as failure:
        message = f"the list of reviewers at the remote is refused: {failure}"
        raise IntegrityError(message, hint=_PUT_BACK) from failure


def _refuse_forked(there: Sequence[ReviewerList], here: Sequence[ReviewerList]) -> None:
    for theirs, ours in zip(there, here, strict=False):
        if theirs.sha256 != ours.sha256:
            digests = (
                f"version {ours.number} is {theirs.sha256[:12]} there, by {theirs.by}, and {ours.sha256[:12]} here"
            )
            message = f"the list of reviewers at the remote is refused: it is another one, {digests}, by {ours.by}"
            raise IntegrityError(message, hint=_CHOOSE)


def pin(lists: Sequence[ReviewerList], ports: Ports) -> None:
    """Remember what was seen of the list, so that it can neither be exchanged nor taken back unnoticed."""
    if lists:
        seen = Pin(first=lists[0].sha256, number=lists[-1].number, newest=lists[-1].sha256)
        if ports.reviewers.pinned() != seen:
            ports.reviewers.pin(seen)


def amend(draft: Draft, ports: Ports) -> ReviewerList:
    """Make and keep the next version of the list, signed by `ports.signer`; the first one is signed by one of its own.

    Raises RefusedError when the signer is no admin of the version before, UsageError for a list that can not be.
    """
    if ports.signer is None:
        message = "a change of the list of reviewers is signed by one of its admins"
        raise UsageError(message, hint="add --sign-with KEY")
    lists = trusted(ports)
    before = lists[-1] if lists else None
    after = _next(draft, before, ports)
    if draft.floor is not None:
        _refuse_unmeetable(draft.floor, after)
    signer = ports.signer.signs_as(before or after)
    if ADMIN not in signer.roles:
        message = f"{signer.name} has not the role {ADMIN}, which alone changes the list of reviewers"
        raise RefusedError(message, hint=f"its admins: {', '.join((before or after).holders(ADMIN))}")
    _refuse_expired(signer, before or after, after.at)
    after = after.model_copy(update={"by": signer.name})
    version = SignedList(listed=after, signature=ports.signer.sign(after.text(), NAMESPACE))
    try:
        _prove(version, before, ports)
    except IntegrityError as error:
        raise RefusedError(str(error), hint="sign with the private key of the admin who is named") from None
    refuse_foreign((*lists, after), ports)
    ports.reviewers.append(version)
    pin((*lists, after), ports)
    return after


def _next(draft: Draft, before: ReviewerList | None, ports: Ports) -> ReviewerList:
    now = ports.clock.now()
    try:
        return ReviewerList(
            project=before.project if before else draft.project,
            number=before.number + 1 if before else 1,
            previous=before.sha256 if before else None,
            at=max(now, before.at) if before else now,
            by=draft.reviewers[0].name if draft.reviewers else ADMIN,
            floor=draft.floor or (before.floor if before else Policy(grade="signed")),
            reviewers=draft.reviewers,
            tips=tuple(ports.reviewers.tips()),
            acknowledged=draft.acknowledged,
        )
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        message = f"there can be no such list of reviewers: {reason}"
        raise UsageError(message, hint=f"the list keeps at least one {ADMIN}, and each key once") from None


def _refuse_unmeetable(floor: Policy, listed: ReviewerList) -> None:
    """Raise UsageError for a floor that demands of no signature what only a signature proves, or that nobody meets."""
    if floor.grade == "unsigned" and floor != Policy():
        message = "grade unsigned demands nothing of a gate, so that neither approvers nor a role can be demanded"
        raise UsageError(message, hint="demand signed or signed+distinct, or unsigned alone")
    reason = unmeetable(floor, listed)
    if reason is not None:
        raise UsageError(reason, hint="list them first: `churnflow reviewers add NAME --key FILE.pub --role ROLE`")


def unmeetable(floor: Policy, listed: ReviewerList) -> str | None:
    """Return why nobody can ship while a list demands `floor` of a gate, None where enough are listed for it."""
    valid = [one for one in listed.reviewers if floor.role in {None, *one.roles} and one.is_valid(listed.at)]
    able = dict.fromkeys(one.name for one in valid)
    if floor.grade == "unsigned" or len(able) >= floor.approvers:
        return None
    return f"nobody could ship: {floor.in_words()} need {floor.approvers}, and {len(able)} are listed for it"


def _refuse_expired(signer: ListedReviewer, listed: ReviewerList, at: datetime) -> None:
    if signer.expires is None or at < signer.expires:
        return
    admins = [one for one in listed.reviewers if ADMIN in one.roles and one.is_valid(at)]
    names = ", ".join(dict.fromkeys(one.name for one in admins))
    message = f"the key of {signer.name} has expired on {signer.expires:%Y-%m-%d}, and changes the list no more"
    beyond = "no admin has a key that is valid, so that this list stays as it is: a new project begins with another"
    raise RefusedError(message, hint=f"have it signed with a valid key of {names}" if names else beyond)


def _prove(version: SignedList, before: ReviewerList | None, ports: Ports) -> None:
    listed = version.listed
    expected = (1, None, listed.project) if before is None else (before.number + 1, before.sha256, before.project)
    if (listed.number, listed.previous, listed.project) != expected:
        message = f"version {listed.number} of the list of reviewers does not follow on the one before"
        raise IntegrityError(message, hint=_RESTORE)
    signers = (before or listed).named(listed.by)
    keys = [one.key for one in signers if ADMIN in one.roles and (one.expires is None or listed.at < one.expires)]
    is_late = before is None or before.at <= listed.at
    if not is_late or not keys or not ports.signatures.verify(listed.text(), version.signature, NAMESPACE, keys):
        message = f"version {listed.number} of the list of reviewers is not signed by an admin of the version before"
        raise IntegrityError(message, hint=_RESTORE)


def _follow_pin(lists: Sequence[ReviewerList], seen: Pin | None) -> None:
    if seen is None:
        return
    digests = [listed.sha256 for listed in lists]
    if not digests or digests[0] != seen.first:
        what = "is another one" if digests else "is gone"
        message = f"the list of reviewers {what}: the first list that was used here is {seen.first[:12]}"
        raise IntegrityError(message, hint=_RESTORE)
    if seen.newest not in digests:
        message = f"the list of reviewers was taken back: version {seen.number} was seen here, and is gone"
        raise IntegrityError(message, hint=_RESTORE)


def refuse_foreign(lists: Sequence[ReviewerList], ports: Ports) -> None:
    """Raise IntegrityError where a record of the project has an approval signed under a list that is none of `lists`.

    So whoever takes away the list, and what was remembered of it, can not begin again with one of their own beside the
    records of the project, nor with a note that says that theirs was seen here. Looked at is what is and was served
    last, and with a list also the NEWEST runs; without one, that would cost every gate where nobody signs.
    """
    refuse_unknown(_kept(ports, widely=bool(lists)), lists)


def refuse_unknown(checkpoints: Iterable[Checkpoint], lists: Sequence[ReviewerList]) -> None:
    """Raise IntegrityError where one of the checkpoints has an approval signed under a list that is none of `lists`."""
    known = {listed.sha256 for listed in lists}
    for checkpoint in checkpoints:
        for one in (one for entry in checkpoint.run.approvals() for one in entry.signed):
            if one.statement.reviewers not in known:
                gone = f"the list of reviewers {one.statement.reviewers[:12]}, which is gone"
                message = f"{checkpoint.tag} holds an approval under {gone}"
                raise IntegrityError(message, hint=_RESTORE)


def _kept(ports: Ports, *, widely: bool) -> Iterator[Checkpoint]:
    """Yield the checkpoints to look at; `verify` names what is broken among them."""
    served = [*ports.pointer.past()[-NEWEST if widely else -1 :], ports.pointer.read()]
    tags = dict.fromkeys(release.checkpoint for release in served if release is not None)
    looks: list[Callable[[], Checkpoint | None]] = [partial(ports.checkpoints.load, tag) for tag in tags]
    if widely:
        newest = list(ports.checkpoints.runs())[-NEWEST:]
        looks += [partial(ports.checkpoints.head, run_id) for run_id in newest]
    for look in looks:
        with suppress(ChurnflowError):
            checkpoint = look()
            yield from [checkpoint] if checkpoint else []


def in_force(checkpoint: Checkpoint, lists: Sequence[ReviewerList], ports: Ports) -> ReviewerList | None:
    """Return the version of the list that held when a checkpoint made its release, None before the first.

    Each version names the checkpoints that stood before it, by ids that nobody can make again; a clock is not believed.
    Those of another clone, where the version was not known yet, are named by one that an admin has signed since: a note
    of this clone about when it saw the version could be written by whoever wants a release of their own to be older.
    """
    vouched = acknowledged(digest(checkpoint), lists)
    if vouched is not None:
        return version_after(vouched, lists)
    held = None
    for listed in lists:
        if ports.reviewers.precedes(checkpoint.tag, listed.tips):
            return held
        held = listed
    return held


def acknowledged(sha256: str, lists: Sequence[ReviewerList]) -> int | None:
    """Return the number of the version to which an admin has said that a checkpoint or decision is held, 0 for none.

    None where nobody did.
    """
    vouched = (one for listed in lists for one in listed.acknowledged if sha256 in (one.checkpoint, *one.decisions))
    return next((one.number for one in vouched), None)


def version_after(number: int, lists: Sequence[ReviewerList]) -> ReviewerList | None:
    """Return version `number` of the list, None for 0: what held before the first."""
    return lists[number - 1] if number else None


def conflict_unless_listed(lists: Sequence[ReviewerList]) -> ReviewerList:
    """Return the present list. Raises ConflictError where nobody was ever listed."""
    if not lists:
        message = "nobody is listed as a reviewer, so that no signature can count"
        raise ConflictError(message, hint=f"`{FIRST_REVIEWER}`")
    return lists[-1]
