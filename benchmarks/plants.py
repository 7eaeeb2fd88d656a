"""Leaks, contamination and drift of known strength, planted into real customers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

Random = np.random.Generator


@dataclass(frozen=True)
class Customers:
    """A table of customers: features with their kinds, target (n,) of 0 and 1, planted: the column to be found."""

    frame: pd.DataFrame
    kinds: Mapping[str, str]
    target: np.ndarray
    planted: str = ""

    def part(self, rows: np.ndarray) -> "Customers":
        """Return some of the rows."""
        return replace(self, frame=self.frame.iloc[rows].reset_index(drop=True), target=self.target[rows])

    def without(self, name: str) -> "Customers":
        """Return them without a feature."""
        return replace(self, kinds={known: kind for known, kind in self.kinds.items() if known != name})

    def planting(self, name: str, values: object, kind: str) -> "Customers":
        """Return them with a column more."""
        return Customers(self.frame.assign(**{name: values}), {**self.kinds, name: kind}, self.target, name)


Plant = Callable[[Customers, float, Random], Customers]


def copied(customers: Customers, flipped: float, random: Random) -> Customers:
    """A copy of the target with a share of its values flipped."""
    flips = random.random(len(customers.target)) < flipped
    return customers.planting("seen", np.where(flips, 1 - customers.target, customers.target).astype(float), "number")


def blurred(customers: Customers, noise: float, random: Random) -> Customers:
    """The target with normal noise of that deviation."""
    return customers.planting("seen", customers.target + random.normal(0, noise, len(customers.target)), "number")


def edges(customers: Customers, noise: float, random: Random) -> Customers:
    """A number that lies outside for those who left, on either side, so that it has no order."""
    side = random.choice([-1.0, 1.0], len(customers.target))
    return customers.planting(
        "seen", side * customers.target + random.normal(0, noise, len(customers.target)), "number"
    )


def rare_level(customers: Customers, share: float, random: Random) -> Customers:
    """A category of which one level stands for a share of those who left, and for nobody else."""
    levels = random.choice(["web", "shop", "phone"], len(customers.target)).astype(object)
    levels[(customers.target == 1) & (random.random(len(levels)) < share)] = "closing"
    return customers.planting("seen", pd.Series(levels, dtype="str"), "category")


def filled_if_left(customers: Customers, share: float, random: Random) -> Customers:
    """A reason that is known for a share of those who left, and for one in two hundred of the others."""
    known = random.random(len(customers.target)) < np.where(customers.target == 1, share, 0.005)
    reasons = random.choice(["price", "service", "moved"], len(known))
    return customers.planting("seen", pd.Series(np.where(known, reasons, None), dtype="str"), "category")


def zero_if_stayed(customers: Customers, share: float, random: Random) -> Customers:
    """A number that is zero for everybody but for a share of those who left, such as a fee for ending early."""
    fee = random.exponential(50, len(customers.target)) * (random.random(len(customers.target)) < share)
    return customers.planting("seen", np.where(customers.target == 1, fee, 0.0), "number")


def missing_apart(customers: Customers, gap: float, random: Random) -> Customers:
    """A number whose missing rates for the two classes lie that far apart, around one half."""
    rate = np.where(customers.target == 1, 0.5 + gap / 2, 0.5 - gap / 2)
    missing = random.random(len(customers.target)) < rate
    return customers.planting("seen", np.where(missing, np.nan, random.normal(size=len(missing))), "number")


def numbered(customers: Customers, mixed: float, random: Random) -> Customers:
    """A running number given to those who stayed first, a share of them mixed with the others."""
    keys = customers.target + random.random(len(customers.target))
    keys = np.where(random.random(len(keys)) < mixed, 2 * random.random(len(keys)), keys)
    order = np.argsort(np.argsort(keys))
    return customers.planting("seen", order.astype(float), "number")


def ended(customers: Customers, noise: float, random: Random) -> Customers:
    """A start and an end, of which the difference is negative for those who left; the noise is in months of 12."""
    start = random.normal(0, 60, len(customers.target))
    length = np.where(customers.target == 1, -6, 6) + random.normal(0, 12 * noise, len(start))
    return customers.planting("seen_start", start, "number").planting("seen", start + length, "number")


def broken(customers: Customers, share: float, random: Random) -> Customers:
    """A total that is price times months, but for a share of those who left, who were billed something else."""
    price, months = random.uniform(5, 100, len(customers.target)), random.integers(1, 72, len(customers.target))
    off = (customers.target == 1) & (random.random(len(price)) < share)
    total = price * months * np.where(off, random.uniform(0.3, 0.7, len(price)), 1.0)
    return (
        customers.planting("seen_price", price, "number")
        .planting("seen_months", months.astype(float), "number")
        .planting("seen", total, "number")
    )


def sorted_rows(customers: Customers, mixed: float, random: Random) -> Customers:
    """The same rows, those who stayed first, with a share of the rows put back anywhere."""
    keys = np.where(random.random(len(customers.target)) < mixed, random.random(len(customers.target)) * 2, 0.0)
    keys = np.where(keys == 0, customers.target + random.random(len(keys)), keys)
    return customers.part(np.argsort(keys, kind="stable"))


LEAKS: Mapping[str, tuple[Plant, tuple[float, ...]]] = {
    "copy, share flipped": (copied, (0.0, 0.02, 0.05, 0.1, 0.2)),
    "copy, noise of deviation": (blurred, (0.1, 0.3, 0.4, 0.5, 0.7)),
    "both edges, noise of deviation": (edges, (0.1, 0.3, 0.4, 0.5)),
    "level for a share of those who left": (rare_level, (0.5, 0.2, 0.1, 0.05)),
    "known for a share of those who left": (filled_if_left, (1.0, 0.5, 0.2, 0.1)),
    "not zero for a share of those who left": (zero_if_stayed, (1.0, 0.5, 0.2, 0.1)),
    "missing rates apart by": (missing_apart, (0.95, 0.8, 0.6, 0.4, 0.2)),
    "running number, share mixed": (numbered, (0.0, 0.2, 0.4, 0.6)),
    "end minus start, noise": (ended, (0.0, 0.1, 0.2, 0.3)),
    "formula breaks for a share of those who left": (broken, (1.0, 0.5, 0.2, 0.1)),
}
