"""The request body of the prediction API: strict JSON, checked field by field against the release's schema.

A refusal names the field and what is wrong with it; it never repeats a value.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from churnflow.modelling.request_size import MAX_CUSTOMERS
from churnflow.modelling.texts import missing_words
from churnflow.serving.fields import Field, field_of

MAX_PROBLEMS = 50
MAX_ID_CHARS = 200
MAX_DIGITS = 400
BATCH = "customers"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MAX_NAME = 64


@dataclass(frozen=True)
class Problem:
    """One thing wrong, or worth a warning, with one field (`customers[3].tenure`; `body` for the whole)."""

    field: str
    problem: str

    def as_json(self) -> dict[str, str]:
        """Return the problem as the API answers it."""
        return {"field": self.field, "problem": self.problem}


class RefusedRequestError(Exception):
    """A request that is not answered: the HTTP status, the problems found in it, and headers of the refusal."""

    def __init__(self, status: int, problems: Iterable[Problem], headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Take the status, at least one problem, and what the client is told in headers."""
        super().__init__(f"refused with {status}")
        self.status = status
        self.problems = tuple(problems)
        self.headers = tuple(headers)


@dataclass
class Batch:
    """Customers ready to score, by column: ids[i], columns[name][i] and warnings[i] belong to customer i."""

    ids: list[str | int | None]
    columns: dict[str, list[Any]]
    warnings: list[list[Problem]]


class RepeatedKeyDict(dict[str, Any]):
    """A JSON object that named the key `twice` more than once."""

    twice: str = ""


@dataclass(frozen=True)
class RequestSchema:
    """What the served release accepts, compiled once from its `schema.json`.

    missing: the words that stand for a missing value, folded, in columns that have no words of their own. most: how
    many customers one request may hold.
    """

    fields: tuple[Field, ...]
    id_name: str | None
    unused: frozenset[str]
    missing: frozenset[str]
    most: int = MAX_CUSTOMERS
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Collect the names that a request may hold."""
        names = {column.name for column in self.fields} | ({self.id_name} if self.id_name else set())
        object.__setattr__(self, "known", frozenset(names))

    def read(self, body: bytes) -> Batch:
        """Return the customers of a request body, one object or `{"customers": [...]}`.

        Raises RefusedRequestError: 400 for what is not JSON, 413 for too many customers, 422 for wrong fields.
        """
        document = parse_strictly(body)
        if not isinstance(document, dict):
            raise RefusedRequestError(
                422, [Problem("body", "must be one customer object, or an object with `customers`")]
            )
        # A feature of that name is never a list, so that both can be told apart.
        if BATCH in document and (BATCH not in self.known or isinstance(document[BATCH], list)):
            return self._read_many(document)
        batch = self._empty()
        problems = list(self._read_customer(document, "", batch))
        if problems:
            raise RefusedRequestError(422, problems[:MAX_PROBLEMS])
        return batch

    def _empty(self) -> Batch:
        return Batch([], {column.name: [] for column in self.fields}, [])

    def _read_many(self, document: dict[str, Any]) -> Batch:
        customers = document[BATCH]
        problems = list(_wrong_envelope(document))
        if problems:
            raise RefusedRequestError(422, problems[:MAX_PROBLEMS])
        if len(customers) > self.most:
            wide = "" if self.most == MAX_CUSTOMERS else ", for its model is wide"
            raise RefusedRequestError(413, [Problem(BATCH, f"at most {self.most} customers in one request{wide}")])
        batch = self._empty()
        for position, customer in enumerate(customers):
            problems.extend(self._read_customer(customer, f"{BATCH}[{position}].", batch))
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise RefusedRequestError(422, problems[:MAX_PROBLEMS])
        return batch

    def _read_customer(self, customer: object, prefix: str, batch: Batch) -> Iterable[Problem]:
        if not isinstance(customer, dict):
            return [Problem(prefix.rstrip(".") or "body", "must be a customer object")]
        problems = list(self._wrong_names(customer, prefix))
        warnings: list[Problem] = []
        for column in self.fields:
            given: Any = customer.get(column.name)
            value, wrong = column.read(given) if column.name in customer else (None, "is missing")
            if wrong is None and value is None and column.required:
                wrong = "must not be null" if given is None else f"must not be a {_kind(given)} that stands for null"
            if wrong:
                problems.append(Problem(prefix + column.name, wrong))
                continue
            batch.columns[column.name].append(value)
            unusual = None if value is None else column.warning(value)
            if unusual:
                warnings.append(Problem(column.name, unusual))
        batch.ids.append(customer.get(self.id_name) if self.id_name else None)
        batch.warnings.append(warnings)
        return problems

    def _wrong_names(self, customer: dict[str, Any], prefix: str) -> Iterable[Problem]:
        if isinstance(customer, RepeatedKeyDict):
            yield Problem(prefix + quoted(customer.twice), "given twice")
        if not customer.keys() <= self.known:
            for name in islice(sorted(customer.keys() - self.known), MAX_PROBLEMS):
                text = "not used by the model; leave it out" if name in self.unused else "unknown field"
                yield Problem(prefix + quoted(name), text)
        if self.id_name and not is_identifier(customer.get(self.id_name)):
            text = f"must be a text of at most {MAX_ID_CHARS} characters, or a whole number of 64 bits"
            yield Problem(prefix + self.id_name, text)


def compile_schema(schema: Mapping[str, Any], most: int = MAX_CUSTOMERS) -> RequestSchema:
    """Return the request schema of a table schema (`churnflow/table@1`), for at most so many customers at once.

    Raises ValueError when it is not one.
    """
    try:
        columns = list(schema["columns"])
        ids = [str(column["name"]) for column in columns if column["role"] == "id"]
        unused = frozenset(str(column["name"]) for column in columns if column["role"] not in {"feature", "id"})
        names = {str(column["name"]) for column in columns}
        missing = missing_words(schema.get("missing"))
        fields = tuple(field_of(column, missing) for column in columns if column["role"] == "feature")
    except (KeyError, TypeError, AttributeError) as error:
        message = f"the schema of the release is incomplete: {error}"
        raise ValueError(message) from None
    if not fields or len(names) < len(columns):
        message = "the schema of the release names no feature, or a column twice"
        raise ValueError(message)
    return RequestSchema(fields, ids[0] if ids else None, unused, missing, most)


def parse_strictly(body: bytes) -> Any:
    """Return the JSON value of `body`; objects with a repeated key come as `RepeatedKeyDict`.

    NaN, Infinity and numbers beyond a double come as floats that are not finite, so that the check of the field can
    name it. Raises RefusedRequestError (400) for anything that is not JSON, for lone surrogates and for deep nesting.
    """
    try:
        text = body.decode("utf-8")
        value = _loads(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        problem = "must be UTF-8 text without lone surrogates"
    except json.JSONDecodeError as error:
        problem = f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
    except RecursionError:
        problem = "nested too deeply"
    else:
        return value
    raise RefusedRequestError(400, [Problem("body", problem)])


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python reads no integer of more than 4300 digits. Only then is each integer looked at, which takes time.
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) == len(pairs):
        return result
    repeated, seen = RepeatedKeyDict(result), set[str]()
    for name, _ in pairs:
        if name in seen:
            repeated.twice = name
            break
        seen.add(name)
    return repeated


def _wrong_envelope(document: dict[str, Any]) -> Iterable[Problem]:
    for name in sorted(set(document) - {BATCH}):
        yield Problem(quoted(name), "unknown field beside `customers`")
    if isinstance(document, RepeatedKeyDict):
        yield Problem(quoted(document.twice), "given twice")
    if not isinstance(document[BATCH], list) or not document[BATCH]:
        yield Problem(BATCH, "must be a list of at least one customer object")


def is_identifier(value: object) -> bool:
    """Tell whether a value may name a customer: a short text, a whole number of 64 bits, or nothing."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARS
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _kind(value: object) -> str:
    return "text" if isinstance(value, str) else "number"


def quoted(name: str) -> str:
    """Return a name that came with the request, short and printable: it ends in logs and terminals."""
    shown = "".join(char if char.isprintable() else "?" for char in name[:_MAX_NAME])
    return shown if len(name) <= _MAX_NAME else f"{shown}..."
