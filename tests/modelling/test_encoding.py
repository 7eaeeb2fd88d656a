"""The encoding: equal to scikit-learn's, the same for one row as for many, and unmoved by odd values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from churnflow.modelling.columns import Column, Encoding, Floats
from churnflow.modelling.encoding import ONE_HOT_LEVELS, as_columns, learn
from churnflow.modelling.texts import MAX_LEVELS
from tests.customers import encoding_of, make_customers

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}


def encode(encoding: Encoding, frame: pd.DataFrame) -> Floats:
    return encoding.encode(as_columns(frame, encoding)).matrix


def test_numbers_and_levels_are_encoded_as_scikit_learn_does() -> None:
    train, test = make_customers(400), make_customers(200, seed=1)
    numbers = encoding_of(train, KINDS).columns[:2] + encoding_of(train, KINDS).columns[3:]
    medians = train[[column.name for column in numbers]].median()
    # The median is one customer's own value: what stands for a missing one is a round number beside it.
    near = np.array([column.impute for column in numbers]) - medians.to_numpy()
    assert (np.abs(near) <= (train[medians.index].max() - train[medians.index].min()) / 1000).all()
    filled = {column.name: SimpleImputer(strategy="constant", fill_value=column.impute) for column in numbers}
    oracle = ColumnTransformer(
        [
            *((name, make_pipeline(filled[name], StandardScaler()), [name]) for name in ("tenure", "bill", "noise")),
            ("plan", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["plan"]),
        ]
    ).fit(train)
    ours = encode(encoding_of(train, KINDS), test)
    theirs = oracle.transform(test)
    np.testing.assert_allclose(ours[:, :3], theirs[:, :3], atol=1e-12)
    np.testing.assert_array_equal(ours[:, 3], test["bill"].isna())
    levels = [name for name in oracle.named_transformers_["plan"].categories_[0] if isinstance(name, str)]
    assert list(encoding_of(train, KINDS).columns[2].levels) == levels
    np.testing.assert_array_equal(ours[:, 4:7], theirs[:, 3:6])
    np.testing.assert_array_equal(ours[:, 7], test["plan"].isna())


def test_the_encoding_is_learned_from_the_rows_given_and_no_others() -> None:
    train = make_customers(300)
    changed = make_customers(300, seed=7) * 1
    changed["tenure"] += 1000
    alone = learn(train, KINDS, train["churn"].to_numpy(), 0)
    before = encode(alone.encoding, changed)
    again = learn(train, KINDS, train["churn"].to_numpy(), 0)
    assert again.encoding == alone.encoding
    np.testing.assert_array_equal(before, encode(again.encoding, changed))
    assert alone.encoding != learn(changed, KINDS, changed["churn"].to_numpy(), 0).encoding


def test_one_customer_is_encoded_as_among_many() -> None:
    frame = make_customers(50)
    encoding = encoding_of(frame, KINDS)
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
    values = [f"level{number:03d}" for number in range(150)] * 10 + ["level149"]
    # So few churners that a rate by level would say nothing: each level is a column.
    frame = pd.DataFrame({"x": pd.Series(values, dtype="str"), "churn": [1] * 15 + [0] * (len(values) - 15)})
    column = encoding_of(frame, {"x": "category"}).columns[0]
    assert len(column.levels) == MAX_LEVELS
    assert {"level000", "level149"} <= set(column.levels)
    assert "level148" not in column.levels


def test_constant_and_empty_columns_do_not_divide_by_nought() -> None:
    frame = pd.DataFrame({"same": [3.0] * 20, "none": [np.nan] * 20, "churn": [0, 1] * 10})
    matrix = encode(encoding_of(frame, {"same": "number", "none": "number"}), frame)
    assert np.isfinite(matrix).all()
    assert not matrix.any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(), st.none(), st.integers(-(10**300), 10**300)), min_size=1, max_size=8))
def test_whatever_the_number_the_encoding_is_finite(values: list[float | None]) -> None:
    frame = make_customers(60)
    table = {"tenure": values, "bill": values, "noise": values, "plan": ["basic"] * len(values)}
    assert np.isfinite(encoding_of(frame, KINDS).encode(table).matrix).all()


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
    encoding = encoding_of(make_customers(200), KINDS)
    places = encoding.slices()
    assert sorted(place for group in places.values() for place in group) == list(range(encoding.width))
    assert len(places["plan"]) == 4
    assert len(places["bill"]) == 2


@pytest.mark.parametrize("columns", [(), (Column("a", "number"), Column("a", "category"))])
def test_an_encoding_needs_columns_with_names_of_their_own(columns: tuple[Column, ...]) -> None:
    with pytest.raises(ValueError, match="name of its own"):
        Encoding(columns)


def towns(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return customers of sixty towns whose names say nothing of the outcome, and a few without a town."""
    random = np.random.default_rng(seed)
    names = np.array([f"town {number:02d}" for number in range(60)], dtype=object)[random.integers(0, 60, rows)]
    names[random.random(rows) < 0.05] = None
    return pd.DataFrame({"town": pd.Series(names, dtype="str"), "churn": (random.random(rows) < 0.3).astype(np.int64)})


def test_a_category_of_many_levels_becomes_the_rate_of_the_target_as_scikit_learn_has_it() -> None:
    frame = towns(2000)
    target = frame["churn"].to_numpy()
    column = learn(frame, {"town": "category"}, target, 3).encoding.columns[0]
    texts = frame["town"].astype(object).where(frame["town"].notna(), None).to_numpy()[:, None]
    oracle = TargetEncoder(target_type="binary", smooth="auto").fit(texts, target)
    rates = {**dict(zip(column.levels, column.rates, strict=True)), None: column.absent}
    assert rates == pytest.approx(dict(zip(oracle.categories_[0], oracle.encodings_[0], strict=True)))
    assert column.impute == pytest.approx(target.mean())
    assert len(column.levels) == 60 > ONE_HOT_LEVELS


def test_no_row_is_encoded_by_its_own_outcome_when_a_model_learns() -> None:
    frame = towns(1200)
    target = frame["churn"].to_numpy()
    learned = learn(frame, {"town": "category"}, target, 0)
    served = encode(learned.encoding, frame)
    assert abs(np.corrcoef(served[:, 0], target)[0, 1]) > 0.15
    assert abs(np.corrcoef(learned.matrix[:, 0], target)[0, 1]) < 0.1
    np.testing.assert_array_equal(learned.matrix[:, 1], frame["town"].isna())


def panel() -> tuple[pd.DataFrame, np.ndarray]:
    """Return five rows each of 600 customers who stay in their town and keep their outcome, and the row's customer."""
    customers = np.repeat(np.arange(600), 5)
    return towns(600).iloc[customers].reset_index(drop=True), customers


def test_no_row_of_a_panel_is_encoded_by_an_outcome_of_its_own_customer() -> None:
    frame, customers = panel()
    target = frame["churn"].to_numpy()
    by_row, by_customer = (
        learn(frame, {"town": "category"}, target, 0, groups).matrix[:, 0] for groups in (None, customers)
    )
    assert np.corrcoef(by_row, target)[0, 1] > 0.2
    assert np.corrcoef(by_customer, target)[0, 1] < 0.1


def test_the_rates_of_rows_are_cross_fitted_by_the_seed() -> None:
    frame, customers = panel()
    target = frame["churn"].to_numpy()
    one, again, other = (learn(frame, {"town": "category"}, target, seed, customers) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.matrix, again.matrix)
    assert (one.matrix[:, 0] != other.matrix[:, 0]).mean() > 0.5
    np.testing.assert_allclose(one.encoding.columns[0].rates, other.encoding.columns[0].rates)


def test_rows_of_one_customer_alone_have_no_rates() -> None:
    frame, _ = panel()
    alone = learn(frame, {"town": "category"}, frame["churn"].to_numpy(), 0, np.full(len(frame), 7))
    assert alone.encoding.columns[0].rates == ()
    assert alone.encoding.width > 60


def test_an_unseen_level_gets_the_rate_of_all_and_a_missing_one_its_own() -> None:
    frame = towns(2000)
    frame.loc[frame["town"].isna(), "churn"] = 1
    encoding = learn(frame, {"town": "category"}, frame["churn"].to_numpy(), 0).encoding
    (column,) = encoding.columns
    encoded = encoding.encode({"town": ["Nowhere", None, "town 07"]})
    raw = encoded.matrix[:, 0] * column.scale + column.mean
    assert raw == pytest.approx([column.impute, column.absent, column.rates[column.levels.index("town 07")]])
    assert column.absent > 0.9
    assert (encoded.unseen, encoded.missing) == (1, 1)
    assert encoding.slices() == {"town": [0, 1]}
    assert Encoding((Column.from_json(column.as_json()),)) == encoding


@pytest.mark.parametrize("changed", [{"rates": []}, {"rates": [0.1]}, {"rates": 3}, {"absent": None}, {"scale": 0.0}])
def test_rates_that_do_not_fit_their_levels_are_refused(changed: dict[str, object]) -> None:
    given = Column("town", "category", levels=("a", "b"), rates=(0.1, 0.2)).as_json()
    assert Column.from_json(given).rates == (0.1, 0.2)
    with pytest.raises(ValueError, match="the model"):
        Column.from_json({**given, **changed})
