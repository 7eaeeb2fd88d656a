"""The step `scope`: what it says of a source, and how much confidence that leaves."""

import random
from pathlib import Path
from typing import Any

import pytest

from churnflow import InputError, StepResult
from churnflow.steps.scope import scope
from tests.customers import BUNDLED, write_customers


def scoped(folder: Path, rows: int = 1200, **changed: list[str]) -> StepResult:
    """Profile a table of customers."""
    return scope(write_customers(folder, rows, **changed), "churn", "customer_id")


def unlike(rows: int) -> list[str]:
    """Return a value of its own for every row."""
    return [f"{row}.5" for row in range(rows)]


def confidence(result: StepResult) -> tuple[float, str]:
    assert result.confidence is not None
    return result.confidence.score, result.confidence.because


def test_the_bundled_customers_are_described_and_hold_no_risk() -> None:
    result = scope(BUNDLED, "churn", "customer_id")
    assert result.metrics == {
        "rows": 7043,
        "columns": 21,
        "features": 19,
        "rarer_class": 1869,
        "target_ratio": pytest.approx(0.2654, abs=1e-4),
        "missing_ratio": pytest.approx(11 / 7043 / 19),
        "suspicious_columns": 0,
        "duplicate_rows": 40,
        "leaking_features": 0,
        "suspect_features": 0,
    }
    assert result.facts["risks found in the data"] == "none"
    assert result.facts["labels"] == "Yes is 1 (1,869 rows), No is 0 (5,174 rows)"
    assert result.facts["target"] == "churn, positive class 'Yes' (the usual word for it), negative 'No'"
    assert confidence(result) == (90, "a plan begins at 90; no risk was found in the data")
    assert not result.issues


def test_blank_labels_are_left_out_of_the_rate_and_named(tmp_path: Path) -> None:
    labels = ["Yes", "No", "No", "", "NA"] * 240
    result = scoped(tmp_path, churn=labels, bill=unlike(1200))
    assert result.metrics["target_ratio"] == pytest.approx(1 / 3)
    assert confidence(result) == (85, "a plan begins at 90; -5 480 rows have no label")


@pytest.mark.parametrize(
    ("rows", "changed", "risk", "points"),
    [
        (999, {}, "999 rows are few", 20),
        (1200, {"churn": ["Yes"] * 99 + ["No"] * 1101}, "only 99 in the rarer class", 20),
        (1200, {"churn": ["Yes"] * 1101 + ["No"] * 99}, "only 99 in the rarer class", 20),
        (1200, {"churn": ["Yes", "Yes", "No"] * 400}, "most customers (67%) are positive", 5),
        (4000, {"churn": ["Yes"] * 150 + ["No"] * 3850}, "the rarer class is 3.8% of the customers", 5),
        (1200, {"tenure": ["1", "2", "", "4"] * 300}, "8.3% of the values are missing", 10),
        (1200, {"bill": ["1", "2"] * 600}, "rows equal others", 5),
    ],
)
def test_each_risk_takes_its_points_and_is_a_warning(
    tmp_path: Path, rows: int, changed: dict[str, list[str]], risk: str, points: int
) -> None:
    result = scoped(tmp_path, rows, **{"bill": unlike(rows), **changed})
    score, because = confidence(result)
    assert score <= 90 - points
    assert f"-{points} " in because
    assert risk in because
    assert risk in result.facts["risks found in the data"]
    assert any(risk in issue.text and issue.severity == "warning" for issue in result.issues)


def test_infinite_values_are_a_risk_and_a_warning_that_names_column_count_and_remedy(tmp_path: Path) -> None:
    bill = ["inf" if row % 7 == 0 else f"{row}.5" for row in range(1200)]
    result = scoped(tmp_path, bill=bill, paid=unlike(1200))
    said = "infinite values, whose rows are set apart: bill (172)"
    assert result.facts["risks found in the data"] == said
    assert confidence(result) == (85, f"a plan begins at 90; -5 {said}")
    warned = [issue.text for issue in result.issues if issue.severity == "warning"]
    remedy = "columns: {bill: {missing: [inf, -inf]}}"
    because = "172 values of bill are infinite, and their rows are set apart"
    assert warned == [f"{because}; to read them as missing: {remedy}"]
    mended = scope(tmp_path / "customers.csv", "churn", "customer_id", columns={"bill": {"missing": ["inf", "-inf"]}})
    assert not [issue for issue in mended.issues if "infinite" in issue.text]


def test_rows_of_the_wrong_width_are_counted(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 1200, bill=unlike(1200))
    path.write_text(path.read_text() + "C9,1\nC10,2\n")
    assert "-5 2 rows have the wrong number of fields" in confidence(scope(path, "churn", "customer_id"))[1]


def test_columns_of_no_use_are_named_with_their_reason(tmp_path: Path) -> None:
    result = scoped(
        tmp_path,
        joined=[f"2024-01-{1 + row % 28:02d}" for row in range(1200)],
        copied=["Yes" if row % 3 == 0 else "No" for row in range(1200)],
        note=[""] * 1200,
        bill=unlike(1200),
    )
    notes = [issue.text for issue in result.issues if issue.severity == "note"]
    assert notes == [
        "the column copied is left out: an exact copy of churn",
        "the column note is left out: every value is missing",
        "the column joined: dates, year, month, day (year first, or the month in letters), "
        "as days from the newest, 2024-01-28",
    ]
    assert result.metrics["suspicious_columns"] == 2
    assert confidence(result)[1].endswith("-2 columns of no use as they are: copied, note")
    assert len([issue for issue in result.issues if "note" in issue.text]) == 1
    assert result.metrics["features"] == 4


def test_dates_in_an_open_order_and_personal_data_are_a_warning_with_what_to_do(tmp_path: Path) -> None:
    dates = [f"0{1 + row % 9}/0{1 + row % 7}/2024" for row in range(1200)]
    result = scoped(tmp_path, joined=dates, email=[f"c{row}@example.org" for row in range(1200)])
    said = [issue.text for issue in result.issues if issue.severity == "warning"]
    assert "the column email is left out: personal data: e-mail addresses" in said
    assert any(text.endswith("say which: columns: {joined: {kind: date, format: dmy}}, or mdy") for text in said)
    assert "@example" not in str(result)
    settings = {"joined": {"format": "dmy"}, "email": "drop"}
    declared = scope(tmp_path / "customers.csv", "churn", "customer_id", columns=settings)
    assert declared.metrics["suspicious_columns"] == 0
    assert declared.metrics["features"] == result.metrics["features"] + 1


def test_more_columns_than_rows_are_a_risk(tmp_path: Path) -> None:
    chance = random.Random(0)
    columns = {f"x{place}": [str(chance.randrange(9)) for _ in range(12)] for place in range(29)}
    assert "features are more than the 12 rows" in confidence(scoped(tmp_path, 12, **columns))[1]


def test_a_flag_is_a_feature_and_its_blanks_are_not_counted_as_missing(tmp_path: Path) -> None:
    result = scoped(tmp_path, insured=["yes", "", ""] * 400)
    assert (result.metrics["features"], result.metrics["missing_ratio"]) == (3, 0)


def test_words_for_missing_and_categories_can_be_declared(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 1200, offer=["None", "A", "B", "A"] * 300, area=["1", "2", "-", "4", "5"] * 240)
    assert scope(path, "churn", "customer_id").metrics["missing_ratio"] == pytest.approx((0.25 + 0.2) / 4)
    result = scope(path, "churn", "customer_id", missing=("-",), categories=("area",))
    assert result.metrics["missing_ratio"] == pytest.approx(0.2 / 4)
    with pytest.raises(InputError) as raised:
        scope(path, "churn", "customer_id", categories=("aera",))
    assert raised.value.hint == "did you mean 'area'?"


def test_a_source_full_of_risks_leaves_some_confidence_below_every_band(tmp_path: Path) -> None:
    result = scoped(tmp_path, 12, tenure=["", "1"] * 6, churn=["Yes"] * 10 + ["No", ""], note=[""] * 12)
    assert 0 <= confidence(result)[0] < 60


def test_without_an_id_it_says_what_can_not_be_told(tmp_path: Path) -> None:
    result = scope(write_customers(tmp_path), "churn")
    assert "can not be told" in result.facts["id"]


def test_what_is_said_holds_no_customer(tmp_path: Path) -> None:
    result = scoped(tmp_path)
    said: list[Any] = [result.facts, result.issues, result.confidence]
    assert "C00" not in str(said)


def test_too_few_of_a_class_is_a_critical_issue_that_says_how_many_it_takes(tmp_path: Path) -> None:
    result = scoped(tmp_path, 1200, churn=["Yes"] * 9 + ["No"] * 1191)
    critical = [issue.text for issue in result.issues if issue.severity == "critical"]
    assert critical == [
        "too few customers to build a model: the rarer class has 9 of 1,200, where folds and a test part need at least "
        "10 and a reliable model 100; give a source with more, or check target and positive"
    ]
    assert result.metrics["rarer_class"] == 9
    enough = scoped(tmp_path, 1200, churn=["Yes"] * 10 + ["No"] * 1190)
    assert not [issue for issue in enough.issues if issue.severity == "critical"]


@pytest.mark.parametrize(
    ("name", "value", "reason", "severity"),
    [
        ("refund", lambda row: str(row % 5) if row % 3 == 0 else "", "it is known in 400 rows, and all", "critical"),
        ("score", lambda row: str(100 + row % 7 if row % 3 == 0 else row % 7), "with a cross-validated", "critical"),
        ("hint", lambda row: str(int(row % 3 == 0) ^ int(row % 13 == 0)), "may give the target away", "warning"),
    ],
)
def test_a_feature_that_plainly_gives_the_target_away_is_an_issue_of_the_plan(
    tmp_path: Path, name: str, value: Any, reason: str, severity: str
) -> None:
    result = scoped(tmp_path, plan=["a", "b"] * 600, **{name: [value(row) for row in range(1200)]})
    [leak] = [issue for issue in result.issues if issue.about.startswith("leak")]
    assert (leak.about, leak.severity) == (f"leak: {name}", severity)
    assert leak.text.startswith(name)
    assert reason in leak.text
    kinds = ("leaking_features", "suspect_features")
    assert [result.metrics[kind] for kind in kinds] == [severity == "critical", severity != "critical"]


def test_of_a_large_source_a_sample_is_searched_for_what_gives_the_target_away(tmp_path: Path) -> None:
    refund = [str(row % 5) if row % 3 == 0 else "" for row in range(25_000)]
    result = scoped(tmp_path, 25_000, plan=["a", "b"] * 12_500, refund=refund)
    [leak] = [issue for issue in result.issues if issue.about.startswith("leak")]
    assert "all of them left" in leak.text


def test_a_dropped_column_is_not_searched(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 1200)
    assert scope(path, "churn", "customer_id").metrics["leaking_features"] == 1
    assert scope(path, "churn", "customer_id", drop=("plan",)).metrics["leaking_features"] == 0
