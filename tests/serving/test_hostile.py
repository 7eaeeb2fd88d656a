"""Hostile requests: whatever is sent, the answer is a refusal that names the field and repeats no value."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "canary-7f3a"
GOOD = {"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}
PREDICT, FEEDBACK = "/api/v1/predict", "/api/v1/feedback"


def with_tenure(written: str) -> bytes:
    """Return a customer whose tenure stands in the request as it is written here."""
    return f'{{"tenure":{written},"charges":80.5,"contract":"Month-to-month"}}'.encode()


CORPUS = {
    "NaN": (with_tenure("NaN"), 422, "tenure"),
    "Infinity": (with_tenure("-Infinity"), 422, "tenure"),
    "beyond a double": (with_tenure("1e400"), 422, "tenure"),
    "400 digits": (with_tenure("9" * 400), 422, "tenure"),
    "5,000 digits": (with_tenure("9" * 5_000), 422, "tenure"),
    "true": (with_tenure("true"), 422, "tenure"),
    "a fraction": (with_tenure("5.5"), 422, "tenure"),
    "a text": (with_tenure(f'"{CANARY}"'), 422, "tenure"),
    "a list": (with_tenure(f'["{CANARY}"]'), 422, "tenure"),
    "an object": (with_tenure(f'{{"{CANARY}":1}}'), 422, "tenure"),
    "null": (with_tenure("null"), 422, "tenure"),
    "given twice": (with_tenure("5")[:-1] + b',"tenure":6}', 422, "tenure"),
    "missing": (b'{"charges":80.5,"contract":"One year"}', 422, "tenure"),
    "unknown": (with_tenure("5")[:-1] + b',"more":"' + CANARY.encode() + b'"}', 422, "more"),
    "nested deeply": (b"[" * 100_000, 400, "body"),
    "nested deeply in a field": (with_tenure("[" * 100_000 + "]" * 100_000), 400, "body"),
    "a lone surrogate": (json.dumps({**GOOD, "contract": "\ud800"}).encode(), 400, "body"),
    "a surrogate for a name": (b'{"\\ud800":1}', 400, "body"),
    "no UTF-8": (b'{"contract":"\xff\xfe' + CANARY.encode() + b'"}', 400, "body"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), 400, "body"),
    "nothing": (b"", 400, "body"),
    "half": (json.dumps(GOOD).encode()[:-1], 400, "body"),
    "two documents": (json.dumps(GOOD).encode() * 2, 400, "body"),
    "a list of customers": (json.dumps([GOOD]).encode(), 422, "body"),
    "no customers": (b'{"customers":[]}', 422, "customers"),
    "customers that are none": (json.dumps({"customers": [GOOD, CANARY]}).encode(), 422, "customers[1]"),
    "100,000 customers": (b'{"customers":[' + b"{}," * 99_999 + b"{}]}", 413, "customers"),
    "three megabytes": (b" " * 3_000_000, 413, "body"),
}


@pytest.mark.parametrize(("body", "status", "field"), CORPUS.values(), ids=list(CORPUS))
def test_a_hostile_prediction_is_refused_by_field_and_not_repeated(api, body, status, field) -> None:
    answer = api.predict(body)
    assert answer[0] == status
    assert field in {problem["field"] for problem in answer[1]["detail"]}
    assert CANARY not in json.dumps(answer[1])
    assert "Traceback" not in json.dumps(answer[1])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"outcomes": []}, "outcomes"),
        ({"outcomes": [{}]}, "outcomes[0].prediction_id"),
        ({"outcomes": [{"prediction_id": "1-0", "customer_id": 1, "churned": True}]}, "outcomes[0].prediction_id"),
        ({"outcomes": [{"prediction_id": 7, "churned": True}]}, "outcomes[0].prediction_id"),
        ({"outcomes": [{"prediction_id": "nul\0-0", "churned": True}]}, "outcomes[0].prediction_id"),
        ({"outcomes": [{"customer_id": 1.5, "churned": True}]}, "outcomes[0].customer_id"),
        ({"outcomes": [{"customer_id": "x" * 300, "churned": True}]}, "outcomes[0].customer_id"),
        ({"outcomes": [{"customer_id": 1, "churned": CANARY}]}, "outcomes[0].churned"),
        ({"outcomes": [{"customer_id": 1, "churned": 1}]}, "outcomes[0].churned"),
        ({"outcomes": [{"customer_id": 1, "churned": True, "more": CANARY}]}, "outcomes[0].more"),
        ({"outcomes": [CANARY]}, "outcomes[0]"),
        ({"outcomes": CANARY}, "outcomes"),
        ({"more": CANARY}, "body"),
        ([], "body"),
    ],
)
def test_a_hostile_outcome_is_refused_by_field_and_not_repeated(logged, body, field) -> None:
    status, answer = logged.call("POST", FEEDBACK, json.dumps(body).encode())
    assert status == 422
    assert field in {problem["field"] for problem in answer["detail"]}
    assert CANARY not in json.dumps(answer)


def test_too_many_outcomes_are_refused(logged) -> None:
    outcomes = [{"customer_id": 1, "churned": True}] * 1_001
    assert logged.call("POST", FEEDBACK, json.dumps({"outcomes": outcomes}).encode())[0] == 413


@pytest.mark.parametrize("path", [PREDICT, FEEDBACK])
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_another_content_type_is_refused(logged, path, media) -> None:
    status, answer = logged.call("POST", path, json.dumps(GOOD).encode(), media)
    assert (status, answer["detail"][0]["field"]) == (415, "body")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_another_method_is_refused(api, method) -> None:
    assert api.call(method, PREDICT)[0] == 405


def test_what_the_openapi_document_allows_and_forbids_finds_no_server_error(logged, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"http://127.0.0.1:{logged.port}/openapi.json"]
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    options = ["--checks", checks, "--max-examples", "60", "--generation-deterministic", "--no-color"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6_000:]
    assert logged.get("/health")[0] == 200
