"""Cells: nobody is told alone, and a chi-square test of them holds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from churnflow.modelling.cells import EXPECTED, FEWEST, Cells, chi_square_cells


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_no_cell_has_between_one_and_nine_customers_unless_there_are_no_more_in_all(counts: list[int]) -> None:
    cells = Cells.of(counts)
    assert sum(cells.counts) == sum(counts)
    assert [code for group in cells.codes for code in group] == list(range(len(counts)))
    assert all(count == 0 or count >= FEWEST for count in cells.counts) or sum(counts) < FEWEST


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=30))
def test_every_cell_of_a_test_is_expected_to_hold_five_of_the_smaller_sample(pairs: list[tuple[int, int]]) -> None:
    theirs, ours = (np.array(counts, dtype=np.float64) for counts in zip(*pairs, strict=True))
    first, second = chi_square_cells(theirs, ours)
    assert (first.sum(), second.sum()) == (theirs.sum(), ours.sum())
    smaller = min(first.sum(), second.sum()) / max(1.0, first.sum() + second.sum())
    assert len(first) == 1 or (smaller * (first + second) >= EXPECTED - 1e-9).all()


def test_cells_come_back_from_json_and_line_up_with_a_reference() -> None:
    cells = Cells.of([0, 12, 3, 9, 30])
    assert Cells.from_json(cells.as_json()) == cells
    assert cells.codes == ((0,), (1,), (2, 3), (4,))
    theirs, ours = cells.beside([1, 2, 3, 4, 5])
    assert theirs.tolist() == [1, 2, 7, 5]
    assert ours.tolist() == [0, 12, 12, 30]
