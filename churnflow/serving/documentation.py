"""The OpenAPI document of the served release: requests typed from its schema, with an example that it can answer."""

from collections.abc import Mapping
from typing import Any

from churnflow.serving.answers import Outcomes
from churnflow.serving.current import Served
from churnflow.serving.fields import CategoryField, DateField, Field, NumberField
from churnflow.serving.requests import BATCH

PREDICT_PATH = "/api/v1/predict"
FEEDBACK_PATH = "/api/v1/feedback"
_REF = "#/components/schemas/"


def document(base: Mapping[str, Any], served: Served) -> dict[str, Any]:
    """Return the OpenAPI document `base` with the request body of the served release."""
    operation = dict(base["paths"][PREDICT_PATH]["post"])
    operation["requestBody"] = {"required": True, "content": {"application/json": _content(served)}}
    components = dict(base.get("components", {}))
    components["schemas"] = {**components.get("schemas", {}), **_schemas(served)}
    paths = {**base["paths"], PREDICT_PATH: {**base["paths"][PREDICT_PATH], "post": operation}}
    version = served.release.version if served.release else served.sha256[:12]
    return {**base, "info": {**base["info"], "version": version}, "paths": paths, "components": components}


def feedback_request() -> dict[str, Any]:
    """Return the OpenAPI description of what `/api/v1/feedback` takes."""
    schema = Outcomes.model_json_schema(ref_template=_REF + "{model}")
    # What the description refers to is part of the responses' models nowhere, so it stands in the place itself.
    schema["properties"]["outcomes"]["items"] = schema.pop("$defs")["Outcome"]
    examples = {
        "by prediction": {"value": {"outcomes": [{"prediction_id": "0199a1b2c3d4e5f60718293-0", "churned": True}]}},
        "by customer": {"value": {"outcomes": [{"customer_id": "C-1001", "churned": False}]}},
    }
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def example(served: Served) -> dict[str, Any]:
    """Return one customer as the schema's examples give it; the id is left out, being optional."""
    given = {str(column["name"]): column.get("example") for column in served.schema["columns"]}
    return {column.name: _usable(column, given[column.name]) for column in served.request.fields}


def _usable(column: Field, value: object) -> object:
    if value is None:
        return None if not column.required else _stand_in(column)
    return value if column.read(value)[1] is None else _stand_in(column)


def _stand_in(column: Field) -> object:
    match column:
        case NumberField(low=low):
            return 0 if low is None else low
        case DateField():
            return 0 if column.counted else column.newest
        case CategoryField(levels=levels):
            return min(levels, default="")


def _content(served: Served) -> dict[str, Any]:
    one = example(served)
    return {
        "schema": {"oneOf": [{"$ref": f"{_REF}Customer"}, {"$ref": f"{_REF}Customers"}]},
        "examples": {
            "one customer": {"value": one},
            "several customers": {"value": {BATCH: [one, one]}},
        },
    }


def _schemas(served: Served) -> dict[str, Any]:
    request = served.request
    properties = {column.name: _property(column) for column in request.fields}
    if request.id_name:
        properties[request.id_name] = {
            "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}],
            "description": "Echoed back as customer_id; the model does not use it",
        }
    words = ", ".join(f'"{word}"' for word in sorted(request.missing) if word)
    customer = {
        "type": "object",
        "description": "A value may come as its type in JSON or as a text, written as the source of the training "
        "data writes it; a category comes as a text only. Blanks around a text do not count; a blank text stands for "
        "null" + (f", and so does, in any case, {words}" if words else ""),
        "additionalProperties": False,
        "required": [column.name for column in request.fields],
        "properties": properties,
        "example": example(served),
    }
    items = {"type": "array", "minItems": 1, "maxItems": request.most, "items": {"$ref": f"{_REF}Customer"}}
    customers = {
        "type": "object",
        "additionalProperties": False,
        "required": [BATCH],
        "properties": {BATCH: items},
    }
    return {"Customer": customer, "Customers": customers}


def _property(column: Field) -> dict[str, Any]:
    kinds = _kinds(column)
    types = kinds if column.required else [*kinds, "null"]
    form = f". Written as {column.form}" if isinstance(column, DateField) else ""
    described = f"Seen in training: {column.seen}{form}"
    return {"type": types if len(types) > 1 else types[0], "description": described}


def _kinds(column: Field) -> list[str]:
    """Return the types of JSON that a field takes, beside null."""
    match column:
        case NumberField(integer=integer):
            return ["integer" if integer else "number", "string"]
        case DateField():
            return ["integer", "string"] if column.counted else ["string"]
        case CategoryField():
            return ["string"]
