"""Leaks in real sources: the one that a set came with is found, and strong features of others are not taken for one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from churnflow.steps.features import features
from churnflow.steps.ingest import ingest

Find = Callable[[str], Path]


def noticed(path: Path, target: str, identifier: str | None, severity: str) -> list[str]:
    read: Any = ingest(path, target, identifier).outputs
    result = features(read["customers"], read["schema"])
    return [issue.text for issue in result.issues if issue.severity == severity]


def test_an_end_date_that_only_ended_subscriptions_have_is_found_in_a_real_set(shared_data: Find) -> None:
    path = shared_data("ravenstack/ravenstack_subscriptions.csv")
    (text,) = noticed(path, "churn_flag", "subscription_id", "critical")
    assert text.startswith("end_date gives the target away: ")
    assert "and all of them left" in text


@pytest.mark.parametrize(
    ("source", "target"), [("iranian_churn/Customer_Churn.csv", "Churn"), ("mlc_churn/mlc_churn.csv", "churn")]
)
def test_strong_features_of_real_sets_are_no_leaks(shared_data: Find, source: str, target: str) -> None:
    assert noticed(shared_data(source), target, None, "critical") == []


def test_minutes_and_their_charges_are_named_with_the_price_of_a_minute(shared_data: Find) -> None:
    notes = noticed(shared_data("mlc_churn/mlc_churn.csv"), "churn", None, "note")
    prices = {"day": "0.17", "eve": "0.085", "night": "0.045", "intl": "0.27"}
    for time, price in prices.items():
        cause = f"total_{time}_charge is {price} x total_{time}_minutes"
        assert any(note.startswith(cause) for note in notes)
