"""The step that tells how the service did: requests, latency, errors, uptime, and what the log has lost."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Annotated, Any

from pydantic import Field

from churnflow import Issue, Measure, StepResult, reports
from churnflow.modelling.metrics import Estimate, wilson
from churnflow.modelling.observed import LATENCY_EDGES
from churnflow.modelling.sufficiency import Sample

_P95 = 0.95

Share = Annotated[float, Field(ge=0, le=1)]


@reports(
    "requests",
    "latency_avg_ms",
    "latency_p95_ms",
    "error_ratio",
    "refused_ratio",
    "uptime_ratio",
    "lost_predictions",
    "troubles",
    "judged",
    "sample",
    "sample_needed",
)
def watch_service(observed: dict[str, Any], errors: Share = 0.01, uptime: Share = 0.99) -> StepResult:
    """Measure the service over the window of an observation.

    error_ratio: of requests answered with a status of 500 or more; those below, which the client has to mend, are in
    refused_ratio. latency_p95_ms: of answered predictions, to 5%. uptime_ratio: minutes in which a worker gave a sign
    of life, of those since the first one in the window. lost_predictions: answered, and not in the log. errors, uptime:
    shares beyond which an issue is raised, where the interval excludes chance; troubles: how many of the two are.
    """
    service = observed["whole"]["service"]
    requests, minutes = service["requests"], service["minutes"]
    failed, refused = wilson(service["errors"], requests), wilson(service["refused"], requests)
    alive = wilson(min(service["alive_minutes"], minutes), minutes)
    metrics: dict[str, float | Measure] = {"requests": requests, "lost_predictions": service["lost"]}
    metrics |= {"error_ratio": _measure(failed), "refused_ratio": _measure(refused)}
    metrics["troubles"] = int(_fails(failed, errors)) + int(_stands(alive, uptime))
    sample = Sample(max(requests, service["alive_minutes"]), 1, "requests or signs of life")
    metrics |= {name: one.value for name, one in sample.metrics()}
    if requests:
        metrics["latency_avg_ms"] = Measure(value=service["latency_ms_sum"] / requests, n=requests)
    if observed["latency"]["n"]:
        metrics["latency_p95_ms"] = Measure(value=_quantile(observed["latency"]), n=observed["latency"]["n"])
    if minutes:
        metrics["uptime_ratio"] = _measure(alive)
    return StepResult(
        metrics=metrics,
        facts={
            "uptime": f"{service['alive_minutes']:,} of {minutes:,} minutes since the first sign of life",
            "errors": f"{service['errors']:,} of {requests:,} requests failed, {service['refused']:,} were refused",
            **sample.facts(),
        },
        issues=[*_issues(failed, errors, alive, uptime, service["lost"])],
    )


def _fails(failed: Estimate, errors: float) -> bool:
    return bool(failed.n) and failed.low > errors


def _stands(alive: Estimate, uptime: float) -> bool:
    return bool(alive.n) and alive.high < uptime


def _issues(failed: Estimate, errors: float, alive: Estimate, uptime: float, lost: int) -> Iterator[Issue]:
    if _fails(failed, errors):
        text = f"{failed.value:.1%} of requests fail, more than {errors:.1%}; the log of `churnflow serve` says why"
        yield Issue(text=text, severity="warning")
    if _stands(alive, uptime):
        text = f"it ran in {alive.value:.1%} of the minutes, less than {uptime:.1%}"
        yield Issue(text=f"{text}; see what stopped it, and have it restarted", severity="warning")
    if lost:
        text = f"{lost:,} predictions are not in the log, which was full or away; what is measured is without them"
        yield Issue(text=f"{text}; see that its disk or database has room", severity="warning")


def _quantile(latency: dict[str, Any]) -> float:
    """Return the upper edge of the bin that 95% of requests do not exceed."""
    reached = accumulate(latency["counts"])
    least = _P95 * latency["n"]
    place = next(place for place, count in zip(latency["bins"], reached, strict=True) if count >= least)
    return LATENCY_EDGES[min(int(place), len(LATENCY_EDGES) - 1)]


def _measure(value: Estimate) -> Measure:
    return Measure(value=value.value, low=value.low, high=value.high, n=value.n)
