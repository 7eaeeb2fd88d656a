"""What `ingest` decides about columns, with a reason each, and how the workflow has the last word."""

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churnflow import InputError, StepResult
from churnflow.codecs import frame as codec
from churnflow.modelling.personal import is_card
from churnflow.steps.features import features
from churnflow.steps.ingest import ingest
from churnflow.steps.scope import scope
from tests.customers import write_customers

ROWS = 300


def ingested(folder: Path, rows: int = ROWS, given: dict[str, Any] | None = None, **changed: list[str]) -> StepResult:
    return ingest(write_customers(folder, rows, **changed), "churn", "customer_id", **(given or {}))


def frame(result: StepResult) -> pd.DataFrame:
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    return customers


def schema(result: StepResult) -> dict[str, Any]:
    found: Any = result.outputs["schema"]
    return {column["name"]: column for column in found["columns"]} | {"": found}


def issues(result: StepResult, severity: str) -> list[str]:
    return [issue.text for issue in result.issues if issue.severity == severity]


def test_every_column_has_a_reason_and_says_who_decided(tmp_path: Path) -> None:
    result = ingested(tmp_path, note=["x"] * ROWS, given={"columns": {"plan": "category"}})
    columns = {name: column for name, column in schema(result).items() if name}
    assert all(column["reason"] for column in columns.values())
    decided = {name: column["decided"] for name, column in columns.items()}
    assert decided == {
        "customer_id": "by the workflow",
        "tenure": "by its values",
        "plan": "by the workflow",
        "note": "by its values",
        "churn": "by the workflow",
    }


def test_the_label_mapping_is_recorded_and_shown(tmp_path: Path) -> None:
    result = ingested(tmp_path, churn=["Yes", "No", "yes", "No", "NO", ""] * 50)
    assert schema(result)[""]["labels"] == {"NO": 0, "No": 0, "Yes": 1, "yes": 1}
    assert result.facts["labels"] == "Yes is 1 (100 rows), No is 0 (150 rows)"
    assert issues(result, "warning") == [
        "labels read as one: 'No' (also 'NO')",
        "labels read as one: 'Yes' (also 'yes')",
    ]
    assert result.metrics["coerced_label"] == 100
    assert result.metrics["rejected_no_label"] == 50


def test_ids_keep_every_letter_and_digit(tmp_path: Path) -> None:
    ids = ["007", "1e5", "00012345678901234567", "1.50", "Null1", "+7", *(f"C{row}" for row in range(ROWS - 6))]
    result = ingested(tmp_path, customer_id=ids)
    assert frame(result)["customer_id"].tolist() == ids


def test_ids_that_a_spreadsheet_has_rounded_are_a_warning(tmp_path: Path) -> None:
    result = ingested(tmp_path, customer_id=[f"{1 + row / 1000:.5f}E+15" for row in range(ROWS)])
    assert any("a spreadsheet wrote 300 of them like 1.23E+15" in text for text in issues(result, "warning"))


def test_the_workflow_has_the_last_word(tmp_path: Path) -> None:
    changed = {
        "balance": ["-999" if row % 10 == 0 else str(row % 60) for row in range(ROWS)],
        "joined": [f"0{1 + row % 9}/0{1 + row % 7}/2024" for row in range(ROWS)],
        "tier": [str(1 + row % 3) for row in range(ROWS)],
        "notes": ["abc"[row % 3] for row in range(ROWS)],
    }
    by_values = ingested(tmp_path, **changed)
    assert frame(by_values)["balance"].isna().sum() == 30
    assert "joined" not in frame(by_values)
    settings = {
        "balance": {"missing": []},
        "joined": {"kind": "date", "format": "mdy"},
        "tier": "category",
        "notes": "drop",
    }
    declared = ingested(tmp_path, given={"columns": settings}, **changed)
    assert frame(declared)["balance"].isna().sum() == 0
    assert frame(declared)["joined"].max() == 0.0
    assert frame(declared)["tier"].tolist()[:3] == ["1", "2", "3"]
    assert "notes" not in frame(declared)
    with pytest.raises(InputError) as raised:
        ingested(tmp_path, given={"columns": {"balanse": "number"}}, **changed)
    assert raised.value.hint == "did you mean 'balance'?"


def test_personal_data_is_shown_nowhere(tmp_path: Path) -> None:
    numbers = (f"411111{row:08d}{digit}" for row in range(ROWS) for digit in range(10))
    secret = {
        "email": [f"anna{row}@example.org" for row in range(ROWS)],
        "card": list(filter(is_card, numbers)),
        "surname": ["Smithson" if row % 2 else "Mullerova" for row in range(ROWS)],
    }
    path = write_customers(tmp_path, ROWS, **secret)
    lines = path.read_text().splitlines()
    lines[5] = "C004,many,plus,No,anna4@example.org,4111111111111111,Smithson"
    lines[6] = "C005,1,plus,,anna5@example.org,4111111111111111,Smithson"
    lines[7] = "C006,1,plus,No,anna6@example.org,4111111111111111"
    path.write_text("\n".join(lines) + "\n")
    said = str([scope(path, "churn", "customer_id"), ingest(path, "churn", "customer_id")])
    rejected: Any = ingest(path, "churn", "customer_id").outputs["rejected"]
    said += " ".join(rejected["row"])
    assert len(rejected) == 3
    assert not any(word in said for word in ("anna", "4111", "Smithson", "Mullerova"))
    assert "[e-mail addresses]" in rejected["row"][0]


@pytest.mark.parametrize(
    ("values", "severity", "kind"),
    [
        ([f"DE{row:02d}" for row in range(ROWS)], "note", None),
        ([f"anna{row}@example.org" for row in range(ROWS)], "warning", "e-mail addresses"),
        (["DE89370400440532013000", "GB82WEST12345698765432"] * 150, "critical", "bank account numbers (IBAN)"),
    ],
)
def test_personal_data_is_left_out_by_its_gravity(
    tmp_path: Path, values: list[str], severity: str, kind: str | None
) -> None:
    result = ingested(tmp_path, x=values)
    assert any(text.startswith("the column x is left out") for text in issues(result, severity))
    assert schema(result)["x"].get("personal") == kind
    assert result.metrics["personal_columns"] == (kind is not None)


def test_an_id_that_is_personal_data_is_kept_and_warned_about(tmp_path: Path) -> None:
    result = ingested(tmp_path, customer_id=[f"anna{row}@example.org" for row in range(ROWS)])
    assert "customer_id" in frame(result)
    assert any("name a key without meaning" in text for text in issues(result, "warning"))
    assert "@example" not in str([result.issues, result.facts, result.outputs["schema"]])


def unlike(columns: int, rows: int) -> dict[str, list[str]]:
    """Return columns of numbers, no two of them alike."""
    chance = random.Random(0)
    return {f"x{place}": [str(chance.randrange(9)) for _ in range(rows)] for place in range(columns)}


def panel(folder: Path, **changed: list[str]) -> Path:
    """Write three months of 100 customers, who leave in the last one or not at all."""
    months = [f"2024-0{1 + row % 3}-01" for row in range(ROWS)]
    churn = ["Yes" if row % 3 == 2 and row % 2 else "No" for row in range(ROWS)]
    given = {"customer_id": [f"C{row // 3:03d}" for row in range(ROWS)], "month": months, "churn": churn, **changed}
    return write_customers(folder, ROWS, **given)


def test_a_time_lets_a_customer_have_several_rows(tmp_path: Path) -> None:
    path = panel(tmp_path)
    alone = ingest(path, "churn", "customer_id")
    assert alone.metrics["rejected_duplicate_id"] > 0
    assert alone.metrics["rejected_conflicting_label"] > 0
    result = ingest(path, "churn", "customer_id", time="month")
    assert result.metrics["invalid_rows"] == 0
    assert frame(result)["month"].tolist()[:3] == ["2024-01-01", "2024-02-01", "2024-03-01"]
    found = schema(result)
    assert (found[""]["time"], found[""]["id"], found["month"]["role"]) == ("month", "customer_id", "time")
    assert "month" not in [column["name"] for column in found[""]["columns"] if column["role"] == "feature"]


def test_the_same_customer_at_the_same_time_is_a_duplicate_or_a_contradiction(tmp_path: Path) -> None:
    path = panel(tmp_path)
    path.write_text(path.read_text() + "C000,1,plus,No,2024-01-01\nC001,1,plus,Yes,2024-01-01\n")
    result = ingest(path, "churn", "customer_id", time="month")
    rejected: Any = result.outputs["rejected"]
    assert rejected[["line", "rule"]].to_numpy().tolist() == [
        [5, "conflicting_label"],
        [302, "duplicate_id"],
        [303, "conflicting_label"],
    ]
    assert rejected["reason"][1] == "the same customer_id at the same time as line 2"


def test_rows_without_a_time_are_set_apart_and_times_of_day_are_kept(tmp_path: Path) -> None:
    times = [f"{1 + row % 28}.{1 + row % 12}.2024 10:3{row % 10}" for row in range(ROWS - 2)]
    result = ingest(panel(tmp_path, month=[*times, "", "soon"]), "churn", "customer_id", time="month")
    assert result.metrics["rejected_no_time"] == 2
    assert frame(result)["month"].tolist()[0] == "2024-01-01T10:30:00.000"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1", "2", "3"] * 100, "no dates in a known order"),
        (["01/02/2024"] * ROWS, "day and month can not be told apart"),
    ],
)
def test_a_time_that_can_not_be_read_is_refused(tmp_path: Path, values: list[str], said: str) -> None:
    path = panel(tmp_path, month=values)
    for read in (ingest, scope):
        with pytest.raises(InputError, match=said) as raised:
            read(path, "churn", "customer_id", time="month")
        assert "columns: {month: {format: dmy}}" in raised.value.hint


def test_a_time_may_be_declared_and_be_in_unix_seconds(tmp_path: Path) -> None:
    seconds = [str(1_704_067_200 + row % 3 * 86_400) for row in range(ROWS)]
    for given in ({}, {"columns": {"month": {"format": "unix_s"}}}):
        result = ingest(panel(tmp_path, month=seconds), "churn", "customer_id", time="month", **given)
        assert frame(result)["month"].tolist()[:2] == ["2024-01-01", "2024-01-02"]


def test_a_source_with_every_kind_of_column_is_stored_and_split(tmp_path: Path) -> None:
    result = ingested(
        tmp_path,
        joined=[f"{1 + row % 28}.{1 + row % 12}.2023" for row in range(ROWS)],
        share=[f"{row % 50} %" for row in range(ROWS)],
        score=["Unknown" if row % 9 == 0 else str(row % 50) for row in range(ROWS)],
        active=[("Y", "yes", "N", "no")[row % 4] for row in range(ROWS)],
    )
    codec.dump(frame(result), tmp_path / "customers.parquet")
    stored = codec.load(tmp_path / "customers.parquet")
    pd.testing.assert_frame_equal(stored, frame(result))
    split = features(stored, schema(result)[""])
    assert split.metrics["features"] == 6


def test_many_columns_of_no_use_are_named_together(tmp_path: Path) -> None:
    result = ingested(tmp_path, **{f"x{place}": [""] * ROWS for place in range(200)})
    assert issues(result, "note") == [
        "200 columns are left out: every value is missing (x0, x1, x2, x3, x4 and 195 more)"
    ]


def test_more_columns_than_rows_is_a_warning(tmp_path: Path) -> None:
    result = ingested(tmp_path, 20, **unlike(29, 20))
    assert any("features are more than the 20 rows" in text for text in issues(result, "warning"))


@pytest.mark.parametrize("read", [scope, ingest])
@pytest.mark.parametrize("filling", ["", "7", "NA"])
def test_where_nothing_is_left_to_learn_from_it_is_refused_in_two_lines(
    tmp_path: Path, read: Any, filling: str
) -> None:
    path = write_customers(tmp_path, 40, tenure=[filling] * 40, plan=[""] * 40)
    with pytest.raises(InputError, match="no column is left to learn from: tenure") as raised:
        read(path, "churn", "customer_id")
    assert "\n" not in str(raised.value) + raised.value.hint


@pytest.mark.parametrize(
    ("rows", "churn", "said"),
    [
        (10, ["Yes"] * 5 + ["No"] * 5, "the rarer class has 5 rows"),
        (ROWS, ["Yes"] + ["No"] * (ROWS - 1), "the rarer class has 1 rows"),
    ],
)
def test_too_few_rows_or_positives_are_refused_when_they_are_split(
    tmp_path: Path, rows: int, churn: list[str], said: str
) -> None:
    result = ingested(tmp_path, rows, churn=churn)
    with pytest.raises(InputError, match=said):
        features(frame(result), schema(result)[""])
