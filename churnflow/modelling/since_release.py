"""Whether customers have changed since a release: those of the run that shipped it against those of this run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from churnflow.modelling.drift import FEWEST, Drift, Shift, measure_drift
from churnflow.modelling.inspection import Notice
from churnflow.modelling.split import digest_rows

PARTS: Final = ("train", "test")
SHOWN: Final = 5


@dataclass(frozen=True)
class Customers:
    """The customers of this run: its training and test part, the kind of each feature, and the column of times.

    kinds: `number` or `category` by name. time: a column of ISO 8601 times, None where there is none. as_split: whether
    no step has changed the parts since they were split.
    """

    parts: Sequence[pd.DataFrame]
    kinds: Mapping[str, str]
    time: str | None = None
    as_split: bool = True


@dataclass(frozen=True)
class Change:
    """How the customers of this run differ from those of the run that shipped `version`.

    drift: None where nothing could be compared. told: which rows were compared, or why none were. absent: features of
    this run that the other did not have, or had of another kind.
    """

    version: str
    drift: Drift | None
    told: str
    absent: tuple[str, ...] = ()

    @property
    def moved(self) -> list[Shift]:
        """The features that drifted by themselves; where none did, those by which a classifier tells the rows apart."""
        if self.drift is None:
            return []
        alone = [shift for shift in self.drift.shifts if shift.drifted]
        leading = [shift for shift in self.drift.shifts if shift.contribution > 0]
        return alone or (leading if self.drift.drifted else [])

    def measured(self) -> dict[str, dict[str, float]]:
        """Return metrics by name: the value of each, and where there is one its interval and rows."""
        if self.drift is None:
            return {}
        auc = {"value": self.drift.auc, "low": self.drift.low, "high": self.drift.high, "n": sum(self.drift.rows)}
        return {
            "vs_released_drift_auc": auc,
            "vs_released_drifted_features": {"value": len(self.drift.drifted_features)},
        }

    def facts(self) -> dict[str, str]:
        """Return what was compared, for the record."""
        return {"since the release": f"{self.version}: {self.told}"}

    def notices(self) -> list[Notice]:
        """Return what a person should know: what has moved, by name, and what could not be compared."""
        found = []
        if self.drift is None:
            text = f"whether customers have changed since the release {self.version} is not known: {self.told}"
            found.append(Notice(text, "note"))
        elif self.drift.drifted or self.moved:
            by = ", ".join(f"{shift.feature} (PSI {shift.psi:.2f})" for shift in self.moved[:SHOWN])
            rest = len(self.moved) - SHOWN
            text = f"customers have changed since the release {self.version}, in {by}"
            auc = f"ROC AUC {self.drift.auc:.3f} [{self.drift.low:.3f}, {self.drift.high:.3f}] between them"
            more = f" and {rest} more" if rest > 0 else ""
            # Both steps that can say it see much the same numbers, not quite.
            about = f"customers since the release {self.version}"
            found.append(Notice(f"{text}{more}: {auc}, {self.told}", "warning", about))
        if self.absent:
            names = ", ".join(self.absent[:SHOWN])
            text = f"not compared with the release {self.version}, whose run did not have them in this form: {names}"
            found.append(Notice(text, "note"))
        return found


def change_since(version: str, artifacts: Mapping[str, object], now: Customers, seed: int) -> Change | None:
    """Return how the customers of this run differ from those of a release's run, None before the first release.

    artifacts: of that run, among them the frames `train` and `test`. Parts that a step has changed after the split are
    compared with such alone: a column scaled in one run and not in the other would seem to have moved. Only rows later
    than all of the release's are compared where both runs have the times, unless these are fewer than 30: a source that
    grows would dilute them.
    """
    if not version:
        return None
    before = [artifacts[name] for name in PARTS if name in artifacts]
    known = [table for table in before if isinstance(table, pd.DataFrame)]
    if len(known) < len(PARTS):
        return Change(version, None, "its training and test part are not kept here")
    if is_as_split(known[0], artifacts.get("features")) != now.as_split:
        changed, plain = ("its", "these") if now.as_split else ("these", "its own")
        return Change(version, None, f"a step has changed {changed} parts after the split, and not {plain}")
    reference, newest = (pd.concat(tables, ignore_index=True) for tables in (known, now.parts))
    shared = {name: kind for name, kind in now.kinds.items() if _kind(reference, name) == kind}
    absent = tuple(name for name in now.kinds if name not in shared)
    newest, which = _later(newest, reference, now.time)
    told = f"{len(newest):,} {which} beside {len(reference):,} then"
    if not shared or min(len(newest), len(reference)) < FEWEST:
        return Change(version, None, f"{told}, and {len(shared)} shared features, are too few", absent)
    return Change(version, measure_drift(reference, newest, shared, seed), told, absent)


def is_as_split(train: pd.DataFrame, features: object) -> bool:
    """Tell whether a training part is the one that `features`, as `churn.features` describes it, has digested.

    A description without a digest says nothing against it.
    """
    split = features.get("split") if isinstance(features, Mapping) else None
    part = split.get("train") if isinstance(split, Mapping) else None
    digest = part.get("sha256") if isinstance(part, Mapping) else None
    return digest is None or digest == digest_rows(train)


def _kind(table: pd.DataFrame, name: str) -> str | None:
    if name not in table.columns:
        return None
    return "number" if pd.api.types.is_numeric_dtype(table[name]) else "category"


def _later(newest: pd.DataFrame, reference: pd.DataFrame, time: str | None) -> tuple[pd.DataFrame, str]:
    """Return the rows to compare and what they are called: those later than all of the reference, or all."""
    if time is not None and time in reference.columns and time in newest.columns:
        then, now = (
            pd.to_datetime(table[time], format="ISO8601", utc=True, errors="coerce") for table in (reference, newest)
        )
        last = then.max()
        later = (now > last).to_numpy()
        if later.sum() >= FEWEST:
            return newest[later], f"customers after {last.date()}"
    return newest, "customers"
