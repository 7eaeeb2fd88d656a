"""How a step's parameters are filled: by name, from `with`, `needs` and earlier artifacts, checked against types."""

import inspect
import json
import pathlib
import shlex
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, Final, Literal, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from churnflow.domain.contract import Evidence, Progress, Pseudonyms, Released
from churnflow.domain.workflow import Step
from churnflow.engine.annotations import (
    adapter_of,
    choices,
    form_of,
    holds_path,
    is_path,
    members,
    shown_value,
)
from churnflow.errors import UsageError

_OF_PYDANTIC: Final = frozenset(get_args(ErrorType))
Source = Literal["value", "file", "release", "artifact", "evidence", "progress", "pseudonyms", "default"]

# What the engine itself hands over, by annotation.
_OF_THE_ENGINE: Final[Mapping[object, Source]] = {
    Evidence: "evidence",
    Progress: "progress",
    Pseudonyms: "pseudonyms",
}


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
        return any(is_path(member) for member in members(self.annotation))

    @property
    def is_release(self) -> bool:
        """Whether a value names a release, whose files are handed over."""
        return Released in members(self.annotation)

    def shown(self) -> str:
        """Write the parameter as `steps` lists it: its name, what it accepts, and its default."""
        form = form_of(self.annotation)
        if self.required:
            return f"{self.name}: {form}"
        default = self._default_shown()
        return f"{self.name}: {form.removesuffix(' or null')}" + (f" = {default}" if default else ", or left out")

    def _default_shown(self) -> str:
        """Return the default as a workflow writes it, "" for none and for what no workflow can write."""
        try:
            return "" if self.default is None else json.dumps(self.default, ensure_ascii=False).replace('"', "")
        except TypeError:
            return ""


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
        if any(holds_path(member) for member in members(annotation) if not is_path(member)):
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
        own = next((source for kind, source in _OF_THE_ENGINE.items() if kind in members(parameter.annotation)), None)
        if own is not None:
            sources[name] = (own, None)
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
    """Return in words why `value` does not fit the parameter, None if it does; numbers in quotes do not fit."""
    adapter = adapter_of(parameter.annotation)
    if adapter is None:
        return None
    try:
        adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        return _in_words(parameter, value, error.errors(include_url=False))
    return None


def _in_words(parameter: Parameter, value: Any, errors: list[ErrorDetails]) -> str:
    """Return what the parameter accepts; where the author of its type says himself what is wrong, that."""
    given = f"you gave {shown_value(value)}"
    own = next((error["msg"] for error in errors if error["type"] not in _OF_PYDANTIC), None)
    if own is not None:
        return f"{parameter.name}: {own}; {given}"
    return f"{parameter.name} must be {form_of(parameter.annotation)}; {given}"


def remedy(parameter: Parameter, value: Any) -> str:
    """Return how to mend a value that does not fit.

    In quotes, where YAML took a word for something else; the nearest word, where a choice is misspelt.
    """
    mended = _mended(parameter, value)
    if mended is not None:
        how, fit = mended
        return f"{how}: {parameter.name}: {json.dumps(fit, ensure_ascii=False)}"
    return _advice(parameter, value)


def remedy_of_set(step: str, parameter: Parameter, value: Any) -> str:
    """Return how to mend a value that does not fit and was given by `--set`, as a shell takes it."""
    mended = _mended(parameter, value)
    if mended is None:
        return _advice(parameter, value)
    how, fit = mended
    bare = isinstance(value, str) and value.isidentifier() and fit == [value]
    text = f"[{value}]" if bare else json.dumps(fit, ensure_ascii=False)
    return f"{how}: --set {shlex.quote(f'{step}.{parameter.name}={text}')}"


def _mended(parameter: Parameter, value: Any) -> tuple[str, Any] | None:
    """Return how to write a value so that it fits, in words, and what it is then; None where neither helps."""
    words = [_as_word(item) for item in value] if isinstance(value, list) else _as_word(value)
    if wrong_value(parameter, words) is None:
        return "write it in quotes", words
    if isinstance(value, str) and wrong_value(parameter, [value]) is None:
        return "write it as a list", [value]
    return None


def _advice(parameter: Parameter, value: Any) -> str:
    known = choices(parameter.annotation)
    unknown = [word for word in (value if isinstance(value, list) else [value]) if word not in known]
    near = get_close_matches(str(unknown[0]), known, n=1) if unknown else []
    if near:
        return f"did you mean {near[0]!r}?"
    default = "" if parameter.required else ", or leave it out"
    return f"correct it{default}; `churnflow steps` lists what each parameter takes"


def typed_value(parameter: Parameter, value: Any) -> Any:
    """Return `value` as the annotation wants it (a list becomes a tuple). Raises UsageError if it does not fit."""
    adapter = adapter_of(parameter.annotation)
    if adapter is None:
        return value
    reason = wrong_value(parameter, value)
    if reason is not None:
        raise UsageError(reason, hint=remedy(parameter, value))
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
