"""The two classes of a target: which spellings mean which, and which of them says that a customer left."""

import pytest

from churnflow.errors import UsageError
from churnflow.modelling.labels import Labels, labels
from churnflow.modelling.table import Table


def labelled(values: list[str], positive: str | None = None, target: str = "churn") -> Labels:
    """Return the classes of a column of labels."""
    table = Table.of_rows((target,), [[value] for value in values])
    return labels(target, table.values(target).present(table.missing), positive)


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
        (["churned?", "stays"], "churned?", "stays"),
        (["False.", "True."], "True.", "False."),
        ([" yes ", "no", "", "NA", "?"], "yes", "no"),
    ],
)
def test_the_usual_word_is_the_positive_class_and_blanks_are_no_class(
    values: list[str], positive: str, negative: str
) -> None:
    found = labelled(values)
    assert (found.positive, found.negative, found.reason) == (positive, negative, "the usual word for it")


def test_a_declared_positive_class_is_taken() -> None:
    found = [labelled(["Yes", "No"], positive) for positive in ("No", "Yes")]
    assert [(one.positive, one.negative) for one in found] == [("No", "Yes"), ("Yes", "No")]


@pytest.mark.parametrize(
    ("values", "positive", "said", "hint"),
    [
        (["Yes"] * 10 + [""], None, "1 value only ('Yes')", "two values"),
        (["", "NA"], None, "0 values (none)", "two values"),
        (["Yes", "No", "Maybe"], None, "3 values (each of fewer than 10 rows)", "two values"),
        (["Yes", "yes", "No", "Maybe", "maybe "] * 10, None, "3 values ('Maybe', 'No', 'Yes')", "two values"),
        (["a" * 99, "b", "c"] * 10, None, f"('{'a' * 30}...', 'b', 'c')", "two values"),
        ([f"{row}@example.org" for row in range(9)], None, "9 values (e-mail addresses)", "two values"),
        (["a", "b", "c", "d", "e"] * 10, None, ", ...", "two values"),
        (["Yes", "No"], "gone", "no value 'gone'", "'No' and 'Yes'"),
        (["red", "blue"], None, "'blue' or 'red'", "positive: 'blue'"),
        (["1", "left"], None, "'1' or 'left'", "positive: '1'"),
    ],
)
def test_a_target_without_two_clear_classes_is_refused(
    values: list[str], positive: str | None, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        labelled(values, positive)
    assert said in str(raised.value)
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("values", "positive", "meaning"),
    [
        (["Yes", "Yes", "yes", " YES ", "No", "no"], "Yes", {"Yes": 1, "yes": 1, "YES": 1, "No": 0, "no": 0}),
        (["Yes", "Y", "Y", "No", "N", "0"], "Y", {"Yes": 1, "Y": 1, "No": 0, "N": 0, "0": 0}),
        (["1.0", "1", "1.0", "0.0", "0"], "1.0", {"1.0": 1, "1": 1, "0.0": 0, "0": 0}),
        (["left", "L\uff45ft", "left", "st\u00e4ys", "sta\u0308ys"], "left", None),
    ],
)
def test_spellings_of_one_label_are_one_class_and_the_mapping_is_recorded(
    values: list[str], positive: str, meaning: dict[str, int] | None
) -> None:
    found = labelled(values)
    assert found.positive == positive
    assert found.merged
    if meaning is not None:
        assert found.as_json() == meaning
    assert sorted(found.as_json().values()) == sorted(
        found.meaning[text.strip()] for text in set(map(str.strip, values))
    )


@pytest.mark.parametrize(
    ("values", "declared", "positive"),
    [
        (["1.0", "0.0"], "1", "1.0"),
        (["1", "0"], "1.0", "1"),
        (["Yes", "No"], " yes ", "Yes"),
        (["0.0", "1.0"], "0", "0.0"),
    ],
)
def test_a_positive_class_may_be_declared_in_another_spelling(values: list[str], declared: str, positive: str) -> None:
    found = labelled(values, declared)
    assert (found.positive, found.reason, found.merged) == (positive, "declared", {})


@pytest.mark.parametrize("values", [["1", "2"], ["1", "A"]])
def test_a_one_beside_anything_but_a_no_is_asked_about(values: list[str]) -> None:
    with pytest.raises(UsageError, match="which value of 'churn' means that the customer left"):
        labelled(values)
    assert labelled(values, values[1]).positive == values[1]


@pytest.mark.parametrize("values", [["1", "0"], ["1", "-1"], ["1", "no"]])
def test_a_one_beside_a_no_means_that_the_customer_left(values: list[str]) -> None:
    assert labelled(values).positive == "1"


@pytest.mark.parametrize("target", ["renewed", "retained", "Stays", "is_active", "retention"])
def test_a_yes_under_a_name_that_says_the_opposite_is_asked_about(target: str) -> None:
    with pytest.raises(UsageError, match="which value"):
        labelled(["yes", "no"], target=target)
    assert labelled(["yes", "no"], "no", target).positive == "no"


def test_a_yes_to_inactive_means_that_the_customer_left() -> None:
    assert labelled(["yes", "no"], target="inactive").positive == "yes"
