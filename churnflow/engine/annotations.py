"""What a parameter's annotation says: its alternatives, whether it is a path, and in words what it accepts."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from churnflow.domain.contract import Evidence, Progress, Pseudonyms, Released

LONGEST: Final = 80
_PLAIN: Final[Mapping[Any, str]] = {
    Any: "anything",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    decimal.Decimal: "a number",
    str: "a text",
    dt.date: "a date such as 2024-05-31",
    dt.datetime: "a time such as 2024-05-31T12:00:00Z",
    types.NoneType: "null",
    Released: "a release: served, served~1 or a version such as v1.2.0",
    Evidence: "the records of the run so far, filled in",
    Progress: "the progress bar, filled in",
    Pseudonyms: "the key that identifiers are hashed with, filled in",
}
_SEVERAL: Final = {"a text": "texts", "a whole number": "whole numbers", "a number": "numbers"}


def members(annotation: Any) -> list[Any]:
    """Return the alternatives of a union, else the annotation itself, without what only a validator reads."""
    if typing.get_origin(annotation) is typing.Annotated:
        return members(typing.get_args(annotation)[0])
    return [inner for part in _parts(annotation) for inner in (members(part) if part is not annotation else [part])]


def is_path(annotation: Any) -> bool:
    """Tell whether a Path can be handed over as this type because it is one, not because anything can."""
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and hasattr(kind, "__fspath__") and issubclass(type(Path()), kind)


def holds_path(annotation: Any) -> bool:
    """Tell whether a type is a path, or one of paths."""
    return is_path(annotation) or any(map(holds_path, typing.get_args(annotation)))


def adapter_of(annotation: Any) -> TypeAdapter[Any] | None:
    """Return what reads values of a type, None for one that no workflow can write."""
    if annotation is Any:
        return None
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError):
        # Of a union such as `Path | DataFrame` that part is tested which a workflow can give.
        parts = [part for part in members(annotation) if part is not annotation and adapter_of(part) is not None]
        union: Any = typing.Union[tuple(parts)] if parts else None  # noqa: UP007 - made while running
        return TypeAdapter(union) if parts else None


def form_of(annotation: Any) -> str:
    """Return in words what an annotation accepts, such as "a whole number from 1 to 20".

    The description of a pydantic `Field` in the annotation has the last word: a step's author may say it better.
    """
    notes: list[Any] = []
    while typing.get_origin(annotation) is typing.Annotated:
        annotation, *outer = typing.get_args(annotation)
        notes += outer
    said = next((note.description for note in notes if isinstance(note, FieldInfo) and note.description), None)
    if said is not None:
        return said
    parts = _parts(annotation)
    if len(parts) > 1:
        # What may be left out is said last.
        known = sorted(parts, key=lambda part: part is types.NoneType)
        return " or ".join(dict.fromkeys(map(form_of, known)))
    return " ".join([_kind(annotation), *_limits(notes)])


def choices(annotation: Any) -> list[str]:
    """Return the words that an annotation allows, alone or in a list, where it is one of choices; else none."""
    words: list[str] = []
    for part in members(annotation):
        if typing.get_origin(part) is Literal:
            words += [value for value in typing.get_args(part) if isinstance(value, str)]
        elif _is_list(part):
            words += [word for inner in typing.get_args(part) if inner is not ... for word in choices(inner)]
    return words


def shown_value(value: Any) -> str:
    """Return a value as a workflow writes it, texts in quotes, cut where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _parts(annotation: Any) -> Sequence[Any]:
    is_union = typing.get_origin(annotation) in {typing.Union, types.UnionType}
    return typing.get_args(annotation) if is_union else (annotation,)


def _kind(annotation: Any) -> str:
    if allowed := _allowed(annotation):
        return f"one of {', '.join(map(_word, allowed))}"
    if is_path(annotation):
        return "a file of the project"
    if _is_list(annotation):
        return _list(annotation)
    if _is_class(annotation, Mapping):
        return "a mapping"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    fields = _fields(annotation)
    return f"a mapping with {', '.join(fields)}" if fields else _named(annotation)


def _allowed(annotation: Any) -> Sequence[Any]:
    """Return the values of a type that has so many and no more, none for any other."""
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    is_enum = isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    return [member.value for member in annotation] if is_enum else ()


def _list(annotation: Any) -> str:
    inner = next((form_of(part) for part in typing.get_args(annotation) if part is not ...), "anything")
    return f"a list of {_SEVERAL[inner]}" if inner in _SEVERAL else f"a list, each {inner}"


def _named(annotation: Any) -> str:
    name = str(getattr(annotation, "__name__", annotation)).rpartition(".")[2]
    return f"a {name} of an earlier step" if adapter_of(annotation) is None else f"a {name}"


def _fields(annotation: Any) -> list[str]:
    """Return the fields of a type of fields that a workflow can write, none of any other."""
    if not isinstance(annotation, type) or adapter_of(annotation) is None:
        return []
    if issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return [field.name for field in dataclasses.fields(annotation)] if dataclasses.is_dataclass(annotation) else []


def _is_list(annotation: Any) -> bool:
    return _is_class(annotation, Collection) and not _is_class(annotation, str | bytes | Mapping)


def _is_class(annotation: Any, kinds: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    of_library = getattr(kind, "__module__", "") in {"builtins", "collections.abc", "typing"}
    return isinstance(kind, type) and of_library and issubclass(kind, kinds)


def _limits(notes: Sequence[Any]) -> Iterator[str]:
    """Yield the limits that validators set, in words."""
    single = [inner for note in notes for inner in (note.metadata if isinstance(note, FieldInfo) else (note,))]
    found = {name: value for note in single for name in _LIMITS if (value := getattr(note, name, None)) is not None}
    if "ge" in found and "le" in found:
        yield f"from {_limit(found.pop('ge'))} to {_limit(found.pop('le'))}"
    limits = [_LIMITS[name].format(_limit(value)) for name, value in found.items()]
    if limits:
        yield " and ".join(limits)


_LIMITS: Final = {
    "gt": "above {}",
    "ge": "of {} or more",
    "lt": "below {}",
    "le": "of {} or less",
    "min_length": "of length {} or more",
    "max_length": "of length {} or less",
    "pattern": "of the form {}",
}


def _limit(value: Any) -> str:
    # Dates and spans of time have limits, too.
    return f"{value:,}" if isinstance(value, int | float | decimal.Decimal) else str(value)


def _word(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("_", "a").replace("-", "a").isalnum()
    return value if plain else json.dumps(value, ensure_ascii=False)
