"""The groups that rates are compared between: told apart where the numbers differ, whatever their distribution."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.fairness import group_labels


def labels(values: list[float]) -> list[str]:
    return [str(label) for label in group_labels(pd.Series(values))]


def test_few_numbers_are_groups_of_their_own_however_alike() -> None:
    assert labels([1234567.0, 1234568.0, 0.1, 3.0]) == ["1234567", "1234568", "0.1", "3"]


def test_many_numbers_are_grouped_by_quarters() -> None:
    found = pd.Series(labels([float(number) for number in range(100)]))
    assert found.value_counts().tolist() == [25] * 4


def test_a_number_that_is_mostly_one_value_is_that_value_against_the_others() -> None:
    found = labels([0.0] * 80 + [float(number) for number in range(1, 20)] + [np.nan])
    assert found == ["0"] * 80 + ["not 0"] * 19 + ["missing"]


@pytest.mark.parametrize("numbers", [5, 50])
def test_an_infinite_number_is_missing(numbers: int) -> None:
    found = labels([*map(float, range(numbers)), np.inf, -np.inf, np.nan])
    assert found[-3:] == ["missing"] * 3
    assert "missing" not in found[:-3]
