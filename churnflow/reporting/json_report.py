"""The report as JSON: the records themselves, with the scores that the report states."""

from typing import Any

from churnflow.domain.ledger import ledger
from churnflow.reporting.document import ReportInput


def as_json(document: ReportInput) -> dict[str, Any]:
    """Return the report as plain JSON values."""
    scores = {"initial": document.initial, "build": document.build, "final": document.final}
    return {
        "schema": "churnflow/report@1",
        "run": document.run.model_dump(mode="json", by_alias=True),
        "confidence": {name: score.model_dump(mode="json") if score else None for name, score in scores.items()},
        "issues": [line.model_dump(mode="json") for line in ledger(document.run)],
        "checkpoints": [
            {"tag": item.tag, "created_at": item.created_at.isoformat(), "restores": item.restores}
            for item in document.checkpoints
        ],
        "served": document.served.model_dump(mode="json") if document.served else None,
        "performance": [row.model_dump(mode="json") for row in document.performance],
    }
