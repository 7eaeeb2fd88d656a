"""What the rows kept hold of a column: the same from every row, and from distinct values with their rows."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.disclosure import coarse, usual_range
from churnflow.modelling.recorded import Kept

NUMBERS = st.lists(st.sampled_from([math.nan, -2.5, -0.0, 0.0, 1.0, 3.0, 7.25]), max_size=30)


@settings(max_examples=200, deadline=None)
@given(NUMBERS)
def test_numbers_are_summed_up_from_rows_as_from_distinct_values(numbers: list[float]) -> None:
    rows = np.array(numbers, dtype=np.float64)
    distinct, counts = np.unique(rows, return_counts=True)
    found = Kept.of_numbers(np.append(distinct, 99.0), np.append(counts, 0))
    present = sorted(number for number in numbers if not math.isnan(number))
    assert found == Kept.of_numbers(rows)
    if not present:
        assert found == Kept()
        return
    low, high = usual_range(np.array(present))
    assert (found.low, found.high, found.middle) == (low, high, coarse(present[len(present) // 2], low, high))
    assert found.whole == all(number.is_integer() for number in present)
    assert "-0.0" not in {str(found.low), str(found.high), str(found.middle)}
