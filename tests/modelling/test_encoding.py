"""The encoding: equal to scikit-learn's, the same for one row as for many, and unmoved by odd values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.encoding import TableEncoder, as_columns, fit_encoding, unscaled
from churnflow.modelling.texts import MAX_LEVELS
from tests.customers import make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def test_numbers_and_levels_are_encoded_as_scikit_learn_does() -> None:
    train, test = make_customers(400), make_customers(200, seed=1)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    plain = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    oracle = ColumnTransformer(
        [
            ("numbers", plain, ["tenure", "bill", "noise"]),
            ("plan", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan"]),
        ]
    ).fit(train)
    assert numbers is not None
    ours = TableEncoder(KINDS).fit(train).transform(test)
    theirs = oracle.transform(test)
    np.testing.assert_allclose(ours[:, :3], theirs[:, :3], atol=1e-12)
    np.testing.assert_array_equal(ours[:, 3], test["bill"].isna())
    levels = [name for name in oracle.named_transformers_["plan"].categories_[0] if isinstance(name, str)]
    assert list(fit_encoding(train, KINDS).columns[2].levels) == levels
    np.testing.assert_array_equal(ours[:, 4:7], theirs[:, 3:6])
    np.testing.assert_array_equal(ours[:, 7], test["plan"].isna())


def test_the_encoding_is_learned_from_the_rows_given_and_no_others() -> None:
    train = make_customers(300)
    changed = make_customers(300, seed=7) * 1
    changed["tenure"] += 1000
    alone = TableEncoder(KINDS).fit(train)
    before = alone.transform(changed)
    assert alone.fit(train).encoding_ == TableEncoder(KINDS).fit(train).encoding_
    np.testing.assert_array_equal(before, alone.transform(changed))
    assert alone.encoding_ != TableEncoder(KINDS).fit(changed).encoding_


def test_one_customer_is_encoded_as_among_many() -> None:
    frame = make_customers(50)
    encoding = fit_encoding(frame, KINDS)
    columns = as_columns(frame, encoding)
    whole = encoding.encode(columns).matrix
    for row in range(50):
        alone = {name: [values[row]] for name, values in columns.items()}
        np.testing.assert_array_equal(encoding.encode(alone).matrix[0], whole[row])


def test_unseen_and_missing_values_are_counted_and_encoded_as_nought() -> None:
    encoding = Encoding((Column("plan", "category", levels=("basic", "plus")), Column("bill", "number", impute=4.0)))
    encoded = encoding.encode({"plan": ["plus", "gold", None, float("nan")], "bill": [1.0, None, np.inf, 3]})
    assert (encoded.missing, encoded.unseen) == (4, 1)
    assert encoded.matrix.tolist() == [[1.0, 0.0, 1.0], [4.0, 0.0, 0.0], [4.0, 0.0, 0.0], [3.0, 0.0, 0.0]]


def test_only_the_most_frequent_levels_of_many_are_kept() -> None:
    values = [f"level{number:03d}" for number in range(150)] * 2 + ["level149"]
    column = fit_encoding(pd.DataFrame({"x": pd.Series(values, dtype="str")}), {"x": "category"}).columns[0]
    assert len(column.levels) == MAX_LEVELS
    assert {"level000", "level149"} <= set(column.levels)
    assert "level148" not in column.levels


def test_constant_and_empty_columns_do_not_divide_by_nought() -> None:
    frame = pd.DataFrame({"same": [3.0] * 20, "none": [np.nan] * 20})
    matrix = TableEncoder({"same": "number", "none": "number"}).fit(frame).transform(frame)
    assert np.isfinite(matrix).all()
    assert not matrix.any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(), st.none(), st.integers(-(10**300), 10**300)), min_size=1, max_size=8))
def test_whatever_the_number_the_encoding_is_finite(values: list[float | None]) -> None:
    frame = make_customers(60)
    for encoding in (fit_encoding(frame, KINDS), unscaled(fit_encoding(frame, KINDS))):
        table = {"tenure": values, "bill": values, "noise": values, "plan": ["basic"] * len(values)}
        matrix = encoding.encode(table).matrix
        assert np.isfinite(matrix).all()
        assert np.isfinite(matrix.astype(np.float32)[:, :3]).all() or encoding.columns[0].scale != 1.0


@pytest.mark.parametrize(
    "table",
    [
        {"plan": ["basic"]},
        {"plan": ["basic"], "bill": [1.0, 2.0]},
        {"plan": ["basic"], "bill": ["much"]},
        {"plan": ["basic"], "bill": [[1.0]]},
        {"plan": ["basic"], "bill": [10**400]},
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: dict[str, list[object]]) -> None:
    encoding = Encoding((Column("plan", "category", levels=("basic",)), Column("bill", "number")))
    with pytest.raises(ValueError, match="column"):
        encoding.encode(table)


def test_slices_name_every_encoded_column_once() -> None:
    encoding = fit_encoding(make_customers(200), KINDS)
    places = encoding.slices()
    assert sorted(place for group in places.values() for place in group) == list(range(encoding.width))
    assert len(places["plan"]) == 4
    assert len(places["bill"]) == 2


@pytest.mark.parametrize("columns", [(), (Column("a", "number"), Column("a", "category"))])
def test_an_encoding_needs_columns_with_names_of_their_own(columns: tuple[Column, ...]) -> None:
    with pytest.raises(ValueError, match="name of its own"):
        Encoding(columns)
