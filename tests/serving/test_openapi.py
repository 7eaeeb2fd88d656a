"""The OpenAPI document of a running API: well formed, whole, and true of what the API answers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from churnflow.serving import answers

GOOD = {"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}


@pytest.fixture(scope="module")
def document(api) -> dict[str, Any]:
    status, found = api.get("/openapi.json")
    assert status == 200
    return found


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def test_it_is_of_the_form_of_openapi_and_refers_to_nothing_that_is_missing(document) -> None:
    assert OpenAPI.model_validate(document).openapi.startswith("3.1")
    schemas = document["components"]["schemas"]
    found = set(references(document))
    assert {f"#/components/schemas/{name}" for name in ("Customer", "Customers", "Predictions", "Refusal")} <= found
    assert found <= {f"#/components/schemas/{name}" for name in schemas}
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in schemas)


def test_every_operation_has_a_name_of_its_own_a_description_and_an_answer(document) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names) == 7
    for operation in operations(document):
        assert operation["description"]
        assert "200" in operation["responses"]


@pytest.mark.parametrize(
    ("path", "shape"),
    [("/health", answers.Status), ("/api/v1/version", answers.Version), ("/api/v1/model", answers.ModelDescription)],
)
def test_what_is_described_is_what_is_answered(api, document, path, shape) -> None:
    given = api.get(path)[1]
    shape.model_validate(given)
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    described = document["components"]["schemas"][content["$ref"].rpartition("/")[2]]
    assert set(given) == set(described["properties"])


def test_a_prediction_and_a_refusal_are_as_described(api, document) -> None:
    described = document["paths"]["/api/v1/predict"]["post"]["responses"]
    assert set(described) == {"200", "400", "401", "403", "408", "413", "415", "422", "429", "503"}
    status, given = api.predict(GOOD)
    assert status == 200
    assert answers.Predictions.model_validate(given).model_dump(exclude_unset=True) == given
    for body, code in ((b"{", 400), ({**GOOD, "tenure": None}, 422), ({"customers": [GOOD] * 1001}, 413)):
        status, given = api.predict(body)
        assert status == code
        assert answers.Refusal.model_validate(given).model_dump() == given


def test_a_field_says_what_was_seen_in_training(document) -> None:
    properties = document["components"]["schemas"]["Customer"]["properties"]
    assert properties["charges"]["description"] == "Seen in training: 18.25 to 118.75"
    assert properties["contract"]["description"] == "Seen in training: Month-to-month, One year"
