"""What a workflow says of columns: read from its words, and refused with the nearest where it is none."""

from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.declared import Setting, merged


def test_a_column_is_given_a_kind_or_settings() -> None:
    found = merged(
        {
            "plan": "category",
            "joined": {"format": "dmy"},
            "balance": {"kind": "number", "missing": [-999, "none"]},
            "score": {"missing": []},
            "code": {"spelling": "exact"},
        },
        drop=("notes",),
        categories=("area",),
    )
    assert found == {
        "plan": Setting("category"),
        "joined": Setting("date", format="dmy"),
        "balance": Setting("number", ("-999", "none")),
        "score": Setting(missing=()),
        "code": Setting(spelling="exact"),
        "notes": Setting("drop"),
        "area": Setting("category"),
    }
    assert merged(None) == {}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"plan": "categroy"}, "plan has no kind 'categroy'; did you mean category?"),
        ({"plan": "zzz"}, "plan has no kind 'zzz'; one of number, category, date, drop, hash"),
        ({"plan": {"knd": "number"}}, "plan has no setting 'knd'; settings: kind, missing, format, spelling"),
        ({"plan": {"kind": ["number"]}}, "plan has no kind ['number']"),
        ({"plan": {"format": "ddmmyy"}}, "plan has no format 'ddmmyy'"),
        ({"plan": {"kind": "number", "format": "dmy"}}, "plan has a format, which only a date has"),
        ({"plan": {"missing": [None]}}, "plan: missing is a list of texts and numbers"),
        ({"plan": {"missing": {}}}, "plan: missing is a list of texts and numbers"),
        ({"plan": {}}, "plan is given no kind"),
        ({"plan": 5}, "plan is given no kind"),
        ({7: "number"}, "a column is named by a text"),
        (["plan"], "columns is a mapping"),
    ],
)
def test_what_is_no_setting_is_refused_and_says_what_is(columns: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        merged(columns)
    assert said in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize(
    "given", [{"columns": {"a": "number"}, "drop": ("a",)}, {"columns": {}, "drop": ("a",), "categories": ("a",)}]
)
def test_a_column_that_is_named_twice_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="'a' is named twice"):
        merged(**given)
