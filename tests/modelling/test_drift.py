"""Drift: two tables of one source are alike, what has moved is named, and chance is told from it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from churnflow.modelling.drift import delong, measure_drift
from churnflow.modelling.stability import population_stability
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def test_two_samples_of_one_source_do_not_drift() -> None:
    for seed in range(3):
        found = measure_drift(make_customers(1500, seed), make_customers(800, seed + 100), KINDS, seed)
        assert not found.drifted
        assert found.drifted_features == []
        assert found.low <= 0.5 <= found.high
        assert found.rows == (1500, 800)


def test_a_number_that_moved_is_named_first_with_its_share() -> None:
    newest = make_customers(800, 9)
    newest["bill"] += 15
    found = measure_drift(make_customers(1500), newest, KINDS, 0)
    assert found.drifted
    assert found.drifted_features == ["bill"]
    leading = found.shifts[0]
    assert (leading.feature, leading.test) == ("bill", "ks")
    assert leading.contribution > 0.1 > max(shift.contribution for shift in found.shifts[1:])
    assert leading.psi > 0.25
    assert leading.q_value >= leading.p_value


def test_a_level_that_is_new_or_more_frequent_drifts() -> None:
    newest = make_customers(800, 9)
    newest.loc[newest.index[:400], "plan"] = "gold"
    found = measure_drift(make_customers(1500), newest, KINDS, 0)
    assert found.drifted_features == ["plan"]
    assert found.shifts[0].test == "chi2"


@pytest.mark.parametrize("name", ["tenure", "plan"])
def test_values_that_go_missing_drift(name: str) -> None:
    newest = make_customers(800, 9)
    newest.loc[newest.index[:300], name] = None
    assert measure_drift(make_customers(1500), newest, KINDS, 0).drifted_features == [name]


def test_two_features_that_part_company_are_seen_by_the_classifier_alone() -> None:
    reference, newest = (pd.DataFrame({"a": np.random.default_rng(seed).normal(size=1500)}) for seed in (0, 1))
    reference["b"] = reference["a"] + np.random.default_rng(2).normal(0, 0.2, 1500)
    newest["b"] = -newest["a"] + np.random.default_rng(3).normal(0, 0.2, 1500)
    found = measure_drift(reference, newest, {"a": "number", "b": "number"}, 0)
    assert found.drifted
    assert found.auc > 0.8
    assert found.drifted_features == []
    assert min(shift.contribution for shift in found.shifts) > 0.1


def test_equal_rows_do_not_give_their_table_away() -> None:
    random = np.random.default_rng(4)
    tables = [pd.DataFrame({name: random.normal(size=60) for name in "abc"}) for _ in range(2)]
    repeated = [pd.concat([table] * 10, ignore_index=True) for table in tables]
    assert not measure_drift(*repeated, dict.fromkeys("abc", "number"), 0).drifted


def test_a_category_of_nearly_as_many_levels_as_rows_does_not_give_its_table_away() -> None:
    random = np.random.default_rng(4)
    tables = [
        pd.DataFrame({"account": pd.Series([f"A{level}" for level in random.integers(0, 500, 300)], dtype="str")})
        for _ in range(2)
    ]
    assert not measure_drift(*tables, {"account": "category"}, 0).drifted


def test_a_large_table_is_drawn_from_and_the_same_seed_gives_the_same_answer() -> None:
    reference, newest = make_customers(11_000), make_customers(300, 5)
    assert measure_drift(reference, newest, KINDS, 1) == measure_drift(reference, newest, KINDS, 1)


def test_constant_and_empty_columns_do_not_drift() -> None:
    tables = [
        make_customers(400, seed).assign(same=1.0, empty=np.nan, word=pd.Series(["x"] * 400, dtype="str"))
        for seed in (0, 1)
    ]
    kinds = {"same": "number", "empty": "number", "word": "category", "noise": "number"}
    assert measure_drift(*tables, kinds, 0).drifted_features == []


@pytest.mark.parametrize(
    ("newest", "kinds", "said"),
    [
        (make_customers(20), KINDS, "at least 30 rows"),
        (make_customers(200), {}, "needs a feature"),
        (make_customers(200), {**KINDS, "gone": "number"}, "'gone' is missing"),
    ],
)
def test_what_can_not_be_compared_is_refused(newest: pd.DataFrame, kinds: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measure_drift(make_customers(200), newest, kinds, 0)


def test_the_stability_index_is_zero_for_equal_shares_and_known_for_two_bins() -> None:
    assert population_stability([100.0, 300.0], [200.0, 600.0]) == pytest.approx(0, abs=1e-4)
    expected = (0.5 - 0.25) * np.log(0.5 / 0.25) + (0.5 - 0.75) * np.log(0.5 / 0.75)
    assert population_stability([25e6, 75e6], [50e6, 50e6]) == pytest.approx(expected, rel=1e-6)


def test_the_variance_of_an_auc_is_that_of_a_bootstrap() -> None:
    random = np.random.default_rng(6)
    target = (random.random(600) < 0.4).astype(np.int64)
    scores = np.round(target * 0.8 + random.normal(size=600), 1)
    auc, variance = delong(scores, target)
    assert auc == pytest.approx(roc_auc_score(target, scores))
    drawn = [random.integers(0, 600, 600) for _ in range(400)]
    spread = np.std([delong(scores[rows], target[rows])[0] for rows in drawn])
    assert np.sqrt(variance) == pytest.approx(spread, rel=0.15)
