"""Statements that are signed on another machine: written out to be signed, and taken back with their signature."""

import hashlib
import shlex
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from churnflow.adapters.durable import explained, make_folder, write_durably
from churnflow.domain.approval import Signed, Statement
from churnflow.domain.journal import Approval
from churnflow.domain.reviewers import ListedReviewer, ReviewerList
from churnflow.engine.ports import Brief
from churnflow.errors import IntegrityError, RefusedError, UsageError, WaitingError

MAX_BYTES: Final = 1_000_000
_BESIDE: Final = "give the .sig file with the statement of the same name beside it"
HOW: Final = "statement signed elsewhere"


class StatementWriter:
    """Writes what is to be signed into a file, for a reviewer who signs it where the private key is."""

    def __init__(self, reviewer: str, approval: str, folder: Path) -> None:
        """Take the listed name of the reviewer, what is to be approved, and the folder for the statements."""
        self._reviewer = reviewer
        self._approval = approval
        self._folder = folder

    def signs_as(self, listed: ReviewerList) -> ListedReviewer:
        """Return the reviewer. Raises RefusedError for a name that is not listed."""
        found = listed.named(self._reviewer)
        if not found:
            message = f"{self._reviewer!r} is not in the list of reviewers"
            raise RefusedError(message, hint=f"listed are: {', '.join(listed.holders(None))}")
        return found[0]

    def sign(self, message: bytes, namespace: str) -> str:
        """Write the statement durably; the WaitingError that this raises says how it is signed."""
        path = self._folder / f"{self._approval}-{hashlib.sha256(message).hexdigest()[:12]}.json"
        with explained(path):
            make_folder(self._folder)
        write_durably(path, message, mode=0o600)
        shown = shlex.quote(str(path))
        what = f"the approval {self._approval!r} waits for the signature of {self._reviewer} over {path}"
        how = f"`ssh-keygen -Y sign -n {namespace} -f KEY {path.name}` where the key is"
        back = f"`churnflow approve {self._approval} --signature {shown}.sig` here"
        raise WaitingError(what, hint=f"read it, {how}, then {back}", approval=self._approval)


class ReturnedStatement:
    """Answers what the statement answers; whether it counts is for the engine to find out."""

    def __init__(self, signed: Signed) -> None:
        """Take a statement with its signature; `from_files` reads them."""
        self._signed = signed

    @classmethod
    def from_files(cls, signature: Path, kept: Path) -> "ReturnedStatement":
        """Read `FILE.sig` and the statement FILE beside it, or the one of that name in the folder `kept`.

        Raises UsageError for files that are missing, IntegrityError for what is no statement or signature of ours.
        """
        if not signature.name.removesuffix(".sig") or signature.suffix != ".sig":
            message = f"{signature} is no FILE.sig"
            raise UsageError(message, hint=_BESIDE)
        beside = signature.with_suffix("")
        name = beside.name
        armour = _read(signature).decode(errors="replace").replace("\r\n", "\n")
        text = _read(beside if beside.is_file() else kept / name)
        try:
            statement = Statement.model_validate_json(text)
            signed = Signed(statement=statement, signature=armour)
        except ValidationError:
            message = f"{signature} and {name} are not a signature and the statement that it is over"
            raise IntegrityError(
                message, hint="sign the file of `--statement` as it is, and give back FILE.sig"
            ) from None
        if statement.text() != text:
            message = f"the statement {name} is not as churnflow wrote it"
            raise IntegrityError(message, hint="`churnflow approve NAME --statement` writes it again") from None
        return cls(signed)

    def review(self, brief: Brief, phase: str) -> Approval | None:
        """Return the answer of the statement, None for an approval that it does not name."""
        statement = self._signed.statement
        if statement.approval != brief.request.name:
            return None
        unanswered = [question for question in brief.questions if not statement.answers.get(question, "").strip()]
        if unanswered and statement.answer != "reject":
            message = f"the statement does not answer {unanswered[0]!r} of the approval {statement.approval!r}"
            raise UsageError(message, hint=f"`churnflow approve {statement.approval} --statement` asks all questions")
        return Approval(
            name=brief.request.name,
            phase=phase,
            passed=statement.answer != "reject",
            key=brief.subject,
            at=statement.at,
            answer=statement.answer,
            reviewer=statement.reviewer,
            notes=statement.notes,
            answers=statement.answers,
            how=HOW,
            signed=(self._signed,),
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        message = f"{path} can not be read: {error.strerror}"
        raise UsageError(message, hint=_BESIDE) from None
