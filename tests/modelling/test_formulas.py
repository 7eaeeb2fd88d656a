"""Arithmetic leaks: an end that a start and the outcome gave, a total that breaks for those who left."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.alone import power
from churnflow.modelling.formulas import Formula, broken_formulas, deciding_pairs
from churnflow.modelling.split import deal_folds
from tests.customers import read_telco

ROWS = 1500
RANDOM = np.random.default_rng(3)
TARGET = (RANDOM.random(ROWS) < 0.25).astype(np.int64)
GONE = TARGET == 1
PRICE, MONTHS = RANDOM.uniform(5, 100, ROWS), RANDOM.integers(1, 72, ROWS).astype(np.float64)


def pairs(target: np.ndarray = TARGET, **columns: np.ndarray) -> list[Formula]:
    frame = pd.DataFrame(columns)
    folds = deal_folds(np.arange(len(target)), target, 5, 0)
    alone = {name: power(frame[name], "number", target, folds) for name in frame.columns}
    return deciding_pairs(frame, alone, target, folds, 0)


@pytest.mark.parametrize("sign", ["-", "+", "x"])
def test_two_columns_that_decide_together_though_neither_does_are_named_with_what_joins_them(sign: str) -> None:
    start = RANDOM.normal(0, 50, ROWS)
    told = np.where(GONE, -6.0, 6.0) + RANDOM.normal(0, 1, ROWS)
    end = {"-": start - told, "+": told - start, "x": np.where(GONE, -1.0, 1.0) / start * 5}[sign]
    found = pairs(start=start, end=end, price=PRICE)
    assert [(formula.columns, formula.severity) for formula in found] == [(("start", "end"), "critical")]
    assert f"start {sign} end orders the classes" in found[0].reason


def test_one_column_in_many_such_pairs_is_named_once() -> None:
    start = RANDOM.normal(0, 50, ROWS)
    end = start + np.where(GONE, -6.0, 6.0)
    found = pairs(start=start, again=start + RANDOM.normal(0, 0.1, ROWS), end=end)
    assert len(found) == 1


def test_a_column_that_decides_alone_makes_no_pair() -> None:
    assert pairs(seen=TARGET + RANDOM.normal(0, 0.05, ROWS), price=PRICE, months=MONTHS) == []


def test_few_rows_prove_no_pair() -> None:
    few = slice(0, 150)
    assert pairs(TARGET[few], start=PRICE[few], end=PRICE[few] + np.where(GONE[few], -6.0, 6.0)) == []


def broken(**columns: np.ndarray) -> list[Formula]:
    return broken_formulas(pd.DataFrame(columns), list(columns), TARGET, 0)


@pytest.mark.parametrize(("operation", "total"), [("x", PRICE * MONTHS), ("+", PRICE + MONTHS)])
def test_a_total_that_breaks_only_for_those_who_left_is_critical(operation: str, total: np.ndarray) -> None:
    found = broken(price=PRICE, months=MONTHS, total=np.where(GONE, 0.5 * total, total))
    assert [(formula.columns[0], formula.severity) for formula in found] == [("total", "critical")]
    assert f"price {operation} months, but breaks with that" in found[0].reason


def test_a_total_that_breaks_for_anybody_is_no_leak() -> None:
    total = PRICE * MONTHS * np.where(RANDOM.random(ROWS) < 0.1, 0.5, 1.0)
    assert broken(price=PRICE, months=MONTHS, total=total) == []


def test_a_copy_that_differs_only_for_those_who_left_is_critical() -> None:
    found = broken(paid=PRICE, due=np.where(GONE, PRICE + 10, PRICE), flag=np.zeros(ROWS))
    assert [(formula.columns, formula.severity) for formula in found] == [(("due", "paid"), "critical")]
    assert "it equals paid, but not in" in found[0].reason


def test_charges_that_are_about_price_times_months_are_no_leak() -> None:
    frame, schema = read_telco()
    numbers = [column["name"] for column in schema["columns"] if column["kind"] == "number" and column["name"] in frame]
    assert broken_formulas(frame, [name for name in numbers if name != "churn"], frame["churn"].to_numpy(), 0) == []


def test_one_number_has_no_formula() -> None:
    assert broken(price=PRICE) == []
