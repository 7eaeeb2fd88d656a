"""Who answers an approval and who signs the answer, from the options of `approve`."""

from dataclasses import dataclass
from pathlib import Path

from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures
from churnflow.adapters.statement_files import ReturnedStatement, StatementWriter
from churnflow.cli.session import Session
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.engine.ports import Reviewer, Signer
from churnflow.errors import UsageError


@dataclass(frozen=True)
class OwnKey:
    """Signs with a key, if it belongs to the reviewer who was named."""

    key: KeySigner
    reviewer: str | None

    def signs_as(self, listed: ReviewerList) -> ListedReviewer:
        """Return whose key it is. Raises UsageError where another one was named."""
        found = self.key.signs_as(listed)
        if self.reviewer not in {None, found.name}:
            message = f"the key is that of {found.name}, not of {self.reviewer}"
            raise UsageError(message, hint="leave --reviewer out: who signs is told by the key")
        return found

    def sign(self, message: bytes, namespace: str) -> str:
        """Return the signature over `message`."""
        return self.key.sign(message, namespace)


@dataclass(frozen=True)
class Signing:
    """How an answer is signed: with a key here, as a statement to be signed elsewhere, or as one that was."""

    key: Path | None = None
    signature: Path | None = None
    statement: bool = False

    def __post_init__(self) -> None:
        """Refuse two ways at once."""
        given = {
            "--key": self.key is not None,
            "--signature": self.signature is not None,
            "--statement": self.statement,
        }
        named = [option for option, is_given in given.items() if is_given]
        if len(named) > 1:
            message = f"{' and '.join(named)} are two ways to sign one answer"
            raise UsageError(message, hint="give one of them")

    def signer(self, session: Session, name: str, reviewer: str | None) -> Signer | None:
        """Return who signs what is answered here, None where nobody does."""
        if self.key is not None:
            return OwnKey(KeySigner(session.directory / self.key, SshSignatures()), reviewer)
        if not self.statement:
            return None
        if reviewer is None:
            message = "a statement is made for one reviewer"
            raise UsageError(
                message, hint=f"`churnflow approve {name} --statement --reviewer NAME`, as the list has it"
            )
        return StatementWriter(reviewer, name, session.project().statements_dir)

    def returned(self, session: Session) -> Reviewer | None:
        """Return the answer that was signed elsewhere, None where none is given."""
        if self.signature is None:
            return None
        return ReturnedStatement.from_files(session.directory / self.signature, session.project().statements_dir)
