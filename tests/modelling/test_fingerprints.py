"""Equal things among very many: found as a dictionary finds them, whatever the values and however they come."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.fingerprints import Equals, Remembered, joined, of_values

TEXTS = st.lists(st.one_of(st.none(), st.sampled_from(["", "None", "nan", "a", "A", "a "]), st.text(max_size=3)))


def objects(values: list[str | None]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 4))
def test_equal_texts_are_grouped_with_their_notes_in_order(texts: list[str | None], batch: int) -> None:
    equals = Equals()
    for start in range(0, len(texts), batch):
        some = texts[start : start + batch]
        equals.add(of_values(objects(some)), np.arange(start, start + len(some)) * 10)
    found = {}
    for groups in equals.groups():
        for start, size in zip(groups.starts.tolist(), groups.sizes.tolist(), strict=True):
            places = groups.places[start : start + size].tolist()
            assert groups.notes[start : start + size].tolist() == [10 * place for place in places]
            found[places[0]] = places
    expected: dict[str | None, list[int]] = {}
    for place, text in enumerate(texts):
        expected.setdefault(text, []).append(place)
    assert found == {places[0]: places for places in expected.values()}
    assert equals.distinct() == len(expected)


def test_numbers_are_equal_as_numbers_and_missing_ones_as_missing_ones() -> None:
    numbers = np.array([0.0, -0.0, np.nan, 1.0, np.nextafter(1.0, 2.0), -1.0, np.nan])
    prints = [tuple(one) for one in of_values(numbers).tolist()]
    assert sorted(Counter(prints).values()) == [1, 1, 1, 2, 2]
    assert prints[0] == prints[1]
    assert prints[2] == prints[6]


def test_the_order_of_the_columns_of_a_row_counts() -> None:
    first, second = of_values(objects(["a"])), of_values(objects(["b"]))
    none = np.zeros((1, 2), np.uint64)
    assert not np.array_equal(joined(joined(none, first), second), joined(joined(none, second), first))


def test_values_of_a_column_are_taken_anew_when_they_are_others() -> None:
    remembered, texts = Remembered(), ["a", "b"]
    first = remembered.of(0, texts)
    assert remembered.of(0, texts) is first
    np.testing.assert_array_equal(remembered.of(0, ["a", "b"]), first)
    assert not np.array_equal(remembered.of(0, ["a", "c"]), first)
    np.testing.assert_array_equal(remembered.of(1, objects(["a", "b"])), first)
