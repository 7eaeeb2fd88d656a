"""A reviewer whose answers stand in a file, for CI and for scripts; the record says that they do."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from churnflow.domain.approval import Answer
from churnflow.domain.base import Frozen
from churnflow.domain.journal import Approval
from churnflow.engine.ports import Brief
from churnflow.errors import UsageError

FORM = "approvals: {NAME: {answer: approve | approve-with-notes | reject, reviewer: WHO, notes: [...], answers: {...}}}"

MAX_BYTES: Final = 1_000_000


class Given(Frozen):
    """An answer to one approval, as a file or a script gives it."""

    answer: Answer
    reviewer: str = Field(pattern=r"\S")
    notes: tuple[str, ...] = ()
    answers: dict[str, str] = {}


class _File(Frozen):
    approvals: dict[str, Given]


class _Loader(yaml.BaseLoader):
    """Every word is text: an answer `yes` stays one. No alias, no tag, and no key twice: of two answers none counts."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ComposerError(None, None, "aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise ComposerError(None, None, f"the tag {event.tag!r} is not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        if any(key.value == "<<" for key, _ in node.value):
            raise ConstructorError(None, None, "merge keys are not allowed", node.start_mark)
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise ConstructorError(None, None, "a key stands twice", node.start_mark)
        return found


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
            plain = _read(path)
            return cls(_File.model_validate(plain).approvals, how)
        except OSError as error:
            message = f"the answers file {path} can not be read: {error.strerror}"
            raise UsageError(message, hint=f"write one in the form {FORM}") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            message = f"the answers file {path} is malformed: {_detail(error)}"
            raise UsageError(message, hint=f"write it in the form {FORM}") from None

    @classmethod
    def saying(cls, name: str, answer: Answer, reviewer: str, notes: tuple[str, ...], *, how: str) -> "AnswersReviewer":
        """Return a reviewer that gives one answer to one approval."""
        return cls({name: Given(answer=answer, reviewer=reviewer, notes=notes)}, how)

    def review(self, brief: Brief, phase: str) -> Approval | None:
        """Return the answer that the file gives, None if none. Raises UsageError for an unanswered question.

        Where a signature is demanded, a yes without one is none.
        """
        given = self._given.get(brief.request.name)
        if given is None or (brief.only_signed and given.answer != "reject"):
            return None
        unanswered = [question for question in brief.questions if not given.answers.get(question, "").strip()]
        if unanswered and given.answer != "reject":
            missing = ", ".join(repr(question) for question in unanswered)
            message = f"the answers file does not answer {missing} of the approval {brief.request.name!r}"
            raise UsageError(
                message, hint=f"add under approvals: {brief.request.name}: answers: one line QUESTION: ANSWER each"
            )
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


def account() -> str:
    """Return the name of the account that the program runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _read(path: Path) -> Any:
    if path.stat().st_size > MAX_BYTES:
        message = f"it has more than {MAX_BYTES:,} bytes"
        raise ValueError(message)
    return yaml.load(path.read_bytes().decode("utf-8-sig"), Loader=_Loader)  # noqa: S506 - it makes only text


def _detail(error: Exception) -> str:
    match error:
        case ValidationError():
            first = error.errors(include_url=False)[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case UnicodeDecodeError():
            return "not UTF-8 text"
        case yaml.MarkedYAMLError():
            return f"line {error.problem_mark.line + 1 if error.problem_mark else 1}: {error.problem}"
        case yaml.YAMLError() | RecursionError():
            return "not plain YAML"
        case _:
            return str(error)


class AbsentReviewer:
    """Nobody: every approval waits."""

    def review(self, brief: Brief, phase: str) -> None:
        """Answer nothing."""
