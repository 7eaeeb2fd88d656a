"""What is told of a few customers: nothing that fewer than ten share, and nothing that gives it away."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.disclosure import coarse, hidden, usual_range
from churnflow.modelling.fairness import group_rates
from churnflow.modelling.metrics import Scored

# tp, fn, fp and tn of a group, of which some are few.
CELL = st.one_of(st.integers(0, 12), st.integers(10, 80))
CELLS = st.tuples(CELL, CELL, CELL, CELL).filter(lambda cells: sum(cells) >= FEWEST)
MATRICES = st.lists(CELLS, min_size=2, max_size=5)
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


def scored_groups(matrices: Sequence[Sequence[int]]) -> tuple["pd.Series[str]", Scored]:
    kinds = np.repeat(np.tile([0, 1, 2, 3], len(matrices)), np.concatenate(matrices))
    labels = np.repeat([f"group {place}" for place in range(len(matrices))], [sum(cells) for cells in matrices])
    decisions = np.isin(kinds, (0, 2))
    return pd.Series(labels, dtype="str"), Scored(decisions * 0.5 + 0.1, np.isin(kinds, (0, 1)).astype(int), decisions)


def told_equations(line: Mapping[str, Any]) -> Iterator[tuple[list[float], float]]:
    """Yield what a reader learns of tp, fn, fp and tn, as weights and their sum."""
    yield [1, 1, 1, 1], line["n"]
    if "positives" in line:
        yield [1, 1, 0, 0], line["positives"]
    if "observed" in line:
        yield [1, 1, 0, 0], line["observed"] * line["n"]
    if "positive_rate" in line:
        yield [1, 0, 1, 0], line["positive_rate"] * line["n"]
    for name, hit, miss in (("recall", 0, 1), ("false_positive_rate", 2, 3), ("precision", 0, 2)):
        if name in line:
            weights = [0.0] * 4
            weights[hit], weights[miss] = 1 - line[name], -line[name]
            yield weights, 0


@given(MATRICES)
@settings(max_examples=60, deadline=None)
@example([(4, 46, 1, 49), (3, 40, 2, 60), (100, 40, 60, 300), (90, 3, 60, 300)])
@example([(0, 20, 10, 70), (10, 30, 10, 40), (30, 30, 0, 50), (50, 50, 50, 50)])
def test_no_cell_below_ten_of_a_group_can_be_solved_for(matrices: list[tuple[int, ...]]) -> None:
    found = group_rates("region", *scored_groups(matrices))
    totals = np.sum(matrices, axis=0)
    # Groups whose names are told are found in the input; of `others`, the rest.
    named = {f"group {place}": np.array(cells) for place, cells in enumerate(matrices)}
    told = [named.pop(line["group"], None) for line in found]
    truth = [sum(named.values()) if cells is None else cells for cells in told]
    width = 4 * len(found)
    rows, sums = [], []
    for place, line in enumerate(found):
        for weights, value in told_equations(line):
            rows.append([0.0] * (4 * place) + weights + [0.0] * (width - 4 * place - 4))
            sums.append(value)
    rows += [[float(place % 4 == cell) for place in range(width)] for cell in range(4)]
    sums += list(np.sum(truth, axis=0))
    # The matrix of the whole test part is told, whatever it holds: with nobody missed, every group's recall is known.
    is_few_of_all = [min(totals[:2]) < FEWEST] * 2 + [min(totals[2:]) < FEWEST] * 2
    for place in range(width):
        if truth[place // 4][place % 4] < FEWEST and not is_few_of_all[place % 4]:
            sought = np.eye(width)[place]
            least, most = (linprog(sign * sought, A_eq=rows, b_eq=sums, method="highs") for sign in (1, -1))
            assert (least.status, most.status) == (0, 0)
            assert -most.fun - least.fun >= FEWEST - 1e-6
