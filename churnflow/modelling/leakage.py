"""The search for features that give the answer away: known only because the outcome is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from churnflow.modelling.alone import FOLDS, Power, known_features, powers, strongest, together
from churnflow.modelling.formulas import broken_formulas, deciding_pairs
from churnflow.modelling.order import counters
from churnflow.modelling.purity import Severity, pure_rows
from churnflow.modelling.split import Ints, deal_folds

Sign = Literal["decides", "outshines", "filled", "counts", "formula", "late", "fitted"]

AUC_LIMIT: Final = 0.98
AUC_DOUBT: Final = 0.9
STRONG: Final = 0.3
OVERWHELMING: Final = 0.45
MOSTLY: Final = 0.6
BY_FAR: Final = 1.5
BY_VERY_FAR: Final = 2.0
MOST_STRONG: Final = 8
MOST_ROWS: Final = 20_000
OUTCOME: Final = re.compile(
    r"churn|cancel|attrit|terminat|deactivat|disconnect|unsubscri|win_?back|resign"
    r"|(^|_)(left|lapsed|closed|ended|leaving|exit|exited|quit|reason|last_day|end_date)(_|$)"
)


@dataclass(frozen=True)
class Leak:
    """A feature that gives the answer away, or may: which sign it shows, the evidence in words, and how grave it is."""

    feature: str
    reason: str
    severity: Severity = "critical"
    sign: Sign = "decides"

    @property
    def about(self) -> str:
        """What it is about, the same whichever step finds it, and by whatever sign."""
        return f"leak: {self.feature}"

    def warned(self) -> str:
        """Return what a person is told, and what to do about it."""
        if self.severity != "critical":
            return f"{self.feature} may give the target away: {self.reason}"
        remedy = f"leave it out where the source is read: drop: [{self.feature}]; else a person may waive this issue"
        return f"{self.feature} gives the target away: {self.reason}. If it is known only after the outcome, {remedy}"


@dataclass(frozen=True)
class Labelled:
    """Rows with their outcome: features with their kinds, target (n,) of 0 and 1, and places (n,) in their file."""

    frame: pd.DataFrame
    kinds: Mapping[str, str]
    target: Ints
    places: Ints

    @property
    def numbers(self) -> list[str]:
        """The features that are numbers."""
        return [name for name, kind in self.kinds.items() if kind == "number"]

    def drawn(self, rows: int, seed: int) -> "Labelled":
        """Return at most `rows` of the rows, drawn at random, in their order."""
        if len(self.target) <= rows:
            return self
        kept = np.sort(np.random.default_rng(seed).permutation(len(self.target))[:rows])
        frame = self.frame.iloc[kept].reset_index(drop=True)
        return Labelled(frame, self.kinds, self.target[kept], self.places[kept])


def find_leaks(labelled: Labelled, seed: int) -> list[Leak]:
    """Return the features that give the target away (critical) or may (warning), one entry a feature.

    Signs: `decides`: alone it has a cross-validated ROC AUC of at least 0.98 (0.9 for a warning). `outshines`: alone it
    explains most of the deviance, or by far more than all ordinary features together. `filled`: it is missing, known,
    or of one level almost only for those who left (see `purity`). `counts`: it numbers the rows, and the number tells
    who left. `formula`: with another it decides, or a formula between columns breaks for those who left; looked for
    among the 200 features that tell most alone. A name that
    speaks of the outcome makes a warning critical, and is never a sign by itself. Of more than 20,000 rows that many
    are drawn for all but `filled`, where rare rows count.
    """
    drawn = labelled.drawn(MOST_ROWS, seed)
    folds = deal_folds(np.arange(len(drawn.target)), drawn.target, FOLDS, seed)
    alone = powers(drawn.frame, drawn.kinds, drawn.target, folds)
    signs = [
        *_deciding(alone),
        *_outshining(drawn, alone, folds, seed),
        *_filled(labelled),
        *_counting(drawn, folds),
        *_computed(drawn, alone, folds, seed),
    ]
    return _merged([_raised(sign) for sign in signs], list(labelled.kinds))


def plain_leaks(labelled: Labelled, seed: int) -> list[Leak]:
    """Return what shows at once, before anything is split: the signs `decides` and `filled` of `find_leaks`."""
    drawn = labelled.drawn(MOST_ROWS, seed)
    folds = deal_folds(np.arange(len(drawn.target)), drawn.target, FOLDS, seed)
    alone = powers(drawn.frame, drawn.kinds, drawn.target, folds)
    return _merged([_raised(sign) for sign in (*_deciding(alone), *_filled(labelled))], list(labelled.kinds))


def leaking_features(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, seed: int) -> list[Leak]:
    """Return what `find_leaks` finds critical in rows that stand in the order of their file."""
    labelled = Labelled(frame, kinds, target, np.arange(len(target)))
    return [leak for leak in find_leaks(labelled, seed) if leak.severity == "critical"]


def names_outcome(name: str) -> bool:
    """Tell whether a column's name speaks of the outcome, such as `cancelled_at` or `exitReason`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[\s.\-]+", "_", name)
    return bool(OUTCOME.search(spaced.casefold()))


def _deciding(alone: Mapping[str, Power]) -> Iterator[Leak]:
    for name, found in alone.items():
        text = f"alone it orders the classes with a cross-validated ROC AUC of {found.auc:.3f}"
        if found.auc >= AUC_LIMIT:
            yield Leak(name, text)
        elif found.auc >= AUC_DOUBT:
            yield Leak(name, f"{text}: is it known before the outcome?", "warning")


def _outshining(labelled: Labelled, alone: Mapping[str, Power], folds: Ints, seed: int) -> Iterator[Leak]:
    """Compare the strong features with all ordinary ones together, in the share of the deviance that each explains.

    Of overwhelming features several may stand side by side (a copy of a leak), so none of them counts as ordinary.
    """
    above = [name for name, found in alone.items() if found.explained >= OVERWHELMING]
    strong = sorted(alone, key=lambda name: -alone[name].explained)[:MOST_STRONG]
    reached: dict[tuple[str, ...], float] = {}
    for name in strong:
        found = alone[name]
        if found.explained < STRONG or found.auc >= AUC_LIMIT:
            continue
        rest = known_features(labelled.kinds, [name, *above])
        if tuple(rest) not in reached:
            explained = together(labelled.frame, rest, labelled.target, folds, seed).explained
            reached[tuple(rest)] = max(0.0, explained)
        others = reached[tuple(rest)]
        severe = found.explained >= min(MOSTLY, max(OVERWHELMING, BY_VERY_FAR * others))
        if severe or found.explained >= BY_FAR * others:
            text = (
                f"alone it explains {found.explained:.0%} of the outcome's deviance (ROC AUC {found.auc:.3f}), "
                f"where {len(rest)} other features together explain {others:.0%}"
            )
            yield Leak(name, text, "critical" if severe else "warning", "outshines")


def _filled(labelled: Labelled) -> Iterator[Leak]:
    for name in labelled.kinds:
        if found := pure_rows(labelled.frame[name], labelled.target):
            yield Leak(name, found.reason, found.severity, "filled")


def _counting(labelled: Labelled, folds: Ints) -> Iterator[Leak]:
    for found in counters(labelled.places, labelled.frame, labelled.numbers, labelled.target, folds):
        yield Leak(str(found.column), found.reason, found.severity, "counts")


def _computed(labelled: Labelled, alone: Mapping[str, Power], folds: Ints, seed: int) -> Iterator[Leak]:
    numbers = {name: alone[name] for name in strongest(alone) if labelled.kinds[name] == "number"}
    found = deciding_pairs(labelled.frame, numbers, labelled.target, folds, seed)
    found += broken_formulas(labelled.frame, list(numbers), labelled.target, seed)
    for formula in found:
        yield Leak(formula.columns[0], formula.reason, formula.severity, "formula")


def _raised(leak: Leak) -> Leak:
    if leak.severity == "warning" and names_outcome(leak.feature):
        return replace(leak, severity="critical", reason=f"{leak.reason}, and its name speaks of the outcome")
    return leak


def _merged(signs: list[Leak], order: list[str]) -> list[Leak]:
    """Return one leak a feature, in the order of the features: the gravest, its reasons joined."""
    merged = []
    for name in order:
        own = [sign for sign in signs if sign.feature == name]
        grave = [sign for sign in own if sign.severity == "critical"] or own
        if grave:
            merged.append(replace(grave[0], reason="; ".join(sign.reason for sign in grave)))
    return merged
