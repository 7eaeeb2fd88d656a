"""The step `features`: a clean split, what was learned from training rows only, and leaks named."""

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow import InputError, Measure
from churnflow.steps.features import features
from tests.customers import make_customers, read_telco, schema_of


def number(metrics: Any, name: str) -> float:
    value = metrics[name]
    return value.value if isinstance(value, Measure) else value


def run(frame: pd.DataFrame, **given: Any) -> Any:
    return features(frame, schema_of(frame, "churn", "customer_id"), **given)


def test_the_parts_hold_every_customer_once_with_id_features_and_target() -> None:
    frame = make_customers(400)
    result = run(frame)
    train, test = result.outputs["train"], result.outputs["test"]
    assert list(train.columns) == ["customer_id", "tenure", "bill", "plan", "noise", "churn"]
    together = pd.concat([train, test]).sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(together, frame)
    assert (number(result.metrics, "train_rows"), number(result.metrics, "test_rows")) == (320, 80)
    rates = [number(result.metrics, f"{part}_positive_ratio") for part in ("train", "test")]
    assert rates[0] == pytest.approx(rates[1], abs=0.01)


def test_pairs_come_from_training_rows_only() -> None:
    frame = make_customers(400)
    result = run(frame)
    twin = frame.assign(twin=frame["tenure"])
    held = twin["customer_id"].isin(result.outputs["test"]["customer_id"])
    twin.loc[held, "twin"] = np.random.default_rng(0).normal(size=held.sum())
    again = run(twin)
    assert set(again.outputs["test"]["customer_id"]) == set(result.outputs["test"]["customer_id"])
    assert [(pair["first"], pair["second"]) for pair in again.outputs["features"]["correlated_pairs"]] == [
        ("tenure", "twin")
    ]
    assert any("twin is tenure" in issue.text and issue.severity == "note" for issue in again.issues)


def test_equal_rows_stay_together_and_are_counted() -> None:
    frame = make_customers(300)
    doubled = pd.concat([frame, frame], ignore_index=True)
    doubled["customer_id"] = [f"D{row}" for row in range(600)]
    result = run(doubled.astype({"customer_id": "str"}))
    assert number(result.metrics, "shared_rows") == 0
    assert number(result.metrics, "repeated_rows") == 300


def test_equal_rows_of_coarse_features_are_parted_and_the_parts_stay_alike() -> None:
    random = np.random.default_rng(4)
    frame = make_customers(2000)
    coarse = {name: pd.Series(random.choice(list("abcd"), 2000), dtype="str") for name in ("plan", "region", "channel")}
    risk = 0.1 + 0.2 * (coarse["plan"] == "a") + 0.3 * (coarse["region"] == "b")
    target = (random.random(2000) < risk).astype("int64")
    frame = pd.DataFrame({"customer_id": frame["customer_id"], **coarse, "churn": target})
    for seed in range(5):
        result = run(frame, seed=seed)
        shares = [number(result.metrics, f"{part}_positive_ratio") for part in ("train", "test")]
        assert shares[0] == pytest.approx(shares[1], abs=0.005)
        assert any("the features are coarse" in issue.text and issue.severity == "warning" for issue in result.issues)
        assert "equal rows" not in result.facts["kept together"]


def test_the_rows_of_one_customer_stay_together() -> None:
    frame = make_customers(600)
    frame["customer_id"] = pd.Series([f"M{row // 3}" for row in range(600)], dtype="str")
    result = run(frame)
    train, test = result.outputs["train"], result.outputs["test"]
    assert not set(train["customer_id"]) & set(test["customer_id"])
    assert 90 <= len(test) <= 150
    assert number(result.metrics, "shared_rows") == 0
    assert number(result.metrics, "repeated_rows") == 0


def test_customers_without_an_id_are_not_taken_for_one() -> None:
    frame = make_customers(400)
    frame.loc[::2, "customer_id"] = None
    result = run(frame)
    assert (number(result.metrics, "train_rows"), number(result.metrics, "test_rows")) == (320, 80)
    assert number(result.metrics, "shared_rows") == 0


def test_pairs_are_named_from_an_r_of_nine_tenths_on() -> None:
    frame = make_customers(2000)
    scatter = np.random.default_rng(1).normal(size=2000)
    tenure = (frame["tenure"] - frame["tenure"].mean()) / frame["tenure"].std()
    for name, r in (("above", 0.92), ("below", 0.88), ("against", -0.92)):
        frame[name] = r * tenure + np.sqrt(1 - r * r) * scatter
    pairs = run(frame).outputs["features"]["correlated_pairs"]
    train = run(frame).outputs["train"]
    named = {(pair["first"], pair["second"]) for pair in pairs}
    assert {("tenure", "above"), ("tenure", "against")} <= named
    assert ("tenure", "below") not in named
    for pair in pairs:
        assert pair["r"] == pytest.approx(np.corrcoef(train[pair["first"]], train[pair["second"]])[0, 1])


def test_no_value_of_a_test_row_changes_what_was_learned() -> None:
    frame = make_customers(400)
    first = run(frame)
    held = frame["customer_id"].isin(first.outputs["test"]["customer_id"])
    frame.loc[held, "bill"] = 1e12
    frame.loc[held, "plan"] = "gold"
    frame.loc[held, "tenure"] = frame.loc[held, "noise"]
    again = run(frame)
    pd.testing.assert_frame_equal(again.outputs["train"], first.outputs["train"])
    for learned in ("features", "correlated_pairs", "redundant_features", "leaking_features"):
        assert again.outputs["features"][learned] == first.outputs["features"][learned]


def test_a_leak_is_a_critical_issue_with_the_remedy_and_dropping_it_helps() -> None:
    frame = make_customers(400)
    frame["cancelled_on"] = frame["churn"] * 100.0 + frame["noise"]
    result = run(frame)
    assert number(result.metrics, "leaking_features") == 1
    critical = [issue.text for issue in result.issues if issue.severity == "critical"]
    assert len(critical) == 1
    assert "drop: [cancelled_on]" in critical[0]
    dropped = run(frame, drop=("cancelled_on",))
    assert number(dropped.metrics, "leaking_features") == 0
    assert "cancelled_on" not in dropped.outputs["train"].columns
    assert dropped.outputs["features"]["dropped"] == ["cancelled_on"]


def test_dates_after_the_declared_day_give_the_target_away() -> None:
    frame = make_customers(400)
    frame["joined"] = -(np.arange(400) % 200).astype(np.float64)
    schema = schema_of(frame, "churn", "customer_id")
    joined = next(column for column in schema["columns"] if column["name"] == "joined")
    joined["date"] = {"order": "ymd", "reference": "2026-03-01", "unit": "days"}
    for as_of, leaks in ((date(2026, 3, 1), 0), (date(2026, 1, 1), 1)):
        result = features(frame, schema, as_of=as_of)
        assert number(result.metrics, "leaking_features") == leaks
        assert any("joined gives the target away" in issue.text for issue in result.issues) == bool(leaks)


def test_a_leak_that_is_only_suspected_is_counted_apart_and_no_critical_issue() -> None:
    frame = make_customers(2000)
    flips = np.random.default_rng(1).random(2000) < 0.16
    frame["seen"] = np.where(flips, 1 - frame["churn"], frame["churn"]).astype(np.float64)
    result = run(frame)
    assert (number(result.metrics, "leaking_features"), number(result.metrics, "suspect_features")) == (0, 1)
    assert not [issue for issue in result.issues if issue.severity == "critical"]
    assert any(issue.text.startswith("seen may give the target away") for issue in result.issues)


def test_what_is_recorded_holds_no_customer_and_is_plain_json() -> None:
    result = run(make_customers(400))
    text = json.dumps([result.outputs["features"], dict(result.facts), [issue.text for issue in result.issues]])
    assert "C00" not in text


def test_the_same_seed_makes_the_same_split() -> None:
    first, again, other = (run(make_customers(300), seed=seed).outputs["features"]["split"] for seed in (0, 0, 1))
    assert first == again
    assert first["train"]["sha256"] != other["train"]["sha256"]


@pytest.mark.parametrize(
    ("given", "said"),
    [({"drop": ("tenura",)}, "tenura"), ({"drop": ("tenure", "bill", "plan", "noise")}, "no feature remains")],
)
def test_a_wrong_drop_is_refused_with_the_next_action(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        run(make_customers(200), **given)
    assert raised.value.hint


def test_a_class_too_rare_to_split_is_refused() -> None:
    frame = make_customers(200)
    frame["churn"] = (np.arange(200) < 5).astype(np.int64)
    with pytest.raises(InputError, match="rarer class has 5 rows"):
        run(frame)


@pytest.mark.parametrize(("share", "part"), [(0.001, "test"), (0.9999, "training")])
def test_a_share_that_leaves_a_part_with_one_class_is_refused(share: float, part: str) -> None:
    with pytest.raises(InputError, match=f"the {part} part would hold one class only") as raised:
        run(make_customers(200), test_share=share)
    assert "test_share" in raised.value.hint


def test_a_class_of_one_row_repeated_can_not_be_split() -> None:
    frame = make_customers(200)
    features_of_one = ["tenure", "bill", "plan", "noise"]
    left = frame["churn"] == 1
    frame.loc[left, features_of_one] = frame.loc[left, features_of_one].iloc[0].to_numpy()
    with pytest.raises(InputError, match="one class only"):
        run(frame)


def test_real_customers_without_an_id_are_split_too() -> None:
    frame, schema = read_telco()
    result = features(frame, schema)
    assert number(result.metrics, "shared_rows") == 0
    assert number(result.metrics, "leaking_features") == 0
    assert not [issue for issue in result.issues if issue.severity == "critical"]
