"""The risk band of a probability, the same in the API's answers and in the lists of batch scoring."""

from typing import Literal

Risk = Literal["high", "medium", "low"]


def risk_of(probability: float, threshold: float) -> Risk:
    """Return the band of a probability: low below the threshold, high from half-way between the threshold and 1."""
    if probability < threshold:
        return "low"
    return "high" if probability >= high_from(threshold) else "medium"


def high_from(threshold: float) -> float:
    """Return the probability at which the band `high` begins."""
    return (1 + threshold) / 2
