"""The files of a candidate and its requests: plain JSON, the same for equal runs, and no customer's own value."""

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.api_requests import as_customers, bad_requests, encode, largest_batch
from churnflow.modelling.card import candidate_files, reference_of, served_schema
from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.reference import Reference
from churnflow.modelling.scorer import PortableModel
from tests.customers import encoding_of, make_customers, schema_of

MODEL = PortableModel(
    "logistic_regression",
    "linear",
    Encoding((Column("tenure", "number"), Column("plan", "category", levels=("basic", "plus")))),
    {"weights": np.array([0.5, 1.0, 2.0]), "bias": np.array([-1.0])},
    (1.0, 0.0),
    0.3,
    "yes",
    "no",
)
LINE = {"model": "svm", "mean": 0.8, "low": 0.7, "high": 0.9, "log_loss": 0.4, "trials": 3}
BOARD = {"rows": 480, "metric": "roc_auc", "folds": 5, "chosen": "svm", "best": "svm", "tied": ["svm"]}
EVALUATION = {
    "metrics": {"roc_auc": {"value": np.float64(0.8), "low": float("nan")}},
    "n_test": np.int64(9),
    "roc": [1],
}


def schema() -> dict[str, Any]:
    described = schema_of(make_customers(50), "churn", "customer_id")
    for column in described["columns"]:
        column["example"] = f"an example of {column['name']}"
    return described


def read(files: dict[str, bytes], name: str) -> Any:
    return json.loads(files[name])


def test_a_candidate_is_the_model_its_schema_and_a_card_that_says_where_not_to_use_it() -> None:
    files = candidate_files(MODEL, schema(), EVALUATION, {**BOARD, "models": [{**LINE, "seconds": 4.2}]})
    assert set(files) == {"model.bin", "schema.json", "card.json"}
    assert PortableModel.from_bytes(files["model.bin"]).threshold == 0.3
    card = read(files, "card.json")
    assert (card["target"], card["positive"], card["threshold"], card["training_rows"]) == ("churn", "yes", 0.3, 480)
    assert card["evaluation"] == {"metrics": {"roc_auc": {"value": 0.8, "low": None}}, "n_test": 9}
    assert card["cross_validation"]["models"] == [LINE]
    assert card["calibration"] == {"line": list(MODEL.calibration), "curve": [[], []]}
    assert card["limits_of_use"]


def test_a_candidate_takes_a_sketch_of_its_training_part_along_and_no_row_of_it() -> None:
    frame = make_customers(300)
    reference = reference_of(MODEL, frame[:200], frame[200:])
    assert reference is not None
    files = candidate_files(MODEL, schema(), EVALUATION, BOARD, reference)
    kept = Reference.from_bytes(files["reference.json"])
    assert kept == reference
    assert (kept.rows, kept.score_rows, len(kept.features)) == (200, 100, 2)
    kept.check_fit(MODEL.encoding)


def test_without_the_training_part_there_is_no_sketch() -> None:
    assert reference_of(MODEL, None, make_customers(50)) is None


@pytest.mark.parametrize(("part", "place"), [("training", 0), ("test", 1)])
def test_a_part_that_the_model_was_not_made_with_is_named(part: str, place: int) -> None:
    parts = [make_customers(50), make_customers(50)]
    parts[place] = parts[place].drop(columns="plan")
    with pytest.raises(UsageError, match=f"the {part} part has no column plan") as raised:
        reference_of(MODEL, *parts)
    assert "needs" in raised.value.hint


def test_runs_that_differ_only_in_time_make_the_same_bytes() -> None:
    first, second = (
        candidate_files(MODEL, schema(), EVALUATION, {**BOARD, "models": [{**LINE, "seconds": seconds}]})
        for seconds in (1.0, 2.0)
    )
    assert first == second


def test_features_that_the_model_does_not_use_are_not_asked_for_and_ids_have_no_example() -> None:
    columns = {column["name"]: column for column in served_schema(MODEL, schema())["columns"]}
    assert columns["tenure"]["role"] == "feature"
    assert columns["tenure"]["example"] == "an example of tenure"
    assert (columns["bill"]["role"], columns["bill"]["reason"]) == ("dropped", "the model does not use it")
    assert [columns[name]["example"] for name in ("customer_id", "churn", "bill")] == [None, None, None]


def test_levels_and_ranges_of_requests_are_those_that_the_model_was_trained_on() -> None:
    frame = make_customers(200)
    train = frame[(frame["plan"] != "family") & (frame["tenure"] < 40)]
    encoding = encoding_of(train, {"tenure": "number", "plan": "category"})
    given = {field.name: getattr(MODEL, field.name) for field in fields(MODEL) if field.init}
    arrays = {**MODEL.arrays, "weights": np.ones(encoding.width)}
    model = PortableModel.from_bytes(PortableModel(**{**given, "encoding": encoding, "arrays": arrays}).to_bytes())
    whole = schema()
    for column in whole["columns"]:
        column.update({"low": 0.0, "high": 71.0} if column["name"] == "tenure" else {"example": "family"})
    served = {column["name"]: column for column in served_schema(model, whole)["columns"]}
    assert (served["tenure"]["low"], served["tenure"]["high"]) == (train["tenure"].min(), train["tenure"].max())
    assert (served["plan"]["levels"], served["plan"]["example"]) == (["basic", "plus"], "basic")


def test_some_rows_carry_their_texts_as_a_source_may_hold_them() -> None:
    frame = make_customers(6).assign(plan=pd.Series(["a", "b", "c", "a", "b", None], dtype="str"))
    plans = [customer["plan"] for customer in as_customers(frame, {**schema(), "missing": ["", "n/a"]})]
    assert plans == ["a", "b", "c ", "a", "b", "n/a "]


def test_rows_become_the_json_of_a_client_without_id_and_label() -> None:
    frame = make_customers(50)
    frame.loc[0, ["tenure", "bill", "noise"]] = [3.0, np.nan, 0.25]
    frame.loc[0, "plan"] = None
    first = as_customers(frame, schema())[0]
    assert first == {"tenure": 3, "bill": None, "plan": None, "noise": 0.25}
    assert type(first["tenure"]) is int
    assert encode(first) == b'{"bill":null,"noise":0.25,"plan":null,"tenure":3}'


def test_a_part_without_a_feature_is_refused() -> None:
    with pytest.raises(UsageError, match="no column bill") as raised:
        as_customers(make_customers(20).drop(columns="bill"), schema())
    assert "schema" in raised.value.hint


def test_bad_requests_differ_from_the_good_one_each_in_its_own_way() -> None:
    good = as_customers(make_customers(20), schema())[3]
    bad = bad_requests(good, schema())
    assert len(set(bad)) == len(bad) == 7
    assert encode(good) not in bad
    bodies = [json.loads(body) for body in bad]
    assert any("tenure" not in body for body in bodies)
    assert {"customers": []} in bodies


def test_the_largest_batch_fits_the_limit_of_the_api() -> None:
    customers = as_customers(make_customers(100), schema())
    body, rows = largest_batch(customers, 64, 10**6)
    assert (rows, json.loads(body)["customers"]) == (64, customers[:64])
    body, rows = largest_batch(customers, 500, len(encode({"customers": customers[:30]})))
    assert rows == 25
    assert len(json.loads(body)["customers"]) == rows
    assert largest_batch(customers, 8, 10)[1] == 1


def test_whole_numbers_beyond_a_double_are_not_made_up() -> None:
    frame = pd.DataFrame({"tenure": [1e15, -0.5]})
    described = {"columns": [{"name": "tenure", "role": "feature", "kind": "number"}]}
    assert [customer["tenure"] for customer in as_customers(frame, described)] == [10**15, -0.5]
