"""The training reference: its codes are those that it counted, it names nobody, and a hostile one is refused."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.reference import FEWEST, MOST_LEVELS, Reference, build_reference
from churnflow.modelling.scorer import PortableModel
from tests.customers import encoding_of, make_customers

Columns = Mapping[str, Sequence[Any]]
KINDS = {"tenure": "number", "plan": "category", "bill": "number"}
NUMBERS = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.floats(width=64),
    st.sampled_from([math.inf, -math.inf, math.nan, 0.0, -0.0, 5e-324, 1e308]),
)
TEXTS = st.one_of(st.none(), st.just(math.nan), st.sampled_from("abc"), st.text(max_size=3))


def model_of(encoding: Encoding) -> PortableModel:
    """A model whose probability rises with its first column."""
    weights = np.zeros(encoding.width)
    weights[0] = 1.0
    arrays = {"weights": weights, "bias": np.array([0.5])}
    return PortableModel("any", "linear", encoding, arrays, (1.0, 0.0), 0.5, "yes", "no")


def sketch(values: Sequence[Any], kind: str = "number") -> Reference:
    """The reference of one feature called `x`."""
    column = Column("x", "number") if kind == "number" else Column("x", "category", levels=("a",))
    columns = {"x": values}
    return build_reference(model_of(Encoding((column,))), columns, columns)


def customers() -> tuple[PortableModel, Columns, Columns]:
    frame = make_customers(500)
    encoding = encoding_of(frame, KINDS)
    return model_of(encoding), as_columns(frame[:400], encoding), as_columns(frame[400:], encoding)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build_reference(*customers())


def counted(reference: Reference, columns: Columns) -> list[list[int]]:
    codes = reference.codes(columns)
    return [
        np.bincount(codes[:, place], minlength=len(feature.counts)).tolist()
        for place, feature in enumerate(reference.features)
    ]


@given(numbers=st.lists(NUMBERS, min_size=1, max_size=120), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_codes_of_the_training_rows_are_those_that_were_counted(numbers: list[Any], data: st.DataObject) -> None:
    texts = data.draw(st.lists(TEXTS, min_size=len(numbers), max_size=len(numbers)))
    columns = {"x": numbers, "y": texts}
    model = model_of(Encoding((Column("x", "number"), Column("y", "category", levels=("a",)))))
    made = build_reference(model, columns, columns)
    for found, feature in zip(counted(made, columns), made.features, strict=True):
        few = [at for at, (count, told) in enumerate(zip(found, feature.counts, strict=True)) if told < count]
        usual = [at for at, (count, told) in enumerate(zip(found, feature.counts, strict=True)) if told > count]
        # Of a special code that fewer than ten have, all are counted as the most frequent.
        assert all(0 < found[at] < FEWEST and feature.counts[at] == 0 for at in few)
        assert [found[at] for at in usual] == [max(found[1:])] * bool(few)
        assert sum(found) == sum(feature.counts)
    assert sum(made.score_counts) == made.score_rows == made.rows == len(numbers)


@given(st.lists(NUMBERS, min_size=40, max_size=80))
@settings(max_examples=60, deadline=None)
def test_a_customer_has_the_same_code_alone_as_among_many(numbers: list[Any]) -> None:
    made = sketch(numbers)
    alone = [int(made.codes({"x": [number]})[0, 0]) for number in numbers]
    assert made.codes({"x": numbers})[:, 0].tolist() == alone


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=100))
@settings(max_examples=60, deadline=None)
def test_a_level_of_fewer_than_ten_customers_is_never_named(texts: list[str]) -> None:
    (feature,) = sketch(texts, "category").features
    assert set(feature.levels) == {text for text in texts if texts.count(text) >= FEWEST}
    assert feature.counts[1] == sum(texts.count(text) < FEWEST for text in texts)


def test_at_most_thirty_levels_are_listed_the_most_frequent_first() -> None:
    texts = [f"level {number:02d}" for number in range(40) for _ in range(10 + number)]
    (feature,) = sketch(texts, "category").features
    assert len(feature.levels) == MOST_LEVELS
    assert feature.levels[0] == "level 39"
    assert list(feature.counts[2:]) == list(range(49, 19, -1))
    assert feature.counts[:2] == (0, sum(range(10, 20)))


def test_a_number_is_cut_into_tenths_each_with_its_upper_edge() -> None:
    made = sketch([float(number) for number in range(1, 1002)])
    (feature,) = made.features
    assert feature.edges == tuple(float(edge) for edge in range(101, 1001, 100))
    assert feature.counts == (0, 101, *[100] * 9)
    assert (feature.low, feature.high) == (0.0, 1010.0)
    assert made.codes({"x": [-5, 101, 101.5, 1001, 9e9]})[:, 0].tolist() == [1, 1, 2, 10, 10]


@pytest.mark.parametrize(("rows", "bins"), [(9, 1), (19, 1), (20, 2), (57, 5), (100, 10), (5000, 10)])
def test_of_few_customers_a_tenth_is_made_wider_until_it_has_ten(rows: int, bins: int) -> None:
    (feature,) = sketch([float(number) for number in range(rows)]).features
    assert len(feature.counts) == bins + 1


@given(numbers=st.lists(st.integers(0, 9), min_size=10, max_size=200), skewed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_bin_of_numbers_holds_ten_customers_or_lies_above_them_all(numbers: list[int], *, skewed: bool) -> None:
    values = [float(number**4 if skewed else number) for number in numbers]
    (feature,) = sketch(values).features
    assert min(feature.counts[1:-1], default=FEWEST) >= FEWEST
    assert feature.counts[-1] >= FEWEST or feature.counts[-1] == 0
    assert feature.counts[-1] or feature.edges[-1] == max(values)


def test_a_number_of_few_values_has_a_bin_for_each() -> None:
    made = sketch([0.0] * 50 + [1.0] * 30 + [5.0] * 20)
    assert made.features[0].edges == (0.0, 1.0, 5.0)
    assert made.features[0].counts == (0, 50, 30, 20, 0)


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_none_nan_and_infinity_are_missing(missing: float | None, rows: int) -> None:
    made = sketch([1.0, 2.0] * 30 + [missing] * 20)
    assert made.features[0].missing_share == pytest.approx(0.25)
    assert (made.features[0].low, made.features[0].high) == (1.0, 2.0)
    assert made.codes({"x": [missing] * rows})[:, 0].tolist() == [0] * rows


def test_a_feature_that_is_always_missing_has_no_edges_and_no_range() -> None:
    (feature,) = sketch([None] * 20).features
    assert (feature.edges, feature.counts, feature.low, feature.high) == ((), (20, 0), None, None)


def test_a_text_of_no_level_and_a_missing_one_have_codes_of_their_own() -> None:
    made = sketch(["a"] * 20 + ["b"] * 12 + ["c"] * 3 + [None], "category")
    assert made.features[0].levels == ("a", "b")
    assert made.codes({"x": ["b", "a", "c", "new", None, math.nan]})[:, 0].tolist() == [3, 2, 1, 1, 0, 0]


def test_the_histogram_of_scores_is_that_of_the_test_part() -> None:
    model, train, test = customers()
    made = build_reference(model, train, test)
    assert (made.rows, made.score_rows) == (400, 100)
    expected, _ = np.histogram(model.score(test), bins=[0, *made.score_edges, 1])
    assert list(made.score_counts) == expected.tolist()
    assert np.bincount(made.score_codes(model.score(test)), minlength=len(expected)).tolist() == expected.tolist()


def test_equal_parts_make_equal_bytes_that_come_back_whole(reference: Reference) -> None:
    data = reference.to_bytes()
    assert build_reference(*customers()).to_bytes() == data
    again = Reference.from_bytes(data)
    assert again == reference
    assert again.to_bytes() == data


def test_a_reference_takes_no_room_for_rows() -> None:
    few, many = (sketch(np.random.default_rng(0).normal(size=rows).tolist()) for rows in (400, 400_000))
    # A thousand times as many: up to three digits more for each of 31 counts.
    assert abs(len(many.to_bytes()) - len(few.to_bytes())) < 150


def test_features_stand_in_the_order_of_the_models_columns_and_fit_no_other_model(reference: Reference) -> None:
    model, *_ = customers()
    assert [feature.name for feature in reference.features] == list(KINDS)
    reference.check_fit(model.encoding)
    other = Encoding((Column("tenure", "number"), Column("plan", "number"), Column("bill", "number")))
    with pytest.raises(ValueError, match="not those of the model"):
        reference.check_fit(other)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"tenure": [1], "plan": ["a"]}, "'bill' is missing"),
        ({"tenure": [1], "plan": ["a"], "bill": [1, 2]}, "different lengths"),
        ({"tenure": ["x"], "plan": ["a"], "bill": [1]}, "'tenure' of numbers holds something else"),
        ({"tenure": ["x"] * 99, "plan": ["a"] * 99, "bill": [1] * 99}, "'tenure' of numbers holds something else"),
        ({"tenure": [1], "plan": ["a"], "bill": [10**400]}, "'bill' of numbers holds something else"),
    ],
)
def test_customers_that_the_model_would_refuse_are_refused(reference: Reference, columns: Columns, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        reference.codes(columns)


NUMBER = {"name": "n", "kind": "number", "edges": [1.0, 2.0], "counts": [0, 5, 5, 10], "low": 0.0, "high": 3.0}
CATEGORY = {"name": "c", "kind": "category", "levels": ["a"], "counts": [4, 6, 10]}
SCORE = {"edges": [0.5], "counts": [3, 4], "rows": 7}
PLAIN = {"schema": "churnflow/reference@1", "rows": 20, "features": [NUMBER, CATEGORY], "score": SCORE}
HUGE = 10**400


def changed(part: int | None, **values: Any) -> dict[str, Any]:
    """PLAIN with values of it, or of one of its features, replaced; None leaves a value out."""
    features = [dict(NUMBER), dict(CATEGORY)]
    whole = {**PLAIN, "features": features}
    target = whole if part is None else features[part]
    target.update(values)
    for key in [key for key, value in values.items() if value is None]:
        del target[key]
    return whole


HOSTILE = {
    "a list": [],
    "another schema": changed(None, schema="churnflow/reference@9"),
    "no rows": changed(None, rows=None),
    "negative rows": changed(None, rows=-20),
    "true for rows": changed(None, rows=True),
    "rows as text": changed(None, rows="20"),
    "other rows than counted": changed(None, rows=21),
    "no features": changed(None, features=[]),
    "features no list": changed(None, features={"n": NUMBER}),
    "a feature no object": changed(None, features=[7]),
    "a feature twice": changed(None, features=[NUMBER, NUMBER]),
    "no name": changed(0, name=None),
    "an unknown kind": changed(0, kind="date"),
    "no counts": changed(0, counts=None),
    "too few counts": changed(0, counts=[10, 10]),
    "too many counts": changed(1, counts=[4, 6, 5, 5]),
    "a negative count": changed(0, counts=[0, -5, 15, 10]),
    "a fraction of a customer": changed(0, counts=[0, 5.0, 5, 10]),
    "a huge count": changed(0, counts=[0, 5, 5, HUGE]),
    "edges no list": changed(0, edges=3),
    "edges that fall": changed(0, edges=[2.0, 1.0]),
    "an edge twice": changed(0, edges=[1.0, 1.0]),
    "an edge not a number": changed(0, edges=[1.0, float("nan")]),
    "an infinite edge": changed(0, edges=[1.0, float("inf")]),
    "a huge edge": changed(0, edges=[1.0, HUGE]),
    "true for an edge": changed(0, edges=[False, True]),
    "too many edges": changed(0, edges=list(range(10)), counts=[9, *[1] * 11]),
    "half a range": changed(0, high=None),
    "a range upside down": changed(0, low=4.0),
    "levels no list": changed(1, levels="a"),
    "a level not a text": changed(1, levels=[1]),
    "a level twice": changed(1, levels=["a", "a"], counts=[0, 0, 10, 10]),
    "a level of few customers": changed(1, levels=["a"], counts=[4, 7, 9]),
    "levels not by frequency": changed(1, levels=["a", "b"], counts=[0, 0, 9, 11]),
    "too many levels": changed(None, rows=310, features=[
        {**CATEGORY, "levels": [f"l{n}" for n in range(31)], "counts": [0, 0, *[10] * 31]}
    ]),
    "no score": changed(None, score=None),
    "an edge of scores beyond 1": changed(None, score={**SCORE, "edges": [1.5]}),
    "edges of scores that fall": changed(None, score={"edges": [0.5, 0.4], "counts": [1, 1, 1], "rows": 3}),
    "too few counts of scores": changed(None, score={**SCORE, "counts": [7]}),
    "too many bins of scores": changed(None, score={
        "edges": [step / 400 for step in range(1, 400)], "counts": [1] * 400, "rows": 400
    }),
    "other scores than counted": changed(None, score={**SCORE, "rows": 8}),
}  # fmt: skip


def test_a_plain_reference_is_read() -> None:
    assert Reference.from_json(PLAIN).as_json() == PLAIN


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_content_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not a usable reference: "):
        Reference.from_bytes(json.dumps(value).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 5000, b" " * (33 << 20)])
def test_bytes_that_are_no_reference_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a usable reference: "):
        Reference.from_bytes(data)
