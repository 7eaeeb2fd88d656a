"""Rows of one class: what chance and ordinary customers give is told from what only the outcome can have written."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.purity import pure_rows

RANDOM = np.random.default_rng(0)
TARGET = (np.arange(2000) % 4 == 0).astype(np.int64)
GONE = TARGET == 1


def texts(filled: np.ndarray, word: str = "price", other: str | None = None) -> pd.Series:
    return pd.Series(np.where(filled, word, other), dtype="str")


def severity(values: pd.Series, target: np.ndarray = TARGET) -> str | None:
    found = pure_rows(values, target)
    return found.severity if found else None


@pytest.mark.parametrize("other", [None, "none"])
def test_a_reason_known_for_some_who_left_and_nobody_else_is_critical(other: str | None) -> None:
    filled = GONE & (np.arange(2000) % 8 == 0)
    found = pure_rows(texts(filled, other=other), TARGET)
    assert found is not None
    assert found.severity == "critical"
    assert "250 rows, and all of them left, where 25.0% do of all" in found.reason


def test_a_few_slips_among_those_who_stayed_do_not_hide_it() -> None:
    slips = ~GONE & (RANDOM.random(2000) < 0.005)
    found = pure_rows(texts(GONE | slips), TARGET)
    assert found is not None
    assert found.severity == "critical"


@pytest.mark.parametrize(("rows", "expected"), [(400, "critical"), (60, "critical"), (30, "warning"), (5, None)])
def test_the_fewer_rows_there_are_the_less_they_prove(rows: int, expected: str | None) -> None:
    level = np.isin(np.arange(2000), np.flatnonzero(GONE)[:rows])
    spread = np.array(["a", "b", "c", "d"])[np.arange(2000) // 4 % 4]
    values = pd.Series(np.where(level, "closing", spread), dtype="str")
    assert severity(values) == expected


def test_a_fee_that_only_those_who_left_were_billed_is_critical() -> None:
    fee = np.where(GONE & (RANDOM.random(2000) < 0.3), RANDOM.exponential(40, 2000), 0.0)
    found = pure_rows(pd.Series(fee), TARGET)
    assert found is not None
    assert found.severity == "critical"
    assert found.reason.startswith("it is other than 0")


def test_a_date_that_is_missing_only_for_those_who_left_is_critical() -> None:
    renewed = pd.Series(np.where(GONE, np.nan, RANDOM.normal(size=2000)))
    assert severity(renewed) == "critical"


def test_new_customers_without_a_value_who_can_not_have_left_are_no_more_than_a_doubt() -> None:
    new = np.isin(np.arange(2000), np.flatnonzero(~GONE)[:200])
    assert severity(pd.Series(np.where(new, np.nan, RANDOM.normal(size=2000)))) == "warning"


def test_a_group_of_customers_who_never_leave_is_an_ordinary_thing() -> None:
    staff = np.isin(np.arange(2000), np.flatnonzero(~GONE)[:400])
    other = np.array(["web", "shop"])[np.arange(2000) // 4 % 2]
    assert severity(pd.Series(np.where(staff, "staff", other), dtype="str")) is None


@pytest.mark.parametrize(("gap", "expected"), [(0.9, "critical"), (0.55, "warning"), (0.2, None)])
def test_missing_rates_far_apart_are_named_by_how_far(gap: float, expected: str | None) -> None:
    rates = np.where(GONE, 0.5 + gap / 2, 0.5 - gap / 2)
    missing = np.random.default_rng(1).random(2000) < rates
    assert severity(pd.Series(np.where(missing, np.nan, RANDOM.normal(size=2000)))) == expected


def test_where_nearly_everybody_left_a_level_of_those_who_left_is_nothing() -> None:
    target = 1 - TARGET * (np.arange(2000) % 8 == 0)
    levels = pd.Series(np.array(["a", "b", "c"])[RANDOM.integers(0, 3, 2000)], dtype="str")
    assert severity(levels, target) is None


def test_a_column_without_any_value_says_nothing() -> None:
    assert pure_rows(pd.Series(np.full(2000, np.nan)), TARGET) is None


def test_a_long_level_is_shortened_in_words() -> None:
    levels = np.where(GONE, "x" * 60, np.array(["a", "b", "c"])[np.arange(2000) % 3])
    found = pure_rows(pd.Series(levels, dtype="str"), TARGET)
    assert found is not None
    assert f'it is "{"x" * 40}..." in 500 rows' in found.reason
