"""What the columns of a table are taken for, which classes the target has, and what is guessed of an unknown file."""

from pathlib import Path
from typing import Any

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.profile import Column, as_number, describe, guess, labels, profile
from churnflow.modelling.table import Table, read_table
from churnflow.modelling.texts import missing_words, present
from tests.customers import BUNDLED, write_customers


def make_table(**columns: list[str]) -> Table:
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return Table(tuple(columns), rows, list(range(2, len(rows) + 2)), (), ",", "utf-8", ())


def profiled(values: list[str], **given: tuple[str, ...]) -> Column:
    """Profile one column beside a target and an id."""
    target = ["Yes", "No"] * (len(values) // 2) + ["Yes"] * (len(values) % 2)
    table = make_table(x=values, churn=target, id=[str(row) for row in range(len(values))])
    return profile(table, "churn", "id", **given)[0]


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
        (["a", ""] * 100, "category", "feature", "one value, or missing"),
        (["1", "NA"] * 100, "category", "feature", "one value, or missing"),
        (["00012", "00900", "10000", ""] * 50, "category", "feature", "3 different codes, digits with leading zeros"),
        ([f"{row:05d}" for row in range(200)], "text", "dropped", "text with 200 different codes"),
        (["0", "1"] * 100, "number", "feature", "its values are numbers"),
        (["007", "12", "1"] * 60, "number", "feature", "its values are numbers"),
        ([f"2024-01-{day:02d}" for day in range(1, 21)] * 10, "date", "dropped", "a date: "),
        ([f"{day:02d}.01.2024 10:00" for day in range(1, 21)] * 10, "date", "dropped", "a date: "),
        ([f"name {row}" for row in range(200)], "text", "dropped", "text with 200 different values"),
        ([f"city {row % 101}" for row in range(404)], "text", "dropped", "text with 101 different values"),
        (
            [str(row) for row in range(190)] + ["unknown"] * 10,
            "text",
            "dropped",
            "text with 191 different values, of which 190",
        ),
        (["a", "b", "c", "a"], "text", "dropped", "text with 3 different values"),
    ],
)
def test_kind_and_role_of_a_column_follow_from_its_values(values: list[str], kind: str, role: str, reason: str) -> None:
    found = profiled(values)
    assert (found.kind, found.role) == (kind, role)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{},5", "it looks like numbers with a decimal comma; write them with a point"),
        ("-{}.250,25", "it looks like numbers with a decimal comma; write them with a point"),
        ("{}%", "it looks like numbers with percent signs; write them without, with a point"),
        ("{},5 %", "it looks like numbers with percent signs; write them without, with a point"),
    ],
)
@pytest.mark.parametrize(("levels", "role"), [(200, "dropped"), (20, "feature")])
def test_numbers_in_a_spelling_that_is_not_read_are_doubted(form: str, said: str, levels: int, role: str) -> None:
    found = profiled([form.format(row % levels) for row in range(199)] + ["3"])
    assert (found.role, found.doubt) == (role, said)


@pytest.mark.parametrize("values", [["a,5", "b,5"] * 50, ["1,5"] * 50 + ["many"] * 50, ["1.5", "2"] * 50])
def test_what_does_not_look_like_numbers_in_another_spelling_is_not_doubted(values: list[str]) -> None:
    assert profiled(values).doubt == ""


def test_a_column_declared_as_a_category_is_one_whatever_it_looks_like() -> None:
    numbers, commas = [str(row % 7) for row in range(200)], ["1,5", "2,5"] * 100
    found = [profiled(values, categories=("x",)) for values in (numbers, commas)]
    assert [(column.kind, column.role, column.doubt) for column in found] == [("category", "feature", "")] * 2
    assert found[0].levels == tuple("0123456")


def test_of_very_many_declared_levels_the_most_frequent_are_listed() -> None:
    found = profiled(["often"] * 50 + [f"{row}" for row in range(150)], categories=("x",))
    assert (len(found.levels), found.levels[0], found.role) == (100, "often", "feature")


def test_a_declared_category_that_is_empty_or_one_value_is_still_left_out() -> None:
    assert [profiled([value] * 9, categories=("x",)).role for value in ("", "7")] == ["dropped", "dropped"]


def test_levels_come_most_frequent_first_and_missing_is_none_of_them() -> None:
    found = profiled(["b"] * 60 + ["a"] * 90 + ["NA"] * 30 + [" b "] * 30 + ["c"] * 90)
    assert found.levels == ("a", "b", "c")
    assert found.share_missing == pytest.approx(0.1)


def test_named_columns_get_their_role_whatever_their_values() -> None:
    table = make_table(id=["1", "2", "2"], secret=["a", "b", "a"], churn=["Yes", "No", ""])
    found = profile(table, "churn", "id", ("secret",))
    assert [(column.role, column.reason) for column in found] == [
        ("id", "named as the id"),
        ("dropped", "left out by the workflow"),
        ("target", "named as the target"),
    ]


def test_a_copy_of_an_earlier_column_is_left_out() -> None:
    values = ["1", "2", "3", "3"]
    found = profile(make_table(a=values, b=values, churn=["Yes", "No"] * 2), "churn", None)
    assert [(column.role, column.reason) for column in found][:2] == [
        ("feature", "its values are numbers"),
        ("dropped", "an exact copy of a"),
    ]


def test_a_copy_of_the_target_is_left_out_on_either_side_of_it() -> None:
    answer = ["Yes", "No"] * 5
    found = profile(make_table(before=answer, churn=answer, after=answer), "churn", None)
    assert [column.role for column in found] == ["dropped", "target", "dropped"]
    assert found[0].reason == found[2].reason == "an exact copy of churn"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("gone", None, ()), "no column 'gone'"),
        (("churn", "number", ()), "no column 'number'"),
        (("churn", None, ("plna",)), "no column 'plna'"),
        (("churn", None, (), ("paln",)), "no column 'paln'"),
        (("churn", "churn", ()), "the target 'churn' is also named as the id"),
        (("churn", None, ("churn",)), "the target 'churn' is also named under drop"),
    ],
)
def test_names_that_do_not_fit_the_file_are_refused(given: Any, said: str) -> None:
    table = make_table(plan=["a", "b"], churn=["Yes", "No"])
    with pytest.raises(UsageError, match=said) as raised:
        profile(table, *given)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("values", "positive", "negative"),
    [
        (["Yes", "No"], "Yes", "No"),
        (["0", "1"], "1", "0"),
        (["FALSE", "TRUE"], "TRUE", "FALSE"),
        (["stayed", "left"], "left", "stayed"),
        (["0.0", "1.0"], "1.0", "0.0"),
        (["f", "t"], "t", "f"),
        (["nein", "Ja"], "Ja", "nein"),
        (["non", "Oui"], "Oui", "non"),
        (["NO", "SÍ"], "SÍ", "NO"),
        (["active", "Churned"], "Churned", "active"),
        ([" yes ", "no", "", "NA", "?"], "yes", "no"),
    ],
)
def test_the_usual_word_is_the_positive_class_and_blanks_are_no_class(
    values: list[str], positive: str, negative: str
) -> None:
    found = labels(make_table(churn=values), "churn", None)
    assert (found.positive, found.negative, found.reason) == (positive, negative, "the usual word for it")


def test_a_declared_positive_class_is_taken() -> None:
    table = make_table(kept=["Yes", "No"])
    found = [labels(table, "kept", "No"), labels(table, "kept", "Yes")]
    assert [(one.positive, one.negative) for one in found] == [("No", "Yes"), ("Yes", "No")]


@pytest.mark.parametrize(
    ("values", "positive", "said", "hint"),
    [
        (["Yes", "Yes", ""], None, "1 values ('Yes')", "two values"),
        (["", "NA"], None, "0 values (none)", "two values"),
        (["Yes", "No", "Maybe"], None, "3 values", "two values"),
        (
            ["Yes", "yes", "YES", "No", "no"],
            None,
            "5 values",
            "they differ by case only: write 'No' and 'Yes' in every",
        ),
        (["a", "b", "c", "d", "e"], None, ", ...", "two values"),
        (["Yes", "No"], "yes", "no value 'yes'", "'No' and 'Yes'"),
        (["red", "blue"], None, "'blue' or 'red'", "positive: 'blue'"),
        (["1", "left"], None, "'1' or 'left'", "positive: '1'"),
    ],
)
def test_a_target_without_two_clear_classes_is_refused(
    values: list[str], positive: str | None, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        labels(make_table(churn=values), "churn", positive)
    assert said in str(raised.value)
    assert hint in raised.value.hint


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


def test_the_recorded_schema_describes_a_column_without_a_customers_own_value(tmp_path: Path) -> None:
    table = read_table(write_customers(tmp_path))
    kept: dict[str, list[Any]] = {"tenure": [0.0, 5.0, 9.0], "plan": ["plus", "basic", "plus"]}
    identifier, tenure, plan, churn = (
        describe(column, kept.get(column.name, [])) for column in profile(table, "churn", "customer_id")
    )
    assert tenure["kind"] == "number"
    assert (tenure["integer"], tenure["low"], tenure["high"], tenure["example"]) == (True, 0.0, 9.0, 5.0)
    assert (plan["kind"], plan["example"], plan["required"]) == ("category", "plus", True)
    assert plan["levels"] == ["plus", "basic"]
    assert identifier["example"] is None
    assert churn["example"] is None
    assert "C00" not in str([identifier, tenure, plan, churn])
