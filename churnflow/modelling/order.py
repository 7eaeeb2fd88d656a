"""What the order of rows and the numbers given to them say of the target: sorted files, ids handed out at churn."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, spearmanr

from churnflow.modelling.alone import Floats, Power, level_codes, power
from churnflow.modelling.purity import CHANCE, Severity
from churnflow.modelling.split import Ints

TELLS: Final = 0.6
DECIDES: Final = 0.8
SORTED: Final = 0.98
FOLLOWS: Final = 0.9
SHAPES: Final = 50
RUNS: Final = 20
_MOSTLY: Final = 0.95
_DIGITS: Final = re.compile(r"\d+")
_LONGEST: Final = 15


@dataclass(frozen=True)
class Ordered:
    """What an order tells of the target. column: the id or feature that has the order, None for that of the rows."""

    column: str | None
    reason: str
    severity: Severity


def row_order(places: Ints, frame: pd.DataFrame, numbers: Sequence[str], target: Ints, folds: Ints) -> Ordered | None:
    """Return what the place of a row in its file, (n,), tells of the target; None if it tells nothing.

    No model sees the place, so this is a warning: the classes may have been collected apart, and a split by the order
    of rows would be unfair. Where a feature has the same order, the file is sorted by it, and no more is meant by that.
    """
    found = _tells(pd.Series(places.astype(np.float64)), "number", target, folds)
    if found is None or any(_follows(frame[name], places) for name in numbers):
        return None
    how = "sorted by the target" if found.auc >= SORTED else "not in an order of chance"
    words = f"the rows are {how}: the row number alone has a cross-validated ROC AUC of {found.auc:.3f}"
    return Ordered(None, f"{words}; were the classes collected apart?", "warning")


def id_order(ids: "pd.Series[str]", name: str, target: Ints, folds: Ints) -> Ordered | None:
    """Return what the number in an id, or its shape (letters, digits, length), tells of the target; None if nothing."""
    numbers = id_numbers(ids)
    shapes = ids.str.replace(r"[^\W\d_]", "a", regex=True).str.replace(r"\d", "9", regex=True)
    looked: list[tuple[str, pd.Series, str]] = []
    if numbers is not None:
        looked.append(("number", numbers, "the number in it"))
    if shapes.nunique() <= SHAPES:
        looked.append(("category", shapes, "its shape (letters, digits, length)"))
    for kind, values, words in looked:
        found = _tells(values, kind, target, folds)
        if found:
            text = f"{words} tells who left, with a cross-validated ROC AUC of {found.auc:.3f}"
            return Ordered(name, f"{text}; were ids given out, or rows collected, by outcome?", "warning")
    return None


def counters(places: Ints, frame: pd.DataFrame, numbers: Sequence[str], target: Ints, folds: Ints) -> list[Ordered]:
    """Return the features that count rows or customers instead of measuring something, and tell of the target.

    A counter is whole and different in 99% of the rows, in a range of at most twenty times their number or in the order
    of the file. Critical from a ROC AUC of 0.8 on.
    """
    signs = []
    for name in numbers:
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if not _counts(values, places):
            continue
        found = _tells(frame[name], "number", target, folds)
        if found:
            severity: Severity = "critical" if found.auc >= DECIDES else "warning"
            text = f"it numbers the rows and tells who left, with a cross-validated ROC AUC of {found.auc:.3f}"
            signs.append(Ordered(name, text, severity))
    return signs


def id_numbers(ids: "pd.Series[str]") -> "pd.Series[float] | None":
    """Return the longest run of digits of each id as a number, NaN without one; None unless 95% have one."""
    runs = [max(_DIGITS.findall(text), key=len, default="")[:_LONGEST] for text in ids.fillna("")]
    numbers = pd.Series([float(run) if run else np.nan for run in runs], index=ids.index, dtype="float64")
    return numbers if numbers.notna().mean() >= _MOSTLY else None


def _counts(values: Floats, places: Ints) -> bool:
    known = values[np.isfinite(values)]
    if len(known) < _MOSTLY * len(values) or len(np.unique(known)) < 0.99 * len(known) or (known % 1 != 0).any():
        return False
    return bool(np.ptp(known) <= RUNS * len(known)) or _follows(pd.Series(values), places)


def _follows(values: pd.Series, places: Ints) -> bool:
    known = values.notna().to_numpy()
    if known.mean() < _MOSTLY or values[known].nunique() < 2:  # noqa: PLR2004 - one value has no order
        return False
    return abs(float(spearmanr(values[known], places[known]).statistic)) >= FOLLOWS


def _tells(values: pd.Series, kind: str, target: Ints, folds: Ints) -> Power | None:
    """Return the power of what tells of the target, if it reaches 0.6 and chance gives less than one in a million."""
    codes = level_codes(values, kind)
    cells = np.column_stack([np.bincount(codes[target == label], minlength=codes.max() + 1) for label in (0, 1)])
    cells = cells[cells.sum(axis=1) > 0]
    if len(cells) < 2 or chi2_contingency(cells).pvalue >= CHANCE:  # noqa: PLR2004 - one level tells nothing
        return None
    found = power(values, kind, target, folds)
    return found if found.auc >= TELLS else None
