"""Values of a customer in words."""

from typing import Any

import pytest

from churnflow.modelling.reason_words import Wording

DATE = {"order": "dmy", "reference": "2024-01-01", "unit": "days"}
EUROS = {"decimal": ",", "thousands": ".", "unit": "\u20ac"}


@pytest.mark.parametrize(
    ("name", "value", "said", "more"),
    [
        ("contract", "Month-to-month", "month-to-month contract", {}),
        ("internet_service", "Fiber optic", "fiber optic internet service", {}),
        ("internet_service", "DSL", "DSL internet service", {}),
        ("grade", "A", "A grade", {}),
        ("online_security", "No", "no online security", {}),
        ("online_security", "No internet service", "online security: no internet service", {}),
        ("PaperlessBilling", "Yes", "paperless billing", {}),
        ("plan", "Basic plan", "basic plan", {}),
        ("payment", "Bank transfer (automatic)", "payment: bank transfer (automatic)", {}),
        ("note", "x" * 200, f"note: {'x' * 57}...", {}),
        ("note", "a\x00b\nc", "a b c note", {}),
        ("tenure_months", 2.0, "2 months tenure", {}),
        ("months_since_call", 1.0, "1 month since call", {}),
        ("days", 0.0, "0 days", {}),
        ("tenure", 12.0, "tenure 12", {}),
        ("monthly_charges", 70.35, "monthly charges 70.35", {}),
        ("balance", 1234.5, "balance 1234,5 \u20ac", {"numerals": EUROS}),
        ("joined", -3.0, "joined 29/12/2023", {"date": DATE}),
        ("senior_citizen", 1.0, "senior citizen", {"integer": True, "low": 0.0, "high": 1.0}),
        ("senior_citizen", 0.0, "no senior citizen", {"integer": True, "low": 0.0, "high": 1.0}),
        ("customerID", None, "customer ID unknown", {}),
        ("bill", float("nan"), "bill unknown", {}),
    ],
)
def test_a_value_is_said_in_words(name: str, value: Any, said: str, more: dict[str, Any]) -> None:
    kind = "category" if isinstance(value, str) else "number"
    assert Wording.of({"name": name, "kind": kind, **more}).said(value) == said
