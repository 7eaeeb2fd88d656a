"""Columns of text: what is stored once comes back in every row, and a wrong name is answered with the right one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.errors import UsageError
from churnflow.modelling.numerals import Numerals, numerals
from churnflow.modelling.table import Table

ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", " a", ""]), st.text(max_size=2), st.sampled_from("xyz")))


def make_table(*header: str) -> Table:
    return Table.of_rows(header, [[name.upper() for name in header]])


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_rows_come_back_as_they_went_in(rows: list[tuple[str, ...]]) -> None:
    table = Table.of_rows(("a", "b", "c"), rows)
    assert list(table.rows) == [list(row) for row in rows]
    assert [table.rows[place] for place in range(len(rows))] == [list(row) for row in rows]
    assert table.column("b") == [row[1] for row in rows]
    assert list(table.lines) == list(range(2, len(rows) + 2))


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_values_are_counted_without_blanks_and_missing_ones(rows: list[tuple[str, ...]]) -> None:
    table = Table.of_rows(("a", "b", "c"), rows)
    texts = [row[0].strip() for row in rows]
    assert table.counts("a") == {text: texts.count(text) for text in texts if text}


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_rows_that_equal_an_earlier_one_are_counted(rows: list[tuple[str, ...]]) -> None:
    table = Table.of_rows(("a", "b", "c"), rows)
    assert table.equal_rows(["a", "c"]) == len(rows) - len({(row[0], row[2]) for row in rows})
    assert table.equal_rows([]) == max(0, len(rows) - 1)


def test_a_slice_of_the_rows_is_a_list_of_rows() -> None:
    table = Table.of_rows(("a", "b"), [["1", "2"], ["3", "4"], ["5", "6"]])
    assert table.rows[1:] == [["3", "4"], ["5", "6"]]
    assert table.rows == [["1", "2"], ["3", "4"], ["5", "6"]]


def test_each_distinct_text_of_a_column_is_stored_once() -> None:
    table = Table.of_rows(("a", "b"), [["x", "1"], ["y", "2"], ["x", "3"]])
    (piece,) = table.values("a").pieces()
    assert (piece.texts, piece.codes.tolist()) == (["x", "y"], [0, 1, 0])
    assert piece.codes.dtype == np.int32


def written(table: Table) -> Numerals:
    """Return how the column b of a table is written."""
    return numerals(table.counts("b"), table.decimal, table.usual_decimal)


def test_the_decimal_mark_of_other_columns_settles_a_column_that_leaves_it_open() -> None:
    rows = [["1,5", "1.234", "a"], ["2,25", "2.500", "b"]]
    table = Table.of_rows(("a", "b", "c"), rows)
    assert written(table) == Numerals(",", ".")
    alone = Table.of_rows(("b", "c"), [row[1:] for row in rows])
    assert written(alone) == Numerals()
    assert table.read_as == "CSV, utf-8, separated by ',', numbers with a decimal comma"
    assert alone.read_as == "CSV, utf-8, separated by ','"
    assert written(replace(alone, decimal=",")).plain("1.234") == "1234"


def test_columns_that_contradict_each_other_settle_nothing() -> None:
    rows = [["1,5", "0.75", "1,234"], ["2,25", "0.5", "2,500"]]
    assert Table.of_rows(("a", "b", "c"), rows).usual_decimal is None


def test_a_column_that_is_not_there_is_answered_with_the_nearest_name_whatever_its_case() -> None:
    found = make_table("customerID", "Tenure", "Churn")
    assert found.column("Churn") == ["CHURN"]
    for wrong, near in {"CHURN": "Churn", "churned": "Churn", "tenur": "Tenure"}.items():
        with pytest.raises(UsageError, match=f"no column '{wrong}'") as raised:
            found.column(wrong)
        assert raised.value.hint == f"did you mean {near!r}?"


def test_without_a_near_name_the_columns_are_listed_but_not_hundreds_of_them() -> None:
    with pytest.raises(UsageError) as raised:
        make_table("a", "b").column("zzz")
    assert raised.value.hint == "its columns: a, b"
    with pytest.raises(UsageError) as raised:
        make_table(*(f"c{number:03d}" for number in range(300))).column("zzz")
    assert len(raised.value.hint) < 150
    assert raised.value.hint.endswith("...")
