"""Who may approve: the project's list of reviewers, in numbered versions of which each is signed by the one before."""

import base64
import hashlib
import unicodedata
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from churnflow.domain.approval import Policy, Signature
from churnflow.domain.base import Frozen, Moment, Name, Sha256, canonical_json

NAMESPACE: Final = "churnflow-reviewers"
ADMIN: Final = "admin"
MOST_REVIEWERS: Final = 1_000
MOST_ACKNOWLEDGED: Final = 1_000

# Never anything else than hex: it stands on git's command line.
ObjectId = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
# A public key as OpenSSH writes one, without its comment. DSA is left out; a certificate would trust a third party.
PublicKey = Annotated[
    str,
    Field(
        pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)"
        r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) ([A-Za-z0-9+/]{4}){10,1023}"
        r"([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
    ),
]


class ListedReviewer(Frozen):
    """A key of a reviewer. since: when it was listed. expires: from when on it counts no more, None for never.

    identities: the names, addresses and accounts under which that person writes code or runs churnflow, beside `name`.
    """

    name: Name
    key: PublicKey
    roles: tuple[Name, ...] = Field(min_length=1)
    identities: tuple[str, ...] = ()
    since: Moment
    expires: Moment | None = None

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as `ssh-keygen -l` prints it."""
        return fingerprint(self.key)

    def is_valid(self, at: datetime) -> bool:
        """Tell whether the key was listed, and had not expired, at that time."""
        return self.since <= at and (self.expires is None or at < self.expires)

    def is_one_of(self, writers: frozenset[str]) -> bool:
        """Tell whether this person stands among `writers`, however case, width, accents and blanks are written."""
        known = {spelled(text) for text in (self.name, *self.identities)}
        return bool(known & {spelled(writer) for writer in writers})


class Acknowledged(Frozen):
    """A checkpoint of which an admin says that it was made where no version of the list above `number` was known.

    checkpoint: its digest. decisions: those of its gates' decisions, which later checkpoints of the run state again.
    number: the version whose floor it is held to, 0 for none.
    """

    checkpoint: Sha256
    decisions: tuple[Sha256, ...] = ()
    number: int = Field(ge=0)


class ReviewerList(Frozen):
    """One version of the list. Its digest is the sha256 of `text()`, and stands in every statement made under it.

    project: drawn for the first version, and the same in all. previous: the digest of the version before. by: the
    reviewer, of the role admin in the version before, who signed this one. floor: what at least one approval before a
    gate has to meet, whatever a workflow says, so that no edit of a workflow takes people out of it. tips: the newest
    checkpoint of each run when this version was made, as git's ids, so that what came before is known without a clock.
    acknowledged: checkpoints from before a version that stood in no tips, since they were made in another clone.
    """

    schema_: Literal["churnflow/reviewers@1"] = Field(default="churnflow/reviewers@1", alias="schema")
    project: str = Field(pattern=r"^[0-9a-f]{32}$")
    number: int = Field(ge=1)
    previous: Sha256 | None
    at: Moment
    by: Name
    floor: Policy = Policy(grade="signed")
    reviewers: tuple[ListedReviewer, ...] = Field(max_length=MOST_REVIEWERS)
    tips: tuple[ObjectId, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = Field(
        default=(), max_length=MOST_ACKNOWLEDGED, exclude_if=lambda acknowledged: not acknowledged
    )

    @model_validator(mode="after")
    def _keys_are_unique(self) -> "ReviewerList":
        if len({reviewer.key for reviewer in self.reviewers}) != len(self.reviewers):
            message = "a key stands twice"
            raise ValueError(message)
        if not self.holders(ADMIN):
            message = f"nobody has the role {ADMIN}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _acknowledges_by_a_version_before(self) -> "ReviewerList":
        if any(one.number >= self.number for one in self.acknowledged):
            message = "a checkpoint is held to a version that is not before this one"
            raise ValueError(message)
        return self

    def text(self) -> bytes:
        """Return the bytes that are signed and hashed: the canonical JSON and a line end."""
        return canonical_json(self.model_dump(mode="json", by_alias=True)) + b"\n"

    @property
    def sha256(self) -> str:
        """The digest of this version."""
        return hashlib.sha256(self.text()).hexdigest()

    def named(self, name: str) -> tuple[ListedReviewer, ...]:
        """Return the keys of a reviewer, none for one who is not listed."""
        return tuple(reviewer for reviewer in self.reviewers if reviewer.name == name)

    def by_fingerprint(self, text: str) -> ListedReviewer | None:
        """Return whose key that is, None for one that is not listed."""
        return next((reviewer for reviewer in self.reviewers if reviewer.fingerprint == text), None)

    def holders(self, role: str | None) -> tuple[str, ...]:
        """Return the names of those who have a role, of all for None, each once."""
        return tuple(dict.fromkeys(one.name for one in self.reviewers if role is None or role in one.roles))


class SignedList(Frozen):
    """A version of the list with the signature over its bytes."""

    listed: ReviewerList
    signature: Signature


class Pin(Frozen):
    """What was seen of the list here: its first version, trusted on first use, and the newest one."""

    first: Sha256
    number: int = Field(ge=1)
    newest: Sha256


def spelled(text: str) -> str:
    """Return a name or address in the one spelling in which it is compared: Unicode's NFKC_Casefold, near enough.

    Blanks at the ends are left out, and each row of blanks within is one.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def fingerprint(key: str) -> str:
    """Return `SHA256:` and the digest of the key's bytes in base64, as OpenSSH writes it."""
    raw = base64.b64decode(key.split(" ")[1], validate=True)
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
