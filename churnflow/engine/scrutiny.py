"""What signed answers to an approval are worth: each is proved from the records, whatever these say of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from churnflow.domain.approval import GRADES, NAMESPACE, Bound, Grade, Policy, Signed, Statement, reaches
from churnflow.domain.base import digest, stamp
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.journal import Decision, Entry, ItemEntry, Mark, Run, StepRecord
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.domain.workflow import ApprovalRequest
from churnflow.engine.keys import essence, subject
from churnflow.engine.ports import Ports
from churnflow.engine.recorded import ever_recorded, recorded_before, signed_answers

# How far two machines' clocks may lie apart.
SKEW: Final = timedelta(minutes=5)
MODELS: Final = ("model", "release")
FORGED: Final = "its signature is not one"


@dataclass(frozen=True)
class Shipped:
    """A release as it was made: by which checkpoint, under which version of the list, and when the gate decided.

    listed: None for a release from before the first version.
    """

    made: Checkpoint
    listed: ReviewerList | None
    at: datetime


@dataclass(frozen=True)
class Scrutiny:
    """One approval of a run under the versions of the list of reviewers.

    now: when what is signed is to count. None looks at the past: then the list that a statement names is the one that
    counts, and neither today's packages nor today's list or code do. decider: who has the gate decide, if one does.
    shipped: the release of the past that the approval let through; the list of then counts beside the one named, for a
    date says nothing: whoever holds a key that was taken off the list writes one from before.
    """

    run: Run
    request: ApprovalRequest
    lists: Sequence[ReviewerList]
    ports: Ports
    now: datetime | None
    decider: frozenset[str] = frozenset()
    shipped: Shipped | None = None

    @cached_property
    def bound(self) -> Bound | None:
        """What a statement has to be about, None where nobody is listed."""
        return bound(self.run, self.request, self.lists[-1], self.ports) if self.lists else None

    @cached_property
    def writers(self) -> frozenset[str]:
        """Who wrote the run and the code, as far as it is known beside what a statement says."""
        return self.decider | (writers(self.run, self.ports) if self.now else recorded_writers(self.run))

    @cached_property
    def ever(self) -> tuple[Signed, ...]:
        """What was ever signed about the same, also what a rollback left; nothing where a past is no release's."""
        if self.now is None and self.shipped is None:
            return ()
        known = recorded_before(self.shipped.made, self.ports) if self.shipped else self._recorded
        return signed_answers(known, self.run, self.request)

    @cached_property
    def made_at(self) -> datetime:
        """When what is approved was made first, as far as it is known here."""
        return made_at(self.run, self.request, self._recorded)

    @cached_property
    def _recorded(self) -> tuple[Entry, ...]:
        return ever_recorded(self.run.id, self.ports)

    @cached_property
    def _reasons(self) -> dict[tuple[bytes, str], str | None]:
        return {}

    def counting(self, given: Iterable[Signed]) -> dict[str, Signed]:
        """Return the last answer of each reviewer that counts, by name, of those in a record.

        A no counts also where the record is without it: going back to before it takes back no more than the work. Only
        answers that hold are compared, so that none that does not hides one that does.
        """
        holding = [one for one in given if self.refusal(one) is None]
        last = newest([*(one for one in self.ever if self.refusal(one) is None), *holding])
        names = {one.statement.reviewer for one in holding}
        return {name: one for name, one in last.items() if name in names or one.statement.answer == "reject"}

    def refusal(self, signed: Signed) -> str | None:
        """Return why a signed answer does not count, None if it does. The signature itself is looked at last."""
        known = (signed.statement.text(), signed.signature)
        if known not in self._reasons:
            self._reasons[known] = self._refusal(signed)
        return self._reasons[known]

    def _refusal(self, signed: Signed) -> str | None:
        statement = signed.statement
        listed = next((one for one in self.lists if one.sha256 == statement.reviewers), None)
        if listed is None:
            return "it names a list of reviewers that this project never had"
        keys = self._keys(statement, listed)
        reason = self._elsewhere(statement) or _unlisted(statement, keys) or self._untimely(statement, listed, keys)
        if reason is not None:
            return reason
        valid = [key.key for key in keys if self._is_valid(key, statement.at)]
        if not valid:
            return f"no key of {statement.reviewer} is valid at {stamp(statement.at)} and when it is to count"
        if not self.ports.signatures.verify(statement.text(), signed.signature, NAMESPACE, valid):
            return f"{FORGED} that a listed key of {statement.reviewer} made over it"
        return None

    def grade(self, signed: Signed) -> Grade:
        """Return the grade of an answer that is not refused."""
        statement = signed.statement
        listed = next(one for one in self.lists if one.sha256 == statement.reviewers)
        wrote = self.writers | frozenset(statement.wrote)
        people = [*listed.named(statement.reviewer), *(self._then.named(statement.reviewer) if self._then else ())]
        return "signed" if any(person.is_one_of(wrote) for person in people) else "signed+distinct"

    def _elsewhere(self, statement: Statement) -> str | None:
        expected = self.bound.model_dump(mode="json") if self.bound else {}
        if self.now is None:
            expected["environment"] = statement.environment
        differing = [name for name, value in statement.bound().items() if value != expected[name]]
        return f"it was signed for another {_WORDS.get(differing[0], differing[0])}" if differing else None

    def _keys(self, statement: Statement, listed: ReviewerList) -> list[ListedReviewer]:
        """Return the keys that could have signed: listed in that role when it was signed, and when it is to count."""
        found = [key for key in listed.named(statement.reviewer) if statement.role in key.roles]
        if self._then is None:
            return found
        then = {key.key for key in self._then.named(statement.reviewer) if statement.role in key.roles}
        return [key for key in found if key.key in then]

    def _untimely(self, statement: Statement, listed: ReviewerList, keys: Sequence[ListedReviewer]) -> str | None:
        if self.now is not None and statement.answer != "reject" and statement.at < self.made_at:
            return "it is dated before what it approves was made"
        if statement.at < max(listed.at, min(key.since for key in keys)):
            return "it is dated before the key was listed"
        if self.now is not None and statement.at > self.now + SKEW:
            return "it is dated in the future"
        return None

    def _is_valid(self, key: ListedReviewer, at: datetime) -> bool:
        then = [one for one in self._then.reviewers if one.key == key.key] if self._then else []
        counts = self.now or (self.shipped.at if self.shipped else at)
        return key.is_valid(at) and all(one.expires is None or counts < one.expires for one in then)

    @property
    def _then(self) -> ReviewerList | None:
        """The version of the list when it is to count, None where the one that a statement names is all there is."""
        if self.now is not None:
            return self.lists[-1]
        return self.shipped.listed if self.shipped else None


_WORDS: Final = {"subject": "state of the run", "environment": "set of packages", "models": "model"}


def _unlisted(statement: Statement, keys: Sequence[ListedReviewer]) -> str | None:
    wanted = statement.policy.role
    if wanted is not None and statement.role != wanted:
        return f"it was signed in the role {statement.role}, not {wanted}"
    return None if keys else f"{statement.reviewer} is not listed in the role {statement.role}"


def bound(run: Run, request: ApprovalRequest, listed: ReviewerList, ports: Ports) -> Bound:
    """Return what an answer to `request` is about, from the records before it."""
    before = run.before(request.name)
    read = [artifact for record in before.steps() for artifact in record.inputs if artifact.codec == "file"]
    made = [artifact for artifact in before.artifacts().values() if artifact.codec in MODELS]
    return Bound(
        project=listed.project,
        run=run.id,
        approval=request.name,
        subject=subject(run, request),
        workflow=digest(run.declared),
        policy=request.policy,
        data={artifact.name: artifact.sha256 for artifact in read},
        environment=ports.packages_sha256,
        models={artifact.name: artifact.sha256 for artifact in made},
    )


def made_at(run: Run, request: ApprovalRequest, recorded: Sequence[Entry]) -> datetime:
    """Return when the newest of what stands before `request` was made first: what equals it later is the same again.

    recorded: what was ever recorded of the run. A reused result was made when it was measured. Where a checkpoint
    stands says nothing of what is approved.
    """
    before = [entry for entry in run.before(request.name).current() if not isinstance(entry, Mark)]
    known = [entry for entry in (*recorded, *run.entries) if isinstance(entry, ItemEntry)]
    times = [min(_measured(one) for one in known if _are_equal(one, entry)) for entry in before]
    return max(times, default=run.started_at)


def _are_equal(one: ItemEntry, other: ItemEntry) -> bool:
    return one.name == other.name and essence(one) == essence(other)


def _measured(entry: ItemEntry) -> datetime:
    return entry.reused.at if isinstance(entry, StepRecord) and entry.reused else entry.at


def writers(run: Run, ports: Ports) -> frozenset[str]:
    """Return who wrote the run and its code, as a signer is compared with them.

    These are the names and addresses of the authors and committers of the commits since the release before (of all
    commits where there is none) and of the run's checkpoints, and the accounts that began the run or had it decided.
    What git calls an author is what that person says: nobody can be found out who writes under another's name.
    """
    before = next((one.checkpoint for one in reversed(ports.pointer.past()) if one.run != run.id), None)
    return recorded_writers(run) | frozenset(ports.writers(run.id, before))


def recorded_writers(run: Run) -> frozenset[str]:
    """Return the accounts that began or decided the run, as its records name them."""
    decided = {entry.by for entry in run.entries if isinstance(entry, Decision)}
    return frozenset(name for name in {run.by, *decided} if name)


def newest(signed: Iterable[Signed]) -> dict[str, Signed]:
    """Return the last answer of each reviewer, by name; of a yes and a no of the same second, the no."""
    found: dict[str, Signed] = {}
    for one in sorted(signed, key=lambda one: (one.statement.at, one.statement.answer == "reject")):
        found[one.statement.reviewer] = one
    return found


def reached(grades: Sequence[Grade], policy: Policy) -> Grade:
    """Return the highest grade that as many answers have as are demanded, or all where these are fewer."""
    enough = min(policy.approvers, len(grades))
    found = (grade for grade in reversed(GRADES) if sum(reaches(one, grade) for one in grades) >= enough)
    return next(found) if enough else "unsigned"
