"""All detectors over two parts: what they find is said by how grave it is, and real customers are left alone."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.inspection import DAY_NOUGHT, Inspection, Parts, date_offsets, inspect_parts
from churnflow.modelling.split import bound_rows, hold_out
from tests.customers import make_customers, read_telco

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def parts(frame: pd.DataFrame, kinds: dict[str, str] | None = None, **given: Any) -> Parts:
    kinds = kinds or KINDS
    held = hold_out(bound_rows(frame, list(kinds), None), frame["churn"].to_numpy(), 0.25, 0)
    train, test = (frame[rows].reset_index(drop=True) for rows in (~held, held))
    identifier = "customer_id" if "customer_id" in frame else None
    return Parts(train, test, kinds, "churn", identifier, **{"places": np.flatnonzero(~held), **given})


def inspect(frame: pd.DataFrame, kinds: dict[str, str] | None = None, **given: Any) -> Inspection:
    return inspect_parts(parts(frame, kinds, **given), 0)


def said(found: Inspection, severity: str) -> list[str]:
    return [notice.text for notice in found.notices() if notice.severity == severity]


def test_ordinary_customers_give_no_notice_of_weight() -> None:
    assert inspect(make_customers(1200)).notices() == []


def test_real_customers_give_notes_on_what_is_superfluous_and_nothing_else() -> None:
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    drawn = frame.sample(frac=0.3, random_state=0).sort_index().reset_index(drop=True)
    found = inspect(drawn, kinds)
    assert said(found, "critical") == said(found, "warning") == []
    assert any("total_charges is about tenure x monthly_charges" in text for text in said(found, "note"))
    json.dumps(found.described())


def test_a_leak_is_told_with_the_remedy_and_the_way_to_waive_it() -> None:
    frame = make_customers(1200)
    frame["closing"] = frame["churn"] + frame["noise"] / 20
    found = inspect(frame, {**KINDS, "closing": "number"})
    assert found.counts()["leaking_features"] == 1
    (text,) = said(found, "critical")
    assert text.startswith("closing gives the target away: ")
    assert "drop: [closing]" in text
    assert "waive" in text


def test_of_hundreds_of_features_those_that_tell_most_are_compared_and_that_is_said() -> None:
    random, frame = np.random.default_rng(1), make_customers(500)
    # Texts of a hundred levels, which are quickly seen to be no function of each other.
    texts = np.array([f"t{level}" for level in range(100)])[random.integers(0, 100, (500, 300))]
    noise = pd.DataFrame(texts, columns=[f"n{place}" for place in range(300)], dtype="str")
    wide = pd.concat([frame, noise, (3 * frame[["tenure"]]).set_axis(["days"], axis=1)], axis=1)
    found = inspect(wide, {**KINDS, **dict.fromkeys(noise.columns, "category"), "days": "number"})
    assert len(found.compared) * (len(found.compared) - 1) / 2 == 19_900
    assert [each.cause for each in found.redundant] == ["days is 3 x tenure"]
    assert any("only among the 200 of 305 features" in text for text in said(found, "note"))


def test_a_doubt_is_a_warning_and_no_leak() -> None:
    frame = make_customers(3000)
    flips = np.random.default_rng(1).random(3000) < 0.12
    frame["seen"] = np.where(flips, 1 - frame["churn"], frame["churn"]).astype(np.float64)
    found = inspect(frame, {**KINDS, "seen": "number"})
    assert (found.counts()["leaking_features"], found.counts()["suspect_features"]) == (0, 1)
    assert said(found, "critical") == []
    assert said(found, "warning")[0].startswith("seen may give the target away")


def test_target_means_of_all_rows_are_a_leak_and_scaling_is_a_warning() -> None:
    frame = make_customers(1200).dropna().reset_index(drop=True)
    frame["mean"] = frame["plan"].map(frame.groupby("plan")["churn"].mean())
    frame["scaled"] = (frame["noise"] - frame["noise"].mean()) / frame["noise"].std()
    found = inspect(frame, {**KINDS, "mean": "number", "scaled": "number"})
    assert [(leak.feature, leak.sign) for leak in found.leaks] == [("mean", "fitted")]
    assert any("scaled was scaled before the split" in text for text in said(found, "warning"))


def test_rows_of_the_test_part_in_the_training_part_are_critical() -> None:
    clean = parts(make_customers(1200))
    copied = Parts(
        pd.concat([clean.train, clean.test.head(9)], ignore_index=True), clean.test, KINDS, "churn", "customer_id"
    )
    found = inspect_parts(copied, 0)
    assert found.counts()["contaminated_rows"] == 9
    assert [text.rpartition(": ")[2] for text in said(found, "critical")] == [
        "9 test rows have the id of a training row",
        "9 test rows equal a training row in all features",
    ]
    changed = clean.test.assign(tenure=clean.test["tenure"] + 0.5, customer_id="new")
    near = Parts(pd.concat([clean.train, changed], ignore_index=True), clean.test, KINDS, "churn", "customer_id")
    assert any("were rows copied between the parts?" in text for text in said(inspect_parts(near, 0), "critical"))


def test_one_customer_under_two_ids_is_a_warning() -> None:
    frame = make_customers(1200)
    again = frame.head(600).assign(customer_id=[f"N{row}" for row in range(600)], tenure=frame["tenure"] + 0.5)
    found = inspect(pd.concat([frame, again], ignore_index=True).sample(frac=1, random_state=0, ignore_index=True))
    assert any("under two ids?" in text for text in said(found, "warning"))


def test_parts_that_differ_are_a_warning_that_names_what_moved() -> None:
    clean = parts(make_customers(1200))
    moved = Parts(clean.train, clean.test.assign(bill=clean.test["bill"] + 30), KINDS, "churn")
    found = inspect_parts(moved, 0)
    assert found.counts()["drifted_features"] == 1
    (text,) = said(found, "warning")
    assert text.startswith("the parts differ: a classifier tells training from test rows with a ROC AUC of ")
    assert "mostly by bill (PSI" in text


@pytest.mark.parametrize("by_time", [False, True])
def test_customers_who_change_over_the_rows_are_noted(by_time: bool) -> None:
    frame = make_customers(1200)
    frame["bill"] += np.arange(1200) / 15
    frame["seen_at"] = pd.date_range("2026-01-01", periods=1200, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    if by_time:
        frame = frame.sample(frac=1, random_state=1, ignore_index=True)
    found = inspect(frame, time="seen_at" if by_time else None)
    assert any(text.startswith("customers change over the rows") for text in said(found, "note"))


def test_a_sorted_file_and_ids_given_by_outcome_are_warnings() -> None:
    frame = make_customers(1200).sort_values("churn", ignore_index=True)
    frame["customer_id"] = [f"C{row:05d}" for row in range(1200)]
    texts = said(inspect(frame), "warning")
    assert any("the rows are sorted by the target" in text for text in texts)
    assert any(text.startswith("customer_id: the number in it tells who left") for text in texts)


def test_dates_are_held_against_each_other_and_against_the_declared_day() -> None:
    frame = make_customers(1200)
    frame["joined"] = -(np.arange(1200) % 300).astype(np.float64)
    frame["closed"] = np.where(frame["churn"] == 1, 15.0, frame["joined"])
    kinds = {**KINDS, "joined": "number", "closed": "number"}
    reference = float((date(2026, 3, 1) - DAY_NOUGHT).days)
    offsets = {"joined": reference, "closed": reference}
    found = inspect(frame.drop(columns="closed"), {**KINDS, "joined": "number"}, dates={"joined": reference})
    assert found.leaks == ()
    assert "closed" in [leak.feature for leak in inspect(frame, kinds, dates=offsets).leaks]
    declared = inspect(
        frame.drop(columns="closed"), {**KINDS, "joined": "number"}, dates={"joined": reference}, as_of=reference - 100
    )
    assert [(leak.feature, leak.sign, leak.severity) for leak in declared.leaks] == [("joined", "late", "critical")]


def test_the_days_of_dates_are_read_from_the_schema() -> None:
    columns = [
        {"name": "joined", "date": {"order": "ymd", "reference": "1970-01-11", "unit": "days"}},
        {"name": "closed", "date": {"order": "ymd", "reference": "1970-01-02T12:00:00", "unit": "days"}},
        {"name": "gone", "date": {"order": "ymd", "reference": "1970-01-11", "unit": "days"}},
        {"name": "bill"},
    ]
    assert date_offsets({"columns": columns}, {"joined", "closed", "bill"}) == {"joined": 10.0, "closed": 1.5}


def test_tiny_parts_are_looked_at_without_drift() -> None:
    frame = make_customers(60)
    found = inspect(frame)
    assert found.drift is None
    assert found.counts()["drifted_features"] == 0
    assert found.described()["drift"] is None


def test_pairs_without_a_known_cause_are_named_by_their_correlation() -> None:
    frame = make_customers(1200)
    frame["nearly"] = frame["tenure"] + 4 * frame["noise"]
    notes = said(inspect(frame, {**KINDS, "nearly": "number"}), "note")
    assert any(text.startswith("tenure and nearly say nearly the same (r = ") for text in notes)
