"""A table of customers is known by the names of its columns, whatever writes it."""

import pytest

from churnflow.domain.rows import columns_of, taken_from

NAMES = frozenset({"customer_id", "tenure", "contract", "churned"})


@pytest.mark.parametrize(
    "text",
    [
        "customer_id,tenure,contract,churned\nA1,3,month,yes\n",
        "\ufeffcustomer_id;tenure;contract;churned\r\nA1;3;month;yes\r\n",
        '"customer_id"\t"tenure"\t"contract"\t"churned"\n"A1"\t3\t"month"\t"yes"\n',
        "\n\n customer_id | tenure|contract|churned\nA1|3|month, or more|yes",
        ",customer_id,tenure,contract,churned\n0,A1,3,month,yes\n",
        "sep=,\n# of 2026\nCustomer_ID,Tenure,Contract,Churned\nA1,3,month,yes,\n",
        'customer_id,contract,tenure,churned\nA1,"month\nto month",3,yes\n',
        '{"customer_id": "A1", "tenure": 3, "contract": "month", "churned": null}\n{}\n',
    ],
)
def test_the_columns_of_a_table_are_read_in_every_common_form(text: str) -> None:
    assert columns_of(text.encode()) == NAMES


def test_a_table_as_spreadsheets_write_unicode_is_read() -> None:
    assert columns_of("customer_id\ttenure\tcontract\tchurned\nA1\t3\tmonth\tyes\n".encode("utf-16")) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customer_id,tenure,contract,churned\n",
        "customer_id\nA1\n",
        "customer_id,tenure,contract,churned\nA note below a list of names\n",
        "import customer_id, tenure, contract\nprint(tenure)\n",
        "1,0,1\n0,1,0\n",
        "1001,Yes,No,Yes\n1002,No,No,No\n",
        "customer_id,tenure\0\n1,2\n",
        '{"customer_id": "A1", "tenure"\n',
        "{" * 60_000,
        "a,b," * 20_000 + "\n1,2\n",
        ",tenure,charges\ncount,10,10\nmean,3.5,4\n",
        ",tenure,charges\ntenure,1.0,0.4\ncharges,0.4,1.0\n",
        "|customer_id|tenure|contract|\n|---|:--|--:|\n|A1|3|month|\n",
    ],
)
def test_what_is_no_table_with_rows_has_no_columns(text: str) -> None:
    assert columns_of(text.encode()) == frozenset()


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        ({"customer_id", "tenure", "churned"}, "crm.csv"),
        ({"customer_id", "tenure", "contract", "churned", "score"}, "crm.csv"),
        ({"score", "version", "reason"}, "scores.csv"),
        ({"customer_id", "tenure"}, None),
        ({"score", "version", "day"}, None),
        ({"a", "b", "c"}, "wide.csv"),
        ({"id", "gone"}, "two.csv"),
        (set(), None),
    ],
)
def test_rows_are_those_of_a_table_of_which_they_have_half_the_columns_and_three(
    columns: set[str], table: str | None
) -> None:
    known = {
        "crm.csv": NAMES,
        "scores.csv": frozenset({"score", "version", "reason"}),
        "wide.csv": frozenset("abcdef"),
        "two.csv": frozenset({"id", "gone"}),
    }
    assert taken_from(frozenset(columns), known.items()) == table
