"""The choice of the test part: at random, by whole customers, or the newest rows with an embargo before them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churnflow.errors import UsageError
from churnflow.modelling.metrics import Estimate, wilson
from churnflow.modelling.split import Ints, bound_rows, hold_out

Bools = npt.NDArray[np.bool_]
Kind = Literal["auto", "random", "grouped", "time"]

# With fewer rows of the rarer class nothing can be learned, nor measured.
MIN_PER_CLASS: Final = 10


@dataclass(frozen=True)
class Rows:
    """The rows to be split: the table, its features, its target, (n,) of 0 and 1, and what the schema says of it.

    outcome_days: for how long after its time the outcome of a row is open; 0 where that is not known.
    """

    frame: pd.DataFrame
    features: Sequence[str]
    target: Ints
    identifier: str | None = None
    time: str | None = None
    outcome_days: int = 0

    @classmethod
    def of(cls, frame: pd.DataFrame, features: Sequence[str], schema: Mapping[str, Any]) -> "Rows":
        """Take the roles of the columns from a recorded schema."""
        target = frame[schema["target"]].to_numpy(dtype=np.int64)
        days = int(schema.get("outcome_days") or 0)
        return cls(frame, features, target, schema.get("id"), schema.get("time"), days)

    @property
    def observation(self) -> list[str]:
        """The columns that are equal in equal rows: a row at another time is another observation."""
        return [*self.features] if self.time is None else [*self.features, self.time]

    @property
    def groups(self) -> Ints:
        """What must not be parted at random, (n,)."""
        return bound_rows(self.frame, self.features, self.identifier, self.time)

    @property
    def repeats(self) -> bool:
        """Whether a customer has several rows."""
        return self.identifier is not None and bool(self.frame[self.identifier].dropna().duplicated().any())


@dataclass(frozen=True)
class Parting:
    """Which rows are trained on and which are tested, each (n,); rows in neither are left out.

    kind: random (stratified by target), grouped (by customer as well), time (the newest rows are tested) or time and
    grouped (of the newest rows, those of customers who are not trained on). reason: why this kind. cut: the oldest
    time tested. embargoed: rows left out because their outcome was not known at the cut. shares_customers: customers
    may stand in both parts, which the workflow has declared.
    """

    kind: Literal["random", "grouped", "time", "time and grouped"]
    reason: str
    train: Bools
    test: Bools
    cut: str | None = None
    embargoed: int = 0
    shares_customers: bool = False

    @property
    def left_out(self) -> int:
        """How many rows are in neither part."""
        return int((~self.train & ~self.test).sum())

    def described(self) -> dict[str, Any]:
        """Return it as plain values for JSON, without the rows."""
        rows = {"left_out": self.left_out, "embargoed": self.embargoed, "shares_customers": self.shares_customers}
        return {"kind": self.kind, "reason": self.reason, "cut": self.cut, **rows}


def part(rows: Rows, kind: Kind, share: float, seed: int) -> Parting:
    """Split rows into a training and a test part of about `share` of them.

    auto: by time where the rows have times, else by customer where one has several rows, else at random. By time, whole
    times are tested, the newest; a row whose outcome window reaches past the oldest of them is left out, as its label
    would not have been known then (the embargo of Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter
    7). A customer stands in both parts only if `time` is asked for by name; auto tests customers who are not trained
    on. Raises UsageError where the rows can not be split so.
    """
    times = _times(rows)
    if kind == "time":
        return _out_of_time(rows, times, share, seed)
    why = "the rows have no time"
    if kind == "auto" and times.nunique() > 1:
        parting = _by_time(rows, times, share, seed)
        if parting.train.any():
            return parting
        why = f"an out-of-time split is not possible, for {parting.reason}"
    if kind == "grouped" and rows.identifier is None:
        message = "split: grouped needs an id, and the customers have none"
        raise UsageError(message, hint="name the id where the customers are read, or split: random")
    if kind == "random" and rows.repeats:
        message = f"split: random would put rows of one customer into both parts, for {rows.identifier!r} repeats"
        raise UsageError(message, hint="split: grouped keeps them together")
    repeats = "customers have several rows" if rows.repeats else "every row is a customer of its own"
    grouped = kind == "grouped" or rows.repeats
    reason = f"{repeats}, and {why}" if kind == "auto" else "declared"
    return _at_random(rows, "grouped" if grouped else "random", share, seed, reason)


def rate_shift(target: Ints, parting: Parting) -> Estimate:
    """Return the share of positives in the test part less that in the training part, with a 95% interval.

    The interval is Newcombe's, from Wilson's of both shares (Newcombe, Interval estimation for the difference between
    independent proportions, Statistics in Medicine 17, 1998, method 10); it takes rows as independent.
    """
    test, train = (wilson(int(target[rows].sum()), int(rows.sum())) for rows in (parting.test, parting.train))
    shift = test.value - train.value
    below = float(np.hypot(test.value - test.low, train.high - train.value))
    above = float(np.hypot(test.high - test.value, train.value - train.low))
    return Estimate(shift, shift - below, shift + above, len(target) - parting.left_out)


def _at_random(rows: Rows, kind: Literal["random", "grouped"], share: float, seed: int, reason: str) -> Parting:
    held = hold_out(rows.groups, rows.target, share, seed)
    return Parting(kind, reason, ~held, held)


def _out_of_time(rows: Rows, times: "pd.Series[pd.Timestamp]", share: float, seed: int) -> Parting:
    """Return the split by time that a workflow asks for by name. Raises UsageError where there is none."""
    if rows.time is None:
        message = "split: time needs a column of times, and the customers have none"
        raise UsageError(message, hint="name it where the customers are read: with: {time: ...}, or split: grouped")
    if times.nunique() < 2:  # noqa: PLR2004 - one to train on and one to test
        message = f"the rows can not be split by {rows.time!r}, which holds {times.nunique()} different times"
        raise UsageError(message, hint="split: grouped, or give rows of several times")
    parting = _by_time(rows, times, share, seed, declared=True)
    if not parting.train.any():
        message = f"split: time leaves nothing to train on: {parting.reason}"
        apart = f"rows of at least {rows.outcome_days} days before" if rows.outcome_days else "more of older times"
        raise UsageError(message, hint=f"give {apart}, or split: grouped")
    return parting


def _by_time(
    rows: Rows, times: "pd.Series[pd.Timestamp]", share: float, seed: int, *, declared: bool = False
) -> Parting:
    """Return the split by time; its training part is empty where too few rows have an outcome known at the cut."""
    cut = _newest(times, share)
    tested = times >= cut
    known = times + pd.Timedelta(days=rows.outcome_days) <= cut
    older, newest = (times < cut).to_numpy(), tested.to_numpy()
    settled = older & known.to_numpy() if rows.outcome_days else older
    embargoed = int((older & ~settled).sum())
    said = cut.isoformat().removesuffix("+00:00").removesuffix("T00:00:00")
    if not _learnable(rows.target[settled]):
        reason = f"too few rows have an outcome that was known on {said}, the oldest time tested"
        return Parting("time", reason, np.zeros_like(settled), newest, said, embargoed)
    reason = f"the rows have times; those from {said} on are tested"
    if not _overlap(rows, settled, newest):
        return Parting("time", reason, settled, newest, said, embargoed)
    if declared:
        reason = f"{reason}; customers stand in both parts, as the workflow declares with split: time"
        return Parting("time", reason, settled, newest, said, embargoed, shares_customers=True)
    chosen = _customers(rows, settled, newest, share, seed)
    reason = f"{reason}, of customers who are not trained on"
    return Parting("time and grouped", reason, settled & ~chosen, newest & chosen, said, embargoed)


def _times(rows: Rows) -> "pd.Series[pd.Timestamp]":
    """Return the time of each row, (n,), not a time where it has none."""
    texts = pd.Series(pd.NaT, index=rows.frame.index) if rows.time is None else rows.frame[rows.time]
    return pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")


def _newest(times: "pd.Series[pd.Timestamp]", share: float) -> pd.Timestamp:
    """Return the oldest time to be tested, so that whole times come nearest to `share` of the rows."""
    counts = times.value_counts().sort_index(ascending=False)
    shares = counts.cumsum() / counts.sum()
    distance = (shares - share).abs().iloc[:-1]
    return pd.Timestamp(distance.index[int(np.argmin(distance.to_numpy()))])


def _overlap(rows: Rows, settled: Bools, newest: Bools) -> bool:
    if rows.identifier is None:
        return False
    ids = rows.frame[rows.identifier]
    return bool(ids[newest].isin(ids[settled].dropna()).any())


def _customers(rows: Rows, settled: Bools, newest: Bools, share: float, seed: int) -> Bools:
    """Return the rows, (n,), of customers to be tested: so many that about `share` of the rows used are tested."""
    old, new = int(settled.sum()), int(newest.sum())
    fraction = share * old / (new * (1 - share) + share * old)
    return hold_out(rows.groups, rows.target, fraction, seed)


def _learnable(target: Ints) -> bool:
    return min(int(target.sum()), int(len(target) - target.sum())) >= MIN_PER_CLASS
