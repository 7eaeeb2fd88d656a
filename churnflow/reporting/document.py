"""What a report is made from: records, and nothing that changes between two calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from churnflow.domain.base import Frozen
from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.claims import Standing
from churnflow.domain.evidence import Confidence
from churnflow.domain.journal import Run
from churnflow.domain.release import Release


class PerformanceRow(Frozen):
    """What the served model did in one period; f1 where labels have arrived, the rates as shares of 1.

    labelled: how many labels f1 rests on. labels_suffice: whether these suffice to judge by; older tables do not say.
    """

    period: str
    f1: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None
    labelled: int | None = None
    labels_suffice: bool | None = None
    requests: int
    avg_latency_ms: float
    error_rate: float
    uptime: float


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """A run with its checkpoints (oldest first), what is served, the scores, and the captions of its plots by file.

    stale: the names of the approvals, checkpoints and gates whose answer was about something that has changed since.
    standings: what came true of what each author claimed, in this run and those before it. watches: whether the run is
    one of monitoring, whose table and figures are what it is read for, and come first.
    """

    run: Run
    checkpoints: Sequence[Checkpoint] = ()
    served: Release | None = None
    plots: Mapping[str, str] = field(default_factory=dict)
    initial: Confidence | None = None
    build: Confidence | None = None
    final: Confidence | None = None
    stale: frozenset[str] = frozenset()
    performance: Sequence[PerformanceRow] = ()
    standings: Sequence[Standing] = ()
    watches: bool = False
