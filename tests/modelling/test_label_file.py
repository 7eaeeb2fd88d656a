"""Outcomes from a file: joined by what the log calls a customer, and every row that is not is counted."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.label_file import Naming, Taken, take_outcomes
from churnflow.modelling.pseudonyms import pseudonym
from tests.customers import make_customers
from tests.traffic import begun, predictions, release_files

SECRET = b"s" * 32
ROWS = "customer_id,churn\nC00000,yes\nC00001, No \nC00002,\nC00003,maybe\nC00004,yes\nC00004,no\nZ9,yes\n"


@pytest.fixture
def log(tmp_path: Path) -> Any:
    opened, _ = begun(tmp_path)
    yield opened
    opened.close()


def told(log: Any) -> dict[str | None, int]:
    return {one.prediction.customer: one.label for batch in log.labelled(0, 1e12) for one in batch}


def test_outcomes_reach_the_predictions_of_pseudonymised_customers_and_the_rest_is_counted(
    log: Any, tmp_path: Path
) -> None:
    customers = make_customers(10, 1)
    names = [pseudonym(SECRET, name) for name in customers["customer_id"]]
    log.write(predictions(customers, [1000.0] * 10, names), [])
    path = tmp_path / "labels.csv"
    path.write_text(ROWS)
    found = take_outcomes(path, release_files(), log, Naming("pseudonym", SECRET), 2000.0)
    assert found == Taken(matched=2, repeated=0, unknown=1, unlabelled=1, contradictory=1, wrong=1)
    assert told(log) == {names[0]: 1, names[1]: 0}


def test_what_a_file_repeats_is_no_outcome_of_later_predictions_and_what_it_changes_is(
    log: Any, tmp_path: Path
) -> None:
    customers = make_customers(2, 1)
    path = tmp_path / "labels.csv"
    naming, files = Naming("plain", b""), release_files()
    log.write(predictions(customers, [1000.0] * 2), [])
    path.write_text("customer_id,churn\nC00000,no\nC00001,no\n")
    assert take_outcomes(path, files, log, naming, 2000.0).repeated == 0
    log.write(predictions(customers, [3000.0] * 2), [])
    path.write_text("customer_id,churn\nC00000,no\nC00001,yes\n")
    assert take_outcomes(path, files, log, naming, 4000.0).repeated == 1
    labelled = [(one.prediction.at, one.label) for batch in log.labelled(0, 1e12) for one in batch]
    assert sorted(labelled) == [(1000.0, 0), (1000.0, 0), (3000.0, 1)]


def test_any_format_that_a_source_may_have_is_read_and_plain_ids_are_joined_as_they_are(
    log: Any, tmp_path: Path
) -> None:
    customers = make_customers(10, 1)
    log.write(predictions(customers, [1000.0] * 10), [])
    path = tmp_path / "labels.jsonl"
    labels = customers["churn"].map({1: "yes", 0: "no"})
    pd.DataFrame({"customer_id": customers["customer_id"], "churn": labels}).to_json(path, orient="records", lines=True)
    found = take_outcomes(path, release_files(), log, Naming("plain", b""), 2000.0)
    assert found.matched == 10
    assert told(log) == dict(zip(customers["customer_id"], customers["churn"].tolist(), strict=True))


def test_where_the_log_keeps_no_customers_outcomes_are_told_by_prediction(log: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the log of this release keeps no customers") as refused:
        take_outcomes(tmp_path / "labels.csv", release_files(), log, Naming("none", SECRET), 1.0)
    assert "prediction_id" in refused.value.hint
    bare = {**release_files(), "schema.json": b'{"id": null}'}
    with pytest.raises(UsageError, match="its workflow names no id"):
        take_outcomes(tmp_path / "labels.csv", bare, log, Naming("plain", SECRET), 1.0)


def test_a_file_without_the_target_is_refused_by_name(log: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("customer_id,chrn\nC1,yes\n")
    with pytest.raises(UsageError, match="no column 'churn'") as refused:
        take_outcomes(path, release_files(), log, Naming("plain", SECRET), 1.0)
    assert "did you mean 'chrn'?" in refused.value.hint


@pytest.mark.parametrize(("positive", "negative"), [("1", "0"), ("TRUE", "false"), ("Yes", "no")])
def test_ones_and_truths_are_read_where_the_labels_of_the_release_are_words(
    log: Any, tmp_path: Path, positive: str, negative: str
) -> None:
    log.write(predictions(make_customers(2, 1), [1000.0] * 2), [])
    path = tmp_path / "labels.csv"
    path.write_text(f"customer_id,churn\nC00000,{positive}\nC00001,{negative}\n")
    take_outcomes(path, release_files(), log, Naming("plain", b""), 2000.0)
    assert told(log) == {"C00000": 1, "C00001": 0}


def test_a_zero_is_no_label_where_those_of_the_release_are_other_numbers(log: Any, tmp_path: Path) -> None:
    log.write(predictions(make_customers(2, 1), [1000.0] * 2), [])
    schema = json.loads(release_files()["schema.json"]) | {"positive": "1", "negative": "2", "labels": {"1": 1, "2": 0}}
    files = {**release_files(), "schema.json": json.dumps(schema).encode()}
    path = tmp_path / "labels.csv"
    path.write_text("customer_id,churn\nC00000,1\nC00001,0\n")
    assert take_outcomes(path, files, log, Naming("plain", b""), 2000.0).wrong == 1
    assert told(log) == {"C00000": 1}


@pytest.mark.parametrize(
    ("rows", "said", "hint"),
    [
        (["C00000,left", "C00001,stayed"], "2 with another label", "'churn' are yes and no, or 1 and 0, or true"),
        (["C00000,", "C00001,"], "2 without a label", "are yes and no"),
        (["QQ-17-z,yes", "AB-19-y,no"], "none of the 2 customers of labels.csv", "look like AA-99-A, have to be those"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_refused_with_what_is_expected_and_no_person(
    log: Any, tmp_path: Path, rows: list[str], said: str, hint: str
) -> None:
    log.write(predictions(make_customers(2, 1), [1000.0] * 2), [])
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["customer_id,churn", *rows, ""]))
    with pytest.raises(UsageError, match=said) as refused:
        take_outcomes(path, release_files(), log, Naming("plain", b""), 2000.0)
    assert hint in refused.value.hint
    assert not any(name in refused.value.hint for name in ("C00000", "QQ-17-z"))
    assert told(log) == {}
