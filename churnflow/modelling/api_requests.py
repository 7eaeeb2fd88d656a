"""Rows of a table as the JSON that a client of the prediction API sends: good requests, and ones to be refused."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.dates import Calendar
from churnflow.modelling.numerals import Numerals
from churnflow.modelling.texts import USUAL

_EVERY = 3


def as_customers(test: pd.DataFrame, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of `test` as the JSON objects that a client would send: features only, null for missing.

    Every third row has its texts as a source may hold them: with a blank behind, a word for a missing one, dates and
    numbers in the order and marks of the source.
    """
    features = [column for column in schema["columns"] if column["role"] == "feature"]
    missing = [column["name"] for column in features if column["name"] not in test.columns]
    if missing:
        message = f"the test part has no column {missing[0]}, which the schema names as a feature"
        raise UsageError(message, hint="give rehearse the test part and schema that the model was trained with")
    values: dict[str, list[Any]] = {
        column["name"]: [
            _raw_value(value, column, schema) if row % _EVERY == _EVERY - 1 else _json_value(value, column)
            for row, value in enumerate(test[column["name"]])
        ]
        for column in features
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def bad_requests(customer: Mapping[str, Any], schema: Mapping[str, Any]) -> list[bytes]:
    """Return requests that the API has to refuse with 422, made from a good one."""
    first = next(column["name"] for column in schema["columns"] if column["role"] == "feature")
    rest = {name: value for name, value in customer.items() if name != first}
    wrong = [rest, {**customer, "no_such_field": 1}, {"customers": []}, {"customers": [rest]}]
    values: tuple[object, ...] = (True, [], math.nan)
    wrong += [{**customer, first: value} for value in values]
    return [json.dumps(body).encode() for body in wrong]


def largest_batch(customers: Sequence[Mapping[str, Any]], rows: int, limit: int) -> tuple[bytes, int]:
    """Return the body that asks for the first customers, and how many they are.

    That is `rows` of them, or halved until the body is no longer than `limit` bytes.
    """
    rows = min(len(customers), rows)
    while len(body := encode({"customers": customers[:rows]})) > limit and rows > 1:
        rows //= 2
    return body, rows


def encode(value: object) -> bytes:
    """Return the JSON bytes of a request."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _raw_value(value: Any, column: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return a value as a text of the source: the API reads those of categories, dates and numbers in other marks."""
    plain = _json_value(value, column)
    if column["kind"] == "category":
        word = max(column.get("missing", schema.get("missing", USUAL)), default="")
        return f"{word if plain is None else plain} "
    if plain is None or not (column.get("date") or column.get("numerals")):
        return plain
    if column.get("date"):
        return f" {Calendar.from_json(column['date']).in_source(float(value))}"
    way = Numerals(**column["numerals"])
    return f"{repr(plain).replace('.', way.decimal)} {way.unit}"


def _json_value(value: Any, column: Mapping[str, Any]) -> Any:
    if pd.isna(value):
        return None
    if column["kind"] == "category":
        return str(value)
    number = float(value)
    if column.get("date"):
        return Calendar.from_json(column["date"]).written(number)
    return int(number) if number.is_integer() else number
