"""What a column is found to be: sentinels, words that are values, spellings, ids, and what the workflow declares."""

from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.declared import Declared, merged
from churnflow.modelling.profile import Column, profile
from churnflow.modelling.table import Table

ROWS = 400


def profiled(values: list[str], name: str = "x", setting: Any = None) -> Column:
    """Profile one column beside a target; `setting` is what the workflow declares of it."""
    rows = [[value, "Yes" if row % 3 else "No"] for row, value in enumerate(values)]
    table = Table.of_rows((name, "churn"), rows)
    return profile(table, Declared("churn", settings=merged({} if setting is None else {name: setting})))[0]


def mixed(usual: Any, odd: str, every: int = 20) -> list[str]:
    """Return values by row, every so many of them `odd`."""
    return [odd if row % every == 0 else str(usual(row)) for row in range(ROWS)]


@pytest.mark.parametrize(
    ("values", "sentinel", "because"),
    [
        (mixed(lambda row: row % 70, "-999"), "-999", "the only number below zero"),
        (mixed(lambda row: row % 70, "-1"), "-1", "the only number below zero"),
        (mixed(lambda row: row % 70, "9999"), "9999", "further away than the others are from each other"),
        (mixed(lambda row: row % 70 - 35, "-999"), "-999", "further away than the others"),
        (mixed(lambda row: f"2023-0{1 + row % 9}-11", "1900-01-01"), "1900-01-01", "years from all other dates"),
        (mixed(lambda row: f"2023-0{1 + row % 9}-11", "9999-12-31"), "9999-12-31", "years from all other dates"),
        (mixed(lambda row: "abcde"[row % 5], "-"), "-", "no letter and no digit"),
        (mixed(lambda row: row % 70, "Unknown"), "Unknown", "a word for nothing among numbers"),
        (mixed(lambda row: f"2023-0{1 + row % 9}-11", "not available"), "not available", "for nothing among dates"),
    ],
)
def test_a_value_that_stands_for_nothing_is_missing_with_its_evidence(
    values: list[str], sentinel: str, because: str
) -> None:
    found = profiled(values)
    assert [(one.value, one.rows) for one in found.verdict.sentinels] == [(sentinel, 20)]
    assert because in found.verdict.sentinels[0].because
    assert found.share_missing == pytest.approx(0.05)
    assert found.role == "feature"


@pytest.mark.parametrize(
    "values",
    [
        mixed(lambda row: row % 70 - 35, "-1"),
        mixed(lambda row: row % 70, "99"),
        mixed(lambda row: row % 70, "-999", every=100),
        mixed(lambda row: row % 3, "-1"),
        mixed(lambda row: f"19{row % 90 + 1:02d}-01-11", "1900-01-01"),
        mixed(lambda row: "abcde"[row % 5], "Unknown"),
        mixed(lambda row: row % 70 - 999, "-999"),
    ],
)
def test_without_evidence_it_is_a_value(values: list[str]) -> None:
    found = profiled(values)
    assert found.verdict.sentinels == ()
    assert found.share_missing == 0


@pytest.mark.parametrize("setting", [{"missing": [0]}, {"missing": ["0"]}, {"kind": "number", "missing": [0.0]}])
def test_a_declared_number_for_missing_needs_no_evidence_and_no_other_is_looked_for(setting: Any) -> None:
    found = profiled(mixed(lambda row: 1 + row % 70, "0"), setting=setting)
    assert found.reading.read("0.0") is None
    assert found.reading.read(0) is None
    assert found.share_missing == pytest.approx(0.05)
    assert profiled(mixed(lambda row: row % 70, "-999"), setting={"missing": []}).share_missing == 0


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("country", ["DE", "FR", "NA", "US", ""] * 50, ["NA"]),
        ("state", ["TX", "NY", "NA", "CA", ""] * 50, []),
        ("answer", ["good", "bad", "NA", "none", ""] * 50, []),
        ("plan_name", ["Basic", "Plus", "Family", "Null", ""] * 50, ["Null"]),
        ("plan_name", ["Basic", "Plus", "Family", "NULL", ""] * 50, []),
        ("plan_name", [*["Basic", "Plus", "Family"] * 50, *["Null"] * 60], []),
    ],
)
def test_a_usual_word_for_missing_is_a_value_only_with_evidence(name: str, values: list[str], kept: list[str]) -> None:
    found = profiled(values, name)
    assert [one.word for one in found.verdict.kept] == kept
    assert [level for level in found.levels if level in {"NA", "Null"}] == kept


def test_a_word_that_is_declared_missing_is_missing_also_where_it_could_be_a_value() -> None:
    found = profiled(["DE", "FR", "NA", "US"] * 50, "country", {"missing": ["NA"]})
    assert "NA" not in found.levels


def test_spellings_by_case_blanks_and_unicode_form_are_one_level() -> None:
    spellings = ["Café", "café", " CAFÉ ", "Cafe\u0301", "C\uff41fé", "Ca\u200bfé"]
    found = profiled(["Café", *spellings, "Two\u00a0words", "two  words", "other"] * 40)
    assert set(found.levels) == {"Café", "Two\u00a0words", "other"}
    assert found.distinct == 3
    assert sum(map(len, found.verdict.variants.values())) == 6
    exact = profiled(["Café", *spellings, "other"] * 40, setting={"spelling": "exact"})
    assert exact.distinct == 7


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("customer_id", [str(10_000 + 7 * row) for row in range(ROWS)], "an id by its name, with a value of its own"),
        ("householdId", [str(row // 3 * 7) for row in range(ROWS)], "an id by its name, with 134 different ids"),
        ("account_no", [str(10_000 + 7 * row) for row in range(ROWS)], "a whole number of its own in every row"),
        ("x", [str(row) for row in range(1, ROWS + 1)], "it counts the rows of the file"),
        ("x", [str(10**18 + 7 * row) for row in range(ROWS)], "text with 400 different numbers of 16 digits or more"),
        ("x", [f"A{row}" for row in range(ROWS)], "text with 400 different values, a value of its own in every row"),
    ],
)
def test_ids_that_nobody_declared_are_left_out(name: str, values: list[str], reason: str) -> None:
    found = profiled(values, name)
    assert found.role == "dropped"
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("name", ["paid", "months_paid", "covid", "balance", "x"])
def test_numbers_of_their_own_are_no_ids_where_the_name_does_not_say_so(name: str) -> None:
    assert profiled([str(10_000 + 7 * row) for row in range(ROWS)], name).role == "feature"


@pytest.mark.parametrize("name", ["plan_id", "zip", "postal_code", "PLZ"])
def test_numbers_that_are_codes_by_name_are_categories(name: str) -> None:
    found = profiled([str(10_115 + row % 7) for row in range(ROWS)], name)
    assert (found.kind, found.role) == ("category", "feature")


@pytest.mark.parametrize(
    ("name", "values", "order"),
    [
        ("created_at", [str(1_600_000_000 + row * 86_400) for row in range(ROWS)], "unix_s"),
        ("timestamp", [str(1_600_000_000_000 + row * 1_000) for row in range(ROWS)], "unix_ms"),
        ("signup_date", [f"2024{1 + row % 12:02d}{1 + row % 28:02d}" for row in range(ROWS)], "ymd"),
    ],
)
def test_numbers_are_dates_where_name_and_range_say_so(name: str, values: list[str], order: str) -> None:
    found = profiled(values, name)
    assert found.reading.calendar is not None
    assert found.reading.calendar.order == order
    assert profiled(values, "x").kind == "number"


def test_a_declared_date_is_read_in_its_order_where_its_values_leave_it_open() -> None:
    values = [f"0{1 + row % 9}/0{1 + row % 7}/2024" for row in range(ROWS)]
    open_ = profiled(values)
    assert (open_.role, open_.doubt) == (
        "dropped",
        "say which: columns: {x: {kind: date, format: dmy}}, or mdy",
    )
    found = profiled(values, setting={"format": "mdy"})
    assert found.role == "feature"
    assert found.reading.calendar is not None
    assert found.reading.calendar.order == "mdy"
    assert profiled([f"2023-0{1 + row % 9}-11" for row in range(ROWS)], setting="date").role == "feature"


@pytest.mark.parametrize(
    ("values", "setting", "said"),
    [
        (["a", "b"] * 50, "number", "declared a number, and none of its values is one"),
        (["a", "b"] * 50, "date", "declared a date, but its values are none in a known order"),
        (["01/02/2024", "03/04/2024"] * 50, "date", "declared a date, but its order is open"),
        (["31/12/2024", "30/11/2024"] * 50, {"format": "mdy"}, "holds no date with month, day, year in that order"),
    ],
)
def test_a_declared_kind_that_does_not_hold_is_refused(values: list[str], setting: Any, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        profiled(values, setting=setting)
    assert said in str(raised.value)
    assert raised.value.hint


def test_a_declared_number_makes_numbers_of_a_few_among_words() -> None:
    found = profiled(["1", "2", "three", "four"] * 50, setting="number")
    assert (found.kind, found.role) == ("number", "feature")


def test_personal_data_is_no_feature_unless_it_is_declared_and_then_it_is_said() -> None:
    values = [f"anna{row % 50}@example.org" for row in range(ROWS)]
    found, declared = profiled(values), profiled(values, setting="category")
    assert (found.role, found.reason) == ("dropped", "personal data: e-mail addresses")
    assert (declared.role, declared.doubt) == ("feature", "it holds e-mail addresses, which are personal data")


def test_an_empty_or_constant_column_is_left_out_whatever_is_declared() -> None:
    for kind in ("number", "category", "date"):
        assert profiled([""] * 50, setting=kind).reason == "every value is missing"
    assert profiled(["2024-01-31"] * 50, setting="date").role == "dropped"
    assert profiled(["2024-01-31", "2024/1/31"] * 50, setting="date").role == "dropped"
    assert profiled(["1900-01-01"] * 50, setting="date").role == "dropped"


@pytest.mark.parametrize(
    ("name", "usual", "odd", "doubt"),
    [
        ("area", lambda row: row % 60, "007", "20 of its values begin with 0"),
        ("birth", lambda row: f"{13 + row % 15}.{1 + row % 12}.{50 + row % 40}", "1.2.61", "two digits"),
        ("release", lambda row: f"{1 + row % 9}.{1 + row % 9}.{10 + row % 20}", "1.2.20", "versions"),
    ],
)
def test_what_may_be_misread_is_doubted(name: str, usual: Any, odd: str, doubt: str) -> None:
    assert doubt in profiled(mixed(usual, odd), name).doubt


@pytest.mark.parametrize("placeholder", ["9999-12-31", "0001-01-01"])
def test_a_placeholder_in_the_column_of_times_is_no_time(placeholder: str) -> None:
    rows = [
        [value, "Yes" if row % 3 else "No"]
        for row, value in enumerate(mixed(lambda row: f"2024-{1 + row % 12:02d}-05", placeholder))
    ]
    found = profile(Table.of_rows(("seen", "churn"), rows), Declared("churn", time="seen"))[0]
    assert found.verdict.present.absent == {placeholder: 20}
