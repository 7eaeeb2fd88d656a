"""The check of a request body: whatever arrives is read or refused, and a schema that cannot be used is an error."""

import json
import random
import time

import pytest

from churnflow.serving.requests import Batch, RefusedRequestError, RequestSchema, compile_schema

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


def outcome(request: RequestSchema, body: bytes) -> Batch | RefusedRequestError:
    try:
        return request.read(body)
    except RefusedRequestError as refused:
        return refused


def test_no_random_body_does_anything_but_being_read_or_refused() -> None:
    request = compile_schema(SCHEMA)
    chance = random.Random(0)
    read = 0
    for _ in range(20_000):
        body = b"".join(chance.choices(PIECES, k=chance.randint(1, 8)))
        found = outcome(request, body)
        if isinstance(found, Batch):
            assert {len(values) for values in found.columns.values()} == {len(found.ids)}
            read += 1
        else:
            assert found.status in {400, 413, 422}
            assert found.problems
            json.dumps([problem.as_json() for problem in found.problems]).encode("ascii")
    assert read > 100


def test_a_column_called_customers_is_a_field_like_any_other() -> None:
    column = {"name": "customers", "role": "feature", "kind": "number", "required": True}
    batch = compile_schema({"columns": [column]}).read(b'{"customers": 3}')
    assert batch.columns == {"customers": [3]}
    assert batch.warnings == [[]]


def test_many_customers_can_be_asked_about_though_a_column_is_called_customers() -> None:
    column = {"name": "customers", "role": "feature", "kind": "number", "required": True}
    batch = compile_schema({"columns": [column]}).read(b'{"customers": [{"customers": 3}, {"customers": 4}]}')
    assert batch.columns == {"customers": [3, 4]}


def test_a_repeated_key_is_found_among_very_many_without_a_look_at_each_pair() -> None:
    count = 50_000
    body = b"{" + b",".join(b'"a%d":1' % number for number in range(count)) + b',"a%d":1}' % (count - 1)
    # Each looked for among all others would take minutes.
    started = time.process_time()
    found = outcome(compile_schema(SCHEMA), body)
    assert time.process_time() - started < 10
    assert (found.problems[0].field, found.problems[0].problem) == (f"a{count - 1}", "given twice")
    assert len(found.problems) == 50


def test_a_range_of_long_numbers_is_told_to_the_last_digit() -> None:
    column = {**SCHEMA["columns"][0], "low": -12_345_678, "high": 0.1234567}
    batch = compile_schema({"columns": [column]}).read(b'{"months": 5}')
    assert batch.warnings[0][0].problem == "outside the range seen in training, -12345678 to 0.1234567"


def test_a_declared_word_for_missing_is_one_and_the_usual_ones_are_then_values() -> None:
    request = compile_schema({**SCHEMA, "missing": ["", "-"]})
    body = {"customers": [{"months": 1, "plan": plan} for plan in ("-", " ", " basic ", "None")]}
    batch = request.read(json.dumps(body).encode())
    assert batch.columns["plan"] == [None, None, "basic", "None"]
    assert [len(warnings) for warnings in batch.warnings] == [0, 0, 0, 1]


@pytest.mark.parametrize("value", ["", " NA", "none"])
def test_a_text_that_stands_for_null_is_refused_where_null_is(value: str) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        compile_schema(SCHEMA).read(json.dumps({"months": value, "plan": "basic"}).encode())
    assert refused.value.problems[0].problem == "must not be a text that stands for null"


def test_of_very_many_levels_a_new_one_may_have_been_too_rare() -> None:
    column = {**SCHEMA["columns"][1], "levels": [str(number) for number in range(100)]}
    batch = compile_schema({"columns": [column]}).read(b'{"plan": "x"}')
    assert batch.warnings[0][0].problem == "a value not seen in training, or too rarely to be learned"


def test_without_an_id_column_none_is_taken() -> None:
    with pytest.raises(RefusedRequestError) as refused:
        compile_schema(SCHEMA).read(b'{"months": 1, "plan": null, "customer_id": "x"}')
    assert [problem.field for problem in refused.value.problems] == ["customer_id"]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({}, "incomplete"),
        ([], "incomplete"),
        ({**SCHEMA, "missing": [1]}, "incomplete"),
        ({**SCHEMA, "missing": 1}, "incomplete"),
        ({"columns": [{"name": "a"}]}, "incomplete"),
        ({"columns": [1]}, "incomplete"),
        ({"columns": [{"name": "a", "role": "id"}]}, "names no feature"),
        ({"columns": [SCHEMA["columns"][0]] * 2}, "a column twice"),
        ({"columns": [{**SCHEMA["columns"][0], "low": "0"}]}, "not of numbers"),
        ({"columns": [{**SCHEMA["columns"][0], "high": float("inf")}]}, "not of numbers"),
        ({"columns": [{"name": "a", "role": "feature", "required": True, "kind": "date"}]}, "unknown kind"),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error(schema, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_schema(schema)
