"""What a workflow says of the columns of its source: `columns:`, and the roles that are named one by one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, NoReturn, get_args

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from churnflow.errors import UsageError
from churnflow.modelling.dates import ORDERS, Order

Kind = Literal["number", "category", "date", "drop", "hash"]
Spelling = Literal["folded", "exact"]

KINDS: Final = get_args(Kind)
_FIELDS: Final = ("kind", "missing", "format", "spelling")
SHOWN_COLUMNS: Final = 20
_LEFT_OUT: Final[Mapping[str | None, str]] = {"drop": "dropped", "hash": "hashed"}


@dataclass(frozen=True)
class Setting:
    """What is declared of one column; None and empty for what its values shall decide.

    missing: texts that stand for a missing value in this column, beside the usual ones; numbers count by their value.
    Once it is given, if only as an empty list, no others are looked for. format: the order of a date. spelling: `exact`
    where a letter in another case makes another value.
    """

    kind: Kind | None = None
    missing: tuple[str, ...] | None = None
    format: Order | None = None
    spelling: Spelling = "folded"


@dataclass(frozen=True)
class Declared:
    """The columns that a workflow names: roles, and what it says of the others.

    protected: attributes, such as a race or a sex, by which groups are compared and which no model may learn from.
    """

    target: str
    id: str | None = None
    time: str | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    protected: tuple[str, ...] = ()

    def of(self, name: str) -> Setting:
        """Return what is declared of a column, nothing by default."""
        return self.settings.get(name, Setting())

    def role(self, name: str) -> Literal["target", "id", "time"] | None:
        """Return the role that a column is named for, None for any other."""
        if name == self.target:
            return "target"
        if name == self.id:
            return "id"
        return "time" if name == self.time else None

    def check(self, header: Collection[str]) -> None:
        """Raise UsageError, with the nearest name, for a column that the source has not, or that is named twice."""
        taken = self._taken()
        for name in (*taken, *self.settings, *self.protected):
            if name not in header:
                raise unknown_column(name, header)
        for name, role in taken.items():
            kind = self.of(name).kind
            # How a time is written may be said, and that the id is hashed; of the target nothing may.
            allowed = {"the time": "date", "the id": "hash"}.get(role)
            wrong = kind not in {None, allowed}
            if wrong or (role == "the target" and name in self.settings):
                place = "drop" if kind == "drop" else "columns"
                message = f"{role} {name!r} is also named under {place}"
                raise UsageError(message, hint="name each column once")

        for name in self.protected:
            if name in taken or self.of(name).kind in {"drop", "hash"}:
                role = taken.get(name, f"the {_LEFT_OUT.get(self.of(name).kind)} column")
                message = f"{role} {name!r} is also named under protected"
                raise UsageError(message, hint="name each column once; what is protected is never a feature anyway")

    def _taken(self) -> dict[str, str]:
        """Return the role of each column that is named for one. Raises UsageError for one that is named for two."""
        taken: dict[str, str] = {}
        for role, name in (("the target", self.target), ("the id", self.id), ("the time", self.time)):
            if name in taken:
                message = f"{taken[name]} {name!r} is also named as {role}"
                raise UsageError(message, hint="name each column once")
            if name is not None:
                taken[name] = role
        return taken


def parse_columns(value: Any) -> dict[str, Setting]:
    """Return the settings of `columns:`, a mapping of names to a kind or to settings.

    Raises PydanticCustomError, which is a ValueError, for anything else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        _refuse("columns is a mapping, such as {plan_code: category, notes: drop}")
    return {_name(name): _setting(str(name), given) for name, given in value.items()}


# As a parameter of a step: `columns: {plan_code: category, joined: {kind: date}, balance: {missing: [-999]}}`.
Columns = Annotated[Mapping[str, Any] | None, PlainValidator(parse_columns)]


def merged(
    columns: Mapping[str, Any] | None, drop: Iterable[str] = (), categories: Iterable[str] = ()
) -> dict[str, Setting]:
    """Return all settings in one. Raises UsageError for a column named in two places, or with a wrong setting."""
    try:
        settings = parse_columns(columns)
    except PydanticCustomError as error:
        raise UsageError(error.message(), hint=f"a kind is one of {', '.join(KINDS)}") from None
    for place, names in (("drop", drop), ("categories", categories)):
        for name in names:
            if settings.get(name, Setting()).kind is not None:
                message = f"the column {name!r} is named twice: under {place}, and before it"
                raise UsageError(message, hint="name each column once")
            before = settings.get(name, Setting())
            settings[name] = Setting("drop" if place == "drop" else "category", before.missing, None, before.spelling)
    return settings


def unknown_column(name: str, header: Collection[str], source: str = "the file") -> UsageError:
    """Return the error that says that a source has no such column, with the nearest name."""
    plain = {known.casefold(): known for known in reversed(list(header))}
    near = get_close_matches(name.casefold(), plain, n=1)
    more = ", ..." if len(header) > SHOWN_COLUMNS else ""
    shown = f"its columns: {', '.join(list(header)[:SHOWN_COLUMNS])}{more}"
    message = f"{source} has no column {name!r}"
    return UsageError(message, hint=f"did you mean {plain[near[0]]!r}?" if near else shown)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        _refuse(f"a column is named by a text; write {name!r} in quotes")
    return name


def _setting(name: str, given: Any) -> Setting:
    if isinstance(given, Setting):
        return given
    if isinstance(given, str):
        return Setting(_one_of(name, "kind", given, KINDS))
    if not isinstance(given, Mapping) or not given:
        _refuse(f"{name} is given no kind; write {', '.join(KINDS)}, or {{{', '.join(_FIELDS)}}}")
    wrong = next((field for field in given if field not in _FIELDS), None)
    if wrong is not None:
        _refuse(f"{name} has no setting {wrong!r}; settings: {', '.join(_FIELDS)}")
    kind = _one_of(name, "kind", given["kind"], KINDS) if "kind" in given else None
    order = _one_of(name, "format", given["format"], tuple(ORDERS)) if "format" in given else None
    if order is not None and kind not in {None, "date"}:
        _refuse(f"{name} has a format, which only a date has")
    spelling = _one_of(name, "spelling", given.get("spelling", "folded"), get_args(Spelling))
    words = _words(name, given["missing"]) if "missing" in given else None
    return Setting("date" if order is not None else kind, words, order, spelling)


def _words(name: str, given: Any) -> tuple[str, ...]:
    words = [given] if isinstance(given, str | int | float) else given
    if not isinstance(words, list | tuple) or any(isinstance(word, bool | list | dict | None) for word in words):
        _refuse(f"{name}: missing is a list of texts and numbers")
    return tuple(str(word) for word in words)


def _one_of(name: str, field_: str, given: Any, allowed: tuple[Any, ...]) -> Any:
    if given not in allowed:
        _refuse_value(name, field_, given, allowed)
    return given


def _refuse_value(name: str, field_: str, given: Any, allowed: tuple[Any, ...]) -> NoReturn:
    near = get_close_matches(str(given), allowed, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(allowed)}"
    _refuse(f"{name} has no {field_} {given!r}; {hint}")


def _refuse(text: str) -> NoReturn:
    kind, template = "columns", "{text}"
    raise PydanticCustomError(kind, template, {"text": text})
