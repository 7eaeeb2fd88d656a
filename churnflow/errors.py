"""Every failure that the user can act on, named by who or what must act; each carries the next action."""

from typing import ClassVar


class ChurnflowError(Exception):
    """A failure that ends a command with two lines, what happened and what to do, and a documented exit code."""

    exit_code: ClassVar[int] = 2
    exit_name: ClassVar[str] = "usage"

    def __init__(self, message: str, *, hint: str) -> None:
        """Take what happened and the next action; an error without a next action cannot be made."""
        super().__init__(message)
        self.hint = hint


class UsageError(ChurnflowError):
    """The arguments, the workflow or the data are wrong; the user changes them."""


class WaitingError(ChurnflowError):
    """A person has to answer before work can go on: to `approval`, with an answer to each of `questions`."""

    exit_code = 3
    exit_name = "waiting"

    def __init__(self, message: str, *, hint: str, approval: str = "", questions: tuple[str, ...] = ()) -> None:
        """Take what waits, the command that answers, and the questions, which an answers file repeats word for word."""
        super().__init__(message, hint=hint)
        self.approval = approval
        self.questions = questions


class RefusedError(ChurnflowError):
    """A reviewer said no, or what was asked needs a passed gate."""

    exit_code = 4
    exit_name = "refused"


class UntrustedError(RefusedError):
    """Step code from elsewhere that nobody has trusted in this clone would be imported; no step is blamed for it."""


class ConflictError(ChurnflowError):
    """Another process, an existing file or a changed workflow stands in the way."""

    exit_code = 5
    exit_name = "conflict"


class IntegrityError(ChurnflowError):
    """A digest or link of the history does not match, or an artifact is missing."""

    exit_code = 6
    exit_name = "integrity"


class StepFailedError(ChurnflowError):
    """A step raised, or one of its checks did not hold."""

    exit_code = 7
    exit_name = "step-failed"
