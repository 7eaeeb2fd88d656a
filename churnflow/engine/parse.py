"""From a workflow file's text to a Workflow, with the line of every part, so that each error can name its place."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from churnflow.domain.base import Frozen
from churnflow.domain.secrets import holds_password
from churnflow.domain.workflow import ApprovalRequest, CheckpointRequest, Gate, Step, Workflow
from churnflow.engine.resolvers import IMPLICIT
from churnflow.errors import UsageError

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 20
STRING: Final = "tag:yaml.org,2002:str"
NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)")
SURROGATES: Final = ("\ud800", "\udfff")
KINDS: Final[Mapping[str, type[BaseModel]]] = {
    "step": Step,
    "checkpoint": CheckpointRequest,
    "approval": ApprovalRequest,
    "gate": Gate,
}

Place = tuple[str | int, ...]


class Problem(Frozen):
    """Something wrong in a workflow file: where, what, and what to do."""

    line: int
    what: str
    remedy: str


class WorkflowError(UsageError):
    """A workflow that can not be run, with everything that is wrong with it."""

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        """Take the file and its problems; the first one makes the message, the rest is counted."""
        first = problems[0]
        more = f" (and {len(problems) - 1} more: `churnflow check` lists all)" if len(problems) > 1 else ""
        super().__init__(f"{path}, line {first.line}: {first.what}{more}", hint=first.remedy)
        self.path = path
        self.problems = problems


@dataclass(frozen=True)
class Parsed:
    """A workflow with the line on which each of its parts begins."""

    path: str
    workflow: Workflow
    lines: Mapping[Place, int]

    def line(self, *place: str | int) -> int:
        """Return the line of the innermost known part that holds `place`."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def item_place(self, name: str) -> Place:
        """Return where the item called `name` stands."""
        for phase, items in self.workflow.phases.items():
            for index, item in enumerate(items):
                if item.name == name:
                    return ("phases", phase, index)
        return ()


class _Loader(Reader, Scanner, Parser, Composer, SafeConstructor, BaseResolver):
    """YAML 1.2's core words only: `yes`, `no`, `on`, 12:30 and 2026-01-01 stay text. Never an alias, never a tag."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.events.AliasEvent):
            raise _Refused(event, "aliases are not allowed", "write the value out where it is used")
        if getattr(event, "anchor", None) is not None:
            raise _Refused(event, "anchors are not allowed", "write the value out where it is used")
        if getattr(event, "tag", None) is not None:
            raise _Refused(event, f"the tag {event.tag!r} is not allowed", "write plain values without a tag")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Refused(event, f"nested deeper than {MAX_DEPTH} levels", "a workflow needs at most seven")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


for _tag, _pattern, _first in IMPLICIT:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


class _Refused(Exception):  # noqa: N818 - it carries a problem out of the composer, and is caught here
    def __init__(self, event: yaml.events.Event | Node, what: str, remedy: str) -> None:
        super().__init__(what)
        line = event.start_mark.line if event.start_mark else 0
        self.problem = Problem(line=line + 1, what=what, remedy=remedy)


def read(path: Path, shown: str) -> Parsed:
    """Read and parse the workflow file at `path`, called `shown` in messages.

    Raises UsageError when the file can not be read, WorkflowError with every problem when it is not a workflow.
    """
    if not path.is_file():
        missing = f"there is no workflow file {shown}"
        raise UsageError(missing, hint="`churnflow new` makes a project with one; or name yours on the command line")
    size = path.stat().st_size
    if size > MAX_BYTES:
        large = f"{shown} has {size:,} bytes; a workflow has at most {MAX_BYTES:,}"
        raise UsageError(large, hint="name the workflow file, not a data file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        undecodable = f"{shown} is not UTF-8 text (byte {error.start})"
        raise UsageError(undecodable, hint="save the file as UTF-8") from None
    return parse(text, shown)


def parse(text: str, shown: str) -> Parsed:
    """Parse workflow text. Raises WorkflowError with every problem found and its line."""
    plain, lines = _load(text, shown)
    problems = [*_shape(plain, lines)]
    if problems:
        raise WorkflowError(shown, tuple(problems))
    parsed = {**plain, "phases": _items(plain["phases"])}
    try:
        workflow = Workflow.model_validate(parsed)
    except ValidationError as error:
        raise WorkflowError(shown, tuple(_problems(error, lines, (), Workflow))) from None
    return Parsed(shown, workflow, lines)


def parse_value(text: str) -> Any:
    """Return a value as a workflow writes it, `[svm, xgboost]` for one. Raises WorkflowError when it is no YAML."""
    return _load(text, "the value")[0]


def _load(text: str, shown: str) -> tuple[Any, dict[Place, int]]:
    if len(text) > MAX_BYTES:
        problem = Problem(line=1, what=f"more than {MAX_BYTES:,} characters", remedy="a workflow is a page or two")
        raise WorkflowError(shown, (problem,))
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        return (None if node is None else _plain(loader, node, (), lines)), lines
    except _Refused as refused:
        raise WorkflowError(shown, (refused.problem,)) from None
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark.line if error.problem_mark else 0) + 1
        problem = Problem(line=line, what=f"not YAML: {error.problem}", remedy="check indentation, colons and quotes")
        raise WorkflowError(shown, (problem,)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = Problem(line=1, what=f"not YAML: {error}".splitlines()[0], remedy="save it as plain UTF-8 YAML")
        raise WorkflowError(shown, (problem,)) from None
    finally:
        if loader is not None:
            loader.dispose()


def _plain(loader: _Loader, node: Node, place: Place, lines: dict[Place, int]) -> Any:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, MappingNode):
        return _mapping(loader, node, place, lines)
    if isinstance(node, SequenceNode):
        return [_plain(loader, child, (*place, index), lines) for index, child in enumerate(node.value)]
    return _scalar(loader, node)


def _scalar(loader: _Loader, node: Node) -> Any:
    """Return the value of a word or number; refuse what no record can hold, for it would be found much later."""
    if node.tag == STRING and getattr(node, "style", None) is None and NOT_FINITE.fullmatch(node.value):
        raise _Refused(node, f"{node.value} is no finite number", "write a number, or quote it if it is a word")
    try:
        value = loader.construct_object(node)
    except ValueError:  # Python reads no more digits than this
        raise _Refused(node, "a number of more than 4,300 digits", "quote it if it is no number") from None
    if isinstance(value, float) and not isfinite(value):
        raise _Refused(node, f"{node.value} is no finite number", "write a number of at most 1.8e308")
    if isinstance(value, str) and any(SURROGATES[0] <= character <= SURROGATES[1] for character in value):
        raise _Refused(node, "half of a character (a lone surrogate)", "write the character itself, in UTF-8")
    return value


def _mapping(loader: _Loader, node: MappingNode, place: Place, lines: dict[Place, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _key(loader, key_node)
        event = yaml.events.Event(key_node.start_mark, key_node.end_mark)
        if key == "<<":
            raise _Refused(event, "merge keys are not allowed", "write the values out where they are used")
        if key in found:
            raise _Refused(event, f"the key {key!r} stands twice", "keep one of the two")
        found[key] = _plain(loader, value_node, (*place, key), lines)
        lines[(*place, key)] = key_node.start_mark.line + 1
    return found


def _key(loader: _Loader, node: Node) -> str:
    key = _scalar(loader, node) if isinstance(node, ScalarNode) else None
    if not isinstance(key, Hashable) or not isinstance(key, str):
        event = yaml.events.Event(node.start_mark, node.end_mark)
        raise _Refused(event, "a key that is not text", "write a word before the colon, in quotes if it is a number")
    return key


def _shape(plain: Any, lines: Mapping[Place, int]) -> list[Problem]:
    """Find what must be right before the items can be told apart."""
    if not isinstance(plain, dict):
        return [Problem(line=1, what="not a workflow: no keys", remedy="begin with name:, task: and phases:")]
    phases = plain.get("phases")
    if not isinstance(phases, dict) or not phases:
        line = lines.get(("phases",), 1)
        return [Problem(line=line, what="phases: is missing or empty", remedy="give plan:, build:, review:, decision:")]
    found: list[Problem] = []
    names: dict[str, int] = {}
    for phase, items in phases.items():
        if not isinstance(items, list):
            remedy = "write one item a line, each beginning with '- step:', '- checkpoint:', '- approval:' or '- gate:'"
            found.append(Problem(line=lines[("phases", phase)], what=f"phase {phase!r} is not a list", remedy=remedy))
            continue
        for index, item in enumerate(items):
            found += _item_problems(item, ("phases", phase, index), lines, names)
    return found


def _item_problems(item: Any, place: Place, lines: Mapping[Place, int], names: dict[str, int]) -> list[Problem]:
    line = lines[place]
    kinds = [key for key in KINDS if isinstance(item, dict) and key in item]
    if len(kinds) != 1:
        what = "an item needs exactly one of step:, checkpoint:, approval:, gate:"
        return [Problem(line=line, what=what, remedy="begin the item with one of them and its name")]
    model = KINDS[kinds[0]]
    try:
        model.model_validate(item)
    except ValidationError as error:
        return _problems(error, lines, place, model)
    name = item[kinds[0]]
    if name in names:
        what = f"duplicate name: {name!r} already stands on line {names[name]}"
        return [Problem(line=line, what=what, remedy="give each item a name of its own")]
    names[name] = line
    return _passwords(item.get("with") or {}, (*place, "with"), lines)


def _passwords(given: Mapping[str, Any], place: Place, lines: Mapping[Place, int]) -> list[Problem]:
    """Find passwords before anything keeps the workflow; what is said does not repeat them."""
    remedy = "take it out; the driver's own password file or an environment variable can hold it"
    return [
        Problem(line=lines[(*place, name)], what=f"{name}: holds a password", remedy=remedy)
        for name, value in given.items()
        if holds_password(value)
    ]


def _items(phases: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[BaseModel]]:
    return {
        phase: [KINDS[next(key for key in KINDS if key in item)].model_validate(item) for item in items]
        for phase, items in phases.items()
    }


def _problems(
    error: ValidationError, lines: Mapping[Place, int], place: Place, model: type[BaseModel]
) -> list[Problem]:
    known = [field.alias or name for name, field in model.model_fields.items()]
    return [_problem(detail, lines, place, known) for detail in error.errors(include_url=False)]


def _problem(detail: Any, lines: Mapping[Place, int], place: Place, known: list[str]) -> Problem:
    inner: Place = (*place, *detail["loc"])
    while inner and inner not in lines:
        inner = inner[:-1]
    line = lines.get(inner, 1)
    field = ".".join(str(part) for part in detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        near = get_close_matches(str(detail["loc"][-1]), known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return Problem(line=line, what=f"unknown key {field!r}", remedy=remedy)
    if kind == "missing":
        return Problem(line=line, what=f"{field!r} is missing", remedy=f"add {field}:")
    if kind == "string_pattern_mismatch":
        remedy = "use small letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit"
        return Problem(line=line, what=f"{field}: {detail['input']!r} is not a name", remedy=remedy)
    message = detail["msg"].removeprefix("Value error, ")
    return Problem(line=line, what=f"{field}: {message}" if field else message, remedy="correct the value on this line")
