"""What a command returns: data for machines, a view for people, an exit code, and who does what next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

EXIT_NAMES: Final = {
    0: "ok",
    1: "bug",
    2: "usage",
    3: "waiting",
    4: "refused",
    5: "conflict",
    6: "integrity",
    7: "step-failed",
    8: "fix",
    9: "rework",
    130: "interrupted",
}


@dataclass(frozen=True)
class Next:
    """A command that can follow, who runs it, and why."""

    command: str
    why: str = ""
    who: str = "you"


@dataclass(frozen=True)
class Failure:
    """The two lines of an error."""

    text: str
    hint: str


@dataclass(frozen=True)
class Answer:
    """The outcome of a command; `view` prints it for people and is called only where people read.

    alarms: warnings that are told under -q, too.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    view: Callable[[Console], None] | None = None
    code: int = 0
    next: tuple[Next, ...] = ()
    run: str | None = None
    checkpoint: str | None = None
    warnings: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    failure: Failure | None = None

    def envelope(self, command: str) -> dict[str, Any]:
        """Return the JSON object that every command prints with `--json`."""
        return {
            "schema": "churnflow/1",
            "command": command,
            "ok": self.code == 0,
            "exit": {"code": self.code, "name": EXIT_NAMES[self.code]},
            "run": self.run,
            "checkpoint": self.checkpoint,
            "data": dict(self.data),
            "warnings": [*self.alarms, *self.warnings],
            "error": {"text": self.failure.text, "hint": self.failure.hint} if self.failure else None,
            "next": [{"who": step.who, "command": step.command, "why": step.why} for step in self.next],
        }
