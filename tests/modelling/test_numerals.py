"""How numbers are written is found by column, and each is read as what it means, never as another number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnflow.modelling.numerals import Numerals, evidence, numerals

FOUND = {
    "points": (["1.5", "-2.25", "3", "1e5"], Numerals(), [1.5, -2.25, 3, 1e5]),
    "decimal commas": (["1,5", "2,25", "3", "1,5e3"], Numerals(","), [1.5, 2.25, 3, 1500]),
    "commas before three digits that begin with zero": (["0,123", "0,999"], Numerals(","), [0.123, 0.999]),
    "German": (["1.234,5", "999,25", "1.000.000"], Numerals(",", "."), [1234.5, 999.25, 1e6]),
    "English": (["1,234.5", "999.25", "1,000,000"], Numerals(".", ","), [1234.5, 999.25, 1e6]),
    "French": (["1 234,5", "1\u202f234\u00a0567,25"], Numerals(",", " "), [1234.5, 1234567.25]),
    "Swiss": (["1'234.5", "1\u2019234\u2019567"], Numerals(".", "'"), [1234.5, 1234567]),
    "Indian": (["12,34,567", "1,00,000.50"], Numerals(".", ","), [1234567, 100000.5]),
    "percent": (["45%", "7.5 %", "3"], Numerals(unit="%"), [45, 7.5, 3]),
    "euros": (["€ 5", "7,50 €", "1.234,00 €"], Numerals(",", ".", "€"), [5, 7.5, 1234]),
    "dollars": (["$1,234.50", "-$5", "$-6", "$0.5"], Numerals(".", ",", "$"), [1234.5, -5, -6, 0.5]),
    "a code for a currency": (["CHF 1'234.50", "CHF 5"], Numerals(".", "'", "CHF"), [1234.5, 5]),
    "signs of accountants": (["(5.00)", "7-", "\u22123", "+2"], Numerals(), [-5, -7, -3, 2]),
}


@pytest.mark.parametrize("case", FOUND)
def test_a_way_of_writing_is_found_and_read(case: str) -> None:
    texts, expected, values = FOUND[case]
    found = numerals(texts)
    assert found == expected
    assert [float(found.plain(text)) for text in texts] == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b",
        "030 1234 5678",
        "1.2.3",
        "1,234.5.6",
        "12,5 Main Street",
        "€5$",
        "(5",
        "5)",
        "--5",
        "-(5)",
        "1 2",
        "1_000",
    ],
)
def test_what_is_no_number_stays_as_it_is(text: str) -> None:
    for decimal in (".", ","):
        for thousands in ("", " ", "'", ".", ","):
            if thousands != decimal:
                assert Numerals(decimal, thousands).plain(text) == text


def test_a_number_with_another_sign_than_the_column_s_is_none() -> None:
    found = numerals(["$5", "$6", "€7"])
    assert found.unit == "$"
    assert found.plain("€7") == "€7"
    assert found.doubt == "different signs stand with its numbers: $, €"


def test_a_comma_before_three_digits_is_a_thousands_mark_but_doubted() -> None:
    found = numerals(["1,234", "12,500"])
    assert found.plain("12,500") == "12500"
    assert "1,234 could be 1234 or 1.234" in found.doubt


def test_a_declared_mark_or_that_of_the_other_columns_settles_it() -> None:
    assert numerals(["1,234"], decimal=",") == Numerals(",")
    assert numerals(["1,234"], decimal=".") == Numerals(".", ",")
    assert numerals(["1,234"], usual=",") == Numerals(",")
    assert numerals(["1.234", "2"], usual=",").plain("1.234") == "1234"


def test_the_own_values_of_a_column_count_more_than_other_columns() -> None:
    assert numerals(["0.5", "1.25"], usual=",") == Numerals()


def test_a_few_numbers_with_the_other_mark_are_doubted_and_not_read_as_thousands() -> None:
    found = numerals({"1,5": 40, "2,25": 50, "1.5": 1})
    assert found.decimal == ","
    assert found.doubt == "1 of its numbers have another decimal mark than ','"
    assert found.plain("1.5") == "1.5"


def test_only_a_column_of_numbers_tells_its_mark() -> None:
    assert evidence(["1,5", "2,5"]).mark == ","
    assert evidence(["1.5", "2.5"]).mark == "."
    assert evidence(["1,5", "a", "b"]).mark is None
    assert evidence(["1", "2"]).mark is None
    assert evidence([]).mark is None


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12), st.sampled_from(".,"))
def test_what_a_locale_writes_reads_as_the_same_number(number: float, decimal: str) -> None:
    thousands = "," if decimal == "." else "."
    text = f"{number:,.3f}".translate(str.maketrans({",": thousands, ".": decimal}))
    assert math.isclose(float(Numerals(decimal, thousands).plain(text)), round(number, 3), abs_tol=1e-9)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_stays_as_it_is(number: float) -> None:
    assert Numerals().plain(repr(number)) == repr(number)


def test_numbers_with_another_decimal_mark_than_is_declared_are_doubted() -> None:
    assert "2 of its numbers have the decimal mark '.'" in numerals(["1.125", "1.5", "2.25", "3,5"], ",").doubt
    assert numerals(["1.125", "1.250.000", "3,5"], ",").doubt == ""


def test_shares_of_one_beside_percentages_are_doubted() -> None:
    assert "1 of its numbers lie below one" in numerals(["12%", "0.12", "7%"]).doubt
    assert numerals(["12%", "0.12%", "0", "7"]).doubt == ""
