"""Identifiers at ingestion: hashed with a key, left out, and never told."""

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from churnflow import InputError, StepResult
from churnflow.modelling.pseudonyms import pseudonym
from churnflow.steps.ingest import ingest
from tests.customers import write_customers

ROWS = 300
KEY = bytes(range(32))


def ingested(folder: Path, columns: dict[str, str] | None = None, **changed: list[str]) -> StepResult:
    path = write_customers(folder, ROWS, **changed)
    return ingest(path, "churn", "customer_id", columns=columns, pseudonyms=partial(pseudonym, KEY))


def frame(result: StepResult) -> pd.DataFrame:
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    return customers


def role(result: StepResult, name: str) -> str:
    schema = result.outputs["schema"]
    assert isinstance(schema, dict)
    return str(next(column["role"] for column in schema["columns"] if column["name"] == name))


def test_a_declared_column_is_kept_as_keyed_hashes_that_join_and_is_no_feature(tmp_path: Path) -> None:
    homes = [f"home {row // 3}" for row in range(ROWS)]
    result = ingested(tmp_path, {"household": "hash"}, household=homes)
    assert frame(result)["household"].tolist() == [pseudonym(KEY, home) for home in homes]
    assert role(result, "household") == "identifier"
    assert result.metrics["hashed_columns"] == 1
    assert "home 7" not in json.dumps(result.outputs["schema"])


def test_a_declared_id_is_hashed_and_still_tells_customers_apart(tmp_path: Path) -> None:
    path = write_customers(tmp_path, ROWS)
    path.write_text(path.read_text() + "C007,3,plus,No\n")
    result = ingest(path, "churn", "customer_id", columns={"customer_id": "hash"}, pseudonyms=partial(pseudonym, KEY))
    assert frame(result)["customer_id"].tolist()[:2] == [pseudonym(KEY, "C000"), pseudonym(KEY, "C001")]
    assert result.metrics["rejected_duplicate_id"] == 1
    rejected = result.outputs["rejected"]
    assert isinstance(rejected, pd.DataFrame)
    assert rejected["row"].tolist() == ["[hashed],3,plus,No"]


def test_an_id_that_is_personal_data_is_hashed_though_nobody_declared_it(tmp_path: Path) -> None:
    mails = [f"ann{row}@example.org" for row in range(ROWS)]
    result = ingested(tmp_path, customer_id=mails)
    assert frame(result)["customer_id"].tolist() == [pseudonym(KEY, mail) for mail in mails]
    assert any("kept as keyed hashes" in issue.text for issue in result.issues if issue.severity == "warning")


def test_an_id_without_meaning_is_kept_as_it_stands(tmp_path: Path) -> None:
    assert frame(ingested(tmp_path))["customer_id"].tolist()[0] == "C000"


def test_personal_data_that_nobody_declared_is_not_kept(tmp_path: Path) -> None:
    mails = [f"ann{row}@example.org" for row in range(ROWS)]
    result = ingested(tmp_path, mail=mails)
    assert "mail" not in frame(result)
    assert role(result, "mail") == "dropped"


def test_missing_identifiers_stay_missing_and_blanks_around_them_do_not_count(tmp_path: Path) -> None:
    homes = ["", "NA", " h1 ", "h1"] * (ROWS // 4)
    kept = frame(ingested(tmp_path, {"household": "hash"}, household=homes))["household"]
    assert kept[:2].isna().all()
    assert kept[2] == kept[3] == pseudonym(KEY, "h1")


def test_without_a_key_identifiers_are_hashed_with_one_that_nobody_keeps(tmp_path: Path) -> None:
    path = write_customers(tmp_path, ROWS)
    first, second = (frame(ingest(path, "churn", "customer_id", columns={"customer_id": "hash"})) for _ in range(2))
    assert first["customer_id"].nunique() == ROWS
    assert not set(first["customer_id"]) & set(second["customer_id"])


@pytest.mark.parametrize(
    ("columns", "protected", "said"),
    [
        ({"churn": "hash"}, (), "the target 'churn' is also named under columns"),
        ({"plan": "hash"}, ("plan",), "the hashed column 'plan' is also named under protected"),
    ],
)
def test_what_has_another_use_can_not_be_hashed(
    tmp_path: Path, columns: dict[str, str], protected: tuple[str, ...], said: str
) -> None:
    path = write_customers(tmp_path, ROWS)
    with pytest.raises(InputError, match=said):
        ingest(path, "churn", "customer_id", columns=columns, protected=protected)
