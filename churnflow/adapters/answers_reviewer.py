"""A reviewer whose answers stand in a file, for CI and for scripts; the record says that they do."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from churnflow.domain.base import Frozen
from churnflow.domain.journal import Answer, Approval
from churnflow.engine.ports import Brief
from churnflow.errors import UsageError

FORM = "approvals: {NAME: {answer: approve | approve-with-notes | reject, reviewer: WHO, notes: [...], answers: {...}}}"


class Given(Frozen):
    """An answer to one approval, as a file or a script gives it."""

    answer: Answer
    reviewer: str = Field(min_length=1)
    notes: tuple[str, ...] = ()
    answers: dict[str, str] = {}


class _File(Frozen):
    approvals: dict[str, Given]


class AnswersReviewer:
    """Answers each approval that the file names; one that it does not name stays unanswered."""

    def __init__(self, given: Mapping[str, Given], how: str) -> None:
        """Take the answers by approval and how they were given; `from_file` reads them."""
        self._given = given
        self._how = how

    @classmethod
    def from_file(cls, path: Path, how: str = "answers file") -> "AnswersReviewer":
        """Read an answers file. Raises UsageError for a missing or malformed one."""
        try:
            plain: Any = yaml.safe_load(path.read_text())
            return cls(_File.model_validate(plain).approvals, how)
        except OSError as error:
            message = f"the answers file {path} can not be read: {error.strerror}"
            raise UsageError(message, hint=f"write one in the form {FORM}") from None
        except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not YAML"
            message = f"the answers file {path} is malformed: {detail}"
            raise UsageError(message, hint=f"write it in the form {FORM}") from None

    @classmethod
    def saying(cls, name: str, answer: Answer, reviewer: str, notes: tuple[str, ...], *, how: str) -> "AnswersReviewer":
        """Return a reviewer that gives one answer to one approval."""
        return cls({name: Given(answer=answer, reviewer=reviewer, notes=notes)}, how)

    def review(self, brief: Brief, phase: str) -> Approval | None:
        """Return the answer that the file gives, None if none. Raises UsageError for an unanswered question."""
        given = self._given.get(brief.request.name)
        if given is None:
            return None
        unanswered = [question for question in brief.questions if not given.answers.get(question, "").strip()]
        if unanswered and given.answer != "reject":
            message = f"the answers file does not answer {unanswered[0]!r} of the approval {brief.request.name!r}"
            raise UsageError(message, hint=f"add it under approvals: {brief.request.name}: answers:")
        answers = {question: given.answers[question] for question in brief.questions if question in given.answers}
        return self.given(brief, phase, given.model_copy(update={"answers": answers}))

    def given(self, brief: Brief, phase: str, given: Given) -> Approval:
        """Return the approval that `given` makes of what is asked."""
        return Approval(
            name=brief.request.name,
            phase=phase,
            passed=given.answer != "reject",
            key=brief.subject,
            at=datetime.now(UTC).replace(microsecond=0),
            answer=given.answer,
            reviewer=given.reviewer,
            notes=given.notes,
            answers=given.answers,
            how=self._how,
        )


class AbsentReviewer:
    """Nobody: every approval waits."""

    def review(self, brief: Brief, phase: str) -> None:
        """Answer nothing."""
