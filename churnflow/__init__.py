"""The whole API for the author of a step."""

from churnflow.domain.contract import Evidence, Progress, reports
from churnflow.domain.evidence import Confidence, Finding, Issue, Measure, StepResult
from churnflow.errors import UsageError as InputError

__all__ = ["Confidence", "Evidence", "Finding", "InputError", "Issue", "Measure", "Progress", "StepResult", "reports"]
