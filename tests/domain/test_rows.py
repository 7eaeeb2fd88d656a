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
    ],
)
def test_the_columns_of_a_table_are_read_in_every_common_form(text: str) -> None:
    assert columns_of(text.encode()) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customer_id,tenure,contract,churned\n",
        "customer_id\nA1\n",
        "customer_id,tenure,contract,churned\nA note below a list of names\n",
        "import customer_id, tenure\nprint(tenure)\n",
        "1,0,1\n0,1,0\n",
        "customer_id,tenure\0\n1,2\n",
        "a,b," * 20_000 + "\n1,2\n",
    ],
)
def test_what_is_no_table_with_rows_has_no_columns(text: str) -> None:
    assert columns_of(text.encode()) == frozenset()


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        ({"customer_id", "tenure"}, "crm.csv"),
        ({"customer_id", "tenure", "contract", "churned", "score"}, "crm.csv"),
        ({"score", "version", "day"}, "scores.csv"),
        ({"customer_id", "day"}, None),
        ({"day"}, None),
        (set(), None),
    ],
)
def test_rows_are_those_of_a_table_of_which_they_have_half_the_columns(columns: set[str], table: str | None) -> None:
    known = [("crm.csv", NAMES), ("scores.csv", frozenset({"score", "version", "reason"}))]
    assert taken_from(frozenset(columns), known) == table
