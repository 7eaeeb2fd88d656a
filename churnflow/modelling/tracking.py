"""The table of what a release did by day or week: F1 with interval, requests, latency, error rate, uptime."""

from collections.abc import Mapping
from typing import Any, Final

from churnflow.modelling.live_performance import enough, f1_of

SCHEMA: Final = "churnflow/tracking@1"


def table(observed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the periods in which anything was asked or running, as plain JSON values.

    f1: null where no outcome is known, with the count of outcomes beside it, and whether these suffice to judge by.
    error_rate, uptime: shares of 1.
    """
    lines = [_line(period) for period in observed["periods"] if period["service"]["minutes"] or period["customers"]]
    return {"schema": SCHEMA, "release": observed["release"], "period": observed["period"], "rows": lines}


def _line(period: Mapping[str, Any]) -> dict[str, Any]:
    labelled, service = period["labelled"], period["service"]
    f1 = f1_of(labelled) if labelled["n"] else None
    requests = service["requests"]
    return {
        "period": period["period"],
        "f1": f1.value if f1 else None,
        "f1_low": f1.low if f1 else None,
        "f1_high": f1.high if f1 else None,
        "labelled": labelled["n"],
        "labels_suffice": enough(labelled),
        "requests": requests,
        "avg_latency_ms": service["latency_ms_sum"] / max(1, requests),
        "error_rate": service["errors"] / max(1, requests),
        # Before the first whole minute is over nothing speaks against it.
        "uptime": min(1.0, service["alive_minutes"] / service["minutes"]) if service["minutes"] else 1.0,
    }
