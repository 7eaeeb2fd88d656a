"""What a step function may ask of the engine by annotation, and declare by decorator."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from churnflow.domain.base import Frozen
from churnflow.domain.evidence import Issue
from churnflow.domain.journal import StepRecord
from churnflow.domain.ledger import Noticed, told_once
from churnflow.domain.rule import Rule
from churnflow.errors import UsageError

METRICS_ATTRIBUTE = "__churnflow_metrics__"
PRECHECK_ATTRIBUTE = "__churnflow_precheck__"

F = TypeVar("F", bound=Callable[..., object])
Precheck = Callable[[Mapping[str, Any]], Iterable[tuple[str, UsageError]]]


class Progress(Protocol):
    """A parameter so annotated gets a callable that moves the progress bar of the running step."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Say that `done` of `total` units are finished."""


class Pseudonyms(Protocol):
    """A parameter so annotated gets a callable that hashes what names a person, with a key that this repository keeps.

    Annotate it `Pseudonyms | None` with the default None, for calls without an engine.
    """

    def __call__(self, identifier: str) -> str:
        """Return what stands for an identifier: the same for the same one, and of no use to who lacks the key."""


class Evidence(Frozen):
    """A parameter so annotated gets what the run has recorded before this step."""

    requirements: tuple[Rule, ...]
    steps: tuple[StepRecord, ...]

    def step(self, name: str) -> StepRecord | None:
        """Return the record of the step called `name`, None if it has none."""
        return next((record for record in self.steps if record.name == name), None)

    def issues(self) -> tuple[Issue, ...]:
        """Return what the steps noticed, each thing once, as the ledger of the run lists it."""
        noticed = (Noticed(record.name, record.key, issue) for record in self.steps for issue in record.issues)
        return tuple(one.issue for one in told_once(noticed).values())


@dataclass(frozen=True)
class Released:
    """A parameter so annotated gets the release that `with` names, to compare with: `served`, `served~1` or `v1.2.0`.

    Annotate it `Released | None` with the default None, which stands for nothing named. files: those of the release
    bundle, `model.bin` and `card.json` among them. artifacts: what the steps of the run that shipped it made, as far
    as it is kept here; each is read when it is asked for. Before the first release `served` has none of these.
    """

    version: str
    files: Mapping[str, bytes]
    artifacts: Mapping[str, object] = field(default_factory=dict)


def reports(*metrics: str) -> Callable[[F], F]:
    """Declare the metrics that a step function measures, so that `churnflow check` can find a rule on an unknown one.

    A name may hold `*` for metrics whose number depends on the data (`gap_*`). Optional: rules on the metrics of a
    function without it are tested only when it runs.
    """

    def mark(function: F) -> F:
        setattr(function, METRICS_ATTRIBUTE, metrics)
        return function

    return mark


def precheck(look: Precheck) -> Callable[[F], F]:
    """Declare what can be known wrong in the parameters of a step function before it runs, such as a misspelt column.

    look: gets the parameters by name, defaults among them, as the function will get them, without those that earlier
    steps fill; yields a parameter and an InputError for each thing wrong. `churnflow check` calls it, and so does every
    command that begins a run, so it should read the head of a file and no more.
    """

    def mark(function: F) -> F:
        setattr(function, PRECHECK_ATTRIBUTE, look)
        return function

    return mark
