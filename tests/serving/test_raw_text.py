"""A row asked about in the words of the source is answered as training read that row: over HTTP, of a real process."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.api_requests import as_customers
from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.card import candidate_files
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.scorer import PortableModel
from churnflow.serving.requests import compile_schema
from churnflow.steps.ingest import ingest
from tests.customers import encoding_of, write_customers

ROWS = 60
TEXTS = {
    "plan": ["basic", "plus ", " basic"] * 20,
    "offer": ["None", "A", " na ", "B", "?", ""] * 10,
    "flag": ["on", "", " on "] * 20,
    "code": ["007", "012", "NULL"] * 20,
}
KINDS = {"tenure": "number", "charges": "number", **dict.fromkeys(TEXTS, "category")}
# What only its column says how to read: dates, numbers in other marks, spellings, sentinels, words that are values.
WRITTEN = {
    "joined": ["31.12.2023", "1.2.2024 10:30", "2024-03-01", "1900-01-01", "unknown", "3.4.24"] * 10,
    "bill": ["1.234,50 \u20ac", "12,5 \u20ac", " 7 \u20ac", "n/a", "0,25", "\u20ac 3,0"] * 10,
    "share": ["1%", "2.5 %", "30%", "4 %", "?", "6"] * 10,
    "tier": ["Basic", " basic", "BASIC", "B\uff41sic", "two\u00a0words", "Two  Words"] * 10,
    "active": ["Y", "yes", "No", "n", "0", "TRUE"] * 10,
    "country": ["DE", "FR", "NA", "US", "", "de"] * 10,
}


def release(folder: Path, missing: tuple[str, ...] | None) -> tuple[Path, list[float]]:
    """Return a bundle learned from the rows of `customers.csv`, and the probability of each row as it was ingested."""
    charges = ["NA" if row % 5 == 0 else f"{row}.5" for row in range(ROWS)]
    source = write_customers(folder, ROWS, charges=charges, **TEXTS)
    result = ingest(source, "churn", "customer_id", missing=missing)
    customers, schema = result.outputs["customers"], result.outputs["schema"]
    encoding = encoding_of(customers, KINDS)
    arrays = {"weights": np.linspace(-1.3, 1.7, encoding.width), "bias": np.array([0.1])}
    model = PortableModel("logistic", "linear", encoding, arrays, (1.0, 0.0), 0.5, "Yes", "No")
    write_bundle(candidate_files(model, schema, {}, {}), folder / "raw.release")
    return folder / "raw.release", model.score(as_columns(customers, encoding)).tolist()


def as_client(name: str, value: str) -> str | float:
    """Return a value as a client sends it who turns what is a number into one, and leaves the rest as it stands."""
    return value if KINDS[name] == "category" or value == "NA" else float(value)


@pytest.mark.parametrize("missing", [None, ("na", "?", "null")])
def test_texts_of_the_source_are_answered_as_training_read_them(tmp_path, start, missing) -> None:
    bundle, expected = release(tmp_path, missing)
    with (tmp_path / "customers.csv").open(newline="") as stream:
        rows = [{name: row[name] for name in KINDS} for row in csv.DictReader(stream)]
    customers = [{name: as_client(name, value) for name, value in row.items()} for row in rows]
    status, answer = start(["--bundle", str(bundle)]).predict({"customers": customers})
    assert status == 200
    assert [one["probability"] for one in answer["predictions"]] == expected
    assert not any(one["warnings"] for one in answer["predictions"])


def test_null_is_answered_as_the_rows_without_a_value_were_learned(tmp_path, start) -> None:
    bundle, _ = release(tmp_path, None)
    customer = {"tenure": 5, "charges": None, "plan": "plus", "offer": "B", "flag": None, "code": "012"}
    running = start(["--bundle", str(bundle)])
    asked = {flag: running.predict({**customer, "flag": flag})[1]["predictions"][0] for flag in (None, " NaN", "on")}
    assert asked[None]["probability"] == asked[" NaN"]["probability"] != asked["on"]["probability"]
    assert not any(one["warnings"] for one in asked.values())


def written_release(folder: Path) -> tuple[Path, list[dict[str, str | float]], list[float]]:
    """Return a bundle of columns of every kind, the customers in the words of the source, and their probabilities."""
    balance = ["-999" if row % 10 == 0 else str(row) for row in range(ROWS)]
    quoted = {name: [f'"{value}"' for value in values] for name, values in WRITTEN.items()}
    source = write_customers(folder, ROWS, **quoted, balance=balance)
    settings = {"balance": {"missing": [-999]}}
    result = ingest(source, "churn", "customer_id", columns=settings)
    customers, schema = result.outputs["customers"], result.outputs["schema"]
    features = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    assert set(features) == {"tenure", "plan", *WRITTEN, "balance"}
    encoding = encoding_of(customers, features)
    arrays = {"weights": np.linspace(-1.3, 1.7, encoding.width), "bias": np.array([0.1])}
    model = PortableModel("logistic", "linear", encoding, arrays, (1.0, 0.0), 0.5, "Yes", "No")
    write_bundle(candidate_files(model, schema, {}, {}), folder / "raw.release")
    with source.open(newline="", encoding="utf-8") as stream:
        rows = [{name: row[name] for name in features} for row in csv.DictReader(stream)]
    return folder / "raw.release", rows, model.score(as_columns(customers, encoding)).tolist()


def test_dates_and_marks_and_spellings_of_the_source_are_answered_as_training_read_them(tmp_path, start) -> None:
    bundle, customers, expected = written_release(tmp_path)
    running = start(["--bundle", str(bundle)])
    status, answer = running.predict({"customers": customers})
    assert status == 200
    assert [one["probability"] for one in answer["predictions"]] == expected
    assert not any(one["warnings"] for one in answer["predictions"])
    refused = {
        "joined": "31/31/2024",
        "bill": "much",
        "share": "1,5 km",
        "tenure": "5 months",
        "tier": 7,
        "active": True,
    }
    status, answer = running.predict({**customers[0], **refused})
    assert status == 422
    said = {problem["field"]: problem["problem"] for problem in answer["detail"]}
    assert said == {
        "joined": "must be a date: day, month, year, or as in 2024-05-31",
        **dict.fromkeys(("bill", "share", "tenure"), "must be a number"),
        **dict.fromkeys(("tier", "active"), "must be a text"),
    }
    status, answer = running.predict({**customers[0], "joined": "1.1.2030", "bill": 12.5, "country": "NA"})
    assert status == 200
    warnings = [warning["problem"] for warning in answer["predictions"][0]["warnings"]]
    assert warnings == ["outside the dates seen in training, 2023-12-31 to 2024-04-03"]


def test_the_document_of_such_a_release_gives_an_example_that_it_answers(tmp_path, start) -> None:
    running = start(["--bundle", str(written_release(tmp_path)[0])])
    document = running.get("/openapi.json")[1]
    customer = document["components"]["schemas"]["Customer"]
    assert customer["properties"]["joined"]["type"] == ["string", "null"]
    assert "day, month, year" in customer["properties"]["joined"]["description"]
    assert customer["properties"]["bill"]["type"] == ["number", "string", "null"]
    assert running.predict(customer["example"])[0] == 200


def test_customers_made_from_a_table_are_read_back_as_they_were(tmp_path) -> None:
    source = write_customers(
        tmp_path, ROWS, **{name: [f'"{value}"' for value in values] for name, values in WRITTEN.items()}
    )
    result = ingest(source, "churn", "customer_id")
    customers, schema = result.outputs["customers"], result.outputs["schema"]
    asked = as_customers(customers, schema)
    assert any(isinstance(customer["bill"], str) for customer in asked)
    batch = compile_schema(schema).read(json.dumps({"customers": asked}).encode())
    for name, values in batch.columns.items():
        expected = [None if pd.isna(kept) else kept for kept in customers[name].tolist()]
        assert values == expected, name
