"""Sets of rows that hold almost one class only: values filled in, left out, or written, for those who left."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.disclosure import FEW, is_few
from churnflow.modelling.metrics import wilson
from churnflow.modelling.split import Ints

Bools = npt.NDArray[np.bool_]
Severity = Literal["warning", "critical"]

CHANCE: Final = 1e-6
MOST_LEVELS: Final = 200
PURE: Final = 0.1
NEARLY_PURE: Final = 0.2
HALF: Final = 0.5
GAP_CRITICAL: Final = 0.8
GAP_WARNING: Final = 0.4


@dataclass(frozen=True)
class Pure:
    """Why a set of rows gives a class away, and how grave that is."""

    reason: str
    severity: Severity


@dataclass(frozen=True)
class Rows:
    """A set of rows, (n,), and the words for what they have in common; gap: whether it is one of missing values."""

    mask: Bools
    words: str
    gap: bool = False


def pure_rows(values: pd.Series, target: Ints) -> Pure | None:
    """Return the gravest sign that a pattern of `values` gives the class away, None if there is none.

    Looked at are the rows where the value is missing, those where it is known, those that differ from its most frequent
    value (a reason that reads `none` for everybody who stays), and the rows of each level or repeated number.
    """
    return gravest([found for rows in _sets(values) if (found := judge_rows(rows, target))])


def gravest(signs: list[Pure]) -> Pure | None:
    """Return the first critical sign, else the first, None of none."""
    return next((sign for sign in signs if sign.severity == "critical"), signs[0] if signs else None)


def judge_rows(rows: Rows, target: Ints) -> Pure | None:
    """Return the sign that a set of rows holds almost one class only, or takes very unequal shares of the two.

    Of those who left alone: the share of others in it is, by the upper end of Wilson's 95% interval, at most a tenth
    (critical) or a fifth (warning) of their share in all rows. That chance gives such a set is less likely than one in
    a million. Of those who stayed alone: only patterns of missing values, for safe customers are a
    common thing; critical where they cover half of all who stayed, for then the rest is mostly those who left.
    """
    count, left = int(rows.mask.sum()), int(target[rows.mask].sum())
    if not FEWEST <= count <= len(target) - FEWEST:
        return None
    base = float(target.mean())
    if binom.sf(left - 1, count, base) < CHANCE:
        others = 1 - wilson(left, count).low
        for limit, severity in _LIMITS:
            if others <= limit * (1 - base):
                words = "all of them left" if left == count else _most(left, count)
                return Pure(f"{rows.words} in {count} rows, and {words}, where {base:.1%} do of all", severity)
    return (_stayed(rows, target) or _unequal(rows, target)) if rows.gap else None


def _most(left: int, count: int) -> str:
    if is_few(count - left):
        return f"all but {FEW} of them left"
    return f"{left} of them left ({left / count:.1%})"


_LIMITS: Final[tuple[tuple[float, Severity], ...]] = ((PURE, "critical"), (NEARLY_PURE, "warning"))


def _stayed(rows: Rows, target: Ints) -> Pure | None:
    count, left = int(rows.mask.sum()), int(target[rows.mask].sum())
    base = float(target.mean())
    if binom.cdf(left, count, base) >= CHANCE or wilson(left, count).high > PURE * base:
        return None
    covered = (count - left) / (len(target) - target.sum())
    severity: Severity = "critical" if covered >= HALF else "warning"
    told = f"{FEW} of them left" if is_few(left) else f"{left} of them left ({left / count:.1%})"
    words = told if left else "none of them left"
    return Pure(f"{rows.words} in {count} rows, and {words}, where {base:.1%} do of all", severity)


def _unequal(rows: Rows, target: Ints) -> Pure | None:
    gone, stayed = (float(rows.mask[target == label].mean()) for label in (1, 0))
    gap = abs(gone - stayed)
    if gap < GAP_WARNING:
        return None
    severity: Severity = "critical" if gap >= GAP_CRITICAL else "warning"
    return Pure(f"{rows.words} for {gone:.1%} of those who left and {stayed:.1%} of those who stayed", severity)


def _sets(values: pd.Series) -> Iterator[Rows]:
    missing = values.isna().to_numpy()
    if missing.any():
        sets = (Rows(missing, "it is missing", gap=True), Rows(~missing, "it is known", gap=True))
        yield from sorted(sets, key=lambda rows: int(rows.mask.sum()))
    codes, levels = pd.factorize(values)
    if len(levels) < 2:  # noqa: PLR2004 - one level says no more than known or missing does
        return
    counts = np.bincount(codes[codes >= 0])
    most = int(counts.argmax())
    if 2 * counts[most] >= len(values):
        yield Rows((codes != most) & ~missing, f"it is other than {shown(levels[most])}")
    repeated = np.flatnonzero(counts >= FEWEST)
    for level in repeated[np.argsort(-counts[repeated], kind="stable")][:MOST_LEVELS]:
        yield Rows(codes == level, f"it is {shown(levels[level])}")


def shown(level: object) -> str:
    """Return a level as a reader writes it: a number without needless digits, a text in quotes and not too long."""
    if isinstance(level, int | float | np.number):
        return f"{level:g}"
    text = str(level)
    return f'"{text[:40]}..."' if len(text) > 40 else f'"{text}"'  # noqa: PLR2004
