"""Contamination: what the training part knows of the test part is counted, and chance is told from copies."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.contamination import Contamination, contamination, traces
from churnflow.modelling.split import bound_rows, hold_out
from tests.customers import make_customers, read_telco

FEATURES = ["tenure", "bill", "plan", "noise"]
KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def parts(frame: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    features = [name for name in frame.columns if name not in {"customer_id", "churn"}]
    held = hold_out(bound_rows(frame, features, None), frame["churn"].to_numpy(), 0.2, seed)
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def found(train: pd.DataFrame, test: pd.DataFrame, **given: Any) -> Contamination:
    return contamination(train, test, FEATURES, "customer_id", **given)


def test_a_clean_split_shares_nothing() -> None:
    clean = found(*parts(make_customers(1000)))
    assert (clean.same_id, clean.equal, clean.near, clean.rows, clean.copied) == (0, 0, 0, 0, False)


def test_rows_copied_into_the_training_part_are_counted_also_under_new_ids() -> None:
    train, test = parts(make_customers(1000))
    copies = test.head(7).assign(customer_id=[f"N{row}" for row in range(7)])
    renamed = found(pd.concat([train, copies]), test)
    assert (renamed.same_id, renamed.equal, renamed.rows) == (0, 7, 7)
    same = found(pd.concat([train, test.head(7).assign(noise=0.0)]), test)
    assert (same.same_id, same.equal) == (7, 0)


def test_rows_copied_and_changed_in_one_value_are_told_from_customers_who_are_alike() -> None:
    train, test = parts(make_customers(1000))
    changed = test.head(60).assign(tenure=test["tenure"].head(60) + 0.5)
    copied = found(pd.concat([train, changed]), test)
    assert copied.near == 60
    assert copied.copied
    assert copied.expected_near < 30


def test_one_customer_under_two_ids_before_the_split_is_counted_but_no_copy_after_it() -> None:
    frame = make_customers(1000)
    again = frame.head(300).assign(customer_id=[f"N{row}" for row in range(300)], tenure=frame["tenure"] + 0.5)
    twins = found(*parts(pd.concat([frame, again], ignore_index=True)))
    assert twins.near > 60
    assert not twins.copied
    assert twins.expected_near == pytest.approx(twins.near, rel=0.4)


@pytest.mark.parametrize("seed", range(3))
def test_real_customers_who_are_alike_are_no_copies(seed: int) -> None:
    frame, schema = read_telco()
    names = [column["name"] for column in schema["columns"] if column["role"] == "feature"]
    train, test = parts(frame, seed)
    real = contamination(train, test, names, None)
    assert not real.copied
    assert 0 < real.near < 0.05 * len(test)


def test_coarse_features_make_customers_equal_and_prove_nothing() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({name: random.integers(0, 3, 800) for name in FEATURES}).assign(churn=0, customer_id="x")
    coarse = contamination(frame.head(600), frame.tail(200), FEATURES, None)
    assert (coarse.coarse, coarse.equal, coarse.near) == (True, 0, 0)


def test_customers_seen_at_several_times_are_not_compared_row_by_row() -> None:
    train, test = parts(make_customers(1000))
    changed = test.head(60).assign(tenure=test["tenure"].head(60) + 0.5)
    apart = contamination(pd.concat([train, changed]), test, FEATURES, None, alike=False)
    assert (apart.near, apart.copied) == (0, False)


def test_values_exchanged_between_columns_do_not_make_rows_equal() -> None:
    random = np.random.default_rng(2)
    frame = pd.DataFrame({name: random.normal(size=400) for name in FEATURES}).assign(churn=0, customer_id="x")
    turned = frame.rename(columns={"tenure": "bill", "bill": "tenure"})
    turned["noise"] = random.normal(size=400)
    assert contamination(frame, turned[frame.columns].head(100), FEATURES, None).near == 0


@pytest.mark.parametrize("ddof", [0, 1])
def test_a_column_scaled_over_all_rows_leaves_its_trace_and_one_scaled_on_training_rows_does_not(ddof: int) -> None:
    train, test = parts(make_customers(1000))
    both = pd.concat([train["noise"], test["noise"]])
    for fitted_on, expected in ((both, ["scaled"]), (train["noise"], [])):
        scaled = [
            part.assign(scaled=(part["noise"] - fitted_on.mean()) / fitted_on.std(ddof=ddof)) for part in (train, test)
        ]
        found_traces = traces(*scaled, {**KINDS, "scaled": "number"}, "churn")
        assert [trace.column for trace in found_traces] == expected


def test_target_means_over_all_rows_leak_and_those_of_training_rows_do_not() -> None:
    train, test = parts(make_customers(1000).dropna())
    both = pd.concat([train, test])
    for fitted_on, expected in ((both, [("mean", True)]), (train, [])):
        means = fitted_on.groupby("plan")["churn"].mean()
        encoded = [part.assign(mean=part["plan"].map(means)) for part in (train, test)]
        found_traces = traces(*encoded, {**KINDS, "mean": "number"}, "churn")
        assert [(trace.column, trace.of_target) for trace in found_traces] == expected
