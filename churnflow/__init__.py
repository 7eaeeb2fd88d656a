"""The whole API for the author of a step."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnflow.domain.contract import Evidence, Progress, Pseudonyms, Released, precheck, reports
    from churnflow.domain.evidence import Confidence, Finding, Issue, Measure, StepResult
    from churnflow.errors import UsageError as InputError

__all__ = [
    "Confidence",
    "Evidence",
    "Finding",
    "InputError",
    "Issue",
    "Measure",
    "Progress",
    "Pseudonyms",
    "Released",
    "StepResult",
    "precheck",
    "reports",
]

_PLACES = {"InputError": ("errors", "UsageError")} | {
    name: (f"domain.{module}", name)
    for module, names in {
        "contract": ("Evidence", "Progress", "Pseudonyms", "Released", "precheck", "reports"),
        "evidence": ("Confidence", "Finding", "Issue", "Measure", "StepResult"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    # Looked up on use: the command line imports this package too, and its help must not wait for pydantic.
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, attribute = _PLACES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
