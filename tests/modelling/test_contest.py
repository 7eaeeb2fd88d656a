"""A new model against the released one: on customers that neither has seen, and only where both can score them."""

import numpy as np
import pandas as pd
import pytest

from churnflow.modelling.card import KNOWN_ROWS
from churnflow.modelling.contest import IncomparableError, compare, no_model, released_model
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.known_rows import KnownRows
from churnflow.modelling.metrics import Scored
from churnflow.modelling.scorer import PortableModel
from tests.customers import encoding_of, make_customers

KINDS = {"tenure": "number", "bill": "number"}


def bundle(tenure: float = -1.5, train: pd.DataFrame | None = None, kinds: dict[str, str] = KINDS) -> dict[str, bytes]:
    """Return the files of a release that trusts tenure so much."""
    encoding = encoding_of(make_customers(500), kinds)
    weights = np.array([tenure, 0.3, *[0.0] * (encoding.width - 2)])
    arrays = {"weights": weights, "bias": np.zeros(1)}
    made = PortableModel("lr", "linear", encoding, arrays, (1.0, 0.0), 0.5, "yes", "no")
    known = {} if train is None else {KNOWN_ROWS: KnownRows.of(train, ["customer_id"]).to_bytes()}
    return {"model.bin": made.to_bytes(), **known}


def scored(files: dict[str, bytes], test: pd.DataFrame) -> Scored:
    made = PortableModel.from_bytes(files["model.bin"])
    return Scored.at(made.score(as_columns(test, made.encoding)), test["churn"].to_numpy(), made.threshold)


def test_a_better_model_is_told_from_the_released_one_by_every_measure() -> None:
    test = make_customers(900, 1)
    theirs = released_model(bundle(tenure=0.2), test, test["churn"].to_numpy(), "yes")
    gains = np.where(test["churn"] == 1, 20.0, -5.0)
    found = compare(scored(bundle(), test), theirs, gains, 0)
    assert found["roc_auc"].low > 0
    assert found["log_loss"].high < 0
    assert found["brier"].high < 0
    assert found["profit"].value > 0
    assert "profit" not in compare(scored(bundle(), test), theirs, None, 0)


def test_customers_that_the_released_model_was_trained_on_are_left_out() -> None:
    everyone = make_customers(600, 1)
    test, trained_on = everyone.iloc[:400], everyone.iloc[300:]
    theirs = released_model(bundle(train=trained_on), test, test["churn"].to_numpy(), "yes")
    assert theirs.unseen.tolist() == [True] * 300 + [False] * 100
    assert theirs.caveat == ""
    assert compare(scored(bundle(), test), theirs, None, 0)["log_loss"].n == 300


def test_where_too_few_others_remain_all_are_compared_and_that_is_said() -> None:
    test = make_customers(200, 1)
    theirs = released_model(bundle(train=test.iloc[5:]), test, test["churn"].to_numpy(), "yes")
    assert theirs.unseen.all()
    assert "trained on 195 of them" in theirs.caveat


@pytest.mark.parametrize("known", [b"", b"not a line of json\n", b'{"schema": "other"}\n', b"[1]\n", b"\xff"])
def test_a_release_that_does_not_say_whom_it_knows_is_compared_with_a_caveat(known: bytes) -> None:
    test = make_customers(200, 1)
    theirs = released_model({**bundle(), KNOWN_ROWS: known}, test, test["churn"].to_numpy(), "yes")
    assert theirs.unseen.all()
    assert "not known" in theirs.caveat


def test_a_test_part_without_the_column_that_tells_customers_apart_is_compared_with_a_caveat() -> None:
    test = make_customers(200, 1)
    files = bundle(train=test)
    theirs = released_model(files, test.drop(columns="customer_id"), test["churn"].to_numpy(), "yes")
    assert "not known" in theirs.caveat


@pytest.mark.parametrize(
    ("files", "columns", "positive", "why"),
    [
        ({}, [], "yes", "no model.bin"),
        ({"model.bin": b"junk"}, [], "yes", "not a usable model"),
        (bundle(), ["bill"], "yes", "needs the column 'bill'"),
        (bundle(), [], "gone", "predicts 'yes', not 'gone'"),
    ],
)
def test_a_release_that_cannot_score_these_customers_says_why(
    files: dict[str, bytes], columns: list[str], positive: str, why: str
) -> None:
    test = make_customers(50, 1).drop(columns=columns)
    with pytest.raises(IncomparableError, match=why):
        released_model(files, test, test["churn"].to_numpy(), positive)


@pytest.mark.parametrize(
    ("kinds", "changed", "why"),
    [
        (KINDS, {"bill": "very much"}, "'bill' as a number, and it is a category in this run"),
        ({**KINDS, "plan": "category"}, {"plan": 3.0}, "'plan' as a category, and it is a number in this run"),
    ],
)
def test_a_column_that_has_become_of_another_kind_is_named_without_its_values(
    kinds: dict[str, str], changed: dict[str, object], why: str
) -> None:
    test = make_customers(50, 1).assign(**changed)
    with pytest.raises(IncomparableError, match=why) as raised:
        released_model(bundle(kinds=kinds), test, test["churn"].to_numpy(), "yes")
    assert "very much" not in str(raised.value)


@pytest.mark.parametrize("nothing", [{"bill": None}, {"plan": np.nan}])
def test_a_column_without_any_value_is_scored_as_missing(nothing: dict[str, object]) -> None:
    test = make_customers(50, 1).assign(**nothing)
    theirs = released_model(bundle(kinds={**KINDS, "plan": "category"}), test, test["churn"].to_numpy(), "yes")
    assert np.isfinite(theirs.scored.probabilities).all()


def test_before_the_first_release_the_base_rate_is_to_be_beaten() -> None:
    test = make_customers(500, 1)
    target = test["churn"].to_numpy()
    theirs = no_model(float(target.mean()), target)
    found = compare(scored(bundle(), test), theirs, np.where(target == 1, 20.0, -5.0), 0)
    assert found["roc_auc"].low > 0.2
    assert found["log_loss"].value < 0
    assert not theirs.scored.decisions.any()


def test_known_rows_survive_writing_and_tell_every_row() -> None:
    frame = make_customers(2000)
    known = KnownRows.of(frame.iloc[:1000], ["tenure", "bill", "plan", "noise"])
    again = KnownRows.from_bytes(known.to_bytes())
    assert again is not None
    seen = again.among(frame)
    assert seen is not None
    assert seen[:1000].all()
    assert not seen[1000:].any()
    assert len(known.to_bytes()) < 4200
