"""Who answers an approval and who signs the answer, from the options of `approve`."""

from dataclasses import dataclass
from pathlib import Path

from churnflow.adapters.ssh_signatures import KeySigner, SshSignatures
from churnflow.adapters.statement_files import ReturnedStatement, StatementWriter
from churnflow.cli.session import Session
from churnflow.engine.ports import Reviewer, Signer
from churnflow.errors import UsageError


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
            return KeySigner(session.directory / self.key, SshSignatures())
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
