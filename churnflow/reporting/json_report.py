"""The report as JSON: the records themselves, with the scores that the report states."""

from typing import Any

from churnflow.domain.checkpoint import Checkpoint
from churnflow.domain.ledger import whole_ledger
from churnflow.reporting.document import ReportInput

SCHEMA = "churnflow/report@1"


def as_json(document: ReportInput) -> dict[str, Any]:
    """Return the report as plain JSON values."""
    scores = {"initial": document.initial, "build": document.build, "final": document.final}
    return {
        "schema": SCHEMA,
        "run": document.run.model_dump(mode="json", by_alias=True),
        "confidence": {name: score.model_dump(mode="json") if score else None for name, score in scores.items()},
        "issues": [line.model_dump(mode="json") for line in whole_ledger(document.run)],
        "stale": sorted(document.stale),
        "checkpoints": [_checkpoint(item) for item in document.checkpoints],
        "served": document.served.model_dump(mode="json") if document.served else None,
        "standings": [standing.model_dump(mode="json") for standing in document.standings],
        "performance": [row.model_dump(mode="json") for row in document.performance],
        "made_from": document.source.model_dump(mode="json") if document.source else None,
    }


def _checkpoint(item: Checkpoint) -> dict[str, Any]:
    return {
        "number": item.number,
        "name": item.name,
        "tag": item.tag,
        "created_at": item.created_at.isoformat(),
        "confidence": item.confidence.score if item.confidence else None,
        "restores": item.restores,
        "reason": item.reason,
        "rollback": item.restore.command,
    }
