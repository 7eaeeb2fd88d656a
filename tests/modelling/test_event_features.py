"""The churn table of a log: each feature by its definition, nothing from the cut on, nothing by the order of rows."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnflow.steps.from_events import LogFormat
from tests.events import DAYS, FIRST, features_again, make_events, run, write_events

CUT = FIRST + timedelta(days=DAYS - 60)
SETTINGS = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def table(path: Path, **given: Any) -> pd.DataFrame:
    return pd.DataFrame(run(path, **given).outputs["customers"]).set_index("customer")


@pytest.mark.parametrize("observe", [None, 120])
def test_every_feature_is_what_its_definition_says(tmp_path: Path, observe: int | None) -> None:
    events = make_events(150)
    given = {} if observe is None else {"observe": f"{observe}d"}
    result = run(write_events(tmp_path, events), **given)
    schema: Any = result.outputs["schema"]
    found = pd.DataFrame(result.outputs["customers"]).set_index("customer")
    expected = pd.DataFrame.from_dict(features_again(events, CUT, observe), orient="index").sort_index()
    assert list(found.index) == list(expected.index)
    described = {column["name"]: column for column in schema["columns"]}
    for name in expected:
        if described[name]["role"] == "feature":
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)
    assert [name for name in expected if described[name]["role"] != "feature"] == (["events_26w"] if observe else [])


def test_churned_is_who_has_no_event_in_the_days_from_the_cut_on(tmp_path: Path) -> None:
    events = make_events()
    days = events["time"].dt.date
    stayed = set(events["customer"][(days >= CUT) & (events["amount"] >= 0)])
    found = table(write_events(tmp_path, events))
    assert {customer for customer, row in found.iterrows() if row["churn"] == 0} == stayed & set(found.index)
    shorter = table(write_events(tmp_path, events), cut=CUT.isoformat(), outcome="10d")
    soon = set(events["customer"][(days >= CUT) & (days < CUT + timedelta(days=10)) & (events["amount"] >= 0)])
    assert {customer for customer, row in shorter.iterrows() if row["churn"] == 0} == soon & set(shorter.index)


@SETTINGS
@given(st.integers(0, 5), st.data())
def test_no_event_on_or_after_the_cut_changes_a_feature(tmp_path: Path, seed: int, data: st.DataObject) -> None:
    events = make_events(30, seed)
    after = events["time"].dt.date >= CUT
    kept = data.draw(st.lists(st.booleans(), min_size=int(after.sum()), max_size=int(after.sum())))
    changed = pd.concat([events[~after], events[after][kept]])
    moved = data.draw(st.integers(0, 59))
    extra = [("0000", CUT + timedelta(days=moved), 9999.99, "brand new"), ("9999", CUT, 1.0, "visit")]
    # The last day of the log stays where it was, and with it nothing but the outcome moves.
    extra.append(("0000", FIRST + timedelta(days=DAYS - 1), 1.0, "visit"))
    added = pd.DataFrame(extra, columns=events.columns)
    changed = pd.concat([changed, added.assign(time=pd.to_datetime(added["time"]))])
    given_too = {"cut": CUT.isoformat(), "event_type": "kind"}
    before, now = (table(write_events(tmp_path, frame), **given_too) for frame in (events, changed))
    pd.testing.assert_frame_equal(before.drop(columns="churn"), now.drop(columns="churn"), check_exact=True)


@SETTINGS
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_bit(tmp_path: Path, seed: int, random: Any) -> None:
    events = make_events(30, seed)
    order = random.sample(range(len(events)), len(events))
    given_too = {"event_type": "kind", "cuts": 2, "every": "30d"}
    one = run(write_events(tmp_path, events), **given_too)
    other = run(write_events(tmp_path, events.iloc[order]), **given_too)
    for name in ("customers", "current"):
        pd.testing.assert_frame_equal(one.outputs[name], other.outputs[name], check_exact=True)
    assert one.outputs["schema"] == other.outputs["schema"]


def test_several_cuts_make_a_row_of_each_customer_at_each(tmp_path: Path) -> None:
    events = make_events()
    result = run(write_events(tmp_path, events), cuts=3, every="4w", observe="90d")
    customers: Any = result.outputs["customers"]
    schema: Any = result.outputs["schema"]
    cuts = [CUT - timedelta(days=28 * number) for number in (2, 1, 0)]
    assert sorted(customers["cut"].unique()) == [cut.isoformat() for cut in cuts]
    assert (schema["id"], schema["time"], schema["outcome_days"]) == ("customer", "cut", 60)
    assert next(column["role"] for column in schema["columns"] if column["name"] == "cut") == "time"
    for cut in cuts:
        own = customers[customers["cut"] == cut.isoformat()].set_index("customer")
        expected = pd.DataFrame.from_dict(features_again(events, cut, 90), orient="index").sort_index()
        assert list(own.index) == list(expected.index)
        np.testing.assert_allclose(own["value_sum"], expected["value_sum"])
        np.testing.assert_allclose(own["gap_ratio"], expected["gap_ratio"])


def test_the_current_table_holds_the_same_features_at_the_end_of_the_log(tmp_path: Path) -> None:
    events = make_events()
    result = run(write_events(tmp_path, events), observe="100d")
    customers, current = (pd.DataFrame(result.outputs[name]) for name in ("customers", "current"))
    assert list(current.columns) == [name for name in customers.columns if name != "churn"]
    expected = features_again(events, FIRST + timedelta(days=DAYS), 100)
    assert list(current["customer"]) == sorted(expected)
    assert current["recency_days"].tolist() == [expected[customer]["recency_days"] for customer in sorted(expected)]


def test_types_of_events_are_counted_each_and_say_who_stays(tmp_path: Path) -> None:
    events = make_events()
    found = table(write_events(tmp_path, events), event_type="kind", active_types=("purchase",))
    own = events[(events["time"].dt.date < CUT)]
    counts = own.groupby(["customer", "kind"]).size().unstack(fill_value=0)
    for kind in ("purchase", "visit", "call"):
        assert found[f"events_{kind}"].tolist() == counts.loc[found.index, kind].tolist()
    bought = events[(events["kind"] == "purchase") & (events["amount"] >= 0)]
    stayed = set(bought["customer"][bought["time"].dt.date >= CUT])
    assert {customer for customer, row in found.iterrows() if row["churn"] == 0} == stayed & set(found.index)
    assert set(found.index) == set(bought["customer"][bought["time"].dt.date < CUT])


def test_rare_types_are_left_uncounted_and_names_never_clash(tmp_path: Path) -> None:
    events = make_events(60)
    numbers = range(len(events))
    kinds = pd.Series(["4w" if row % 2 else f"rare {row % 59}" for row in numbers], dtype="str")
    found = table(write_events(tmp_path, events.assign(kind=kinds)), event_type="kind")
    assert {"events_4w", "events_4w_"} <= set(found.columns)
    assert sum(name.startswith("events_rare_") for name in found.columns) == 19


def test_a_column_named_like_a_feature_keeps_the_table_whole(tmp_path: Path) -> None:
    events = make_events().rename(columns={"customer": "events", "time": "churn"})
    result = run(write_events(tmp_path, events), customer="events", time="churn")
    schema: Any = result.outputs["schema"]
    assert schema["id"] == "events_"
    assert pd.DataFrame(result.outputs["customers"])["events_"].is_unique


def test_a_log_without_amounts_has_features_of_time_alone(tmp_path: Path) -> None:
    found = table(write_events(tmp_path, make_events()), amount=None)
    assert "events_slope" in found.columns
    assert not [name for name in found.columns if name.startswith(("value_", "returns"))]


def test_returns_lower_the_value_and_are_no_activity(tmp_path: Path) -> None:
    rows = [("A", 10, 50.0), ("A", 20, -20.0), ("A", 280, -5.0), ("B", 30, -9.0), ("C", 40, 10.0), ("C", 299, 1.0)]
    events = pd.DataFrame(rows, columns=["customer", "day", "amount"])
    events["time"] = [FIRST + timedelta(days=day) for day in events.pop("day")]
    path = write_events(tmp_path, events)
    result = run(path)
    found = pd.DataFrame(result.outputs["customers"]).set_index("customer")
    assert found.loc["A", ["recency_days", "value_sum", "churn"]].tolist() == [230, 30, 1]
    assert list(found.index) == ["A", "C"]
    assert result.metrics["left_out"] == 1
    spent = table(path, log=LogFormat(negative="event"))
    assert list(spent.index) == ["A", "B", "C"]
    assert spent.loc["A", ["recency_days", "churn"]].tolist() == [220, 0]


def test_equal_rows_are_kept_and_counted_unless_dropped(tmp_path: Path) -> None:
    events = make_events()
    doubled = pd.concat([events, events.iloc[:25]])
    kept, dropped = (run(write_events(tmp_path, doubled), duplicates=how) for how in ("keep", "drop"))
    assert (kept.metrics["duplicate_events"], dropped.metrics["duplicate_events"]) == (25, 25)
    once = run(write_events(tmp_path, events))
    pd.testing.assert_frame_equal(dropped.outputs["customers"], once.outputs["customers"])
    count = (
        pd.DataFrame(kept.outputs["customers"])["events"].sum()
        - pd.DataFrame(once.outputs["customers"])["events"].sum()
    )
    assert 0 < count <= 25
    assert any("25 events equal an earlier one" in issue.text for issue in kept.issues)


def test_the_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    events = make_events()
    aware = events.assign(time=events["time"].dt.tz_localize("UTC"))
    moved = events.assign(time=aware["time"].dt.tz_convert("America/New_York").dt.tz_localize(None))
    given_too = {"cut": (CUT - timedelta(days=2)).isoformat(), "outcome": "40d"}
    found = table(write_events(tmp_path, aware), log=LogFormat(timezone="America/New_York"), **given_too)
    expected = features_again(moved, CUT - timedelta(days=2))
    assert found["recency_days"].to_dict() == {customer: row["recency_days"] for customer, row in expected.items()}
    assert date.fromisoformat(given_too["cut"]) < CUT
