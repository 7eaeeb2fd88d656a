"""The split: stratified, equal rows never apart, repeatable, for any table."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.split import deal_folds, digest_rows, equal_rows, hold_out, join_customers
from tests.customers import make_customers

TABLES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=20, max_size=120)


@settings(max_examples=80, deadline=None)
@given(TABLES, st.floats(0.05, 0.5), st.integers(0, 9))
def test_equal_rows_never_straddle_the_parts(rows: list[tuple[int, bool]], share: float, seed: int) -> None:
    groups = equal_rows(pd.DataFrame({"x": [x for x, _ in rows]}), ["x"])
    target = np.array([int(label) for _, label in rows])
    held = hold_out(groups, target, share, seed)
    assert not set(groups[held]) & set(groups[~held])
    folds = deal_folds(groups, target, 5, seed)
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    assert set(folds) <= set(range(5))


@settings(max_examples=40, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400), st.floats(0.1, 0.4), st.integers(0, 5))
def test_each_class_is_held_out_to_the_share(positives: int, negatives: int, share: float, seed: int) -> None:
    target = np.array([1] * positives + [0] * negatives)
    held = hold_out(np.arange(len(target)), target, share, seed)
    assert abs(held[target == 1].sum() - share * positives) <= 1
    assert abs(held[target == 0].sum() - share * negatives) <= 1
    folds = deal_folds(np.arange(len(target)), target, 5, seed)
    for label in (0, 1):
        counts = np.bincount(folds[target == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_missing_values_are_equal_to_each_other() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, np.nan, 1.0], "b": pd.Series(["x", None, None, "y"], dtype="str")})
    assert equal_rows(frame, ["a", "b"]).tolist() == [0, 1, 1, 2]


def test_the_seed_decides_the_split() -> None:
    target = make_customers(300)["churn"].to_numpy()
    first, again, other = (hold_out(np.arange(300), target, 0.2, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_a_digest_says_whether_two_parts_are_the_same() -> None:
    frame = make_customers(50)
    assert digest_rows(frame) == digest_rows(frame.copy())
    assert digest_rows(frame) != digest_rows(frame.iloc[::-1])
    frame.loc[3, "bill"] = 1.0
    assert digest_rows(frame) != digest_rows(make_customers(50))


def test_groups_that_hold_rows_of_one_customer_are_joined_also_through_others() -> None:
    groups = np.array([0, 1, 2, 2, 3, 4])
    ids = pd.Series(["A", "B", "B", "C", "C", "D"], dtype="str")
    joined = join_customers(groups, ids)
    assert len(set(joined[1:5])) == 1
    assert len(set(joined[[0, 1, 5]])) == 3


def test_a_missing_id_joins_nothing() -> None:
    ids = pd.Series([None, None, "A", "B"], dtype="str")
    assert len(set(join_customers(np.arange(4), ids))) == 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.booleans()), min_size=20, max_size=80))
def test_neither_equal_rows_nor_a_customer_ever_straddle(rows: list[tuple[int, int, bool]]) -> None:
    frame = pd.DataFrame({"x": [x for x, _, _ in rows], "id": pd.Series([f"C{i}" for _, i, _ in rows], dtype="str")})
    target = np.array([int(label) for _, _, label in rows])
    groups = join_customers(equal_rows(frame, ["x"]), frame["id"])
    assert set(groups) == set(range(groups.max() + 1))
    held, folds = hold_out(groups, target, 0.3, 0), deal_folds(groups, target, 3, 0)
    for name in ("x", "id"):
        assert frame.assign(held=held).groupby(name)["held"].nunique().max() == 1
        assert frame.assign(fold=folds).groupby(name)["fold"].nunique().max() == 1
