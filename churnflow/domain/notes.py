"""What a reviewer's words open: issues, and conditions that a yes was given on."""

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from churnflow.domain.evidence import Issue, Severity

# A condition is what an approval was given on: until it is met, the gate does not ship, however mild it sounds.
Kind = Literal["issue", "condition", "risk"]

CONDITION: Final = "?"
MARKS: Final = f"! before one opens an issue, !! a critical one, {CONDITION} a condition that has to be met first"
_NO: Final = re.compile(r"no?\b", re.IGNORECASE)


class Opened(NamedTuple):
    """An issue that a note opens, and whether what it says was made a condition."""

    issue: Issue
    kind: Kind


def opened_by_notes(notes: tuple[str, ...]) -> list[Opened]:
    """Return what a reviewer's notes open.

    A line that begins with `!` is an issue, critical if with `!!`; one that begins with `?` is a condition: what was
    promised for this approval. A mark with nothing after it opens nothing.
    """
    opened: list[Opened] = []
    for note in notes:
        text = note.lstrip(f"!{CONDITION}").strip()
        if text and note.startswith(CONDITION):
            opened.append(Opened(Issue(text=text, severity="warning"), "condition"))
        elif text and note.startswith("!"):
            severity: Severity = "critical" if note.startswith("!!") else "warning"
            opened.append(Opened(Issue(text=text, severity=severity), "issue"))
    return opened


def issues_of_answers(answers: Mapping[str, str]) -> list[Issue]:
    """Return the issues that a reviewer's answers open: a no is critical, whatever else was said."""
    return [
        Issue(text=f"answered no: {question}", severity="critical")
        for question, answer in answers.items()
        if _NO.match(answer.strip())
    ]
