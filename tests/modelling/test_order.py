"""Orders that tell who left: rows sorted by outcome, ids given out at churn, counters among the features."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.order import Ordered, counters, id_numbers, id_order, row_order
from churnflow.modelling.split import deal_folds

ROWS = 1200
RANDOM = np.random.default_rng(5)
TARGET = (RANDOM.random(ROWS) < 0.3).astype(np.int64)
SORTED = np.sort(TARGET)
PLACES = np.arange(ROWS)
FRAME = pd.DataFrame({"price": RANDOM.normal(size=ROWS)})


def rows(target: np.ndarray, frame: pd.DataFrame = FRAME) -> Ordered | None:
    return row_order(PLACES, frame, list(frame.columns), target, deal_folds(PLACES, target, 5, 0))


def ids(values: list[str], target: np.ndarray) -> Ordered | None:
    return id_order(pd.Series(values, dtype="str"), "id", target, deal_folds(PLACES, target, 5, 0))


def test_a_file_sorted_by_the_target_is_said_to_be() -> None:
    found = rows(SORTED)
    assert found is not None
    assert found.severity == "warning"
    assert "sorted by the target" in found.reason


def test_blocks_of_rows_that_were_collected_apart_are_seen() -> None:
    found = rows((PLACES // 200 % 2 == 1).astype(np.int64) & (RANDOM.random(ROWS) < 0.7))
    assert found is not None
    assert "not in an order of chance" in found.reason


def test_a_file_in_an_order_of_chance_says_nothing() -> None:
    assert rows(TARGET) is None


def test_a_file_sorted_by_a_feature_that_matters_is_only_that() -> None:
    tenure = pd.DataFrame({"tenure": np.sort(RANDOM.integers(0, 60, ROWS)).astype(np.float64)})
    target = (RANDOM.random(ROWS) < np.linspace(0.8, 0.1, ROWS)).astype(np.int64)
    assert rows(target) is not None
    assert rows(target, tenure) is None


@pytest.mark.parametrize("form", ["C-{:05d}", "{}", "{}X"])
def test_ids_given_out_by_outcome_are_seen_by_their_number(form: str) -> None:
    found = ids([form.format(number) for number in PLACES], SORTED)
    assert found is not None
    assert found.column == "id"
    assert "the number in it" in found.reason


def test_ids_of_another_shape_for_those_who_left_are_seen() -> None:
    values = [f"{'xq' if left else 'k'}{letters}" for left, letters in zip(TARGET, ["abcdef"] * ROWS, strict=True)]
    found = ids(values, TARGET)
    assert found is not None
    assert "its shape" in found.reason


def test_ids_of_chance_say_nothing() -> None:
    assert ids([f"{number:04d}-QRST" for number in RANDOM.permutation(ROWS)], TARGET) is None


def test_ids_without_digits_have_no_number() -> None:
    assert id_numbers(pd.Series(["ab", "cd", None], dtype="str")) is None


@pytest.mark.parametrize(("mixed", "severity"), [(0.0, "critical"), (0.7, "warning"), (1.0, None)])
def test_a_counter_among_the_features_is_named_if_it_tells_who_left(mixed: float, severity: str | None) -> None:
    keys = np.where(RANDOM.random(ROWS) < mixed, RANDOM.random(ROWS), TARGET)
    account = np.argsort(np.argsort(keys + RANDOM.random(ROWS) * 1e-9)).astype(np.float64)
    frame = pd.DataFrame({"account": account, "price": FRAME["price"]})
    found = counters(PLACES, frame, ["account", "price"], TARGET, deal_folds(PLACES, TARGET, 5, 0))
    assert [(sign.column, sign.severity) for sign in found] == ([("account", severity)] if severity else [])
