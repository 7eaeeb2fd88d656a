"""The step `ingest`: clean customers, rejected rows with their reasons, and a schema that says how both came about."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from churnflow import InputError, StepResult
from churnflow.steps.ingest import ingest
from tests.customers import BUNDLED, write_customers


def ingested(folder: Path, rows: int = 300, **changed: list[str]) -> StepResult:
    return ingest(write_customers(folder, rows, **changed), "churn", "customer_id")


def frame(result: StepResult) -> pd.DataFrame:
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    return customers


def issues(result: StepResult, severity: str) -> list[str]:
    return [issue.text for issue in result.issues if issue.severity == severity]


def test_the_bundled_customers_are_all_kept_as_pandas_reads_them() -> None:
    result = ingest(BUNDLED, "churn", "customer_id")
    customers, plain = result.outputs["customers"], pd.read_csv(BUNDLED)
    assert isinstance(customers, pd.DataFrame)
    assert list(customers.columns) == list(plain.columns)
    np.testing.assert_array_equal(customers["churn"], plain["churn"] == "Yes")
    np.testing.assert_array_equal(customers["total_charges"], plain["total_charges"])
    assert customers["total_charges"].isna().sum() == 11
    assert customers["contract"].tolist() == plain["contract"].tolist()
    assert result.metrics["records"] == 7043
    assert result.metrics["invalid_rows"] == 0
    assert not result.issues


def test_every_rule_is_counted_and_named_with_its_lines(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 300)
    lines = path.read_text().splitlines()
    lines[5] = "C004,inf,plus,No"
    lines[6] = "C005,1e308,plus,No"
    lines[7] = "C006,many,plus,No"
    lines[8] = "C007,7,plus,"
    lines[9] = "C008,8"
    lines[10] = "C009,8,plus,No,more"
    lines += ["C100,1,plus,No", "C100,1,plus,Yes", "C201,4,basic,Yes", "C202,4,basic,No"]
    path.write_text("\n".join(lines) + "\n")
    result = ingest(path, "churn", "customer_id")
    counts = {name: value for name, value in result.metrics.items() if name.startswith("rejected_")}
    assert counts == {
        "rejected_ragged": 2,
        "rejected_no_label": 1,
        "rejected_no_time": 0,
        "rejected_not_a_number": 1,
        "rejected_not_a_date": 0,
        "rejected_infinite": 1,
        "rejected_out_of_range": 1,
        "rejected_duplicate_id": 2,
        "rejected_conflicting_label": 3,
    }
    assert result.metrics["invalid_rows"] == 11
    assert result.metrics["invalid_ratio"] == pytest.approx(11 / 304)
    rejected = result.outputs["rejected"]
    assert isinstance(rejected, pd.DataFrame)
    assert rejected["line"].tolist() == sorted(rejected["line"])
    assert rejected["reason"].str.len().min() > 5
    said = issues(result, "warning")
    assert "rows set apart as ragged: 2 (line 10, 11)" in said
    assert "rows set apart as infinite: 1 (line 6), in tenure" in said
    assert "rows set apart as conflicting label: 3 (line 102, 302, 303)" in said
    assert not issues(result, "critical")


def test_rows_that_do_not_fit_are_named_with_each_column_that_they_do_not_fit_in(tmp_path: Path) -> None:
    bill, debt = ([*values, *(["7", "8", "9"] * 99)] for values in (["inf", "-inf", "3"], ["1", "2", "inf"]))
    result = ingested(tmp_path, bill=bill, debt=debt)
    said = "rows set apart as infinite: 3 (line 2, 3, 4), in bill (2), debt (1)"
    assert said in issues(result, "warning")


def test_infinite_values_that_are_declared_missing_are_that_in_a_schema_that_can_be_kept(tmp_path: Path) -> None:
    bill = ["inf" if row % 7 == 0 else f"{row}.5" for row in range(300)]
    path = write_customers(tmp_path, 300, bill=bill)
    result = ingest(path, "churn", "customer_id", columns={"bill": {"missing": ["inf", "-inf"]}})
    assert frame(result)["bill"].isna().sum() == 43
    assert result.metrics["invalid_rows"] == 0
    json.dumps(result.outputs["schema"], allow_nan=False)


def test_only_the_first_lines_of_many_are_shown(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 300)
    path.write_text(path.read_text() + "C9\n" * 9)
    result = ingest(path, "churn", "customer_id")
    assert "rows set apart as ragged: 9 (line 302, 303, 304, 305, 306, ...)" in issues(result, "warning")


def test_blank_labels_are_rejected_and_never_counted_as_no(tmp_path: Path) -> None:
    labels = ["Yes", "No", "No", "", "NA", " ", "No", "No", "No", "Yes"] * 30
    result = ingested(tmp_path, churn=labels)
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert customers["churn"].value_counts().to_dict() == {0: 150, 1: 60}
    assert result.metrics["rejected_no_label"] == 90
    assert result.metrics["invalid_ratio"] == pytest.approx(0.3)
    critical = issues(result, "critical")
    assert len(critical) == 1
    assert "rows set apart as no label: 90" in critical[0]


def test_a_few_blank_labels_are_a_warning(tmp_path: Path) -> None:
    result = ingested(tmp_path, churn=["Yes", "No"] * 149 + ["", "Yes"])
    assert issues(result, "critical") == []
    assert "rows set apart as no label: 1 (line 300), in churn" in issues(result, "warning")


def test_a_column_without_values_and_a_copy_are_left_out_with_the_reason(tmp_path: Path) -> None:
    result = ingested(tmp_path, note=["NA"] * 300, twin=[str(row % 17) for row in range(300)])
    assert issues(result, "note") == [
        "the column note is left out: every value is missing",
        "the column twin is left out: an exact copy of tenure",
    ]
    assert result.metrics["features"] == 2
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert list(customers.columns) == ["customer_id", "tenure", "plan", "churn"]


def test_words_read_as_missing_are_counted_and_can_be_declared_otherwise(tmp_path: Path) -> None:
    offers = ["None", "A", " none ", "NA", "B", "", "None", "A", "B", "A"] * 30
    said = 'values of offer read as missing: "None" (60), "none" (30), "NA" (30)'
    result = ingested(tmp_path, offer=offers)
    assert any(text.startswith(f"120 {said}") for text in issues(result, "note"))
    declared = ingest(tmp_path / "customers.csv", "churn", "customer_id", missing=("na",))
    assert declared.outputs["schema"]["missing"] == ["", "na"]
    customers = declared.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert (customers["offer"].isna().sum(), (customers["offer"] == "None").sum()) == (60, 90)


def test_numbers_in_other_marks_are_read_and_it_is_said_how(tmp_path: Path) -> None:
    bills, fees = ([f'"{row % levels},5"' for row in range(300)] for levels in (150, 9))
    result = ingested(tmp_path, bill=bills, fee=fees)
    assert issues(result, "note") == [
        f"the column {name}: its values are numbers, with a decimal comma" for name in ("bill", "fee")
    ]
    assert result.metrics["coerced_numeral"] == 600
    assert frame(result)["bill"].tolist()[:3] == [0.5, 1.5, 2.5]


def test_codes_keep_their_zeros_and_numbers_can_be_declared_codes(tmp_path: Path) -> None:
    path = write_customers(tmp_path, 300, area=["00012", "01200", "90210"] * 100, tariff=["1", "2", "7"] * 100)
    result = ingest(path, "churn", "customer_id", categories=("tariff",))
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert customers[["area", "tariff"]].head(3).to_numpy().tolist() == [["00012", "1"], ["01200", "2"], ["90210", "7"]]
    with pytest.raises(InputError) as raised:
        ingest(path, "churn", "customer_id", categories=("tarif",))
    assert raised.value.hint == "did you mean 'tariff'?"


def test_how_the_file_was_read_is_said(tmp_path: Path) -> None:
    path = write_customers(tmp_path, plan=["gelöst", "offen"] * 20)
    text = path.read_text().replace("customer_id", "customer  id").replace(",", ";")
    path.write_bytes(text.encode("cp1252"))
    result = ingest(path, "churn", "customer id")
    assert result.facts["read as"] == "CSV, cp1252, separated by ';'"
    assert issues(result, "note") == ["blanks in column names were folded: customer id"]
    assert issues(result, "warning") == [
        "the file is not UTF-8; it was read as cp1252, the likeliest: encoding names another"
    ]
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert set(customers["plan"]) == {"gelöst", "offen"}


def test_a_declared_positive_class_becomes_1(tmp_path: Path) -> None:
    path = write_customers(tmp_path, churn=["stays", "goes"] * 20)
    result = ingest(path, "churn", "customer_id", positive="goes")
    customers = result.outputs["customers"]
    assert isinstance(customers, pd.DataFrame)
    assert customers["churn"].tolist() == [0, 1] * 20
    assert result.facts["positive class"] == "goes (against stays)"


def test_the_same_file_gives_the_same_whether_compressed_or_not(tmp_path: Path) -> None:
    path = write_customers(tmp_path)
    packed = tmp_path / "customers.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    first, second = (ingest(one, "churn", "customer_id") for one in (path, packed))
    assert first.outputs["schema"] == second.outputs["schema"]
    one, other = first.outputs["customers"], second.outputs["customers"]
    assert isinstance(one, pd.DataFrame)
    assert isinstance(other, pd.DataFrame)
    pd.testing.assert_frame_equal(one, other)


def test_what_is_said_holds_no_customer(tmp_path: Path) -> None:
    path = write_customers(tmp_path)
    path.write_text(path.read_text() + "C001,1,plus,Yes\nC002\n")
    result = ingest(path, "churn", "customer_id")
    assert result.metrics["invalid_rows"] == 3
    assert "C00" not in str([result.facts, result.issues, result.outputs["schema"]])
