"""The quick reader of requests: it never answers otherwise than the careful one, only sooner."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnflow.modelling.columns import Column, Encoding
from churnflow.serving.reading import QuickReader
from churnflow.serving.requests import RefusedRequestError, RequestSchema, compile_schema

SCHEMA = {
    "missing": ["", "na"],
    "columns": [
        {"name": "id", "role": "id", "kind": "category", "required": True},
        {
            "name": "tenure",
            "role": "feature",
            "kind": "number",
            "integer": True,
            "required": True,
            "low": 0,
            "high": 72,
        },
        {"name": "charges", "role": "feature", "kind": "number", "integer": False, "required": False}
        | {"low": 18.25, "high": 118.75, "sentinels": [999.0]},
        {"name": "since", "role": "feature", "kind": "number", "required": False, "low": -400, "high": 0}
        | {"date": {"order": "ymd", "reference": "2024-12-31"}},
        {"name": "contract", "role": "feature", "kind": "category", "required": True, "levels": ["Monthly", "Yearly"]}
        | {"folded": True},
        {"name": "größe: m", "role": "feature", "kind": "category", "required": False, "levels": ["a:b", 'q"']},
    ],
}
ENCODING = Encoding(
    (
        Column("tenure", "number", impute=30, mean=30, scale=20),
        Column("charges", "number", impute=70, mean=70, scale=30, indicator=True),
        Column("since", "number", impute=-100, mean=-100, scale=50),
        Column("contract", "category", levels=("Monthly", "Yearly"), indicator=True),
        Column("größe: m", "category", levels=("a:b", 'q"'), rates=(0.2, 0.4), impute=0.3, absent=0.25, scale=2.0),
    )
)
GOOD = {"tenure": 12, "charges": 70.35, "since": "2024-05-31", "contract": "Monthly", "größe: m": "a:b"}


@pytest.fixture(scope="module")
def request_schema() -> RequestSchema:
    return compile_schema(SCHEMA)


@pytest.fixture(scope="module")
def quick(request_schema: RequestSchema) -> QuickReader:
    return QuickReader(request_schema, ENCODING)


numbers = st.one_of(
    st.integers(-5, 2_000),
    st.floats(-10, 2_000),
    st.sampled_from([None, True, "12", "x", 999, 999.0, 1e300, 10**400, -0.0, 12.5, [], {}]),
)
texts = st.one_of(
    st.sampled_from(
        ["Monthly", "monthly ", "Yearly", "NA", "", None, "new", 3, "a:b", 'q"', "x" * 300, "\u00fc", '":"']
    ),
    st.text(max_size=4),
)
dates = st.sampled_from(["2024-05-31", "2019-01-01", "31.05.2024", " 2024-01-02 ", "", None, 5, "soon"])
customers = st.fixed_dictionaries(
    {},
    optional={
        "tenure": numbers,
        "charges": numbers,
        "since": dates,
        "contract": texts,
        "größe: m": texts,
        "id": st.one_of(st.text(max_size=3), st.integers(-5, 2**64), st.none(), st.booleans()),
        "more": st.none(),
    },
)
mostly_good = customers.map(lambda some: {**GOOD, **some})
bodies = st.one_of(
    mostly_good,
    customers,
    st.lists(mostly_good, max_size=4).map(lambda many: {"customers": many}),
    st.lists(mostly_good, max_size=2).map(lambda many: {"customers": many, "x": 1}),
)
written = st.sampled_from(
    [
        lambda value: json.dumps(value, separators=(",", ":")),
        lambda value: json.dumps(value, indent=1),
        lambda value: json.dumps(value, separators=(" , ", " : ")),
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value).replace('"tenure"', '"\\u0074enure"'),
        lambda value: json.dumps(value).replace("}", ', "tenure": 1}', 1),
        lambda value: json.dumps(value).replace("}", ', "contract" : "Yearly"}', 1),
        lambda value: json.dumps(value)[:-1],
    ]
)


def read_by(reader: Any, body: bytes) -> Any:
    """Return what a reader makes of a body: what it read, or how it refused."""
    try:
        batch = reader.read(body)
    except RefusedRequestError as refused:
        return refused.status, refused.problems
    matrix = ENCODING.encode(batch.columns).matrix
    return batch.ids, [list(map(str, each)) for each in batch.warnings], matrix.tobytes()


@given(bodies, written)
def test_both_readers_say_the_same(request_schema: RequestSchema, quick: QuickReader, body: Any, write: Any) -> None:
    data = write(body).encode("utf-8", "surrogatepass")
    assert read_by(quick, data) == read_by(request_schema, data)


@pytest.mark.parametrize(
    "body",
    [GOOD, {**GOOD, "id": "c-1"}, {"customers": [GOOD, {**GOOD, "id": 7, "tenure": 90, "contract": "new"}]}],
    ids=["one", "one with an id", "several"],
)
def test_a_usual_request_goes_the_quick_way(quick: QuickReader, body: Any) -> None:
    asked = quick._quickly(json.dumps(body).encode())
    assert np.array_equal(asked.matrix, ENCODING.encode(asked.columns).matrix)


@pytest.mark.parametrize(
    "body",
    [
        b'{"tenure":1,"charges":2,"since":null,"contract":"Monthly","gr\xc3\xb6\xc3\x9fe: m":"a:b","tenure":2}',
        b'{"tenure":1,"charges":2,"since":null,"contract" :"Monthly","gr\xc3\xb6\xc3\x9fe: m":"","contract" :"Yearly"}',
        b'{"tenure":1,"charges":2,"since":null,"contract":"Monthly","\\u0074enure":2,"gr\xc3\xb6\xc3\x9fe: m":null}',
    ],
)
def test_a_name_given_twice_is_refused(quick: QuickReader, body: bytes) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        quick.read(body)
    assert [problem.problem for problem in refused.value.problems] == ["given twice"]


def test_a_column_whose_name_holds_a_quote_is_read_all_the_same() -> None:
    schema = {"columns": [{"name": 'a "b"', "role": "feature", "kind": "number", "required": True}]}
    reader = QuickReader(compile_schema(schema), Encoding((Column('a "b"', "number"),)))
    assert reader.read(json.dumps({'a "b"': 3}).encode()).matrix.tolist() == [[3.0]]


def test_what_texts_mean_is_kept_for_a_bounded_number_of_short_ones(quick: QuickReader) -> None:
    for number in range(6_000):
        quick.read(json.dumps({**GOOD, "contract": f"text {number}"}).encode())
    quick.read(json.dumps({**GOOD, "contract": "x" * 100_000}).encode())
    contract = next(reader for reader in quick._readers if reader.name == "contract")
    assert len(contract.known) <= 4_096
    assert max(map(len, filter(None, contract.known))) <= 200
