"""Customers since a release: alike ones raise nothing, what has moved is named, and what can not be told is said."""

from typing import Any

import pandas as pd
import pytest

from churnflow.modelling.since_release import Change, Customers, change_since
from churnflow.modelling.split import digest_rows
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def parts(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Return a training and a test part."""
    cut = len(frame) * 4 // 5
    return [frame.iloc[:cut], frame.iloc[cut:]]


def kept(frame: pd.DataFrame) -> dict[str, object]:
    return dict(zip(("train", "test"), parts(frame), strict=True))


def since(frame: pd.DataFrame, before: dict[str, object] | None = None, **now: Any) -> Change:
    released = kept(make_customers(1500)) if before is None else before
    found = change_since("v1.0.0", released, Customers(parts(frame), now.pop("kinds", KINDS), **now), 0)
    assert found is not None
    return found


def test_other_customers_of_the_same_source_have_not_changed() -> None:
    for seed in range(1, 4):
        found = since(make_customers(800, seed))
        assert found.notices() == []
        assert found.measured()["vs_released_drifted_features"] == {"value": 0}
        assert found.facts() == {"since the release": "v1.0.0: 800 customers beside 1,500 then"}


def test_a_column_that_has_moved_is_named() -> None:
    newest = make_customers(800, 1)
    newest["bill"] += 15
    found = since(newest)
    (notice,) = found.notices()
    assert notice.severity == "warning"
    assert notice.text.startswith("customers have changed since the release v1.0.0, in bill (PSI ")
    auc = found.measured()["vs_released_drift_auc"]
    assert 0.6 < auc["low"] <= auc["value"] <= auc["high"]
    assert auc["n"] == 2300


def test_columns_that_part_company_are_named_though_none_moved_by_itself() -> None:
    before, newest = make_customers(1500), make_customers(1500, 1)
    before["twin"], newest["twin"] = before["noise"], -newest["noise"]
    found = since(newest, kept(before), kinds={**KINDS, "twin": "number"})
    assert {shift.feature for shift in found.moved[:2]} == {"noise", "twin"}
    assert "in noise (PSI" in found.notices()[0].text or "in twin (PSI" in found.notices()[0].text


def test_what_is_new_in_a_source_that_grows_is_not_diluted_where_rows_have_times() -> None:
    old, new = make_customers(1500).assign(at="2026-01-31"), make_customers(150, 1).assign(at="2026-02-28")
    new["bill"] += 12
    grown = pd.concat([old, new], ignore_index=True)
    assert since(grown, kept(old)).notices() == []
    found = since(grown, kept(old), time="at")
    assert found.told == "150 customers after 2026-01-31 beside 1,500 then"
    assert [shift.feature for shift in found.moved] == ["bill"]
    few = pd.concat([old, new.head(20)], ignore_index=True)
    assert since(few, kept(old), time="at").told == "1,520 customers beside 1,500 then"


@pytest.mark.parametrize("dropped", ["at", None])
def test_without_times_on_both_sides_all_customers_are_compared(dropped: str | None) -> None:
    old = make_customers(400).assign(at="2026-01-31")
    before = kept(old if dropped is None else old.drop(columns=dropped))
    time = None if dropped is None else "at"
    assert since(make_customers(300, 1).assign(at="2026-02-28"), before, time=time).told.startswith("300 customers ")


def test_columns_that_the_release_did_not_have_in_this_form_are_left_out_and_named() -> None:
    newest = make_customers(800, 1).assign(tenure="new", region="north").astype({"tenure": "str", "region": "str"})
    found = since(newest, kinds={**KINDS, "tenure": "category", "region": "category"})
    (notice,) = found.notices()
    assert notice.severity == "note"
    assert notice.text.endswith("did not have them in this form: tenure, region")


@pytest.mark.parametrize(
    ("before", "newest", "said"),
    [
        ({}, make_customers(200), "its training and test part are not kept here"),
        ({"train": make_customers(200)}, make_customers(200), "not kept here"),
        ({"train": "text", "test": make_customers(200)}, make_customers(200), "not kept here"),
        (
            kept(make_customers(200)),
            make_customers(20),
            "20 customers beside 200 then, and 4 shared features, are too few",
        ),
        (kept(make_customers(200)[["churn"]]), make_customers(200), "0 shared features, are too few"),
    ],
)
def test_what_can_not_be_compared_is_said_to_be_unknown(
    before: dict[str, object], newest: pd.DataFrame, said: str
) -> None:
    found = since(newest, before)
    assert found.measured() == {}
    assert found.moved == []
    notice = found.notices()[0]
    assert notice.severity == "note"
    assert said in notice.text


@pytest.mark.parametrize("changed", ["its", "these"])
def test_parts_that_a_step_has_changed_in_one_of_the_runs_are_not_taken_for_drift(changed: str) -> None:
    frame = make_customers(800, 1)
    scaled = frame.assign(bill=(frame["bill"] - 60) / 20)
    before = kept(make_customers(1500))
    described = {"split": {"train": {"sha256": digest_rows(parts(make_customers(1500))[0])}}}
    if changed == "its":
        before["train"], before["test"] = parts(make_customers(1500).assign(bill=0.0))
        found = since(frame, {**before, "features": described})
    else:
        found = since(scaled, {**before, "features": described}, as_split=False)
    assert f"a step has changed {changed} parts after the split" in found.notices()[0].text
    assert found.measured() == {}


def test_parts_that_a_step_has_changed_in_both_runs_are_compared() -> None:
    before = kept(make_customers(1500).assign(bill=lambda frame: frame["bill"] / 20))
    described = {"split": {"train": {"sha256": "of what was dealt"}}}
    newest = make_customers(800, 1).assign(bill=lambda frame: frame["bill"] / 20)
    found = since(newest, {**before, "features": described}, as_split=False)
    assert found.drift is not None
    assert found.notices() == []


def test_before_the_first_release_there_is_nothing_to_compare_with() -> None:
    assert change_since("", {}, Customers(parts(make_customers(100)), KINDS), 0) is None
