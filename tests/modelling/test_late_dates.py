"""Dates that come too late are found against a declared day, or against the other dates."""

import numpy as np
import pytest

from churnflow.modelling.late_dates import Late, late_dates

RANDOM = np.random.default_rng(8)
ROWS = 1000
TARGET = (np.arange(ROWS) % 4 == 0).astype(np.int64)
SEEN = RANDOM.uniform(0, 300, ROWS)


def late(as_of: float | None = None, **days: np.ndarray) -> list[Late]:
    return late_dates(days, TARGET, as_of)


def test_dates_of_those_who_left_after_all_other_dates_are_critical() -> None:
    closed = np.where(TARGET == 1, 320.0, SEEN)
    found = late(seen=SEEN, closed=closed)
    assert [(each.column, each.severity) for each in found] == [("closed", "critical")]
    assert "later than all other date columns in 250 rows, and all of them left" in found[0].reason


def test_planned_dates_of_anybody_are_a_doubt_only() -> None:
    found = late(seen=SEEN, due=SEEN + 90)
    assert [(each.column, each.severity) for each in found] == [("due", "warning")]
    assert "was it recorded after the outcome?" in found[0].reason


@pytest.mark.parametrize("slips", [0, 5])
def test_a_few_slips_of_the_pen_are_not_late(slips: int) -> None:
    typed = SEEN.copy()
    typed[:slips] = 9999.0
    assert late(seen=SEEN, typed=typed) == []


def test_a_declared_day_makes_later_dates_critical_whoever_has_them() -> None:
    found = late(as_of=200, seen=SEEN)
    assert [(each.column, each.severity) for each in found] == [("seen", "critical")]
    assert "later than as_of" in found[0].reason
    assert late(as_of=300, seen=SEEN) == []


def test_a_time_of_the_declared_day_is_not_after_it() -> None:
    assert late(as_of=100, seen=np.full(ROWS, 100.9)) == []


def test_one_column_of_dates_has_nothing_to_be_late_against() -> None:
    assert late(seen=SEEN, empty=np.full(ROWS, np.nan)) == []
