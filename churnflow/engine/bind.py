"""How a step's parameters are filled: by name, from `with`, `needs` and earlier artifacts, checked against types."""

import inspect
import json
import pathlib
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final, Literal

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from churnflow.domain.contract import Evidence, Progress, Released
from churnflow.domain.workflow import Step
from churnflow.errors import UsageError

_QUALIFIED: Final = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")
Source = Literal["value", "file", "release", "artifact", "evidence", "progress", "default"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a step function: its name, annotation, and whether it must be given."""

    name: str
    annotation: Any
    required: bool
    default: Any = None

    @property
    def is_file(self) -> bool:
        """Whether a value names a file of the project, to be hashed, stored and handed over as a path."""
        return any(_is_path(member) for member in _members(self.annotation))

    @property
    def is_release(self) -> bool:
        """Whether a value names a release, whose files are handed over."""
        return Released in _members(self.annotation)

    def shown(self) -> str:
        """Write the parameter as `steps` lists it: name, type, default."""
        kind = "" if self.annotation is Any else f": {_words(self.annotation)}"
        return f"{self.name}{kind}" if self.required else f"{self.name}{kind} = {self.default!r}"


@dataclass(frozen=True)
class Filling:
    """Where each parameter of a step comes from: source kind, and the value, path or artifact name."""

    sources: Mapping[str, tuple[Source, Any]]

    def named(self, kind: Source) -> dict[str, Any]:
        """Return the parameters that come from one kind of source, with what they come from."""
        return {name: detail for name, (source, detail) in self.sources.items() if source == kind}


def parameters(function: Callable[..., object]) -> dict[str, Parameter]:
    """Return the parameters of a step function by name.

    Raises UsageError for *args, **kwargs or positional-only, and for several files in one parameter.
    """
    found: dict[str, Parameter] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            message = f"the step function {function.__name__} takes {parameter}, which can not be filled by name"
            raise UsageError(message, hint="give the function only parameters that have a name")
        empty = parameter.default is parameter.empty
        annotation = _annotation(function, parameter)
        if any(_holds_path(member) for member in _members(annotation) if not _is_path(member)):
            message = f"the step function {function.__name__} takes {parameter}: paths inside another type"
            raise UsageError(message, hint="take one Path per parameter, so that each file is hashed and stored")
        found[name] = Parameter(name, annotation, required=empty, default=None if empty else parameter.default)
    return found


def fill(step: Step, known: Mapping[str, Parameter], artifacts: typing.Collection[str]) -> Filling:
    """Decide where each parameter comes from.

    An artifact fills a parameter of its own name only if that has no default; `needs` names any other. A path that is
    a default is a file of the project, too. Parameters that nothing fills are left out: `missing` finds them.
    """
    sources: dict[str, tuple[Source, Any]] = {}
    for name, parameter in known.items():
        if parameter.annotation is Evidence:
            sources[name] = ("evidence", None)
        elif parameter.annotation is Progress:
            sources[name] = ("progress", None)
        elif name in step.params:
            sources[name] = (_given(parameter, step.params[name]), step.params[name])
        elif name in step.needs or (parameter.required and name in artifacts):
            sources[name] = ("artifact", step.needs.get(name, name))
        elif not parameter.required:
            sources[name] = _default(parameter)
    return Filling(sources)


def missing(known: Mapping[str, Parameter], filling: Filling) -> list[str]:
    """Return the required parameters that nothing fills."""
    return [name for name, parameter in known.items() if parameter.required and name not in filling.sources]


def wrong_value(parameter: Parameter, value: Any) -> str | None:
    """Return why `value` does not fit the parameter's annotation, None if it does; numbers in quotes do not fit."""
    adapter = _adapter(parameter.annotation)
    if adapter is None:
        return None
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return error.errors(include_url=False)[0]["msg"]
    return None


def remedy(parameter: Parameter, value: Any) -> str:
    """Return how to mend a value that does not fit: in quotes, where YAML took a word for something else."""
    words = [_as_word(item) for item in value] if isinstance(value, list) else _as_word(value)
    if wrong_value(parameter, words) is None:
        return f"write it in quotes: {parameter.name}: {json.dumps(words, ensure_ascii=False)}"
    return f"it is declared as {parameter.shown()}"


def typed_value(parameter: Parameter, value: Any) -> Any:
    """Return `value` as the annotation wants it (a list becomes a tuple). Raises UsageError if it does not fit."""
    adapter = _adapter(parameter.annotation)
    if adapter is None:
        return value
    reason = wrong_value(parameter, value)
    if reason is not None:
        message = f"parameter {parameter.name}: {reason}, not {value!r}"
        raise UsageError(message, hint="`churnflow steps` lists each step's parameters with their types")
    return adapter.validate_json(json.dumps(value), strict=True)


def _as_word(value: Any) -> Any:
    return value if isinstance(value, str | list | dict) else json.dumps(value)


def _annotation(function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    """Return the annotation, evaluated if it is text; one that only a type checker can resolve counts as Any.

    Each by itself: a table's type imported under TYPE_CHECKING must not hide that another parameter is a Progress.
    """
    if parameter.annotation is parameter.empty:
        return Any
    holder = type("holder", (), {"__annotations__": {parameter.name: parameter.annotation}})
    # A path must be known as one also where only the type checker imports its name.
    names = {"Path": Path, "pathlib": pathlib, **getattr(function, "__globals__", {})}
    try:
        return typing.get_type_hints(holder, globalns=names, include_extras=True)[parameter.name]
    except (NameError, TypeError, AttributeError, SyntaxError):
        return Any


def _given(parameter: Parameter, value: Any) -> Source:
    if not isinstance(value, str):
        return "value"
    return "file" if parameter.is_file else "release" if parameter.is_release else "value"


def _default(parameter: Parameter) -> tuple[Source, Any]:
    if parameter.is_file and isinstance(parameter.default, str | PurePath):
        return "file", str(parameter.default)
    return "default", parameter.default


def _members(annotation: Any) -> list[Any]:
    """Return the alternatives of a union, else the annotation itself, without what only a validator reads."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [annotation]


def _is_path(annotation: Any) -> bool:
    """Tell whether a Path can be handed over as this type because it is one, not because anything can."""
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and hasattr(kind, "__fspath__") and issubclass(type(Path()), kind)


def _holds_path(annotation: Any) -> bool:
    return _is_path(annotation) or any(map(_holds_path, typing.get_args(annotation)))


def _words(annotation: Any) -> str:
    """Write a type as its author does, without the modules of names and what only a validator reads."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) is Literal:
        return " | ".join(repr(value) for value in typing.get_args(annotation))
    return _QUALIFIED.sub("", inspect.formatannotation(annotation))


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    if annotation is Any:
        return None
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError):
        # Of a union such as `Path | DataFrame` that part is tested which a workflow can give.
        parts = [part for part in _members(annotation) if part is not annotation and _adapter(part) is not None]
        union: Any = typing.Union[tuple(parts)] if parts else None  # noqa: UP007 - made while running
        return TypeAdapter(union) if parts else None
