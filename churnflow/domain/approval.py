"""What an approval is worth: its grade, what a workflow demands of it, and the statement that a reviewer signs."""

from typing import Annotated, Final, Literal, get_args

from pydantic import Field, JsonValue

from churnflow.domain.base import Frozen, Moment, Name, Sha256, canonical_json

Answer = Literal["approve", "approve-with-notes", "reject"]

# unsigned: typed at a prompt or read from a file, which shows intent and no more. signed: by a listed reviewer's key.
# signed+distinct: and that reviewer wrote none of the run and none of the code.
Grade = Literal["unsigned", "signed", "signed+distinct"]
GRADES: Final[tuple[Grade, ...]] = get_args(Grade)

NAMESPACE: Final = "churnflow-approval"
MOST_APPROVERS: Final = 100

Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# The armour of OpenSSH's SSHSIG format (PROTOCOL.sshsig of its sources); what is in it ssh-keygen alone reads.
Signature = Annotated[
    str,
    Field(
        pattern=r"^-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+\n-----END SSH SIGNATURE-----\n$", max_length=16_384
    ),
]


class Policy(Frozen):
    """What is demanded of an approval: the grade, how many people, and the role that each of them has to have."""

    grade: Grade = "unsigned"
    approvers: int = Field(default=1, ge=1, le=MOST_APPROVERS)
    role: Name | None = None

    def in_words(self) -> str:
        """Return what is demanded, as cards and errors say it: `2 approvals of grade signed, each by a risk`."""
        count = "1 approval" if self.approvers == 1 else f"{self.approvers} approvals"
        return f"{count} of grade {self.grade}" + (f", in the role {self.role}" if self.role else "")


class Bound(Frozen):
    """What an answer is about, as far as the records and the machine tell it; a signature holds for exactly this.

    project: the id of the project's list of reviewers. subject: the digest of all that was approved, the approval's
    key. workflow: the digest of the workflow as declared. data: the source files read before, by path. environment:
    the digest of the installed packages. models: the models and release bundles made before, by name.
    """

    project: str
    run: str
    approval: Name
    subject: Sha256
    workflow: Sha256
    policy: Policy
    data: dict[str, Sha256]
    environment: Sha256
    models: dict[str, Sha256]


class Statement(Bound):
    """What a reviewer signs: what it is about, who answers what in which role, when, and under which list of reviewers.

    nonce: drawn for this statement alone, so that it counts once. reviewers: the digest of that list. wrote: the names
    and addresses that were compared for `signed+distinct`, see `engine.approvals.writers`.
    """

    schema_: Literal["churnflow/approval@1"] = Field(default="churnflow/approval@1", alias="schema")
    role: Name
    reviewer: Name
    answer: Answer
    notes: tuple[str, ...] = ()
    answers: dict[str, str] = {}
    at: Moment
    nonce: Nonce
    reviewers: Sha256
    wrote: tuple[str, ...]

    def text(self) -> bytes:
        """Return the bytes that are signed: the canonical JSON, and a line end as editors leave one."""
        return canonical_json(self.model_dump(mode="json", by_alias=True)) + b"\n"

    def bound(self) -> dict[str, JsonValue]:
        """Return what the statement says it is about, field by field."""
        return self.model_dump(mode="json", include=set(Bound.model_fields))


class Signed(Frozen):
    """A statement with the reviewer's signature over its bytes."""

    statement: Statement
    signature: Signature


def reaches(grade: Grade, demanded: Grade) -> bool:
    """Tell whether a grade is the demanded one or above it."""
    return GRADES.index(grade) >= GRADES.index(demanded)
