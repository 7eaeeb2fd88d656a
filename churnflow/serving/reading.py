"""Requests with nothing wrong in them, read at once into what the model is asked: 5 times faster than field by field.

Whatever is unusual, be it wrong or only written in another way, is left to `RequestSchema.read`, which says what is
wrong; where both answer, they answer the same.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from churnflow.modelling.columns import Encoding, Floats
from churnflow.serving.fields import CategoryField, Field, NumberField
from churnflow.serving.requests import BATCH, Batch, Problem, RequestSchema, is_identifier

_ODD: Final = re.compile(r'[\\"\x00-\x1f]')
_SEVERAL: Final = b'{"customers":'
# So many texts of a column are kept with what they mean; a column of more is read anew.
_MOST_KEPT: Final = 4_096
_LONGEST_KEPT: Final = 200


@dataclass(frozen=True)
class Asked:
    """Customers as the model takes them: ids[i], warnings[i] and row i of `matrix`, (n, width), belong together.

    columns: what was read by column, for the log.
    """

    ids: list[str | int | None]
    columns: Mapping[str, Sequence[Any]]
    warnings: Sequence[list[Problem]]
    matrix: Floats


class _UnusualError(Exception):
    """What is to be read the careful way."""


class _Numbers:
    """A field of numbers."""

    def __init__(self, column: NumberField) -> None:
        self.name, self._column = column.name, column
        self._required, self._integer, self._sentinels = column.required, column.integer, column.reading.sentinels
        self._low = -math.inf if column.low is None else column.low
        self._high = math.inf if column.high is None else column.high

    def one(self, given: float | None, warnings: list[Problem]) -> float | None:
        """Return a number; what is worth a warning joins `warnings`. Raises _UnusualError."""
        if given is None:
            if self._required:
                raise _UnusualError
            return None
        if (self._integer and not given.is_integer()) or given in self._sentinels:
            raise _UnusualError
        if not self._low <= given <= self._high:
            warnings.append(Problem(self.name, self._column.warning(given) or ""))
        return given

    def many(self, given: Sequence[float | None], warnings: Sequence[list[Problem]]) -> Sequence[Any]:
        """Return the numbers of several customers. Raises _UnusualError."""
        known: Any = given if None not in given else [value for value in given if value is not None]
        if (len(known) < len(given) and self._required) or not self._sentinels.isdisjoint(known):
            raise _UnusualError
        if self._integer and not all(map(float.is_integer, known)):
            raise _UnusualError
        if known and not self._low <= min(known) <= max(known) <= self._high:
            for value, of_customer in zip(given, warnings, strict=True):
                self.one(value, of_customer)
        return given


class _Texts:
    """A field of texts, and what those that came before mean: value and warning."""

    def __init__(self, column: Field) -> None:
        self.name, self._column = column.name, column
        self.known: dict[str | None, tuple[Any, str | None]] = {}

    def one(self, given: str | None, warnings: list[Problem]) -> Any:
        """Return what a text means; what is worth a warning joins `warnings`. Raises _UnusualError."""
        value, warning = self.known.get(given) or self._learn(given)
        if warning is not None:
            warnings.append(Problem(self.name, warning))
        return value

    def many(self, given: Sequence[str | None], warnings: Sequence[list[Problem]]) -> Sequence[Any]:
        """Return what the texts of several customers mean. Raises _UnusualError."""
        read = {text: self.known.get(text) or self._learn(text) for text in set(given)}
        if any(warning is not None for _, warning in read.values()):
            for text, of_customer in zip(given, warnings, strict=True):
                self.one(text, of_customer)
        return [read[text][0] for text in given]

    def _learn(self, text: str | None) -> tuple[Any, str | None]:
        # What is kept has to be short and few: a client could fill the memory with it.
        if text is not None and len(text) > _LONGEST_KEPT:
            raise _UnusualError
        value, wrong = self._column.read(text)
        if wrong is not None or (value is None and self._column.required):
            raise _UnusualError
        if len(self.known) >= _MOST_KEPT:
            self.known.clear()
        found = self.known[text] = (value, None if value is None else self._column.warning(value))
        return found


class QuickReader:
    """Reads requests of one release; it is compiled once, from the schema and the encoding of the model."""

    def __init__(self, request: RequestSchema, encoding: Encoding) -> None:
        """Take what requests may hold and how the model sees it."""
        self._request = request
        self._encoding = encoding
        self._readers = [_Numbers(one) if isinstance(one, NumberField) else _Texts(one) for one in request.fields]
        names = {f"f{place}": one.name for place, one in enumerate(request.fields)}
        kinds = [(f"f{place}", _type(one)) for place, one in enumerate(request.fields)]
        if request.id_name:
            names["identifier"] = request.id_name
            kinds.append(("identifier", str | int | None | msgspec.UnsetType, msgspec.UNSET))  # type: ignore[arg-type]
        # Names with such characters can not be fields of a struct; requests of their release go the careful way.
        self._usual = not any(_ODD.search(name) for name in names.values())
        if not self._usual:
            names = {}
        one = msgspec.defstruct("Customer", kinds, rename=names, forbid_unknown_fields=True)
        many = msgspec.defstruct("Customers", [(BATCH, list[one])], forbid_unknown_fields=True)  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(one)
        self._many = msgspec.json.Decoder(many)

    def read(self, body: bytes) -> Asked:
        """Return the customers of a request. Raises RefusedRequestError as `RequestSchema.read` does."""
        try:
            return self._quickly(body)
        except (_UnusualError, msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._carefully(body)

    def _carefully(self, body: bytes) -> Asked:
        batch: Batch = self._request.read(body)
        return Asked(batch.ids, batch.columns, batch.warnings, self._encoding.encode(batch.columns).matrix)

    def _quickly(self, body: bytes) -> Asked:
        if not self._usual:
            raise _UnusualError
        # A customer is told from several by the schema alone: a release may have a feature called `customers`.
        if body.startswith(_SEVERAL) and BATCH not in self._request.known:
            return self._several(body, self._many.decode(body).customers)  # type: ignore[attr-defined]
        return self._single(body, self._one.decode(body))

    def _single(self, body: bytes, customer: Any) -> Asked:
        """Do what `_several` does without a list of one for each step, in half of the time."""
        values = msgspec.structs.astuple(customer)
        ids = self._ids((customer,))
        given = len(values) - values.count(msgspec.UNSET)
        _check_names(body, given, sum(type(value) is str for value in values))
        warnings: list[Problem] = []
        # An id stands behind the features.
        columns = {
            reader.name: (reader.one(value, warnings),) for reader, value in zip(self._readers, values, strict=False)
        }
        return Asked(ids, columns, [warnings], self._encoding.encode(columns).matrix)

    def _several(self, body: bytes, customers: Sequence[Any]) -> Asked:
        if not 0 < len(customers) <= self._request.most:
            raise _UnusualError
        ids = self._ids(customers)
        columns = list(zip(*map(msgspec.structs.astuple, customers), strict=True))
        given = sum(len(column) - column.count(msgspec.UNSET) for column in columns)
        texts = [column for column, reader in zip(columns, self._readers, strict=False) if isinstance(reader, _Texts)]
        known = sum(len(column) - column.count(None) for column in texts)
        _check_names(body, given + 1, known + sum(type(identifier) is str for identifier in ids))
        warnings: list[list[Problem]] = [[] for _ in customers]
        read = {
            reader.name: reader.many(column, warnings) for reader, column in zip(self._readers, columns, strict=False)
        }
        return Asked(ids, read, warnings, self._encoding.encode(read).matrix)

    def _ids(self, customers: Sequence[Any]) -> list[str | int | None]:
        if self._request.id_name is None:
            return [None] * len(customers)
        ids = [None if one.identifier is msgspec.UNSET else one.identifier for one in customers]
        if not all(map(is_identifier, ids)):
            raise _UnusualError
        return ids


def _check_names(body: bytes, names: int, texts: int) -> None:
    """Raise _UnusualError unless there are two quotes for each name and text that was read, not more.

    A name that was given twice was read once; a quote inside of a text only makes them more.
    """
    if body.count(b'"') != 2 * (names + texts):
        raise _UnusualError


def _type(column: Field) -> Any:
    """Return what a field takes in the form in which it mostly comes."""
    match column:
        case NumberField(required=required):
            return float if required else float | None
        case CategoryField():
            return str | None
        case _:
            return str | None
