"""Leaks and twins: what gives the answer away is found, what is merely useful is not."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.correlation import correlated_pairs
from churnflow.modelling.leakage import Labelled, Leak, find_leaks, leaking_features, names_outcome
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
    assert [(leak.feature, leak.sign) for leak in found] == [("reason", "filled")]
    assert f"known in {left.sum()} rows, and all of them left" in found[0].reason


def test_a_few_missing_values_of_one_class_may_be_chance() -> None:
    frame = make_customers(800)
    frame["rare"] = frame["noise"].where(~((frame["churn"] == 0) & (np.arange(800) % 200 == 0)))
    assert leaks(frame, rare="number") == []


def found_in(frame: pd.DataFrame, name: str, kind: str = "number") -> Leak | None:
    """Return what is found of one column; nothing may be found of the others."""
    labelled = Labelled(frame, {**KINDS, name: kind}, frame["churn"].to_numpy(), np.arange(len(frame)))
    leaks = find_leaks(labelled, 0)
    assert {leak.feature for leak in leaks} <= {name}
    return leaks[0] if leaks else None


@pytest.mark.parametrize(
    ("flipped", "severity"), [(0.0, "critical"), (0.03, "critical"), (0.05, "critical"), (0.12, "warning"), (0.3, None)]
)
def test_the_less_a_copy_is_blurred_the_graver_it_is(flipped: float, severity: str | None) -> None:
    frame = make_customers(3000)
    flips = np.random.default_rng(1).random(3000) < flipped
    frame["seen"] = np.where(flips, 1 - frame["churn"], frame["churn"]).astype(np.float64)
    leak = found_in(frame, "seen")
    assert (leak.severity if leak else None) == severity


def test_what_outshines_all_others_together_is_compared_with_them_in_words() -> None:
    frame = make_customers(3000)
    frame["seen"] = frame["churn"] + np.random.default_rng(1).normal(0, 0.35, 3000)
    leak = found_in(frame, "seen")
    assert leak is not None
    assert leak.sign == "outshines"
    assert "where 4 other features together explain" in leak.reason


def test_two_leaks_side_by_side_do_not_hide_each_other() -> None:
    frame = make_customers(3000)
    for place, name in enumerate(("seen", "told")):
        flips = np.random.default_rng(place).random(3000) < 0.04
        frame[name] = np.where(flips, 1 - frame["churn"], frame["churn"]).astype(np.float64)
    assert leaks(frame, seen="number", told="number") == ["seen", "told"]


@pytest.mark.parametrize(("name", "severity"), [("odd_value", "warning"), ("cancelReason", "critical")])
def test_a_name_that_speaks_of_the_outcome_makes_a_doubt_grave(name: str, severity: str) -> None:
    frame = make_customers(3000)
    random = np.random.default_rng(2)
    known = random.random(3000) < np.where(frame["churn"] == 1, 0.1, 0.002)
    frame[name] = pd.Series(np.where(known, "price", None), dtype="str")
    leak = found_in(frame, name, "category")
    assert leak is not None
    assert leak.severity == severity
    assert ("its name speaks of the outcome" in leak.reason) == (severity == "critical")


def test_a_name_alone_is_no_sign() -> None:
    frame = make_customers(800).rename(columns={"noise": "churn_date"})
    found = leaking_features(frame, {"tenure": "number", "churn_date": "number"}, frame["churn"].to_numpy(), 0)
    assert found == []


@pytest.mark.parametrize("name", ["churn_date", "cancelled_at", "exit_reason", "Exit Reason", "lastDay", "left_on"])
def test_a_name_may_speak_of_the_outcome(name: str) -> None:
    assert names_outcome(name)


@pytest.mark.parametrize("name", ["tenure", "leftover_minutes", "complaints", "season", "friend_date", "disclosed"])
def test_most_names_do_not_speak_of_the_outcome(name: str) -> None:
    assert not names_outcome(name)


def test_a_large_table_is_judged_by_a_sample_but_its_rare_rows_are_all_looked_at() -> None:
    frame = make_customers(30_000)
    gone = np.flatnonzero(frame["churn"] == 1)[::300]
    frame["note"] = pd.Series(np.where(np.isin(np.arange(30_000), gone), "closing", "none"), dtype="str")
    leak = found_in(frame, "note", "category")
    assert leak is not None
    assert f"in {len(gone)} rows" in leak.reason


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
