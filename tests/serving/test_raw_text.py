"""A row asked about in the words of the source is answered as training read that row: over HTTP, of a real process."""

import csv
from pathlib import Path

import numpy as np
import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.card import candidate_files
from churnflow.modelling.encoding import as_columns, fit_encoding
from churnflow.modelling.scorer import PortableModel
from churnflow.steps.ingest import ingest
from tests.customers import write_customers

ROWS = 60
TEXTS = {
    "plan": ["basic", "plus ", " basic"] * 20,
    "offer": ["None", "A", " na ", "B", "?", ""] * 10,
    "flag": ["on", "", " on "] * 20,
    "code": ["007", "012", "NULL"] * 20,
}
KINDS = {"tenure": "number", "charges": "number", **dict.fromkeys(TEXTS, "category")}


def release(folder: Path, missing: tuple[str, ...] | None) -> tuple[Path, list[float]]:
    """Return a bundle learned from the rows of `customers.csv`, and the probability of each row as it was ingested."""
    charges = ["NA" if row % 5 == 0 else f"{row}.5" for row in range(ROWS)]
    source = write_customers(folder, ROWS, charges=charges, **TEXTS)
    result = ingest(source, "churn", "customer_id", missing=missing)
    customers, schema = result.outputs["customers"], result.outputs["schema"]
    encoding = fit_encoding(customers, KINDS)
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
