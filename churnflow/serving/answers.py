"""The responses of the prediction API, as typed values for its documentation, and how a score becomes one."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from churnflow.modelling.risk import Risk, risk_of
from churnflow.serving.current import Served
from churnflow.serving.reading import Asked

MOST_OUTCOMES: Final = 1_000

encode = msgspec.json.Encoder().encode


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

    prediction_id: str = Field(description="Names this prediction when its outcome is told to /api/v1/feedback")
    customer_id: str | int | None = Field(description="The customer's id as given, null if none was")
    probability: float = Field(ge=0, le=1)
    label: str = Field(description="The predicted class: the positive one when at_threshold is true")
    at_threshold: bool = Field(description="Whether the probability reaches the release's decision threshold")
    risk: Risk = Field(description="low: below the threshold; high: in the upper half between the threshold and 1")
    warnings: list[FieldProblem] = Field(description="Values unlike those seen in training")
    reasons: list[str] | None = Field(
        default=None,
        description="If asked for: what raises the risk of this customer, in words, the strongest first; none below "
        "the threshold",
    )


class Predictions(BaseModel):
    """The answer to a prediction request."""

    predictions: list[Prediction]
    release: ReleaseName


class Outcome(BaseModel):
    """What became of a customer: of exactly one prediction, or of a customer by id."""

    model_config = ConfigDict(extra="forbid")
    prediction_id: str | None = Field(default=None, description="As /api/v1/predict answered it")
    customer_id: str | int | None = Field(default=None, description="As /api/v1/predict was asked with it")
    churned: bool | str = Field(description="true or false, or one of the two labels of the model")


class Outcomes(BaseModel):
    """Outcomes that have become known."""

    model_config = ConfigDict(extra="forbid")
    outcomes: list[Outcome] = Field(min_length=1, max_length=MOST_OUTCOMES)


class Taken(BaseModel):
    """How many outcomes are kept, and the places of those that name no prediction or customer in the log."""

    accepted: int
    unknown: list[int]


class Version(ReleaseName):
    """What is served, and the run, approval and time that justify it."""

    run: str | None
    approval_sha256: str | None
    released_at: str | None
    change: str | None = Field(description="Why the version is what it is: what changed for clients since the last")
    refused: str | None = Field(description="Why the release that was to be served now is not; null when it is")


class ModelDescription(BaseModel):
    """The model card and the table schema of the release."""

    release: ReleaseName
    card: dict[str, Any]
    table: dict[str, Any] = Field(alias="schema")


class Status(BaseModel):
    """Whether the process lives, or is ready to answer."""

    status: str


def predictions(
    served: Served,
    asked: Asked,
    probabilities: Sequence[float],
    identifier: str,
    reasons: Sequence[list[str]] | None = None,
) -> dict[str, Any]:
    """Return the JSON answer to customers, of whom `probabilities` are, computed with one release only."""
    model = served.model
    found: list[dict[str, Any]] = [
        {
            "prediction_id": f"{identifier}-{place}",
            "customer_id": asked.ids[place],
            "probability": probability,
            "label": model.positive if probability >= model.threshold else model.negative,
            "at_threshold": probability >= model.threshold,
            "risk": risk_of(probability, model.threshold),
            "warnings": [warning.as_json() for warning in asked.warnings[place]],
        }
        for place, probability in enumerate(probabilities)
    ]
    for prediction, why in zip(found, reasons or (), strict=False):
        prediction["reasons"] = why
    return {"predictions": found, "release": served.name}


def version(served: Served, refused: str | None) -> dict[str, str | None]:
    """Return the release in full: its name, run, approval and time, and why a newer one was refused, if one was."""
    known = served.release
    return {
        **served.name,
        "run": known.run if known else None,
        "approval_sha256": known.approval_sha256 if known else None,
        "released_at": known.at.isoformat() if known else None,
        "change": known.change if known else None,
        "refused": refused,
    }
