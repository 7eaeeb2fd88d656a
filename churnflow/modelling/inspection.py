"""All detectors over a training and a test part, with the words for what each has found."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from churnflow.modelling.alone import FOLDS, MOST_COMPARED, powers, strongest
from churnflow.modelling.contamination import Contamination, Trace, contamination, traces
from churnflow.modelling.correlation import Pair, correlated_pairs
from churnflow.modelling.drift import FEWEST, Drift, measure_drift
from churnflow.modelling.late_dates import late_dates
from churnflow.modelling.leakage import MOST_ROWS, Labelled, Leak, find_leaks
from churnflow.modelling.order import Ordered, id_order, row_order
from churnflow.modelling.redundancy import Redundancy, redundancies
from churnflow.modelling.split import Ints, deal_folds

MOST_TWINS: Final = 0.1
SHOWN: Final = 3
DAY_NOUGHT: Final = date(1970, 1, 1)
_THIRDS: Final = 3
_DAY: Final = 86_400


@dataclass(frozen=True)
class Notice:
    """Something that a person should know, in words, and how grave it is. about: the same whichever step says it."""

    text: str
    severity: Literal["note", "warning", "critical"]
    about: str = ""


@dataclass(frozen=True)
class Parts:
    """A training and a test part, as frames with the target, and with the id and the time where they have one.

    kinds: the features. identifier: None also where a customer may be in both parts. places: of each training row in
    its file, None if unknown. dates: the features that are dates, with the day from which each counts, in days since
    1970. as_of: the day, counted so, after which nothing in the features may lie, None if not declared.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    kinds: Mapping[str, str]
    target: str
    identifier: str | None = None
    time: str | None = None
    places: Ints | None = None
    dates: Mapping[str, float] = field(default_factory=dict)
    as_of: float | None = None

    @property
    def labelled(self) -> Labelled:
        """The training part with its outcome."""
        places = np.arange(len(self.train)) if self.places is None else self.places
        return Labelled(self.train, self.kinds, self.train[self.target].to_numpy(dtype=np.int64), places)


@dataclass(frozen=True)
class Inspection:
    """What the detectors found. drift: of the test part against the training part, None for parts of under 30 rows.

    aged: drift of the last third of the training rows, by time or else by place in their file, against the first.
    compared: the features among which pairs and formulas were looked for. features: how many there are.
    """

    leaks: tuple[Leak, ...]
    pairs: tuple[Pair, ...]
    redundant: tuple[Redundancy, ...]
    contaminated: Contamination
    scaled: tuple[Trace, ...]
    ordered: tuple[Ordered, ...]
    drift: Drift | None
    aged: Drift | None
    compared: tuple[str, ...] = ()
    features: int = 0

    def counts(self) -> dict[str, int]:
        """Return how many of each were found, by the name of a metric."""
        grave = [leak for leak in self.leaks if leak.severity == "critical"]
        return {
            "leaking_features": len(grave),
            "suspect_features": len(self.leaks) - len(grave),
            "correlated_pairs": len(self.pairs),
            "redundant_features": len(self.redundant),
            "contaminated_rows": self.contaminated.rows,
            "near_rows": self.contaminated.near,
            "drifted_features": len(self.drift.drifted_features) if self.drift else 0,
        }

    def drifts(self) -> dict[str, dict[str, float]]:
        """Return how far rows can be told apart, by the name of a metric: its value, interval and rows."""
        found = {"drift_auc": self.drift, "newest_drift_auc": self.aged}
        return {
            name: {"value": drift.auc, "low": drift.low, "high": drift.high, "n": sum(drift.rows)}
            for name, drift in found.items()
            if drift
        }

    def beyond(self, known: Collection[str]) -> "Inspection":
        """Return it without the leaks that are known, and without what makes features superfluous."""
        leaks = tuple(leak for leak in self.leaks if leak.feature not in known)
        return replace(self, leaks=leaks, pairs=(), redundant=())

    def described(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON."""
        return {
            "correlated_pairs": [asdict(pair) for pair in self.pairs],
            "redundant_features": [asdict(redundant) for redundant in self.redundant],
            "leaking_features": [asdict(leak) for leak in self.leaks if leak.severity == "critical"],
            "suspect_features": [asdict(leak) for leak in self.leaks if leak.severity != "critical"],
            "contamination": asdict(self.contaminated),
            "drift": asdict(self.drift) if self.drift else None,
            "aged": asdict(self.aged) if self.aged else None,
        }

    def notices(self) -> list[Notice]:
        """Return what a person should know, the gravest kinds first."""
        return [
            *_of_leaks(self.leaks),
            *_of_contamination(self.contaminated),
            *(
                Notice(f"{trace.column} was scaled before the split: {trace.reason}", "warning")
                for trace in self.scaled
            ),
            *(
                Notice(f"{sign.column}: {sign.reason}" if sign.column else sign.reason, "warning")
                for sign in self.ordered
            ),
            *_of_drift(self.drift, self.aged),
            *_of_redundancy(self.redundant, self.pairs),
            *_of_compared(self.compared, self.features),
        ]


def inspect_parts(parts: Parts, seed: int) -> Inspection:
    """Run all detectors. Leaks and redundancy are looked for in training rows only.

    Pairs and formulas are looked for among at most 200 features: those that tell most of the target alone.
    """
    compared = _compared(parts, seed)
    numbers = [name for name, kind in compared.items() if kind == "number"]
    left_traces = traces(parts.train, parts.test, parts.kinds, parts.target)
    redundant = redundancies(parts.train, compared, seed)
    seen = [*parts.kinds, *([parts.time] if parts.time else [])]
    return Inspection(
        leaks=tuple(_leaks(parts, left_traces, seed)),
        pairs=tuple(_caused(correlated_pairs(parts.train, numbers), redundant)),
        redundant=tuple(redundant),
        contaminated=contamination(parts.train, parts.test, seen, parts.identifier, alike=parts.time is None),
        scaled=tuple(trace for trace in left_traces if not trace.of_target),
        ordered=tuple(_ordered(parts, seed)),
        drift=_drift(parts.train, parts.test, parts.kinds, seed),
        aged=_aged(parts, seed),
        compared=tuple(compared),
        features=len(parts.kinds),
    )


def date_offsets(schema: Mapping[str, Any], features: Collection[str]) -> dict[str, float]:
    """Return, for the features that a recorded schema calls dates, the day from which each counts, since 1970."""
    offsets = {}
    for column in schema["columns"]:
        if column["name"] in features and column.get("date"):
            reference = datetime.fromisoformat(column["date"]["reference"]).replace(tzinfo=UTC)
            offsets[column["name"]] = reference.timestamp() / _DAY
    return offsets


def _compared(parts: Parts, seed: int) -> Mapping[str, str]:
    if len(parts.kinds) <= MOST_COMPARED:
        return parts.kinds
    drawn = parts.labelled.drawn(MOST_ROWS, seed)
    folds = deal_folds(np.arange(len(drawn.target)), drawn.target, FOLDS, seed)
    kept = strongest(powers(drawn.frame, drawn.kinds, drawn.target, folds))
    return {name: parts.kinds[name] for name in kept}


def _leaks(parts: Parts, left_traces: list[Trace], seed: int) -> list[Leak]:
    """Return one leak a feature, the gravest."""
    labelled = parts.labelled
    days = {name: parts.train[name].to_numpy(dtype=np.float64) + since for name, since in parts.dates.items()}
    found = [
        *(Leak(trace.column, trace.reason, sign="fitted") for trace in left_traces if trace.of_target),
        *find_leaks(labelled, seed),
        *(
            Leak(late.column, late.reason, late.severity, "late")
            for late in late_dates(days, labelled.target, parts.as_of)
        ),
    ]
    by_feature: dict[str, Leak] = {}
    for leak in sorted(found, key=lambda leak: leak.severity != "critical"):
        by_feature.setdefault(leak.feature, leak)
    return list(by_feature.values())


def _caused(pairs: list[Pair], redundant: list[Redundancy]) -> Iterator[Pair]:
    causes = {frozenset((found.feature, *found.of)): found.cause for found in redundant}
    for pair in pairs:
        yield replace(pair, cause=causes.get(frozenset((pair.first, pair.second)), ""))


def _ordered(parts: Parts, seed: int) -> Iterator[Ordered]:
    labelled = parts.labelled.drawn(MOST_ROWS, seed)
    folds = deal_folds(np.arange(len(labelled.target)), labelled.target, FOLDS, seed)
    if parts.places is not None:
        found = row_order(labelled.places, labelled.frame, labelled.numbers, labelled.target, folds)
        yield from [found] if found else []
    if parts.identifier and parts.identifier in labelled.frame:
        of_ids = id_order(labelled.frame[parts.identifier], parts.identifier, labelled.target, folds)
        yield from [of_ids] if of_ids else []


def _drift(reference: pd.DataFrame, newest: pd.DataFrame, kinds: Mapping[str, str], seed: int) -> Drift | None:
    if min(len(reference), len(newest)) < FEWEST:
        return None
    return measure_drift(reference, newest, kinds, seed)


def _aged(parts: Parts, seed: int) -> Drift | None:
    if parts.time:
        times = pd.to_datetime(parts.train[parts.time], format="ISO8601", utc=True, errors="coerce")
        order = np.argsort(times.fillna(times.min()).to_numpy(), kind="stable")
    elif parts.places is not None:
        order = np.argsort(parts.places, kind="stable")
    else:
        return None
    third = len(order) // _THIRDS
    return _drift(parts.train.iloc[order[:third]], parts.train.iloc[order[-third:]], parts.kinds, seed)


def _of_leaks(leaks: tuple[Leak, ...]) -> Iterator[Notice]:
    yield from (Notice(leak.warned(), leak.severity, leak.about) for leak in leaks)


def _of_contamination(found: Contamination) -> Iterator[Notice]:
    words = {
        f"{found.same_id} test rows have the id of a training row": found.same_id,
        f"{found.equal} test rows equal a training row in all features": found.equal,
    }
    for text, count in words.items():
        if count:
            yield Notice(f"the test part is contaminated: {text}", "critical")
    twins = f"{found.near} test rows equal a training row in all features but one"
    if found.copied:
        text = f"{twins}, where chance would deal about {found.expected_near:.0f}: were rows copied between the parts?"
        yield Notice(f"the test part is contaminated: {text}", "critical")
    elif found.near > MOST_TWINS * found.test_rows:
        yield Notice(f"{twins}: is one customer in the table under two ids?", "warning")


def _of_drift(drift: Drift | None, aged: Drift | None) -> Iterator[Notice]:
    if drift and drift.drifted:
        told = f"a classifier tells training from test rows with a ROC AUC of {_interval(drift)}"
        yield Notice(f"the parts differ: {told}{_leading(drift)}", "warning")
    if aged and aged.drifted:
        told = f"a classifier tells the first third of the rows from the last with a ROC AUC of {_interval(aged)}"
        yield Notice(f"customers change over the rows: {told}{_leading(aged)}", "note")


def _interval(drift: Drift) -> str:
    return f"{drift.auc:.3f} [{drift.low:.3f}, {drift.high:.3f}]"


def _leading(drift: Drift) -> str:
    leading = [shift for shift in drift.shifts if shift.contribution > 0][:SHOWN]
    by = ", ".join(f"{shift.feature} (PSI {shift.psi:.2f})" for shift in leading)
    return f", mostly by {by}" if by else ""


def _of_redundancy(redundant: tuple[Redundancy, ...], pairs: tuple[Pair, ...]) -> Iterator[Notice]:
    for found in redundant:
        yield Notice(f"{found.cause}: {found.feature} adds little beside {' and '.join(found.of)}", "note")
    for pair in pairs:
        if not pair.cause:
            text = f"{pair.first} and {pair.second} say nearly the same (r = {pair.r:.3f}); one of them would do"
            yield Notice(text, "note")


def _of_compared(compared: tuple[str, ...], features: int) -> Iterator[Notice]:
    if len(compared) < features:
        among = f"the {len(compared)} of {features:,} features that tell most of the target alone"
        yield Notice(f"copies, formulas and pairs that decide together were looked for only among {among}", "note")
