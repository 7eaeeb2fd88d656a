"""What is told of a few customers: nothing that fewer than ten share, and nothing that gives it away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.disclosure import coarse, hidden, usual_range

COUNTS = st.lists(st.integers(0, 60), max_size=12)


@given(COUNTS)
def test_no_count_below_ten_is_told_nor_follows_from_the_total(counts: list[int]) -> None:
    hide = hidden(counts)
    told = [count for count, kept in zip(counts, hide, strict=True) if not kept]
    assert all(count >= FEWEST for count in told)
    if any(hide) and told:
        rest = sum(counts) - sum(told)
        assert rest >= FEWEST
        assert sum(hide) > 1


def test_counts_of_ten_or_more_are_all_told() -> None:
    assert hidden([10, 11, 400]) == [False, False, False]
    assert hidden([]) == []


def test_the_next_smallest_is_hidden_with_a_single_small_count() -> None:
    assert hidden([50, 3, 12, 90]) == [False, True, True, False]
    assert hidden([50, 3, 8, 90]) == [False, True, True, False]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80))
def test_a_range_covers_all_but_a_few_and_is_no_customers_own(numbers: list[float]) -> None:
    ordered = np.sort(np.array(numbers))
    low, high = usual_range(ordered)
    outside = int(((ordered < low) | (ordered > high)).sum())
    assert low <= high
    assert outside < 2 * FEWEST


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([18.25, *range(20, 118), 118.75], (18.0, 119.0)),
        ([7.0] * 5, (7.0, 7.0)),
        ([0.0, 1e-200], (0.0, 1e-200)),
        ([*range(100), 91_234.5], (0.0, 99.0)),
        ([-91_234.5, *range(100)], (0.0, 99.0)),
        ([*range(100), *[91_234.5] * 10], (0.0, 91_300.0)),
    ],
)
def test_a_few_far_out_are_left_out_and_the_ends_are_round(numbers: list[float], expected: tuple[float, float]) -> None:
    assert usual_range(np.sort(np.array(numbers, dtype=np.float64))) == expected


def test_a_value_is_told_as_a_round_number_of_its_range() -> None:
    assert coarse(1397.475, 18.0, 8690.0) == 1397.0
    assert coarse(0.123456, 0.0, 1.0) == 0.123
    assert coarse(12.0, 0.0, 72.0) == 12.0
