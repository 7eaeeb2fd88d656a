"""What a release changes for those who call it, read from two bundles: their requests, the model, or neither.

The standard library only: whoever ships asks this, and needs no model in memory for it.
"""

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

Level = Literal["patch", "minor", "major"]
Reason = tuple[Level, str]
Columns = Mapping[str, Mapping[str, Any]]

MODEL: Final = "model.bin"
SCHEMA: Final = "schema.json"
_HEADER: Final = "model.json"
_ORDER: Final[tuple[Level, ...]] = ("patch", "minor", "major")

# By the key of a schema, and of a feature in it: what differs for clients, and how much that is.
_OF_THE_TABLE: Final = {
    "id": "the id column",
    "target": "the target",
    "positive": "the label of the positive class",
    "negative": "the label of the negative class",
    "missing": "the words for a missing value",
}
_OF_A_FEATURE: Final[Mapping[str, Reason]] = {
    "kind": ("major", "its kind"),
    "date": ("major", "how its dates are written"),
    "numerals": ("major", "how its numbers are written"),
    "missing": ("major", "its words for a missing value"),
    "sentinels": ("minor", "its numbers that stand for a missing value"),
    "folded": ("minor", "whether its spellings count as one"),
    "spellings": ("minor", "which of its spellings count as one"),
}
# A demand that is made breaks clients, one that is dropped breaks none.
_DEMANDS: Final = {"required": "a value is required", "integer": "only whole numbers are taken"}
_TOLD: Final = ("low", "high", "levels", "example")
_PAPERS: Final = {
    "card.json": "the model card",
    "reference.json": "the reference for drift",
    "known_rows.bin": "the digests of the training rows",
}


def release_change(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Level, tuple[str, ...]]:
    """Return at which level one release differs from another, and the reasons for that level in words.

    Both as `unpack_bundle` returns them. `major`: a request that was right can be refused now, or an answer is about
    something else. `minor`: the model, or how values enter it, is another, or more is accepted. `patch`: the same model
    with another threshold, card, reference, or ranges that warnings name. A file of a form unknown here is as different
    as it can be once its bytes are.
    """
    reasons = [*_requests(before, after), *_answers(before, after), *_other_files(before, after)]
    level: Level = max((level for level, _ in reasons), key=_ORDER.index, default="patch")
    told = tuple(text for own, text in reasons if own == level)
    return level, told or ("nothing that a client meets",)


def _requests(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[Reason]:
    if before.get(SCHEMA) == after.get(SCHEMA):
        return
    old, new = _json(before.get(SCHEMA)), _json(after.get(SCHEMA))
    was, is_ = _features(old), _features(new)
    if was is None or is_ is None:
        yield "major", "the schema of requests"
        return
    yield from (("major", text) for key, text in _OF_THE_TABLE.items() if old.get(key) != new.get(key))
    yield from (("major", f"{name} is no longer taken") for name in sorted(was.keys() - is_.keys()))
    yield from (("major", f"{name} is asked for") for name in sorted(is_.keys() - was.keys()))
    shared = sorted(was.keys() & is_.keys())
    for name in shared:
        yield from _feature(name, was[name], is_[name])
    told = [name for name in shared if any(was[name].get(key) != is_[name].get(key) for key in _TOLD)]
    if told:
        yield "patch", f"what warnings and examples name of {', '.join(told)}"


def _feature(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Reason]:
    for key, (level, text) in _OF_A_FEATURE.items():
        if old.get(key) != new.get(key):
            yield level, f"{name}: {text}"
    for key, text in _DEMANDS.items():
        if bool(old.get(key)) != bool(new.get(key)):
            yield ("major", f"{name}: {text}") if new.get(key) else ("minor", f"{name}: no longer that {text}")


def _answers(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[Reason]:
    if before.get(MODEL) == after.get(MODEL):
        return
    old, new = _model(before.get(MODEL)), _model(after.get(MODEL))
    if old is None or new is None:
        yield "minor", "the model"
        return
    header, header_now = old[0], new[0]
    if _columns(header) != _columns(header_now):
        yield "minor", "how values are encoded"
    if any(header.get(key) != header_now.get(key) for key in ("calibration", "curve")):
        yield "minor", "the calibration of probabilities"
    if old[1] != new[1] or _remainder(header) != _remainder(header_now):
        yield "minor", "the model"
    if header.get("threshold") != header_now.get("threshold"):
        yield "patch", "the threshold of the decision"


def _other_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[Reason]:
    for name in sorted((before.keys() | after.keys()) - {MODEL, SCHEMA}):
        if before.get(name) != after.get(name):
            # What a step of a stranger's has put there may be its model.
            yield ("patch", _PAPERS[name]) if name in _PAPERS else ("minor", name)


def _features(schema: Mapping[str, Any]) -> Columns | None:
    """Return the features of a schema by name, None where it is of an unknown form."""
    columns = schema.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        return None
    return {str(column.get("name")): column for column in columns if column.get("role") == "feature"}


def _model(data: bytes | None) -> tuple[dict[str, Any], dict[str, bytes]] | None:
    """Return the header and the arrays of a model, as bytes, None where it is of an unknown form."""
    try:
        with zipfile.ZipFile(io.BytesIO(data or b"")) as archive:
            # A deflated entry could be a thousand times longer than the file; no model has one.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                return None
            files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, struct.error):
        return None
    return _json(files.pop(_HEADER, None)), files


def _columns(header: Mapping[str, Any]) -> object:
    """Return the columns of a model without their ranges, which change no encoded value."""
    columns = header.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        return columns
    return [{key: value for key, value in column.items() if key not in {"low", "high"}} for column in columns]


def _remainder(header: Mapping[str, Any]) -> dict[str, Any]:
    named = {"columns", "calibration", "curve", "threshold"}
    return {key: value for key, value in header.items() if key not in named}


def _json(data: bytes | None) -> dict[str, Any]:
    """Return a JSON object, empty for anything else."""
    try:
        value = json.loads(data or b"")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
