"""The fields of a request: what each accepts, and what that means to the model."""

from typing import Any

import pytest

from churnflow.modelling.texts import missing_words
from churnflow.serving.fields import DateField, Field, field_of

DMY = {"order": "dmy", "reference": "2024-05-31", "unit": "days"}
UNIX = {"order": "unix_s", "reference": "2024-05-31", "unit": "days"}
COMMA = {"decimal": ",", "thousands": ".", "unit": "%", "doubt": ""}


def made(kind: str = "number", **given: Any) -> Field:
    return field_of({"name": "x", "required": False, "kind": kind, **given}, missing_words())


@pytest.mark.parametrize(
    ("column", "given", "value"),
    [
        ({"date": DMY}, "30.5.2024", -1.0),
        ({"date": DMY}, " 2024-06-01 12:00 ", 1.5),
        ({"date": DMY}, "n/a", None),
        ({"date": DMY, "missing": ["unknown", "1900-01-01"]}, "1900-01-01", None),
        ({"date": UNIX}, 1_717_113_600, 0.0),
        ({"date": UNIX}, "1717200000", 1.0),
        ({"date": UNIX}, "2024-05-30", -1.0),
        ({"numerals": COMMA}, "1.234,5 %", 1234.5),
        ({"numerals": COMMA}, 12.5, 12.5),
        ({"numerals": COMMA}, "?", None),
        ({"integer": True}, " 12 ", 12.0),
        ({"integer": True}, "1e3", 1000.0),
        ({}, "NA", None),
        ({"sentinels": [-999.0]}, "-999", None),
        ({"sentinels": [-999.0]}, -999, None),
        ({"sentinels": [-999.0]}, -998, -998),
        ({"integer": True, "sentinels": [-0.5]}, -0.5, None),
        ({"kind": "category", "folded": True, "levels": ["Yes"], "spellings": {"y": "Yes"}}, " Y ", "Yes"),
        ({"kind": "category", "folded": True, "levels": ["Yes"]}, "YES", "Yes"),
        ({"kind": "category", "levels": ["Yes"]}, "YES", "YES"),
        ({"kind": "category", "missing": ["unknown"]}, "NA", "NA"),
    ],
)
def test_a_value_means_what_its_column_says(column: dict[str, Any], given: object, value: object) -> None:
    assert made(**column).read(given) == (value, None)


@pytest.mark.parametrize(
    ("column", "given", "problem"),
    [
        ({"date": DMY}, "31.31.2024", "must be a date: day, month, year, or as in 2024-05-31"),
        ({"date": DMY}, 20240531, "must be a date: day, month, year, or as in 2024-05-31"),
        ({"date": {**DMY, "order": "ymd"}}, True, "must be a date: year, month, day"),
        ({"date": UNIX}, True, "must be a date: seconds since 1970, or as in 2024-05-31"),
        ({"date": UNIX}, 1e300, "must be a date: seconds since 1970, or as in 2024-05-31"),
        ({"date": UNIX}, float("nan"), "must be a date: seconds since 1970, or as in 2024-05-31"),
        ({"numerals": COMMA}, "1,2,3", "must be a number"),
        ({"numerals": COMMA}, "inf", "must be a finite number"),
        ({"numerals": COMMA, "integer": True}, "1,5", "must be a whole number"),
        ({}, "twelve", "must be a number"),
        ({}, "1,5", "must be a number"),
        ({}, "9" * 400, "must be a finite number"),
        ({}, 10**400, "must be a finite number"),
        ({"integer": True}, "1.5", "must be a whole number"),
        ({}, False, "must be a number"),
        ({"kind": "category"}, 1, "must be a text"),
    ],
)
def test_what_a_column_can_not_hold_is_refused_without_its_value(
    column: dict[str, Any], given: object, problem: str
) -> None:
    assert made(**column).read(given) == (None, problem)


def test_dates_beyond_those_seen_in_training_bring_a_warning_in_dates() -> None:
    column = made(date=DMY, low=-30, high=0)
    assert isinstance(column, DateField)
    assert column.warning(-30) is None
    assert column.warning(0.5) == "outside the dates seen in training, 2024-05-01 to 2024-05-31"
    assert made(date=DMY).seen == "any to any"
    assert column.newest == "2024-05-31"
