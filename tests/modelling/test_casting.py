"""Rows of text as a typed table: what fits is kept with its value, what does not is set apart with its reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.casting import RULES, Cast, cast
from churnflow.modelling.declared import Declared, merged
from churnflow.modelling.labels import labels
from churnflow.modelling.profile import profile, values_of
from churnflow.modelling.table import Ragged, Table
from churnflow.modelling.texts import missing_words

HEADER = ("id", "bill", "plan", "churn")


def casted(*rows: str, ragged: tuple[Ragged, ...] = ()) -> Cast:
    """Cast rows, with 300 good ones after them, so that a bad number is not taken for a category."""
    more = [f"G{number},{number}.5,{'abc'[number % 3]},{'Yes' if number % 4 else 'No'}" for number in range(300)]
    split = [row.split(",") for row in (*rows, *more)]
    return casted_table(Table.of_rows(HEADER, split, ragged), Declared("churn", "id"))


def casted_table(table: Table, declared: Declared) -> Cast:
    columns = profile(table, declared)
    return cast(table, columns, labels(declared.target, values_of(columns, declared.target), None))


def reasons(found: Cast) -> list[tuple[int, str, str]]:
    return [(rejection.line, rejection.rule, rejection.reason) for rejection in found.rejections]


def test_a_row_that_fits_is_kept_with_its_types() -> None:
    found = casted(" A1 , 2.5 , a , Yes ", "A2,NA,,No", "A3,-0,?,No")
    head = found.customers.head(3)
    pd.testing.assert_frame_equal(
        head,
        pd.DataFrame(
            {
                "id": pd.Series(["A1", "A2", "A3"], dtype="str"),
                "bill": [2.5, np.nan, 0.0],
                "plan": pd.Series(["a", None, None], dtype="str"),
                "churn": np.array([1, 0, 0], dtype="int64"),
            }
        ),
    )
    assert found.rejections == ()
    assert set(found.counts().values()) == {0}


@pytest.mark.parametrize(
    ("row", "rule", "reason"),
    [
        ("A1,1,a,", "no_label", "churn has no value"),
        ("A1,1,a,NA", "no_label", "churn has no value"),
        ("A1,much,a,Yes", "not_a_number", "bill is not a number"),
        ("A1,inf,a,Yes", "infinite", "bill is infinite"),
        ("A1,-1e999,a,Yes", "infinite", "bill is infinite"),
        ("A1,1e308,a,Yes", "out_of_range", "bill is out of range"),
        ("A1,-1e16,a,Yes", "out_of_range", "bill is out of range"),
    ],
)
def test_a_row_that_does_not_fit_is_set_apart_with_its_reason(row: str, rule: str, reason: str) -> None:
    found = casted(row)
    assert reasons(found) == [(2, rule, reason)]
    assert found.counts() == {**dict.fromkeys(RULES, 0), rule: 1}
    assert found.rejected().to_dict("records") == [{"line": 2, "rule": rule, "reason": reason, "row": row}]
    assert len(found.customers) == 300


def test_a_ragged_row_is_named_by_its_line() -> None:
    found = casted("A1,1,a,Yes", ragged=(Ragged(900, 2, "A9,4"),))
    assert reasons(found) == [(900, "ragged", "2 fields where the header has 4")]
    assert found.rejected()["row"].tolist() == ["A9,4"]


def test_a_blank_label_is_neither_class() -> None:
    found = casted("A1,1,a,", "A2,1,b, ", "A3,1,c,Yes")
    assert found.counts()["no_label"] == 2
    assert found.customers["id"].tolist()[0] == "A3"
    assert found.customers["churn"].isin([0, 1]).all()
    assert len(found.customers) == 301


def test_ids_with_contradicting_labels_are_all_set_apart() -> None:
    found = casted("A1,1,a,Yes", "A2,1,a,Yes", "A1,2,a,No", "A1,1,a,Yes")
    said = "the same id with different labels (first on line 2)"
    assert reasons(found) == [(line, "conflicting_label", said) for line in (2, 4, 5)]
    assert "A1" not in set(found.customers["id"])


def test_of_ids_with_one_label_the_first_row_is_kept() -> None:
    found = casted("A1,1,a,Yes", " A1 ,2,b,Yes", "A1,3,c,Yes")
    assert reasons(found) == [(line, "duplicate_id", "the same id as line 2") for line in (3, 4)]
    assert found.customers["bill"].tolist()[0] == 1.0


def test_a_row_without_a_label_contradicts_none() -> None:
    found = casted("A1,1,a,Yes", "A1,1,a,")
    assert reasons(found) == [(3, "no_label", "churn has no value")]
    assert found.customers["id"].tolist()[0] == "A1"


def test_a_customer_is_not_lost_because_an_earlier_row_of_theirs_does_not_fit() -> None:
    found = casted("A1,much,a,Yes", "A1,5,b,Yes", "A1,6,b,Yes")
    assert [(line, rule) for line, rule, _ in reasons(found)] == [(2, "not_a_number"), (4, "duplicate_id")]
    assert found.customers["bill"].tolist()[0] == 5.0


def test_missing_ids_are_not_the_same_customer_and_stay_missing() -> None:
    found = casted(",1,a,Yes", "NA,1,a,No", " ,1,b,Yes")
    assert found.rejections == ()
    assert found.customers["id"].isna().sum() == 3


def test_the_schema_says_role_kind_range_and_levels_of_every_column() -> None:
    schema = casted("A1,,a,Yes").schema
    assert (schema["schema"], schema["target"], schema["id"]) == ("churnflow/table@1", "churn", "id")
    assert (schema["positive"], schema["negative"]) == ("Yes", "No")
    bill, plan = schema["columns"][1:3]
    assert (bill["kind"], bill["low"], bill["high"], bill["required"]) == ("number", 0.0, 300.0, False)
    assert (plan["kind"], plan["levels"], plan["required"]) == ("category", ["a", "b", "c"], True)


def test_the_range_is_that_of_the_rows_kept() -> None:
    assert casted("A1,9999,a,").schema["columns"][1]["high"] == 300.0


def test_the_levels_are_those_of_the_rows_kept() -> None:
    rows = [row for number in range(10) for row in (f"A{number},1,z,", f"B{number},1,x,Yes")]
    assert casted(*rows).schema["columns"][2]["levels"] == ["a", "b", "c", "x"]


def test_the_schema_names_no_level_of_fewer_than_ten_rows() -> None:
    rows = [f"A{number},1,rare,Yes" for number in range(9)]
    assert casted(*rows).schema["columns"][2]["levels"] == ["a", "b", "c"]
    assert casted(*rows, "B1,1,rare,No").schema["columns"][2]["levels"] == ["a", "b", "c", "rare"]


def test_the_schema_says_which_words_are_missing_and_lists_no_id() -> None:
    rows = [[f"C{row % 20}", "None" if row % 2 else " - ", "Yes" if row % 20 else "No"] for row in range(60)]
    table = Table.of_rows(("id", "offer", "churn"), rows, missing=missing_words(["-"]))
    found = casted_table(table, Declared("churn", "id"))
    assert found.schema["missing"] == ["", "-"]
    assert [column["levels"] for column in found.schema["columns"][:2]] == [[], ["None"]]


def test_a_table_without_an_id_keeps_rows_that_are_alike() -> None:
    rows = [["1", "Yes"], ["1", "Yes"], ["2", "No"], ["2", "No"]]
    table = Table.of_rows(("bill", "churn"), rows)
    found = casted_table(table, Declared("churn"))
    assert len(found.customers) == 4
    assert found.schema["id"] is None


def test_nothing_set_apart_is_an_empty_table_of_the_same_columns() -> None:
    rejected = casted().rejected()
    assert rejected.empty
    assert {name: str(kind) for name, kind in rejected.dtypes.items()} == {
        "line": "int64",
        "rule": "str",
        "reason": "str",
        "row": "str",
    }


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "", "NA"]),
        st.sampled_from(["1", "2.5", "", "inf", "1e308", "x", "-1e999"]),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from(["Yes", "No", "", "?"]),
    ),
    max_size=12,
).filter(lambda rows: sum(row[1] == "x" for row in rows) <= 3)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_every_row_is_kept_or_set_apart_and_what_is_kept_is_clean(rows: list[tuple[str, ...]]) -> None:
    found = casted(*(",".join(row) for row in rows))
    assert len(found.customers) + len(found.rejections) == len(rows) + 300
    assert sum(found.counts().values()) == len(found.rejections)
    assert found.customers["id"].dropna().is_unique
    assert not np.isinf(found.customers["bill"]).any()
    assert set(found.customers["churn"]) <= {0, 1}
    said = [row[3] for row in rows]
    assert (found.customers["churn"].sum() - 225) <= said.count("Yes")
    assert found.counts()["no_label"] == sum(word in {"", "?"} for word in said)


def hiding(*rows: str, ragged: tuple[Ragged, ...] = ()) -> list[str]:
    """Return what is shown of the rows set apart from a table of a name that is dropped, a bill and a target."""
    more = [f"P{number},{number}.5,{'Yes' if number % 4 else 'No'}" for number in range(300)]
    table = Table.of_rows(("who", "bill", "churn"), [row.split(",") for row in (*rows, *more)], ragged)
    found = casted_table(table, Declared("churn", settings=merged({"who": "drop"}, (), ())))
    return [rejection.row for rejection in found.rejections]


def test_a_column_that_the_workflow_drops_is_not_shown() -> None:
    assert hiding("Anna Smith,x,Yes") == ["[left out],x,Yes"]


def test_a_ragged_row_is_not_shown_where_a_column_is_hidden() -> None:
    assert hiding(ragged=(Ragged(7, 2, "Anna Smith,Yes"),)) == [""]


def test_an_address_in_a_text_is_not_shown_and_a_long_row_is_cut() -> None:
    shown = casted(f"A1,x,ask anna@example.org {'z' * 100_000},Yes").rejections[0].row
    assert "example" not in shown
    assert len(shown) <= 4_000
