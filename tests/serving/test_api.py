"""What a client of the prediction API relies on, asked over HTTP of a real process."""

import json
from typing import Any

import numpy as np
import pytest

from churnflow.modelling.bundle import pack_bundle
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.scorer import PortableModel

GOOD = {"tenure": 5, "charges": 80.5, "contract": "Month-to-month"}


def columns(*customers: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [customer[name] for customer in customers] for name in GOOD}


def test_one_customer_is_predicted_as_the_model_does(api, model) -> None:
    status, answer = api.predict(GOOD)
    assert status == 200
    probability = float(model.score(columns(GOOD))[0])
    (prediction,) = answer["predictions"]
    assert prediction.pop("prediction_id").endswith("-0")
    assert [prediction] == [
        {
            "customer_id": None,
            "probability": probability,
            "label": "Yes",
            "at_threshold": True,
            "risk": "high",
            "warnings": [],
        }
    ]
    assert answer["release"]["version"] == "v1.0.0"


def test_many_customers_are_answered_in_order_with_their_ids(api, model) -> None:
    customers = [{**GOOD, "tenure": month % 73, "customer_id": f"C-{month}"} for month in range(1000)]
    status, answer = api.predict({"customers": customers})
    assert status == 200
    assert [one["customer_id"] for one in answer["predictions"]] == [one["customer_id"] for one in customers]
    assert [one["probability"] for one in answer["predictions"]] == model.score(columns(*customers)).tolist()


def test_a_numeric_id_is_echoed(api) -> None:
    assert api.predict({**GOOD, "customer_id": 17})[1]["predictions"][0]["customer_id"] == 17


def test_below_the_threshold_the_negative_label_and_low_risk_are_given(api) -> None:
    [one] = api.predict({**GOOD, "tenure": 72, "contract": "One year"})[1]["predictions"]
    assert (one["label"], one["at_threshold"], one["risk"]) == ("No", False, "low")


def test_null_is_taken_where_training_had_missing_values(api, model) -> None:
    customer = {**GOOD, "charges": None}
    status, answer = api.predict(customer)
    assert status == 200
    assert answer["predictions"][0]["probability"] == model.score(columns(customer))[0]


def test_values_unlike_training_are_answered_with_a_warning_that_does_not_repeat_them(api) -> None:
    status, answer = api.predict({"tenure": 500, "charges": 1.5, "contract": "Secret plan"})
    assert status == 200
    assert answer["predictions"][0]["warnings"] == [
        {"field": "tenure", "problem": "outside the range seen in training, 0 to 72"},
        {"field": "charges", "problem": "outside the range seen in training, 18.25 to 118.75"},
        {"field": "contract", "problem": "a value not seen in training"},
    ]


REFUSED = [
    ({**GOOD, "tenure": "secret"}, "tenure", "must be a number"),
    ({**GOOD, "tenure": True}, "tenure", "must be a number"),
    ({**GOOD, "tenure": []}, "tenure", "must be a number"),
    ({**GOOD, "tenure": None}, "tenure", "must not be null"),
    ({**GOOD, "tenure": 1.5}, "tenure", "must be a whole number"),
    ({**GOOD, "tenure": float("nan")}, "tenure", "must be a finite number"),
    ({**GOOD, "charges": float("inf")}, "charges", "must be a finite number"),
    ({**GOOD, "charges": float("-inf")}, "charges", "must be a finite number"),
    ({**GOOD, "charges": 10**400}, "charges", "must be a finite number"),
    ({**GOOD, "contract": 7}, "contract", "must be a text"),
    ({**GOOD, "contract": {"a": 1}}, "contract", "must be a text"),
    ({**GOOD, "secret_field": 1}, "secret_field", "unknown field"),
    ({**GOOD, "region_code": "EU"}, "region_code", "not used by the model; leave it out"),
    ({**GOOD, "churn": "No"}, "churn", "not used by the model; leave it out"),
    (
        {**GOOD, "customer_id": 1.5},
        "customer_id",
        "must be a text of at most 200 characters, or a whole number of 64 bits",
    ),
    ({"tenure": 5, "charges": 80.5}, "contract", "is missing"),
    ([GOOD], "body", "must be one customer object, or an object with `customers`"),
    ({"customers": []}, "customers", "must be a list of at least one customer object"),
    ({"customers": GOOD}, "customers", "must be a list of at least one customer object"),
    ({"customers": [GOOD], "more": 1}, "more", "unknown field beside `customers`"),
    ({"customers": [GOOD, 7]}, "customers[1]", "must be a customer object"),
    ({"customers": [GOOD, GOOD, GOOD, {**GOOD, "tenure": "secret"}]}, "customers[3].tenure", "must be a number"),
]


@pytest.mark.parametrize(("body", "field", "problem"), REFUSED)
def test_a_wrong_field_is_named_and_its_value_is_not(api, body, field, problem) -> None:
    status, answer = api.predict(body)
    assert (status, answer) == (422, {"detail": [{"field": field, "problem": problem}]})


@pytest.mark.parametrize(
    "number", [b"1e400", b"-1e999", b"1" + b"0" * 5000, b"-" + b"9" * 100_000, b"NaN", b"-Infinity"]
)
def test_a_number_beyond_a_double_is_refused_by_field(api, number) -> None:
    status, answer = api.predict(b'{"tenure": 5, "charges": %s, "contract": "One year"}' % number)
    assert (status, answer) == (422, {"detail": [{"field": "charges", "problem": "must be a finite number"}]})


@pytest.mark.parametrize("number", [1e308, -1e308, 10**300, 5e-324, -0.0])
def test_any_double_is_answered_with_a_probability(api, number) -> None:
    status, answer = api.predict({**GOOD, "charges": number})
    assert status == 200
    assert 0 <= answer["predictions"][0]["probability"] <= 1


def test_a_key_given_twice_is_refused_by_name(api) -> None:
    status, answer = api.predict(b'{"customers": [{"tenure": 5, "tenure": 6, "charges": 80, "contract": "One year"}]}')
    assert (status, answer) == (422, {"detail": [{"field": "customers[0].tenure", "problem": "given twice"}]})
    status, answer = api.predict(b'{"customers": [1], "customers": [2]}')
    assert (status, answer["detail"][0]) == (422, {"field": "customers", "problem": "given twice"})


MALFORMED = [
    b"",
    b"{",
    b"nonsense",
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"customer_id": "\\ud800", "tenure": 5, "charges": 80, "contract": "One year"}',
    b'{"\\udfff": 5}',
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_json_is_refused_without_a_traceback(api, body) -> None:
    status, answer = api.predict(body)
    assert status == 400
    assert answer["detail"][0]["field"] == "body"


def test_an_unprintable_or_long_field_name_comes_back_short_and_printable(api) -> None:
    answer = api.predict({**GOOD, "x\x1b[31m" + "y" * 500: 1})[1]
    field = answer["detail"][0]["field"]
    assert field.isprintable()
    assert len(field) < 80


def test_a_body_of_many_problems_gets_a_short_answer(api) -> None:
    answer = api.predict({"customers": [{"a": 1}] * 1000})[1]
    assert len(answer["detail"]) == 50


def test_too_many_customers_and_too_long_bodies_get_413(api) -> None:
    assert api.predict({"customers": [GOOD] * 1001})[0] == 413
    assert api.predict(b" " * 2_000_001)[0] == 413
    assert api.predict(b'{"customers": [' + b"1," * 1_500_000 + b"1]}")[0] == 413


def test_a_number_may_come_as_the_text_that_the_source_has_for_it(api) -> None:
    texts = {**GOOD, "tenure": f" {GOOD['tenure']} ", "charges": str(GOOD["charges"])}
    given, written = (api.predict(one)[1]["predictions"][0]["probability"] for one in (GOOD, texts))
    assert given == written
    status, answer = api.predict({**GOOD, "tenure": "twelve", "charges": True, "contract": 1})
    assert status == 422
    assert [problem["problem"] for problem in answer["detail"]] == [
        "must be a number",
        "must be a number",
        "must be a text",
    ]


def test_a_very_wide_model_takes_fewer_customers_at_once_and_says_how_many(tmp_path, start) -> None:
    levels = tuple(f"L{place}" for place in range(100_000))
    encoding = Encoding((Column("product", "category", levels=levels),))
    arrays = {"weights": np.zeros(encoding.width), "bias": np.array([0.5])}
    model = PortableModel("logistic", "linear", encoding, arrays, (1.0, 0.0), 0.4, "Yes", "No")
    product = {"name": "product", "role": "feature", "kind": "category", "required": True, "levels": ["L0"]}
    target = {"name": "churn", "role": "target", "kind": "category"}
    files = {"schema.json": json.dumps({"columns": [product, target]}).encode(), "card.json": b"{}"}
    (tmp_path / "wide.release").write_bytes(pack_bundle({"model.bin": model.to_bytes(), **files}))
    running = start(["--bundle", str(tmp_path / "wide.release")])
    document = running.get("/openapi.json")[1]["components"]["schemas"]
    most = document["Customers"]["properties"]["customers"]["maxItems"]
    assert most == 50
    assert running.predict({"customers": [{"product": "L7"}] * most})[0] == 200
    status, answer = running.predict({"customers": [{"product": "L7"}] * (most + 1)})
    assert status == 413
    assert answer["detail"] == [
        {"field": "customers", "problem": "at most 50 customers in one request, for its model is wide"}
    ]


def test_another_content_type_gets_415_and_says_which_is_taken(api) -> None:
    status, answer = api.call("POST", "/api/v1/predict", json.dumps(GOOD).encode(), "text/plain")
    assert status == 415
    assert "application/json" in answer["detail"][0]["problem"]


def test_unknown_paths_and_methods_are_client_errors(api) -> None:
    assert api.get("/api/v1/nothing")[0] == 404
    assert api.get("/api/v1/predict")[0] == 405


def test_after_every_refusal_the_same_connection_goes_on(api) -> None:
    connection = api.connect()
    for body in (b"{", json.dumps(GOOD).encode(), b"[" * 100_000, json.dumps(GOOD).encode()):
        connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status == (200 if body.endswith(b"}") else 400)
    connection.close()


def test_probes_version_and_model_describe_what_is_served(api) -> None:
    assert api.get("/health") == (200, {"status": "alive"})
    assert api.get("/ready") == (200, {"status": "ready"})
    status, version = api.get("/api/v1/version")
    assert status == 200
    assert version["run"] == "261123-7qd2"
    assert version["checkpoint"] == "churnflow/261123-7qd2/v1.0.0"
    assert {name: version[name] for name in ("version", "sha256", "checkpoint")} == api.predict(GOOD)[1]["release"]
    status, model = api.get("/api/v1/model")
    assert status == 200
    assert model["card"]["model"] == "logistic"
    assert model["schema"]["target"] == "churn"


def test_the_openapi_example_is_answered_by_the_api(api) -> None:
    status, document = api.get("/openapi.json")
    assert status == 200
    assert document["info"]["version"] == "v1.0.0"
    content = document["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        status, answer = api.predict(example["value"])
        assert status == 200
        assert all(one["warnings"] == [] for one in answer["predictions"])
    customer = document["components"]["schemas"]["Customer"]
    assert customer["required"] == ["tenure", "charges", "contract"]
    assert customer["properties"]["tenure"]["type"] == ["integer", "string"]
    assert customer["properties"]["charges"]["type"] == ["number", "string", "null"]
    assert customer["properties"]["contract"]["type"] == "string"
    assert "as a text, written as the source of the training data writes it" in customer["description"]
    assert customer["additionalProperties"] is False


def test_the_documentation_page_names_every_field_without_the_network(api) -> None:
    status, page = api.get("/docs")
    assert status == 200
    assert all(name in page for name in GOOD)
    assert "src=" not in page
    assert "<link" not in page
