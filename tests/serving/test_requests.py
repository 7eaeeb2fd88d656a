"""The check of a request body: whatever arrives is read or refused, and a schema that cannot be used is an error."""

import json
import random

import pytest

from churnflow.serving.requests import Batch, RefusedBodyError, compile_schema

SCHEMA = {
    "columns": [
        {"name": "months", "role": "feature", "kind": "number", "integer": True, "required": True, "low": 0, "high": 9},
        {"name": "plan", "role": "feature", "kind": "category", "required": False, "levels": ["basic"]},
    ]
}
PIECES = [
    *(b'{"months": 5, "plan": "basic"}', b'{"customers": [', b"]}", b"{", b"}", b"[", b"]", b",", b":", b'"'),
    *(b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"9" * 5000, b"true", b"null", b'"\\ud800"', b"\\", b"\xff", b"\x00"),
    *(b'"months"', b'"plan"', b'"customers"', b"1.5", b" ", b"[" * 3000),
]


def test_no_random_body_does_anything_but_being_read_or_refused() -> None:
    request = compile_schema(SCHEMA)
    chance = random.Random(0)
    read = 0
    for _ in range(20_000):
        body = b"".join(chance.choices(PIECES, k=chance.randint(1, 8)))
        try:
            batch = request.read(body)
        except RefusedBodyError as refused:
            assert refused.status in {400, 413, 422}
            assert refused.problems
            json.dumps([problem.as_json() for problem in refused.problems]).encode("ascii")
        else:
            assert isinstance(batch, Batch)
            assert {len(values) for values in batch.columns.values()} == {len(batch.ids)}
            read += 1
    assert read > 100


def test_a_column_called_customers_is_a_field_like_any_other() -> None:
    column = {"name": "customers", "role": "feature", "kind": "number", "required": True}
    batch = compile_schema({"columns": [column]}).read(b'{"customers": 3}')
    assert batch.columns == {"customers": [3]}
    assert batch.warnings == [[]]


def test_without_an_id_column_none_is_taken() -> None:
    with pytest.raises(RefusedBodyError) as refused:
        compile_schema(SCHEMA).read(b'{"months": 1, "plan": null, "customer_id": "x"}')
    assert [problem.field for problem in refused.value.problems] == ["customer_id"]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "incomplete"),
        ([], "incomplete"),
        ({"columns": [{"name": "a"}]}, "incomplete"),
        ({"columns": [1]}, "incomplete"),
        ({"columns": [{"name": "a", "role": "id"}]}, "names no feature"),
        ({"columns": [{"name": "a", "role": "feature", "required": True, "kind": "date"}]}, "unknown kind"),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error(schema, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_schema(schema)
