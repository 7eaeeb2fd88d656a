"""What a step function may ask of the engine by annotation, and declare by decorator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from churnflow.domain.base import Frozen
from churnflow.domain.journal import StepRecord
from churnflow.domain.rule import Rule

METRICS_ATTRIBUTE = "__churnflow_metrics__"

F = TypeVar("F", bound=Callable[..., object])


class Progress(Protocol):
    """A parameter so annotated gets a callable that moves the progress bar of the running step."""

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Say that `done` of `total` units are finished."""


class Evidence(Frozen):
    """A parameter so annotated gets what the run has recorded before this step."""

    requirements: tuple[Rule, ...]
    steps: tuple[StepRecord, ...]

    def step(self, name: str) -> StepRecord | None:
        """Return the record of the step called `name`, None if it has none."""
        return next((record for record in self.steps if record.name == name), None)


@dataclass(frozen=True)
class Released:
    """A parameter so annotated gets the release that `with` names, to compare with: `served`, `served~1` or `v1.2.0`.

    Annotate it `Released | None` with the default None, which stands for nothing named. files: those of the release
    bundle, `model.bin` and `card.json` among them. Before the first release `served` has neither version nor files.
    """

    version: str
    files: Mapping[str, bytes]


def reports(*metrics: str) -> Callable[[F], F]:
    """Declare the metrics that a step function measures, so that `churnflow check` can find a rule on an unknown one.

    A name may hold `*` for metrics whose number depends on the data (`gap_*`). Optional: rules on the metrics of a
    function without it are tested only when it runs.
    """

    def mark(function: F) -> F:
        setattr(function, METRICS_ATTRIBUTE, metrics)
        return function

    return mark
