"""One rule for what a text means: what ingestion makes of a value is what the recorded schema makes of it."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.casting import Cast, cast
from churnflow.modelling.declared import Declared, merged
from churnflow.modelling.labels import labels
from churnflow.modelling.profile import profile, values_of
from churnflow.modelling.readings import Reading
from churnflow.modelling.table import Table
from churnflow.modelling.texts import fold, missing_words

COLUMNS = {
    "plain": ["1", " 2.5 ", "-3e2", "NA", "", "7", "-0", "1e5"],
    "comma": ["1,5", "2.000,25", "?", "-3,0", "1e3", "12", " 7,25 ", "0,5"],
    "share": ["1%", "2.5 %", "n/a", "30%", "4%", "5", "6%", "7%"],
    "sentinel": ["-999", "-999.0", "5", "6", "7.5", "Unknown", "-", "8"],
    "joined": ["31.12.2023", "1.2.2024", "2024-03-01", "1900-01-01", "unknown", "3.4.2024 10:30", "5.6.24", ""],
    "seen": ["1700000000", "1700000000.5", "2024-01-31", "NA", "1600000000", "1650000000", "1", "1690000000"],
    "plan": ["Basic", " basic", "BASIC", "plus", "Pl\uff55s", "", "None", "x  y"],
    "yes": ["Y", "yes", "No", "n", "1", "0", "TRUE", " "],
    "country": ["DE", "FR", "NA", "US", "de", "", "?", "null"],
    "code": ["007", "012", "112", "NA", "999", "100", " 007 ", "001"],
}
DECLARED = {"sentinel": {"missing": [-999]}, "seen": {"format": "unix_s"}, "comma": {"kind": "number"}}


def casted(texts: dict[str, list[str]]) -> Cast:
    rows = len(next(iter(texts.values())))
    whole = {**texts, "churn": ["Yes" if row % 2 else "No" for row in range(rows)]}
    table = Table.of_rows(tuple(whole), [list(row) for row in zip(*whole.values(), strict=True)])
    columns = profile(table, Declared("churn", settings=merged({n: s for n, s in DECLARED.items() if n in texts})))
    return cast(table, columns, labels("churn", values_of(columns, "churn"), None))


def recorded(schema: dict[str, Any]) -> dict[str, Reading]:
    """Return the readings of the features as whoever has the schema alone reads them."""
    plain = json.loads(json.dumps(schema, allow_nan=False))
    words = missing_words(plain["missing"])
    return {c["name"]: Reading.from_json(c, words) for c in plain["columns"] if c["role"] == "feature"}


def same(kept: Any, read: Any) -> bool:
    return (pd.isna(kept) and read is None) or kept == read


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(8)), st.integers(20, 60))
def test_what_is_recorded_reads_every_text_as_ingestion_did(order: list[int], times: int) -> None:
    texts = {name: [values[place] for place in order] * times for name, values in COLUMNS.items()}
    found = casted(texts)
    readings = recorded(found.schema)
    assert set(readings) == set(COLUMNS)
    assert not found.rejections
    for name, reading in readings.items():
        for kept, text in zip(found.customers[name], texts[name], strict=True):
            assert same(kept, reading.read(text)), (name, text)


def test_every_change_is_counted_by_column_and_kind() -> None:
    found = casted({name: values * 50 for name, values in COLUMNS.items()})
    coerced = {column["name"]: column.get("coerced", {}) for column in found.schema["columns"]}
    assert coerced["plain"] == {"blank": 50, "missing": 50}
    assert coerced["comma"] == {"blank": 50, "missing": 50, "numeral": 250}
    assert coerced["sentinel"]["missing"] == 200
    assert coerced["joined"]["date"] == 250
    assert coerced["plan"] == {"blank": 50, "missing": 50, "spelling": 150}
    assert coerced["yes"]["spelling"] == 250
    assert coerced["country"] == {"missing": 100, "spelling": 50}
    assert found.coercions()["date"] == coerced["joined"]["date"] + coerced["seen"]["date"]


def test_the_days_of_a_date_are_counted_from_the_newest_one() -> None:
    found = casted({"joined": ["31.12.2023", "30.12.2023", "31.12.2022"] * 20})
    column = found.schema["columns"][0]
    assert column["date"] == {"order": "dmy", "reference": "2023-12-31", "unit": "days"}
    assert (column["kind"], column["low"], column["high"], column["integer"]) == ("number", -365, 0, True)
    assert column["example"] == "2023-12-30"
    np.testing.assert_array_equal(found.customers["joined"].head(3), [0.0, -1.0, -365.0])


def test_a_date_or_number_that_is_none_sets_its_row_apart() -> None:
    found = casted({"joined": [*["31.12.2023", "30.12.2023"] * 200, "31.02.2023", "soon"]})
    assert [(one.rule, one.reason) for one in found.rejections] == [("not_a_date", "joined is not a date")] * 2


@pytest.mark.parametrize(
    "column",
    [{"date": {"order": "ymd"}}, {"sentinels": ["x"]}, {"numerals": {"mark": "."}}, {"folded": True, "levels": 5}],
)
def test_a_recorded_reading_that_is_none_is_an_error(column: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Reading.from_json({"name": "x", "kind": "number", **column}, missing_words())


def test_a_schema_from_before_readings_reads_as_it_did() -> None:
    reading = Reading.from_json({"name": "x", "kind": "category", "levels": ["a"]}, missing_words())
    assert [reading.read(value) for value in (" a ", "A", "na", None)] == ["a", "A", None, None]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("ﬁnal", "Final"),
        ("n\u00a0a", "n a"),
        ("e\u0301t\u00e9", "\u00c9TE\u0301"),
        ("\uff2e\uff21", "na"),
        ("\ufeffx", "X"),
    ],
)
def test_typographic_twins_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)
