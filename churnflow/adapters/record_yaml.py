"""A checkpoint as YAML: a view that a person reads top-down, written in one way only and read back safely."""

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import yaml
from pydantic import ValidationError

from churnflow.domain.checkpoint import Checkpoint
from churnflow.errors import IntegrityError

MAX_BYTES = 5_000_000
# Values of a workflow are at most 20 deep, and stand some levels down in the record of a step.
MAX_DEPTH = 32
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_PLAINLY_SHALLOW = 200
_BEFORE_CONTENT = re.compile(r"^[ \t\-?:]*", re.MULTILINE)
_LAST_SHORT = 0xFFFF

_HINT = "bring the file back as git has it: git show TAG:checkpoints/RUN/NN-NAME.yaml"
# A word that no YAML reader takes for anything but text. Everything else is quoted: PyYAML reads 0012345 as 5349,
# 1.10 as 1.1, 12:30:45 as 45045, `no` as false.
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*\Z")
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
# And no mark that turns the direction of writing round: a person reads the file (CVE-2021-42574).
_UNPRINTABLE = re.compile(
    "[^\\t\\n\\r -~\u00a0-\u061b\u061d-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """A safe loader that also refuses tags, merge keys and doubled keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Build a mapping whose keys are text and occur once."""
        names = [key.value for key, _ in node.value]
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise _refused(node, "merge keys are not allowed")
        if len(set(names)) != len(names):
            doubled = next(name for name in names if names.count(name) > 1)
            raise _refused(node, f"the key {doubled} stands twice")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def to_yaml(checkpoint: Checkpoint) -> bytes:
    """Return the YAML of a checkpoint: fields in the order of the model, the same bytes for the same content."""
    lines = list(_mapping(checkpoint.model_dump(mode="json", by_alias=True), ""))
    return "".join(f"{line}\n" for line in lines).encode()


def is_written_so(checkpoint: Checkpoint, data: bytes) -> bool:
    """Tell whether a YAML is that of a checkpoint, also as an earlier version wrote it, with some signs as they are."""
    return to_yaml(checkpoint) == _UNPRINTABLE.sub(_escape, data.decode(errors="replace")).encode()


def from_yaml(data: bytes, source: str) -> Checkpoint:
    """Read a checkpoint back; `source` names it in errors.

    Raises IntegrityError for what is not such a file: tags, aliases, merge keys, doubled or unknown keys, numbers that
    are not finite, more than MAX_DEPTH levels, more than 5 MB.
    """
    if len(data) > MAX_BYTES:
        message = f"{source} is larger than {MAX_BYTES // 1_000_000} MB: no checkpoint is"
        raise IntegrityError(message, hint=_HINT)
    try:
        text = data.decode()
        _refuse_tricks(text)
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a safe loader by its base
        _refuse_deep(value)
        return Checkpoint.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as failure:
        first = failure.errors()[0]
        message = f"{source} is not a checkpoint: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise IntegrityError(message, hint=_HINT) from failure
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as failure:
        message = f"{source} cannot be read: {' '.join(str(failure).split())[:200]}"
        raise IntegrityError(message, hint=_HINT) from failure


def _refuse_tricks(text: str) -> None:
    # An alias needs an anchor; without these two signs there is nothing to look for, and most records have neither.
    if "&" not in text and "!" not in text and _deepest(text) <= _PLAINLY_SHALLOW:
        return
    depth = 0
    for event in _events(text):
        # Before it is composed: the C loader calls itself for each level, and a deep file would crash the interpreter.
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _refused(event, _TOO_DEEP)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(event, "anchors and aliases are not allowed")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _refused(event, f"the tag {tag} is not allowed")


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.scanner.ScannerError as failure:
        # libyaml looks ahead of the event that it hands out, and from 0.2.6 on stops at a depth of its own.
        if failure.problem != "exceeded maximum nesting depth":
            raise
        raise _refused(failure, _TOO_DEEP) from failure


def _refused(where: yaml.Node | yaml.Event | yaml.MarkedYAMLError, what: str) -> yaml.YAMLError:
    mark = where.problem_mark if isinstance(where, yaml.MarkedYAMLError) else where.start_mark
    line = mark.line + 1 if mark else 1
    return yaml.YAMLError(f"line {line}: {what}")


def _finite(loader: Any, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_yaml_float(node))
    if not isfinite(value):
        raise _refused(node, f"{node.value} is no finite number")
    return value


_StrictLoader.add_constructor("tag:yaml.org,2002:float", _finite)


def _refuse_deep(value: object) -> None:
    if _depth(value) > MAX_DEPTH + 1:
        raise yaml.YAMLError(_TOO_DEEP)


def _depth(value: object) -> int:
    """Return how deep a value is nested, which what was read of a text bounds."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _deepest(text: str) -> int:
    """Return a bound on how deep a text can be nested, from its signs alone: most records need no look at its events.

    A block begins right of the one around it, or is a list right below its key; the rest takes a bracket.
    """
    columns = max(map(len, _BEFORE_CONTENT.findall(text)), default=0)
    return 2 * (columns + 1) + text.count("[") + text.count("{")


def _mapping(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        yield from _entry(f"{indent}{_scalar(key)}:", value, indent)


def _entry(start: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield start
        yield from _mapping(value, indent + "  ")
    elif isinstance(value, list) and value:
        yield start
        yield from _sequence(value, indent + "  ")
    else:
        yield f"{start} {_scalar(value)}"


def _sequence(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict) and item:
            first, *rest = _mapping(item, indent + "  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
        elif isinstance(item, list) and item:
            yield f"{indent}-"
            yield from _sequence(item, indent + "  ")
        else:
            yield f"{indent}- {_scalar(item)}"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        if _WORD.match(value) and value.lower() not in _NOT_TEXT:
            return value
        return _UNPRINTABLE.sub(_escape, json.dumps(value, ensure_ascii=False))
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value)


def _number(value: float) -> str:
    # YAML 1.1 wants a dot in the mantissa and a sign in the exponent: 1e-07 would be read as text.
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] in '+-' else '+' + exponent}"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code <= _LAST_SHORT else f"\\U{code:08x}"
