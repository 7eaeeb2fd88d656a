"""The choice of the test part: by chance, by customer, or the newest with an embargo; nothing ever on both sides."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.errors import UsageError
from churnflow.modelling.parting import Kind, Parting, Rows, part, rate_shift
from churnflow.modelling.split import bound_rows, folds_for


def make_panel(customers: int = 200, cuts: int = 6, apart: int = 30, seed: int = 0) -> pd.DataFrame:
    """Make a row of each customer at each cut, newest last."""
    random = np.random.default_rng(seed)
    times = [pd.Timestamp("2024-01-01") + pd.Timedelta(days=apart * number) for number in range(cuts)]
    rows = [(f"C{customer:04d}", time.date().isoformat()) for time in times for customer in range(customers)]
    frame = pd.DataFrame(rows, columns=["id", "cut"]).astype("str")
    return frame.assign(x=random.normal(size=len(frame)), churn=random.integers(0, 2, len(frame)))


def rows_of(frame: pd.DataFrame, **given: Any) -> Rows:
    settings = {"identifier": "id", "time": "cut", **given}
    return Rows(frame, ["x"], frame["churn"].to_numpy(), **settings)


def test_the_newest_whole_times_are_tested_and_no_customer_is_on_both_sides() -> None:
    frame = make_panel()
    parting = part(rows_of(frame), "auto", 0.2, 0)
    assert (parting.kind, parting.cut) == ("time and grouped", "2024-05-30")
    train, test = frame[parting.train], frame[parting.test]
    assert set(test["cut"]) == {"2024-05-30"}
    assert max(train["cut"]) < "2024-05-30"
    assert not set(train["id"]) & set(test["id"])
    assert len(test) / (len(train) + len(test)) == pytest.approx(0.2, abs=0.02)
    assert parting.left_out == len(frame) - len(train) - len(test)


def test_customers_stand_on_both_sides_only_where_the_workflow_says_so() -> None:
    frame = make_panel()
    parting = part(rows_of(frame), "time", 0.2, 0)
    assert parting.kind == "time"
    assert parting.shares_customers
    assert "as the workflow declares" in parting.reason
    assert parting.left_out == 0
    assert set(frame["id"][parting.train]) == set(frame["id"][parting.test])


def test_customers_who_come_once_are_split_by_time_alone() -> None:
    frame = make_panel()
    frame["id"] = pd.Series([f"R{row}" for row in range(len(frame))], dtype="str")
    for rows in (rows_of(frame), rows_of(frame, identifier=None)):
        parting = part(rows, "auto", 0.2, 0)
        assert (parting.kind, parting.shares_customers, parting.left_out) == ("time", False, 0)


@pytest.mark.parametrize(("days", "newest", "embargoed"), [(30, "2024-04-30", 0), (31, "2024-03-31", 200)])
def test_a_row_whose_outcome_is_open_at_the_test_cut_is_not_trained_on(days: int, newest: str, embargoed: int) -> None:
    frame = make_panel()
    parting = part(rows_of(frame, outcome_days=days), "time", 0.2, 0)
    assert max(frame["cut"][parting.train]) == newest
    assert parting.embargoed == embargoed
    assert parting.described()["embargoed"] == embargoed


def test_where_the_embargo_leaves_nothing_auto_groups_and_time_is_refused() -> None:
    rows = rows_of(make_panel(), outcome_days=400)
    parting = part(rows, "auto", 0.2, 0)
    assert parting.kind == "grouped"
    assert "an outcome that was known on 2024-05-30" in parting.reason
    assert not set(rows.frame["id"][parting.train]) & set(rows.frame["id"][parting.test])
    with pytest.raises(UsageError, match="leaves nothing to train on") as raised:
        part(rows, "time", 0.2, 0)
    assert "rows of at least 400 days before" in raised.value.hint


@settings(max_examples=60, deadline=None)
@given(
    st.integers(10, 40),
    st.integers(2, 8),
    st.floats(0.1, 0.5),
    st.integers(0, 120),
    st.integers(0, 5),
    st.sampled_from(["auto", "grouped"]),
)
def test_no_customer_ever_straddles_and_no_outcome_reaches_past_the_cut(
    customers: int, cuts: int, share: float, days: int, seed: int, kind: Kind
) -> None:
    frame = make_panel(customers * 5, cuts, 30, seed)
    parting = part(rows_of(frame, outcome_days=days), kind, share, seed)
    assert not (parting.train & parting.test).any()
    assert not set(frame["id"][parting.train]) & set(frame["id"][parting.test])
    if parting.cut is not None:
        ends = pd.to_datetime(frame["cut"][parting.train]) + pd.Timedelta(days=days)
        assert ends.max() <= pd.Timestamp(parting.cut)
        assert frame["cut"][parting.train].max() < frame["cut"][parting.test].min()


def test_rows_without_a_time_are_in_neither_part() -> None:
    frame = make_panel()
    frame.loc[::7, "cut"] = None
    parting = part(rows_of(frame), "time", 0.2, 0)
    assert not (parting.train | parting.test)[::7].any()


def test_times_of_day_with_offsets_are_in_order() -> None:
    frame = make_panel(cuts=2)
    late = frame["cut"] == max(frame["cut"])
    # Later by their letters, earlier by the clock.
    frame["cut"] = np.where(late, "2024-05-01T00:30:00+00:00", "2024-05-01T02:00:00+02:00")
    parting = part(rows_of(frame.astype({"cut": "str"})), "time", 0.5, 0)
    assert (parting.test == late.to_numpy()).all()
    assert parting.cut == "2024-05-01T00:30:00"


@pytest.mark.parametrize(
    ("kind", "given", "said", "hint"),
    [
        ("time", {"time": None}, "needs a column of times", "with: {time: ...}"),
        ("grouped", {"identifier": None, "time": None}, "needs an id", "split: random"),
        ("random", {"time": None}, "rows of one customer into both parts", "split: grouped"),
    ],
)
def test_a_split_that_can_not_be_is_refused(kind: Kind, given: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        part(rows_of(make_panel(), **given), kind, 0.2, 0)
    assert hint in raised.value.hint


def test_one_time_alone_is_no_split_by_time() -> None:
    frame = make_panel(cuts=1)
    with pytest.raises(UsageError, match="holds 1 different times") as raised:
        part(rows_of(frame), "time", 0.2, 0)
    assert "several times" in raised.value.hint
    assert part(rows_of(frame), "auto", 0.2, 0).kind == "random"
    assert part(rows_of(frame), "random", 0.2, 0).reason == "declared"


def test_the_shift_of_the_rate_has_the_interval_of_newcombe() -> None:
    # The example of his table II, (a): 56 of 70 against 48 of 80.
    target = np.array([1] * 56 + [0] * 14 + [1] * 48 + [0] * 32)
    test = np.arange(150) < 70
    shift = rate_shift(target, Parting("random", "", ~test, test))
    assert (shift.value, shift.low, shift.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_rows_of_different_times_are_never_equal() -> None:
    frame = pd.DataFrame({"x": [1.0, 1.0, 1.0, 2.0, 3.0], "cut": ["a", "a", "b", "b", "b"]}).astype({"cut": "str"})
    assert bound_rows(frame, ["x"], None, "cut").tolist() == [0, 0, 1, 2, 3]


def test_folds_keep_a_customer_together_whatever_the_time_and_balance_the_classes() -> None:
    frame = make_panel()
    schema = {"target": "churn", "id": "id", "time": "cut"}
    target = frame["churn"].to_numpy()
    folds = folds_for(frame, schema, target, 5, 0).folds
    assert frame.assign(fold=folds).groupby("id")["fold"].nunique().max() == 1
    assert set(folds) == set(range(5))
    assert all(abs(target[folds == fold].mean() - target.mean()) < 0.08 for fold in range(5))
    assert (folds == folds_for(frame, schema, target, 5, 0).folds).all()
    plain = frame.drop(columns=["id", "cut"])
    assert set(folds_for(plain, {"target": "churn"}, target, 3, 0).folds) == {0, 1, 2}
