"""Superfluous columns: each is named with what makes it so, and useful ones are left alone."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.arithmetic import relations
from churnflow.modelling.redundancy import linear_cause, redundancies
from tests.customers import make_customers, read_telco

RANDOM = np.random.default_rng(7)
ROWS = 1000
PRICE, MONTHS, EXTRA = (RANDOM.uniform(5, 100, ROWS) for _ in range(3))


def causes(**columns: np.ndarray) -> list[str]:
    frame = pd.DataFrame(columns)
    kinds = {name: "number" if pd.api.types.is_numeric_dtype(frame[name]) else "category" for name in frame.columns}
    return [found.cause for found in redundancies(frame, kinds, 0)]


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        (PRICE, "second is first"),
        (0.17 * PRICE, "second is 0.17 x first"),
        (1.8 * PRICE + 32, "second is 1.8 x first + 32"),
        (-PRICE, "second is -1 x first"),
        (PRICE - 20, "second is first - 20"),
    ],
)
def test_another_unit_is_named_with_its_factor(second: np.ndarray, cause: str) -> None:
    assert causes(first=PRICE, second=second, other=EXTRA) == [cause]


def test_the_real_charges_are_named_as_price_times_months() -> None:
    frame, schema = read_telco()
    kinds = {column["name"]: column["kind"] for column in schema["columns"] if column["role"] == "feature"}
    found = {each.feature: each for each in redundancies(frame, kinds, 0)}
    assert found["total_charges"].cause == "total_charges is about tenure x monthly_charges (r = 0.9996)"
    assert found["total_charges"].of == ("tenure", "monthly_charges")
    assert found["phone_service"].cause == "phone_service follows from multiple_lines"
    assert set(found) == {"total_charges", "phone_service"}


@pytest.mark.parametrize(
    ("total", "cause"),
    [
        (PRICE * MONTHS, "total is price x months (r = 1.0000)"),
        (PRICE + MONTHS, "total is price + months (r = 1.0000)"),
        (2.5 * PRICE * MONTHS, "total is 2.5 x (price x months) (r = 1.0000)"),
        (PRICE * MONTHS + RANDOM.normal(0, 60, ROWS), "total is about price x months"),
        (PRICE + 2 * MONTHS - 3 * EXTRA, "total is price + 2 x months - 3 x extra (r = 1.0000)"),
    ],
)
def test_a_formula_is_named_as_a_reader_writes_it(total: np.ndarray, cause: str) -> None:
    found = causes(price=PRICE, months=MONTHS, extra=EXTRA, total=total)
    assert len(found) == 1
    assert found[0].startswith(cause)


def test_missing_values_do_not_hide_a_formula() -> None:
    total = np.where(RANDOM.random(ROWS) < 0.3, np.nan, PRICE * MONTHS)
    assert causes(price=PRICE, months=MONTHS, total=total) == ["total is price x months (r = 1.0000)"]


def test_a_code_and_its_name_are_one_to_one() -> None:
    codes = RANDOM.integers(0, 5, ROWS)
    names = np.array(["red", "green", "blue", "grey", "pink"])[codes]
    assert causes(code=codes.astype(np.float64), name=names) == ["name is code in other words, one to one"]


def test_a_region_that_follows_from_a_town_is_named_as_a_function() -> None:
    towns = RANDOM.integers(0, 12, ROWS)
    found = causes(town=np.array([f"t{town}" for town in range(12)])[towns], region=np.array(list("abc"))[towns % 3])
    assert found == ["region follows from town"]


def test_a_few_wrong_rows_in_a_thousand_are_a_slip_and_more_are_not() -> None:
    towns = RANDOM.integers(0, 6, 5000)
    for wrong, expected in ((4, ["region follows from town"]), (60, [])):
        region = towns % 3
        region[:wrong] = (region[:wrong] + 1) % 3
        found = causes(town=np.array(list("ghijkl"))[towns], region=np.array(list("abc"))[region])
        assert found == expected


def test_a_name_of_nearly_every_row_proves_no_function() -> None:
    names = np.array([f"n{row}" for row in range(ROWS)])
    assert causes(name=names, plan=np.array(list("ab"))[RANDOM.integers(0, 2, ROWS)]) == []


def test_useful_columns_are_left_alone() -> None:
    frame = make_customers(1000)
    assert redundancies(frame, {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}, 0) == []


def test_too_few_rows_or_columns_prove_nothing() -> None:
    few = slice(0, 20)
    assert causes(price=PRICE[few], months=MONTHS[few], total=(PRICE * MONTHS)[few]) == []
    assert relations(pd.DataFrame({"price": PRICE, "same": np.ones(ROWS)}), ["price", "same"], 0) == []
    assert linear_cause(pd.DataFrame({"price": PRICE, "same": np.ones(ROWS)}), "price", "same") == ""


def test_a_column_that_is_known_in_few_rows_is_not_made_of_others() -> None:
    rare = np.where(np.arange(ROWS) < 100, PRICE * MONTHS, np.nan)
    assert causes(price=PRICE, months=MONTHS, rare=rare) == []
