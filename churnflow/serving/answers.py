"""The responses of the prediction API, as typed values for its documentation, and how a score becomes one."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from churnflow.serving.current import Served
from churnflow.serving.requests import Batch

Risk = Literal["high", "medium", "low"]


class FieldProblem(BaseModel):
    """One problem or warning, with the field it is about."""

    field: str
    problem: str


class Refusal(BaseModel):
    """Why a request was not answered."""

    detail: list[FieldProblem]


class ReleaseName(BaseModel):
    """The release that answered; sha256 is the digest of its bundle."""

    version: str | None
    sha256: str
    checkpoint: str | None


class Prediction(BaseModel):
    """One customer's prediction, in the order of the request."""

    customer_id: str | int | None = Field(description="The customer's id as given, null if none was")
    probability: float = Field(ge=0, le=1)
    label: str = Field(description="The predicted class: the positive one when at_threshold is true")
    at_threshold: bool = Field(description="Whether the probability reaches the release's decision threshold")
    risk: Risk = Field(description="low: below the threshold; high: in the upper half between the threshold and 1")
    warnings: list[FieldProblem] = Field(description="Values unlike those seen in training")


class Predictions(BaseModel):
    """The answer to a prediction request."""

    predictions: list[Prediction]
    release: ReleaseName


class Version(ReleaseName):
    """What is served, and the run, approval and time that justify it."""

    run: str | None
    approval_sha256: str | None
    released_at: str | None
    refused: str | None = Field(description="Why the release that was to be served now is not; null when it is")


class ModelDescription(BaseModel):
    """The model card and the table schema of the release."""

    release: ReleaseName
    card: dict[str, Any]
    table: dict[str, Any] = Field(alias="schema")


class Status(BaseModel):
    """Whether the process lives, or is ready to answer."""

    status: str


def risk_of(probability: float, threshold: float) -> Risk:
    """Return the band of a probability: low below the threshold, high from half-way between the threshold and 1."""
    if probability < threshold:
        return "low"
    return "high" if probability >= (1 + threshold) / 2 else "medium"


def predict(served: Served, batch: Batch) -> dict[str, Any]:
    """Return the JSON answer for a batch, computed with one release only."""
    model = served.model
    predictions = [
        {
            "customer_id": identifier,
            "probability": probability,
            "label": model.positive if probability >= model.threshold else model.negative,
            "at_threshold": probability >= model.threshold,
            "risk": risk_of(probability, model.threshold),
            "warnings": [warning.as_json() for warning in warnings],
        }
        for identifier, probability, warnings in zip(
            batch.ids, model.score(batch.columns).tolist(), batch.warnings, strict=True
        )
    ]
    return {"predictions": predictions, "release": served.name}


def version(served: Served, refused: str | None) -> dict[str, str | None]:
    """Return the release in full: its name, run, approval and time, and why a newer one was refused, if one was."""
    known = served.release
    return {
        **served.name,
        "run": known.run if known else None,
        "approval_sha256": known.approval_sha256 if known else None,
        "released_at": known.at.isoformat() if known else None,
        "refused": refused,
    }
