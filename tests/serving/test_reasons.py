"""Reasons over HTTP: what raises a customer's risk, in words, when it is asked for."""

import json
from pathlib import Path

import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.reference import REFERENCE_FILE, build_reference
from tests.serving.conftest import build_model, bundle_files

AT_RISK = {"tenure": 1, "charges": 110.0, "contract": "Month-to-month"}
LOYAL = {"tenure": 70, "charges": 20.0, "contract": "One year"}


@pytest.fixture
def explained(tmp_path: Path, start):
    """An API whose release has a training reference."""
    model = build_model(0.25)
    rows = {
        "tenure": [float(number % 72) for number in range(400)],
        "charges": [20.0 + number % 90 for number in range(400)],
        "contract": ["One year" if number % 3 else "Month-to-month" for number in range(400)],
    }
    path = tmp_path / "explained.release"
    write_bundle({**bundle_files(0.25), REFERENCE_FILE: build_reference(model, rows, rows).to_bytes()}, path)
    return start(["--bundle", str(path)])


def ask(api, body, query: str = "?reasons=2"):
    return api.call("POST", f"/api/v1/predict{query}", json.dumps(body).encode())


def test_customers_at_risk_get_as_many_reasons_as_are_asked_for(explained) -> None:
    status, answer = ask(explained, {"customers": [AT_RISK, LOYAL]})
    assert status == 200
    assert [prediction["reasons"] for prediction in answer["predictions"]] == [
        ["tenure 1", "month-to-month contract"],
        [],
    ]
    assert ask(explained, AT_RISK, "?reasons=1")[1]["predictions"][0]["reasons"] == ["tenure 1"]


def test_who_does_not_ask_gets_none_and_the_same_probability(explained) -> None:
    plain = ask(explained, AT_RISK, "")[1]["predictions"][0]
    assert "reasons" not in plain
    assert ask(explained, AT_RISK)[1]["predictions"][0]["probability"] == plain["probability"]


@pytest.mark.parametrize("query", ["?reasons=0", "?reasons=6", "?reasons=two", "?reasons=", "?reasons=1&reasons=2"])
def test_a_wrong_number_of_reasons_is_refused(explained, query) -> None:
    status, answer = ask(explained, AT_RISK, query)
    assert (status, answer["detail"][0]["field"]) == (422, "reasons")


def test_a_release_without_a_reference_has_no_reasons(api) -> None:
    status, answer = ask(api, AT_RISK)
    assert (status, answer["detail"][0]["field"]) == (422, "reasons")
    assert ask(api, AT_RISK, "?more=1")[0] == 200
