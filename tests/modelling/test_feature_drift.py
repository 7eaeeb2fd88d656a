"""Drift of a served release: chance raises no alarm at the stated rate, a real shift does, also in a small window."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from churnflow.modelling.encoding import as_columns
from churnflow.modelling.feature_drift import SCORE, Moved, by_period, holm, moved, rank_sum
from churnflow.modelling.logged import UNKNOWN, Logged, Read
from churnflow.modelling.observed import observed
from churnflow.modelling.reference import build_reference
from churnflow.modelling.window import window
from tests.customers import make_customers
from tests.traffic import model, reference

SPAN = window("1d", "day", "2026-11-25T12:00:00+00:00")


def seen(customers: pd.DataFrame, against: object = None) -> dict[str, object]:
    known = against or reference()
    columns = as_columns(customers, model().encoding)
    p, codes, rows = model().score(columns), known.codes(columns), len(customers)
    yes, at = np.ones(rows, dtype=bool), np.full(rows, SPAN.start)
    label = np.full(rows, UNKNOWN)
    logged = Logged(at, np.arange(rows), p, p >= 0.4, at, label, codes, yes, np.zeros_like(codes), yes)
    return observed(Read(logged, {}), [], SPAN, known)


def named(lines: list[Moved]) -> set[str]:
    return {line.name for line in lines if line.drifted}


@pytest.mark.parametrize("rows", [200, 1000])
def test_windows_without_drift_raise_an_alarm_no_more_often_than_stated(rows: int) -> None:
    alarms = 0
    for seed in range(150):
        parts = [as_columns(make_customers(n, 5000 + 2 * seed + n), model().encoding) for n in (1500, 800)]
        known = build_reference(model(), *parts)
        alarms += bool(named(moved(seen(make_customers(rows, seed), known)["whole"], known, 0.01)))
    assert alarms <= 5


def test_a_quarter_of_a_deviation_is_noticed_in_a_thousand_customers_and_nothing_else_is_named() -> None:
    customers = make_customers(1000, 7)
    customers["bill"] += 5.0
    lines = moved(seen(customers)["whole"], reference(), 0.01)
    assert named(lines) - {SCORE} == {"bill"}
    bill = next(line for line in lines if line.name == "bill")
    assert bill.psi > bill.by_chance
    assert bill.rows == (2000, 1000)


def test_the_rank_sum_of_bins_is_that_of_scipy_over_the_rows() -> None:
    rows = [[0, 0, 0, 1, 1, 2, 2, 2, 2, 3], [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]]
    theirs, ours = (np.bincount(values).astype(np.float64) for values in rows)
    wanted = mannwhitneyu(*rows, use_continuity=False, method="asymptotic").pvalue
    assert rank_sum(theirs, ours) == pytest.approx(wanted)
    assert rank_sum(np.array([5.0]), np.array([3.0])) == 1.0


def test_half_a_deviation_is_noticed_in_two_hundred_customers() -> None:
    found = 0
    for seed in range(20):
        customers = make_customers(200, seed)
        customers["bill"] += 10.0
        found += "bill" in named(moved(seen(customers)["whole"], reference(), 0.01))
    assert found >= 18


def test_a_shift_too_small_to_matter_is_none_however_many_customers_show_it() -> None:
    customers = make_customers(60_000, 7)
    customers["noise"] += 0.06
    line = next(line for line in moved(seen(customers)["whole"], reference(), 0.01) if line.name == "noise")
    assert line.psi < 0.02
    assert not line.drifted


def test_a_level_that_training_never_saw_is_drift() -> None:
    customers = make_customers(400, 8)
    customers.loc[:80, "plan"] = "new"
    assert "plan" in named(moved(seen(customers)["whole"], reference(), 0.01))


def test_what_only_ever_has_one_value_can_not_drift() -> None:
    customers = make_customers(300, 8)
    parts = [as_columns(customers.assign(plan="basic"), model().encoding)] * 2
    known = build_reference(model(), *parts)
    lines = moved(seen(customers.assign(plan="basic"), known)["whole"], known, 0.01)
    assert next(line for line in lines if line.name == "plan").p_value == 1.0


def test_periods_say_since_when_and_leave_out_those_with_too_few() -> None:
    calm = seen(make_customers(300, 1))["whole"] | {"period": "a"}
    customers = make_customers(300, 2)
    customers["bill"] += 30
    shifted, small = seen(customers)["whole"] | {"period": "b"}, seen(make_customers(20, 3))["whole"] | {"period": "c"}
    lines = by_period([calm, shifted, small], reference(), 100)
    assert next(one["shifted"] for one in lines) == []
    assert "bill" in lines[1]["shifted"]
    assert lines[1]["psi"]["bill"] > 0.1
    assert lines[2]["psi"] is None


def test_holm_is_as_he_has_it() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
