"""How the encoding of a table is learned from training rows, and from the outcome without looking at a row's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import TargetEncoder

from churnflow.modelling.cells import FEWEST
from churnflow.modelling.columns import LARGEST, SMALLEST_SCALE, Column, Encoding, Floats
from churnflow.modelling.disclosure import coarse, usual_range
from churnflow.modelling.split import Ints, deal_folds
from churnflow.modelling.texts import MAX_LEVELS

# Up to so many levels a category becomes one column per level; with more, one column of the target's rate by level.
ONE_HOT_LEVELS: Final = 15
RATED_LEVELS: Final = 1000
_FOLDS: Final = 5
_FEW_ROWS: Final = 20


@dataclass(frozen=True)
class Learned:
    """An encoding and the rows it was learned from, encoded: matrix (n, width) float64.

    The matrix differs from what `encoding.encode` makes of the same rows in the columns of rates: there each row has a
    rate that its own outcome did not enter, or a model would learn the outcome from it.
    """

    encoding: Encoding
    matrix: Floats


def learn(
    frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, seed: int, groups: Ints | None = None
) -> Learned:
    """Learn the encoding of the columns in `kinds` (name to `number` or `category`), target (n,) of 0 and 1.

    A category of more than 15 levels becomes the rate of the target by level, shrunk by empirical Bayes and
    cross-fitted over five folds (Micci-Barreca 2001, as in scikit-learn's TargetEncoder); its 1,000 most frequent
    levels are kept. Others become a column per level. What is rarer, or the value of fewer than ten rows, by which
    somebody might be recognised in a model, is encoded as unseen values are. A column that
    has missing values gets an indicator. groups: of each row, (n,), that of its customer, so that no row's rate holds
    an outcome of its own customer; by default each row is a customer.
    """
    dealt = deal_folds(np.arange(len(target)) if groups is None else _dense(groups), target, _FOLDS, seed)
    rated = [name for name, kind in kinds.items() if kind == "category" and _is_rated(frame[name], target, dealt)]
    rates = {name: _rates(frame[name], target, dealt) for name in rated}
    columns = [rates[name][0] if name in rates else _column(frame[name], name, kind) for name, kind in kinds.items()]
    encoding = Encoding(tuple(columns))
    matrix = encoding.encode(as_columns(frame, encoding)).matrix
    places = encoding.slices()
    for name, (column, fitted) in rates.items():
        matrix[:, places[name][0]] = (fitted - column.mean) / column.scale
    return Learned(encoding, matrix)


def as_columns(frame: pd.DataFrame, encoding: Encoding) -> dict[str, Any]:
    """Return the columns of a frame as `Encoding.encode` and `PortableModel.score` take them."""
    return {
        column.name: frame[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        if column.kind == "number"
        else frame[column.name].tolist()
        for column in encoding.columns
    }


def _is_rated(values: pd.Series, target: Ints, dealt: Ints) -> bool:
    rarer = min(int(target.sum()), len(target) - int(target.sum()))
    # The outcomes of one customer alone can not be kept out of their own rates.
    counts = values.value_counts()
    many = len(counts) > ONE_HOT_LEVELS and int(counts.iloc[0]) >= FEWEST
    return many and rarer >= _FEW_ROWS and len(np.unique(dealt)) > 1


def _dense(groups: Ints) -> Ints:
    """Return groups renumbered without gaps, as some of the rows leave them."""
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _rates(values: pd.Series, target: Ints, folds: Ints) -> tuple[Column, Floats]:
    """Return the column of a category's rates, and the rate of each row, (n,), cross-fitted over `folds` (n,)."""
    levels = _frequent(values, RATED_LEVELS)
    known = values.isin(levels).to_numpy()
    missing = values.isna().to_numpy()
    texts = values.astype(object).where(~missing, None).to_numpy()[:, None]
    encoder = TargetEncoder(target_type="binary", smooth="auto", cv=PredefinedSplit(folds))
    fitted: Floats = encoder.fit_transform(texts, target)[:, 0]
    prior = float(encoder.target_mean_)
    fitted[~known & ~missing] = prior
    by_level = dict(zip(encoder.categories_[0], encoder.encodings_[0], strict=True))
    mean, scale = _scaling(fitted)
    column = Column(
        str(values.name),
        "category",
        impute=prior,
        mean=mean,
        scale=scale,
        levels=tuple(levels),
        indicator=bool(missing.any()),
        rates=tuple(float(by_level[level]) for level in levels),
        absent=float(by_level.get(None, prior)),
    )
    return column, fitted


def _frequent(values: pd.Series, most: int) -> list[str]:
    """Return the most frequent levels, sorted; of equally frequent ones the first by name, whatever the rows' order."""
    counts = values.value_counts()
    frequent = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))[:most]
    return sorted(str(level) for level, count in frequent if int(count) >= FEWEST)


def _column(values: pd.Series, name: str, kind: str) -> Column:
    if kind == "number":
        return _number(values.to_numpy(dtype=np.float64, na_value=np.nan), name)
    levels = tuple(_frequent(values, MAX_LEVELS))
    return Column(name, "category", levels=levels, indicator=bool(values.isna().any()))


def _number(values: Floats, name: str) -> Column:
    present = np.isfinite(values)
    known = np.clip(values[present], -LARGEST, LARGEST)
    if not len(known):
        return Column(name, "number", indicator=False)
    low, high = usual_range(np.sort(known))
    impute = coarse(float(np.median(known)), low, high)
    mean, scale = _scaling(np.where(present, np.clip(values, -LARGEST, LARGEST), impute))
    return Column(name, "number", impute, mean, scale, indicator=not bool(present.all()), low=low, high=high)


def _scaling(values: Floats) -> tuple[float, float]:
    """Return mean and deviation, the latter 1 for values that are all but constant."""
    mean, deviation = float(values.mean()), float(values.std())
    return mean, 1.0 if deviation <= SMALLEST_SCALE * max(1.0, abs(mean)) else deviation
