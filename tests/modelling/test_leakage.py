"""Leaks and twins: what gives the answer away is found, what is merely useful is not."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.correlation import correlated_pairs
from churnflow.modelling.leakage import leaking_features
from tests.customers import make_customers, read_telco

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def leaks(frame: pd.DataFrame, **added: str) -> list[str]:
    found = leaking_features(frame, {**KINDS, **added}, frame["churn"].to_numpy(), 0)
    return [leak.feature for leak in found]


def test_useful_features_do_not_leak() -> None:
    assert leaks(make_customers(800)) == []
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    assert leaking_features(frame, kinds, frame["churn"].to_numpy(), 0) == []


@pytest.mark.parametrize("kind", ["number", "category"])
def test_a_copy_of_the_target_leaks_also_with_a_little_noise(kind: str) -> None:
    frame = make_customers(800)
    copied = frame["churn"].astype("float64")
    copied[::200] = 1 - copied[::200]
    frame["copied"] = copied if kind == "number" else copied.map({0.0: "stays", 1.0: "left"}).astype("str")
    assert leaks(frame, copied=kind) == ["copied"]


def test_a_number_that_is_no_ordering_but_decides_leaks() -> None:
    frame = make_customers(800)
    frame["edge"] = np.where(frame["churn"] == 1, np.sign(frame["noise"]) * 10 + frame["noise"], frame["noise"])
    assert leaks(frame, edge="number") == ["edge"]


def test_a_value_known_for_one_class_only_leaks() -> None:
    frame = make_customers(800)
    left = (frame["churn"] == 1) & (np.arange(800) % 3 == 0)
    frame["reason"] = pd.Series(np.where(left, "price", None)).astype("str")
    found = leaking_features(frame, {**KINDS, "reason": "category"}, frame["churn"].to_numpy(), 0)
    assert [leak.feature for leak in found] == ["reason"]
    assert "all of one class" in found[0].reason


def test_a_few_missing_values_of_one_class_may_be_chance() -> None:
    frame = make_customers(800)
    frame["rare"] = frame["noise"].where(~((frame["churn"] == 0) & (np.arange(800) % 200 == 0)))
    assert leaks(frame, rare="number") == []


def test_an_identifier_like_category_does_not_leak() -> None:
    assert leaks(make_customers(800), customer_id="category") == []


def test_correlated_pairs_equal_numpy_and_the_strongest_comes_first() -> None:
    frame = make_customers(500)
    frame["twice"] = 2 * frame["tenure"]
    frame["nearly"] = -frame["tenure"] + 8 * frame["noise"]
    frame["same"] = 4.0
    pairs = correlated_pairs(frame, ["tenure", "noise", "twice", "nearly", "same", "bill"])
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("tenure", "twice"),
        *sorted([("tenure", "nearly"), ("twice", "nearly")]),
    ]
    assert pairs[0].r == pytest.approx(1.0)
    assert pairs[1].r == pytest.approx(np.corrcoef(frame["tenure"], frame["nearly"])[0, 1])
