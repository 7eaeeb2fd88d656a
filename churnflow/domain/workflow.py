"""What is declared: a task, its requirements, and its phases of ordered items."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from pydantic import Field, JsonValue, model_validator

from churnflow.domain.approval import MOST_APPROVERS, Grade, Policy
from churnflow.domain.base import Frozen, Name, Score
from churnflow.domain.database import database_files
from churnflow.domain.evidence import Severity
from churnflow.domain.rule import Rule
from churnflow.domain.serving import Privacy

DEFAULT_WAIVER_DAYS: Final = 90
MOST_WAIVER_DAYS: Final = 366


class Step(Frozen):
    """One declared call of a function, with parameters, inputs, outputs and checks."""

    name: Name = Field(alias="step")
    uses: str
    params: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    needs: dict[str, str] = {}
    produces: dict[Name, str] = {}
    checks: tuple[Rule, ...] = ()


class CheckpointRequest(Frozen):
    """A point at which the whole state is to be kept under a name."""

    name: Name = Field(alias="checkpoint")


class ApprovalRequest(Frozen):
    """A point at which people have to agree, what they are asked, and what their answer has to be worth.

    grade: `unsigned`, `signed` or `signed+distinct`. approvers: how many have to approve. role: the role in the list of
    reviewers that each of them has to have.
    """

    name: Name = Field(alias="approval")
    questions: tuple[str, ...] = ()
    grade: Grade = Field(default="unsigned", exclude_if=lambda grade: grade == "unsigned")
    approvers: int = Field(default=1, ge=1, le=MOST_APPROVERS, exclude_if=lambda approvers: approvers == 1)
    role: Name | None = Field(default=None, exclude_if=lambda role: role is None)

    @model_validator(mode="after")
    def _a_role_is_proved_by_a_key(self) -> "ApprovalRequest":
        if self.role is not None and self.grade == "unsigned":
            message = f"the role {self.role!r} can be proved by a signature alone: add grade: signed"
            raise ValueError(message)
        return self

    @property
    def policy(self) -> Policy:
        """What is demanded, as one value."""
        return Policy(grade=self.grade, approvers=self.approvers, role=self.role)


class Words(Frozen):
    """What a gate calls its verdicts where it decides about something else than shipping."""

    ship: str
    fix: str
    rework: str


USUAL_WORDS = Words(ship="ship", fix="fix critical issues first", rework="rework")


class Gate(Frozen):
    """The declared condition to ship: the bands of the confidence, rules of its own, and what it calls its verdicts.

    A step whose metric a rule names is tested by that rule.
    """

    name: Name = Field(alias="gate")
    ship: Score = 80
    fix: Score = 60
    rules: tuple[Rule, ...] = ()
    says: Words | None = Field(default=None, exclude_if=lambda says: says is None)

    @model_validator(mode="after")
    def _bands_in_order(self) -> "Gate":
        if self.fix > self.ship:
            message = f"the fix band begins at {self.fix}, above the ship band at {self.ship}"
            raise ValueError(message)
        return self


Item = Step | CheckpointRequest | ApprovalRequest | Gate


class Risk(Frozen):
    """What the plan sees coming: in words, how grave it is, and the measure that shows that it did not come.

    closed_by: a rule on `STEP.METRIC`; the record of that step closes the risk once it passed and keeps the limit.
    """

    risk: str
    severity: Severity = "warning"
    closed_by: Rule | None = None

    def __str__(self) -> str:
        """Write it as screens do: the words, and how grave it is."""
        return f"{self.risk} ({self.severity}{f', closed by {self.closed_by}' if self.closed_by else ''})"


class Workflow(Frozen):
    """The declared document: a task, and its phases in order.

    risks: by a word for the kind of each; one in words alone is a note. waiver_days: for how long an issue is waived
    where nothing else is said, DEFAULT_WAIVER_DAYS if the workflow does not either.
    """

    name: Name
    task: str
    description: str = ""
    using: str = ""
    risks: dict[str, str | Risk] = {}
    requirements: tuple[Rule, ...] = ()
    waiver_days: int | None = Field(default=None, ge=1, le=MOST_WAIVER_DAYS, exclude_if=lambda days: days is None)
    privacy: Privacy | None = Field(default=None, exclude_if=lambda privacy: privacy is None)
    phases: dict[Name, tuple[Item, ...]]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Workflow":
        doubled = [name for name, count in Counter(item.name for item in self.items()).items() if count > 1]
        if doubled:
            message = f"duplicate name: {', '.join(doubled)}"
            raise ValueError(message)
        return self

    def items(self) -> Iterator[Item]:
        """Yield the items of all phases in the order in which they are done."""
        for items in self.phases.values():
            yield from items

    def placed_items(self) -> Iterator[tuple[str, Item]]:
        """Yield each item with the name of its phase, in the order in which they are done."""
        for phase, items in self.phases.items():
            for item in items:
                yield phase, item

    def limits(self) -> list[Rule]:
        """Return the requirements and the rules of every gate, each once."""
        rules = [rule for item in self.items() if isinstance(item, Gate) for rule in item.rules]
        return list(dict.fromkeys((*self.requirements, *rules)))

    def steps(self) -> Iterator[Step]:
        """Yield the steps alone, in order."""
        return (item for item in self.items() if isinstance(item, Step))

    def texts(self) -> set[str]:
        """Return the parameters of all steps that are texts: some name a file."""
        return {value for step in self.steps() for value in step.params.values() if isinstance(value, str)}

    def databases(self) -> list[str]:
        """Return the files in the project of databases that steps ask: their answers are kept, not they themselves."""
        files = {file for text in self.texts() for file in database_files(text)}
        return sorted(file for file in files if not file.startswith("/") and ".." not in file.split("/"))

    def with_override(self, step_name: str, parameter: str, value: Any) -> "Workflow":
        """Return the workflow with one parameter of one step set; the step must exist."""
        phases = {
            phase: tuple(
                item.model_copy(update={"params": {**item.params, parameter: value}})
                if isinstance(item, Step) and item.name == step_name
                else item
                for item in items
            )
            for phase, items in self.phases.items()
        }
        return self.model_copy(update={"phases": phases})
