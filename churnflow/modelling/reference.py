"""The training reference of a release: binned sketches of its features and scores, so that drift shows without rows.

Tenths of a number and frequent levels of a category, as the population stability index takes them (Yurdakul and
Naranjo, Statistical properties of the population stability index, 2020). numpy and the standard library only.
"""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import isfinite
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from churnflow.modelling.cells import FEWEST, Cells
from churnflow.modelling.columns import LARGEST, Encoding, Floats, Kind
from churnflow.modelling.disclosure import coarse, is_few, usual_range
from churnflow.modelling.scorer import PortableModel

Codes = npt.NDArray[np.uint8]

SCHEMA: Final = "churnflow/reference@1"
# The name that it has in a release bundle.
REFERENCE_FILE: Final = "reference.json"
MAX_REFERENCE_BYTES: Final = 32 * 1024 * 1024

BINS: Final = 10
MOST_LEVELS: Final = 30
SCORE_EDGES: Final = tuple(step / 20 for step in range(1, 20))

MISSING: Final = 0
UNLISTED: Final = 1
_SPECIAL: Final = 2
_MOST_SCORE_EDGES: Final = 254
# Up to so many customers a plain loop is faster than a call of numpy for each column.
_FEW_ROWS: Final = 32


@dataclass(frozen=True)
class FeatureReference:
    """How the values of one feature were spread over the training part.

    A value has a code: 0 is missing. Of a number it is 1 + the number of `edges` below it, so that each bin holds its
    upper edge. Of a category it is 1 for a level that is not listed, and 2 onwards for `levels`, the most frequent
    first. counts: of the training rows by code. low, high: the range of the training part's numbers, None where it has
    none.
    """

    name: str
    kind: Kind
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    _edges: Floats = field(init=False, repr=False, compare=False)
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check that edges rise and that there is a count for each code. Raises ValueError when anything is amiss."""
        _check_feature(self)
        places = {level: place for place, level in enumerate(self.levels, start=_SPECIAL)}
        object.__setattr__(self, "_edges", np.array(self.edges, dtype=np.float64))
        object.__setattr__(self, "_places", places)

    @property
    def missing_share(self) -> float:
        """The share of the training rows in which the feature was missing, 0 where there were no rows."""
        return self.counts[MISSING] / max(1, sum(self.counts))

    def codes(self, values: Sequence[Any]) -> npt.ArrayLike:
        """Return the code of each value, (n,). Raises ValueError for something that is no number among numbers."""
        if self.kind == "category":
            places = self._places
            return [places.get(value, UNLISTED) if isinstance(value, str) else MISSING for value in values]
        try:
            return self._number_codes(values)
        except (TypeError, ValueError, OverflowError):
            message = f"the column {self.name!r} of numbers holds something else"
            raise ValueError(message) from None

    def as_json(self) -> dict[str, Any]:
        """Return the feature as plain JSON values."""
        common = {"name": self.name, "kind": self.kind, "counts": list(self.counts)}
        if self.kind == "category":
            return {**common, "levels": list(self.levels)}
        range_ = {} if self.low is None or self.high is None else {"low": self.low, "high": self.high}
        return {**common, "edges": list(self.edges), **range_}

    @classmethod
    def from_json(cls, value: object) -> "FeatureReference":
        """Return the feature that `as_json` described. Raises ValueError for anything else."""
        described = _object(value, "a feature")
        name, kind = described.get("name"), described.get("kind")
        counts = _counts(described.get("counts"))
        if not isinstance(name, str):
            _refuse("a feature has no name")
        if kind == "category":
            return cls(name, "category", counts, levels=_texts(described.get("levels")))
        if kind != "number":
            _refuse(f"the feature {name!r} is of an unknown kind")
        low, high = (_number(described[end]) if end in described else None for end in ("low", "high"))
        return cls(name, "number", counts, edges=_numbers(described.get("edges")), low=low, high=high)

    def _number_codes(self, values: Sequence[Any]) -> npt.ArrayLike:
        if len(values) <= _FEW_ROWS:
            edges = self.edges
            return [
                MISSING if value is None or not isfinite(value) else 1 + bisect_left(edges, value) for value in values
            ]
        numbers = np.array(values, dtype=np.float64)
        return np.where(np.isfinite(numbers), 1 + np.searchsorted(self._edges, numbers), MISSING)


@dataclass(frozen=True)
class Reference:
    """What drift of a release is measured against.

    rows: of the training part, whose `features` stand in the order of the model's columns. score_counts: of the
    calibrated probabilities of the `score_rows` customers of the test part, in the bins between `score_edges`, each
    with its upper edge.
    """

    rows: int
    features: tuple[FeatureReference, ...]
    score_edges: tuple[float, ...]
    score_counts: tuple[int, ...]
    score_rows: int

    def __post_init__(self) -> None:
        """Check names, sums and edges. Raises ValueError when they do not fit one another."""
        names = [feature.name for feature in self.features]
        if not names or len(set(names)) != len(names):
            _refuse("it needs features, each with a name of its own")
        wrong = [feature.name for feature in self.features if sum(feature.counts) != self.rows]
        if wrong:
            _refuse(f"the counts of {wrong[0]!r} are not those of {self.rows} rows")
        if not _rise(self.score_edges) or not all(0 < edge < 1 for edge in self.score_edges):
            _refuse("the edges of its scores do not rise from 0 to 1")
        if not len(self.score_counts) == len(self.score_edges) + 1 <= _MOST_SCORE_EDGES + 1:
            _refuse("its scores have not one count for each bin")
        if sum(self.score_counts) != self.score_rows:
            _refuse(f"the counts of its scores are not those of {self.score_rows} rows")

    def codes(self, columns: Mapping[str, Sequence[Any]]) -> Codes:
        """Return the code of every value, (n, features), as `FeatureReference` explains them.

        `columns` is what `PortableModel.score` takes: equally long sequences by name, missing as None or NaN; infinite
        numbers count as missing. Raises ValueError when a feature is absent, of another length, or of another kind.
        """
        absent = [feature.name for feature in self.features if feature.name not in columns]
        if absent:
            message = f"the column {absent[0]!r} is missing"
            raise ValueError(message)
        if len({len(columns[feature.name]) for feature in self.features}) > 1:
            message = "the columns are of different lengths"
            raise ValueError(message)
        return np.array([feature.codes(columns[feature.name]) for feature in self.features], dtype=np.uint8).T

    def score_codes(self, probabilities: Sequence[float] | Floats) -> Codes:
        """Return the bin of each probability, (n,): the place of its count in `score_counts`."""
        return np.searchsorted(self.score_edges, probabilities).astype(np.uint8)

    def check_fit(self, encoding: Encoding) -> None:
        """Raise ValueError unless the features are the columns of a model's encoding, in its order."""
        ours = [(feature.name, feature.kind) for feature in self.features]
        theirs = [(column.name, column.kind) for column in encoding.columns]
        if ours != theirs:
            _refuse("its features are not those of the model")

    def as_json(self) -> dict[str, Any]:
        """Return the reference as plain JSON values."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "features": [feature.as_json() for feature in self.features],
            "score": {"edges": list(self.score_edges), "counts": list(self.score_counts), "rows": self.score_rows},
        }

    @classmethod
    def from_json(cls, value: object) -> "Reference":
        """Return the reference that `as_json` described. Raises ValueError for content that is corrupt or hostile."""
        described = _object(value, "it")
        if described.get("schema") != SCHEMA:
            _refuse(f"it is not of the form {SCHEMA}")
        features, score = described.get("features"), _object(described.get("score"), "its score")
        if not isinstance(features, list):
            _refuse("it has no features")
        return cls(
            rows=_count(described.get("rows")),
            features=tuple(map(FeatureReference.from_json, features)),
            score_edges=_numbers(score.get("edges")),
            score_counts=_counts(score.get("counts")),
            score_rows=_count(score.get("rows")),
        )

    def to_bytes(self) -> bytes:
        """Return the reference as JSON, the same bytes for the same content."""
        return json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reference":
        """Return the reference that `to_bytes` wrote. Raises ValueError for bytes that are corrupt or hostile."""
        if len(data) > MAX_REFERENCE_BYTES:
            _refuse(f"it is longer than the {MAX_REFERENCE_BYTES} bytes allowed")
        try:
            value: object = json.loads(data.decode())
        except (ValueError, RecursionError):
            _refuse("it is not JSON")
        return cls.from_json(value)


def build_reference(
    model: PortableModel, train: Mapping[str, Sequence[Any]], test: Mapping[str, Sequence[Any]]
) -> Reference:
    """Return the reference of a model: its columns over the training part, its probabilities over the test part.

    Both parts as `PortableModel.score` takes them. A level, a tenth of a number, or a bin of scores is kept where at
    least ten customers have it; fewer that have no value, or a rare one, count as having the most usual. Raises
    ValueError as `score` does.
    """
    scores = model.score(test)
    features = [_sketch(column.name, column.kind, train[column.name]) for column in model.encoding.columns]
    bins = np.bincount(np.searchsorted(SCORE_EDGES, scores), minlength=len(SCORE_EDGES) + 1)
    cells = Cells.of(bins.tolist())
    return Reference(
        rows=len(train[features[0].name]),
        features=tuple(features),
        score_edges=tuple(SCORE_EDGES[codes[-1]] for codes in cells.codes[:-1]),
        score_counts=cells.counts,
        score_rows=len(scores),
    )


def _sketch(name: str, kind: Kind, values: Sequence[Any]) -> FeatureReference:
    if kind == "category":
        frequent = Counter(value for value in values if isinstance(value, str))
        order = sorted(frequent.items(), key=lambda item: (-item[1], item[0]))[:MOST_LEVELS]
        kept = {level: count for level, count in order if count >= FEWEST}
        unlisted = frequent.total() - sum(kept.values())
        counts = _told([len(values) - frequent.total(), unlisted, *kept.values()], _SPECIAL)
        return FeatureReference(name, kind, counts, levels=tuple(kept))
    numbers = np.array(values, dtype=np.float64)
    known = numbers[np.isfinite(numbers)]
    ordered = np.sort(np.clip(known, -LARGEST, LARGEST))
    low, high = usual_range(ordered) if len(ordered) else (None, None)
    edges = _tenths(ordered)
    bins = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)
    counts = _told([len(numbers) - len(known), *bins.tolist()], 1)
    return FeatureReference(name, kind, counts, edges=tuple(edges.tolist()), low=low, high=high)


def _told(counts: Sequence[int], specials: int) -> tuple[int, ...]:
    """Return counts of which none of the special codes, the first ones, is below ten but 0.

    What is fewer counts as the most frequent of the others, if that has ten.
    """
    told = list(counts)
    most = max(range(specials, len(told)), key=lambda place: told[place], default=0)
    for special in range(specials if told[most] >= FEWEST and most >= specials else 0):
        if is_few(told[special]):
            told[most], told[special] = told[most] + told[special], 0
    return tuple(told)


def _tenths(ordered: Floats) -> Floats:
    """Return the inner edges of tenths of sorted values, none twice; each is a round number, and nobody's own value.

    Bins are wider where a tenth would be fewer than ten customers; only the last may be empty, above the largest value.
    """
    edges: list[float] = []
    below = 0
    shares = np.arange(1, BINS) / BINS
    for edge in _round_quantiles(ordered, shares) if len(ordered) else ():
        reached = int(np.searchsorted(ordered, edge, side="right"))
        if reached - below >= FEWEST:
            edges.append(float(edge))
            below = reached
    if edges and 0 < len(ordered) - below < FEWEST:
        edges.pop()
    return np.array(edges, dtype=np.float64)


def _round_quantiles(ordered: Floats, shares: Floats) -> list[float]:
    """Return quantiles of sorted values as round numbers, rising, none twice."""
    low, high = usual_range(ordered)
    quantiles = np.quantile(ordered, shares, method="inverted_cdf")
    return sorted({coarse(float(edge), low, high) for edge in quantiles})


def _check_feature(feature: FeatureReference) -> None:
    listed = feature.levels if feature.kind == "category" else feature.edges
    if len(feature.counts) != len(listed) + _SPECIAL:
        _refuse(f"the feature {feature.name!r} has not one count for each code")
    if feature.kind == "category":
        _check_levels(feature)
    else:
        _check_range(feature)


def _check_levels(feature: FeatureReference) -> None:
    listed = feature.counts[_SPECIAL:]
    if len(feature.levels) > MOST_LEVELS or len(set(feature.levels)) != len(feature.levels):
        _refuse(f"the feature {feature.name!r} has too many levels, or one twice")
    if list(listed) != sorted(listed, reverse=True):
        _refuse(f"the levels of {feature.name!r} do not stand by frequency")
    if listed and listed[-1] < FEWEST:
        _refuse(f"the feature {feature.name!r} names a level of fewer than {FEWEST} customers")


def _check_range(feature: FeatureReference) -> None:
    if len(feature.edges) >= BINS or not _rise(feature.edges):
        _refuse(f"the edges of {feature.name!r} are too many, or do not rise")
    if (feature.low is None) != (feature.high is None) or (feature.low or 0.0) > (feature.high or 0.0):
        _refuse(f"the range of {feature.name!r} is not one")


def _rise(edges: Sequence[float]) -> bool:
    return all(left < right for left, right in pairwise(edges))


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{what} is not an object")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        _refuse("a number of it is missing or out of range")
    return float(value)


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        _refuse("edges are missing")
    return tuple(map(_number, value))


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        _refuse("a count of it is missing or out of range")
    return value


def _counts(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        _refuse("counts are missing")
    return tuple(map(_count, value))


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        _refuse("levels are missing")
    return tuple(value)


def _refuse(reason: str) -> NoReturn:
    message = f"not a usable reference: {reason}"
    raise ValueError(message)
