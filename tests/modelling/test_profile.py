"""What the columns of a table are taken for, which classes the target has, and what is guessed of an unknown file."""

from pathlib import Path
from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.casting import cast
from churnflow.modelling.declared import Declared, merged
from churnflow.modelling.labels import labels
from churnflow.modelling.outcomes import infinite_rows
from churnflow.modelling.profile import Column, guess, profile, require_features
from churnflow.modelling.sources import read_table
from churnflow.modelling.table import Table
from churnflow.modelling.texts import as_number, missing_words, present
from tests.customers import BUNDLED, write_customers


def make_table(**columns: list[str]) -> Table:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return Table.of_rows(tuple(columns), rows)


def profiled(values: list[str], name: str = "x", **columns: Any) -> Column:
    """Profile one column beside a target and an id."""
    target = ["Yes", "No"] * (len(values) // 2) + ["Yes"] * (len(values) % 2)
    table = make_table(**{name: values}, churn=target, id=[str(row) for row in range(len(values))])
    return profile(table, Declared("churn", "id", settings=merged(columns)))[0]


@pytest.mark.parametrize("value", ["", " ", "NA", "n/a", "NaN", "null", "None", " ? ", "\t"])
def test_the_usual_words_for_missing_are_missing(value: str) -> None:
    assert present(value, missing_words()) is None


def test_declared_words_for_missing_take_the_place_of_the_usual_ones_but_blank_stays_missing() -> None:
    words = missing_words(["-", "Unknown "])
    assert [present(value, words) for value in (" - ", "UNKNOWN", " ", "None", " NA ")] == [
        None,
        None,
        None,
        "None",
        "NA",
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", 1.0),
        (" 2.5 ", 2.5),
        ("-3e2", -300.0),
        ("inf", float("inf")),
        ("1e999", float("inf")),
        ("1e308", 1e308),
        ("", None),
        ("nan", None),
        ("-nan", None),
        ("1_000", None),
        ("1,5", None),
        ("0x1f", None),
        ("1 2", None),
        ("twelve", None),
    ],
)
def test_a_number_is_what_reads_as_one(value: str, number: float | None) -> None:
    assert as_number(value) == number


@pytest.mark.parametrize(
    ("values", "kind", "role", "reason"),
    [
        (["1", "2.5", "", "-3"] * 50, "number", "feature", "its values are numbers"),
        (["1", "2"] * 99 + ["x", "3"], "number", "feature", "its values are numbers"),
        (["1", "2"] * 90 + ["x"] * 20, "category", "feature", "3 different values"),
        (["a", "b", "b", "NA"] * 50, "category", "feature", "2 different values"),
        (["", "NA"] * 100, "text", "dropped", "every value is missing"),
        (["7"] * 200, "number", "dropped", "one and the same value in every row"),
        (["inf"] * 200, "number", "dropped", "every value is infinite"),
        (["inf", "-Infinity", "", "1e999"] * 50, "number", "dropped", "every value is infinite"),
        (["a", ""] * 100, "category", "feature", "one value, or missing"),
        (["1", "NA"] * 100, "category", "feature", "one value, or missing"),
        (["00012", "00900", "10000", ""] * 50, "category", "feature", "3 different codes, digits with leading zeros"),
        ([f"{7 * row:05d}" for row in range(200)], "text", "dropped", "text with 200 different codes"),
        (["0", "1"] * 100, "number", "feature", "its values are numbers"),
        (["007", "12", "1"] * 60, "number", "feature", "its values are numbers"),
        ([f"2024-01-{day:02d}" for day in range(1, 21)] * 10, "date", "feature", "dates, year, month, day"),
        ([f"{day:02d}.01.2024 10:00" for day in range(1, 21)] * 10, "date", "feature", "dates, day, month, year"),
        ([f"0{day}/01/2024" for day in range(1, 9)] * 10, "date", "dropped", "dates whose order is open"),
        ([f"{day}/{21 - day}/2024" for day in range(1, 21)] * 10, "date", "dropped", "dates whose order is open"),
        ([f"name {row}" for row in range(200)], "text", "dropped", "text with 200 different values"),
        ([f"city {row % 101}" for row in range(404)], "category", "feature", "101 different values"),
        ([str(3 * row) for row in range(190)] + ["unknown"] * 10, "number", "feature", "its values are numbers"),
        (
            [f"{3 * row}" for row in range(150)] + ["few"] * 50,
            "text",
            "dropped",
            "text with 151 different values, of which 150",
        ),
        ([str(row) for row in range(200)], "text", "dropped", "it counts the rows of the file"),
        (
            [f"{1 + row % 9}{10**15 + row % 7}" for row in range(200)],
            "category",
            "feature",
            "63 different numbers of 16 digits",
        ),
        (
            ["123", "1e5", "456", "2E7", "789"] * 40,
            "category",
            "feature",
            "5 different codes, of which some read like 1e5",
        ),
        (["Y", "yes", "N", "0", "1", ""] * 40, "category", "feature", "yes and no, in several words"),
        (["a", "b", "c", "a"], "text", "dropped", "text with 3 different values"),
    ],
)
def test_kind_and_role_of_a_column_follow_from_its_values(values: list[str], kind: str, role: str, reason: str) -> None:
    found = profiled(values)
    assert (found.kind, found.role) == (kind, role)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("form", "numbers", "reason"),
    [
        ("{},5", 200, "a decimal comma"),
        ("{}.250,25", 20, "a decimal comma, '.' between thousands"),
        ("{}.5%", 200, "a decimal point, % signs"),
        ("{},5 \u20ac", 20, "a decimal comma, \u20ac signs"),
    ],
)
def test_numbers_in_other_marks_are_numbers_and_how_they_are_written_is_said(
    form: str, numbers: int, reason: str
) -> None:
    found = profiled([form.format(1 + row % numbers) for row in range(199)] + ["3"])
    assert (found.kind, found.role, found.doubt) == ("number", "feature", "")
    assert found.reason == f"its values are numbers, with {reason}"


@pytest.mark.parametrize("form", ["{}.5", "{},5"])
def test_infinite_numbers_are_counted_however_the_others_are_written(form: str) -> None:
    found = profiled([form.format(row) for row in range(190)] + ["inf"] * 9 + ["-inf"])
    assert (found.kind, found.role, infinite_rows(found)) == ("number", "feature", 10)
    assert infinite_rows(profiled([form.format(row) for row in range(190)])) == 0


@pytest.mark.parametrize("values", [["a,5", "b,5"] * 50, ["1,5"] * 50 + ["many"] * 50])
def test_words_with_commas_are_no_numbers(values: list[str]) -> None:
    assert profiled(values).kind == "category"


def test_a_column_declared_as_a_category_is_one_whatever_it_looks_like() -> None:
    numbers, commas = [str(row % 7) for row in range(200)], ["1,5", "2,5"] * 100
    found = [profiled(values, x="category") for values in (numbers, commas)]
    assert [(column.kind, column.role, column.doubt) for column in found] == [("category", "feature", "")] * 2
    assert found[0].levels == tuple("0123456")


def test_of_very_many_declared_levels_the_most_frequent_are_listed() -> None:
    found = profiled(["often"] * 50 + [f"{row}" for row in range(150)], x="category")
    assert (len(found.levels), found.levels[0], found.role) == (100, "often", "feature")


def test_a_declared_category_that_is_empty_or_one_value_is_still_left_out() -> None:
    assert [profiled([value] * 9, x="category").role for value in ("", "7")] == ["dropped", "dropped"]


def test_levels_come_most_frequent_first_and_missing_is_none_of_them() -> None:
    found = profiled(["b"] * 60 + ["a"] * 90 + ["NA"] * 30 + [" b "] * 30 + ["c"] * 90)
    assert found.levels == ("a", "b", "c")
    assert found.share_missing == pytest.approx(0.1)


def test_named_columns_get_their_role_whatever_their_values() -> None:
    table = make_table(id=["1", "2", "2"], secret=["a", "b", "a"], churn=["Yes", "No", ""])
    found = profile(table, Declared("churn", "id", settings=merged({}, drop=("secret",))))
    assert [(column.role, column.reason) for column in found] == [
        ("id", "named as the id"),
        ("dropped", "left out by the workflow"),
        ("target", "named as the target"),
    ]


def test_a_copy_of_an_earlier_column_is_left_out() -> None:
    values = ["1", "2", "3", "3"]
    found = profile(make_table(a=values, b=values, churn=["Yes", "No"] * 2), Declared("churn"))
    assert [(column.role, column.reason) for column in found][:2] == [
        ("feature", "its values are numbers"),
        ("dropped", "an exact copy of a"),
    ]


def test_a_copy_of_the_target_is_left_out_on_either_side_of_it() -> None:
    answer = ["Yes", "No"] * 5
    found = profile(make_table(before=answer, churn=answer, after=answer), Declared("churn"))
    assert [column.role for column in found] == ["dropped", "target", "dropped"]
    assert found[0].reason == found[2].reason == "an exact copy of churn"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Declared("gone"), "no column 'gone'"),
        (Declared("churn", "number"), "no column 'number'"),
        (Declared("churn", None, "when"), "no column 'when'"),
        (Declared("churn", settings=merged({}, drop=("plna",))), "no column 'plna'"),
        (Declared("churn", settings=merged({"paln": "category"})), "no column 'paln'"),
        (Declared("churn", "churn"), "the target 'churn' is also named as the id"),
        (Declared("churn", "plan", "plan"), "the id 'plan' is also named as the time"),
        (Declared("churn", settings=merged({}, drop=("churn",))), "the target 'churn' is also named under drop"),
        (Declared("churn", "plan", settings=merged({"plan": "number"})), "the id 'plan' is also named under columns"),
    ],
)
def test_names_that_do_not_fit_the_file_are_refused(given: Declared, said: str) -> None:
    table = make_table(plan=["a", "b"], churn=["Yes", "No"])
    with pytest.raises(UsageError, match=said) as raised:
        profile(table, given)
    assert raised.value.hint


def test_target_and_id_of_an_unknown_file_are_guessed_with_reasons() -> None:
    found = guess(BUNDLED)
    assert (found.rows, len(found.columns)) == (7043, 21)
    assert found.values("churn") == ["No", "Yes"]
    assert found.labels("churn", None).positive == "Yes"
    assert [candidate.name for candidate in found.ids] == ["customer_id"]
    assert found.ids[0].reason == "a value of its own in every row, and its name says so"
    assert found.targets[0].name == "churn"
    assert found.targets[0].reason == "two values, No and Yes, and its name says so"


def test_an_id_by_name_comes_first_and_a_measure_or_an_unusual_pair_is_no_candidate(tmp_path: Path) -> None:
    rows = 20
    path = write_customers(
        tmp_path,
        rows,
        email=[f"{row}@x" for row in range(rows)],
        bill=[f"{row}.5" for row in range(rows)],
        colour=["red", "blue"] * (rows // 2),
        partner=["Yes", "No"] * (rows // 2),
    )
    found = guess(path)
    assert [candidate.name for candidate in found.ids] == ["customer_id", "email"]
    assert [candidate.name for candidate in found.targets] == ["churn", "partner"]


def test_labels_in_several_spellings_are_guessed_to_be_a_target(tmp_path: Path) -> None:
    found = guess(write_customers(tmp_path, 40, churn=["Yes", "yes", "No", "NO "] * 10))
    assert [candidate.name for candidate in found.targets] == ["churn"]
    assert len(found.values("churn")) == 2


def test_the_recorded_schema_describes_a_column_without_a_customers_own_value(tmp_path: Path) -> None:
    table = read_table(write_customers(tmp_path))
    columns = profile(table, Declared("churn", "customer_id"))
    schema = cast(table, columns, labels("churn", columns[3].verdict.present, None)).schema
    identifier, tenure, plan, churn = schema["columns"]
    assert tenure["kind"] == "number"
    assert (tenure["integer"], tenure["low"], tenure["high"], tenure["example"]) == (True, 0.0, 16.0, 7.0)
    assert (plan["kind"], plan["example"], plan["required"]) == ("category", "basic", True)
    assert plan["levels"] == ["basic", "family", "plus"]
    assert identifier["example"] is None
    assert churn["example"] is None
    assert "C00" not in str(schema)


def test_where_no_column_is_left_to_learn_from_it_says_what_became_of_each() -> None:
    table = make_table(a=["1"] * 4, b=[""] * 4, churn=["Yes", "No"] * 2)
    with pytest.raises(UsageError) as raised:
        require_features(profile(table, Declared("churn")))
    said = "no column is left to learn from: a (one and the same value in every row), b (every value is missing)"
    assert str(raised.value) == said


def test_a_copy_before_a_protected_column_is_not_learned_from() -> None:
    table = make_table(copy=["a", "b", "c"] * 40, sex=["a", "b", "c"] * 40, churn=["Yes", "No"] * 60)
    found = {column.name: column for column in profile(table, Declared("churn", protected=("sex",)))}
    assert (found["sex"].role, found["copy"].role) == ("protected", "dropped")
    assert found["copy"].reason == "an exact copy of sex"
