"""What a new release changes for clients: their requests, the model, or neither."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from churnflow.modelling.columns import Column, Encoding
from churnflow.modelling.model_file import pack, unpack
from churnflow.modelling.release_change import release_change
from churnflow.modelling.scorer import PortableModel

Files = dict[str, bytes]

TENURE = {
    "name": "tenure",
    "role": "feature",
    "kind": "number",
    "integer": True,
    "required": True,
    "low": 0.0,
    "high": 72.0,
    "levels": [],
    "example": 12,
    "distinct": 73,
}
JOINED = {**TENURE, "name": "joined", "integer": False, "date": {"order": "ymd"}}
PLAN = {
    "name": "plan",
    "role": "feature",
    "kind": "category",
    "integer": False,
    "required": False,
    "levels": ["basic", "plus"],
    "example": "plus",
    "folded": True,
}
SCHEMA: dict[str, Any] = {
    "schema": "churnflow/table@1",
    "target": "left",
    "positive": "yes",
    "negative": "no",
    "id": "customer_id",
    "missing": ["n/a"],
    "columns": [
        {"name": "customer_id", "role": "id", "kind": "category", "required": True},
        TENURE,
        JOINED,
        PLAN,
        {"name": "note", "role": "dropped", "kind": "category", "required": True},
    ],
}
MODEL = PortableModel(
    "logistic_regression",
    "linear",
    Encoding(
        (
            Column("tenure", "number", low=0.0, high=72.0),
            Column("joined", "number"),
            Column("plan", "category", levels=("basic", "plus")),
        )
    ),
    {"weights": np.array([0.5, 1.0, 2.0, 3.0]), "bias": np.array([-1.0])},
    (1.0, 0.0),
    0.3,
    "yes",
    "no",
)


def bundle(schema: object = SCHEMA, model: PortableModel = MODEL, **files: bytes) -> Files:
    """The files of a release; `card` is the content of card.json, and so on."""
    named = {f"{name}.json": data for name, data in files.items()}
    return {"model.bin": model.to_bytes(), "schema.json": json.dumps(schema).encode(), "card.json": b"{}", **named}


def told(**changed: Any) -> dict[str, Any]:
    """SCHEMA with values of the whole table replaced."""
    return {**SCHEMA, **changed}


def asked(name: str, **changed: Any) -> dict[str, Any]:
    """SCHEMA with values of one column replaced; None leaves a value out."""
    columns = [{**column, **changed} if column["name"] == name else column for column in SCHEMA["columns"]]
    kept = [{key: value for key, value in column.items() if value is not None} for column in columns]
    return {**SCHEMA, "columns": kept}


def other(**changed: Any) -> PortableModel:
    """MODEL with fields of it replaced."""
    given = {field.name: getattr(MODEL, field.name) for field in fields(MODEL) if field.init}
    return PortableModel(**{**given, **changed})


def encoded(**changed: Any) -> PortableModel:
    """MODEL with values of its first column replaced."""
    first, *rest = MODEL.encoding.columns
    return other(encoding=Encoding((replace(first, **changed), *rest)))


MAJOR: dict[str, tuple[object, str]] = {
    "another id": (told(id="number"), "the id column"),
    "another target": (told(target="churn"), "the target"),
    "another positive label": (told(positive="gone"), "the label of the positive class"),
    "another negative label": (told(negative="here"), "the label of the negative class"),
    "other words for missing": (told(missing=["n/a", "-"]), "the words for a missing value"),
    "a new feature": (told(columns=[*SCHEMA["columns"], {**TENURE, "name": "bill"}]), "bill is asked for"),
    "a feature gone": (told(columns=[one for one in SCHEMA["columns"] if one is not PLAN]), "plan is no longer taken"),
    "a feature no longer used": (asked("plan", role="dropped"), "plan is no longer taken"),
    "a dropped column used": (asked("note", role="feature"), "note is asked for"),
    "another kind": (asked("tenure", kind="category"), "tenure: its kind"),
    "now required": (asked("plan", required=True), "plan: a value is required"),
    "now whole": (asked("joined", integer=True), "joined: only whole numbers are taken"),
    "another form of dates": (asked("joined", date={"order": "dmy"}), "joined: how its dates are written"),
    "dates no longer": (asked("joined", date=None), "joined: how its dates are written"),
    "other numerals": (asked("tenure", numerals={"decimal": ","}), "tenure: how its numbers are written"),
    "words of its own": (asked("plan", missing=["?"]), "plan: its words for a missing value"),
    "a schema of another form": ([], "the schema of requests"),
    "columns of another form": (told(columns=[7]), "the schema of requests"),
}  # fmt: skip
ACCEPTING: dict[str, tuple[object, str]] = {
    "no longer required": (asked("tenure", required=False), "tenure: no longer that a value is required"),
    "fractions too": (asked("tenure", integer=False), "tenure: no longer that only whole numbers are taken"),
    "a number for missing": (asked("tenure", sentinels=[-1.0]), "tenure: its numbers that stand for a missing value"),
    "spellings apart": (asked("plan", folded=None), "plan: whether its spellings count as one"),
    "other spellings": (asked("plan", spellings={"b": "basic"}), "plan: which of its spellings count as one"),
}


@pytest.mark.parametrize(("schema", "reason"), MAJOR.values(), ids=MAJOR)
def test_what_can_break_a_client_is_major(schema: object, reason: str) -> None:
    assert release_change(bundle(), bundle(schema, other(threshold=0.9))) == ("major", (reason,))


@pytest.mark.parametrize(("schema", "reason"), ACCEPTING.values(), ids=ACCEPTING)
def test_what_is_accepted_beside_what_was_is_minor(schema: object, reason: str) -> None:
    assert release_change(bundle(), bundle(schema)) == ("minor", (reason,))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (other(arrays={**MODEL.arrays, "bias": np.array([-1.5])}), "the model"),
        (other(name="svm"), "the model"),
        (other(calibration=(1.1, 0.0)), "the calibration of probabilities"),
        (other(curve=((-1.0, 1.0), (-1.0, 2.0))), "the calibration of probabilities"),
        (encoded(impute=3.0), "how values are encoded"),
    ],
)
def test_another_model_is_minor_whatever_else_is_new(model: PortableModel, reason: str) -> None:
    schema = asked("tenure", low=-5.0)
    assert release_change(bundle(), bundle(schema, model, card=b"{1}")) == ("minor", (reason,))


@pytest.mark.parametrize(
    ("after", "reasons"),
    [
        (bundle(model=other(threshold=0.5)), ("the threshold of the decision",)),
        (bundle(card=b'{"a": 1}'), ("the model card",)),
        (bundle(reference=b"{}"), ("the reference for drift",)),
        ({**bundle(), "known_rows.bin": b"1"}, ("the digests of the training rows",)),
        (
            bundle(asked("tenure", high=80.0), encoded(high=80.0), card=b"{1}"),
            ("what warnings and examples name of tenure", "the model card"),
        ),
    ],
)
def test_the_same_model_with_other_papers_is_a_patch(after: Files, reasons: tuple[str, ...]) -> None:
    assert release_change(bundle(), after) == ("patch", reasons)


@pytest.mark.parametrize(
    "after",
    [
        bundle(),
        bundle(model=encoded(high=80.0)),
        bundle(asked("tenure", distinct=74)),
        bundle(told(columns=SCHEMA["columns"][::-1])),
        bundle({**SCHEMA, "rows": 5}),
    ],
)
def test_what_no_client_meets_is_a_patch(after: Files) -> None:
    assert release_change(bundle(), after) == ("patch", ("nothing that a client meets",))


def test_every_reason_of_the_level_is_told_and_of_no_other() -> None:
    schema = told(target="churn", columns=[{**TENURE, "name": "bill"}, JOINED, {**PLAN, "folded": False}])
    assert release_change(bundle(), bundle(schema)) == (
        "major",
        ("the target", "tenure is no longer taken", "bill is asked for"),
    )


def deflated() -> bytes:
    """A zip that holds more than its length allows."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", b" " * 100_000)
    return buffer.getvalue()


def packed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """MODEL's bytes with a changed header."""
    header, arrays = unpack(MODEL.to_bytes())
    change(header)
    return pack(header, arrays)


@pytest.mark.parametrize("data", [b"", b"PK", b"another format", None, MODEL.to_bytes()[:-9], deflated()])
@pytest.mark.parametrize("turned", [False, True])
def test_a_model_of_another_form_is_another_model(data: bytes | None, *, turned: bool) -> None:
    odd = {name: content for name, content in {**bundle(), "model.bin": data}.items() if content is not None}
    pair = (odd, bundle()) if turned else (bundle(), odd)
    assert release_change(*pair) == ("minor", ("the model",))


@pytest.mark.parametrize(
    "data",
    [packed(lambda header: header.update(columns=7)), packed(lambda header: header.update(columns=[7]))],
)
def test_columns_of_another_form_are_another_encoding(data: bytes) -> None:
    assert release_change(bundle(), {**bundle(), "model.bin": data}) == ("minor", ("how values are encoded",))


@pytest.mark.parametrize("data", [b"[" * 100_000, b"\xff", b"[]", b"null"])
def test_a_hostile_schema_is_another_schema(data: bytes) -> None:
    assert release_change({**bundle(), "schema.json": data}, bundle()) == ("major", ("the schema of requests",))


def test_a_file_that_only_a_strangers_step_knows_counts_as_its_model() -> None:
    assert release_change({"weights.bin": b"1"}, {"weights.bin": b"2"}) == ("minor", ("weights.bin",))
    assert release_change({"weights.bin": b"1"}, {"weights.bin": b"1"})[0] == "patch"
