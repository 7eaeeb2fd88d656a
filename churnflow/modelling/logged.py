"""What the predictions log holds of a release in a window, as arrays: one row for each predicted customer."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from churnflow.errors import UsageError
from churnflow.modelling.columns import Floats
from churnflow.modelling.prediction_log import LogError, PredictionLog, PredictionRow
from churnflow.modelling.reference import Codes, Reference
from churnflow.modelling.split import Ints
from churnflow.modelling.window import Window

Mask = npt.NDArray[np.bool_]

UNKNOWN: Final = -1
# Whether a number lies in the range that the model was trained on.
INSIDE: Final = 1
OUTSIDE: Final = 2
_VERSION: Final = re.compile(r"v\d{1,9}\.\d{1,9}\.\d{1,9}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHORT: Final = 12


@dataclass(frozen=True)
class Logged:
    """Predictions, oldest first; arrays are (n,) or (n, features).

    customer: a number for each customer, one of its own for a prediction without an id. label: 1, 0, or UNKNOWN.
    codes: of the features where `binned`. ranges: INSIDE or OUTSIDE of the training range where the log keeps values,
    else 0. first: of each request the first customer, whose latency is that of the request.
    """

    at: Floats
    customer: Ints
    probability: Floats
    flagged: Mask
    latency_ms: Floats
    label: Ints
    codes: Codes
    binned: Mask
    ranges: Codes
    first: Mask

    def __len__(self) -> int:
        return len(self.at)

    def part(self, rows: Mask) -> "Logged":
        """Return the predictions chosen by a mask."""
        return Logged(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def newest(self) -> "Logged":
        """Return the newest prediction of each customer: one who is asked of every hour is no evidence by the hour."""
        _, back = np.unique(self.customer[::-1], return_index=True)
        rows = np.zeros(len(self), dtype=np.bool_)
        rows[len(self) - 1 - back] = True
        return self.part(rows)

    def labelled(self) -> "Logged":
        """Return the predictions whose outcome is known."""
        return self.part(self.label != UNKNOWN)

    def unlabelled(self) -> "Logged":
        """Return the predictions whose outcome is not known yet."""
        return self.part(self.label == UNKNOWN)


@dataclass
class _Gathering:
    """Batches of predictions of one release on their way to arrays."""

    reference: Reference | None
    labels: dict[str, int]
    _batches: list[Logged] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)
    _strangers: int = 0

    def add(self, rows: Sequence[PredictionRow]) -> None:
        """Add a batch."""
        codes, binned = self._codes(rows)
        self._batches.append(
            Logged(
                at=np.array([row.at for row in rows]),
                customer=np.array([self._customer(row.customer) for row in rows], dtype=np.int64),
                probability=np.array([row.probability for row in rows]),
                flagged=np.array([row.decision == 1 for row in rows], dtype=np.bool_),
                latency_ms=np.array([row.latency_ms for row in rows]),
                label=np.array([self.labels.get(row.id, UNKNOWN) for row in rows], dtype=np.int64),
                codes=codes,
                binned=binned,
                ranges=self._ranges(rows),
                first=np.array([row.id.endswith("-0") for row in rows], dtype=np.bool_),
            )
        )

    def joined(self) -> Logged:
        """Return all batches as one."""
        if not self._batches:
            self.add([])
        parts = [[getattr(batch, name) for batch in self._batches] for name in Logged.__dataclass_fields__]
        return Logged(*map(np.concatenate, parts))

    @property
    def _width(self) -> int:
        return 0 if self.reference is None else len(self.reference.features)

    def _customer(self, name: str | None) -> int:
        if name is None:
            self._strangers += 1
            return -self._strangers
        return self._known.setdefault(name, len(self._known))

    def _codes(self, rows: Sequence[PredictionRow]) -> tuple[Codes, Mask]:
        codes = np.zeros((len(rows), self._width), dtype=np.uint8)
        binned = np.zeros(len(rows), dtype=np.bool_)
        limits = [len(feature.counts) for feature in self.reference.features] if self.reference else []
        for place, row in enumerate(rows):
            kept = _bytes(row.bins)
            # What another program wrote into the log, or another version, must not be counted as something else.
            if self._width and len(kept) == self._width and all(map(int.__lt__, kept, limits)):
                codes[place] = np.frombuffer(kept, dtype=np.uint8)
                binned[place] = True
        return codes, binned

    def _ranges(self, rows: Sequence[PredictionRow]) -> Codes:
        ranges = np.zeros((len(rows), self._width), dtype=np.uint8)
        bounds = [
            (column, feature.name, feature.low, feature.high)
            for column, feature in enumerate(self.reference.features if self.reference else ())
            if feature.low is not None and feature.high is not None
        ]
        for place, row in enumerate(rows):
            values = _object(row.inputs)
            for column, name, low, high in bounds if values else ():
                value = values.get(name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    ranges[place, column] = INSIDE if low <= value <= high else OUTSIDE
        return ranges


@dataclass(frozen=True)
class Read:
    """What a log holds of a window: the predictions of the release that is served, and of others by their version."""

    own: Logged
    others: dict[str, Logged]


def read_window(log: PredictionLog, window: Window, release: str, reference: Reference | None) -> Read:
    """Read the predictions of a window and their outcomes; `release` is the digest of the bundle that is served.

    Raises UsageError when the log can not be read.
    """
    try:
        labels = {one.prediction.id: one.label for batch in log.labelled(window.start, window.end) for one in batch}
        own, others = _Gathering(reference, labels), dict[str, _Gathering]()
        for batch in log.predictions(window.start, window.end):
            own.add([row for row in batch if row.release == release])
            for version, rows in _by_version(row for row in batch if row.release != release):
                others.setdefault(version, _Gathering(None, labels)).add(rows)
    except LogError as error:
        message = f"the predictions log can not be read: {error}"
        raise UsageError(message, hint="see that its database answers, then monitor again") from None
    return Read(own.joined(), {version: gathered.joined() for version, gathered in others.items()})


def _by_version(rows: Iterable[PredictionRow]) -> Iterable[tuple[str, list[PredictionRow]]]:
    found: dict[str, list[PredictionRow]] = {}
    for row in rows:
        found.setdefault(_called(row), []).append(row)
    return found.items()


def _called(row: PredictionRow) -> str:
    """Return the version of a release, or the begin of its digest; what is neither is not repeated in a command."""
    if row.version and _VERSION.fullmatch(row.version):
        return row.version
    return row.release[:_SHORT] if _DIGEST.fullmatch(row.release) else "unknown"


def _bytes(bins: str | None) -> bytes:
    try:
        return bytes.fromhex(bins or "")
    except ValueError:
        return b""


def _object(inputs: str | None) -> dict[str, object]:
    try:
        values = json.loads(inputs) if inputs else {}
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
