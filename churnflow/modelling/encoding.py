"""How the encoding of a table is learned from training rows; as a transformer of scikit-learn for use inside folds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from churnflow.modelling.columns import LARGEST, SMALLEST_SCALE, Column, Encoding, Floats
from churnflow.modelling.texts import MAX_LEVELS


def fit_encoding(frame: pd.DataFrame, kinds: Mapping[str, str]) -> Encoding:
    """Learn medians, means, deviations, ranges and levels of the columns in `kinds` (name to `number` or `category`).

    A category keeps its 100 most frequent levels, sorted; rarer ones are encoded as unseen ones are. A column that has
    missing values gets an indicator.
    """
    return Encoding(tuple(_column(frame[name], name, kind) for name, kind in kinds.items()))


def unscaled(encoding: Encoding) -> Encoding:
    """Return the encoding without centring and scaling, for trees: their splits then read in the column's own unit."""
    return Encoding(tuple(replace(column, mean=0.0, scale=1.0) for column in encoding.columns))


def as_columns(frame: pd.DataFrame, encoding: Encoding) -> dict[str, Any]:
    """Return the columns of a frame as `Encoding.encode` and `PortableModel.score` take them."""
    return {
        column.name: frame[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        if column.kind == "number"
        else frame[column.name].tolist()
        for column in encoding.columns
    }


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode a frame of numbers and categories; fitted on the rows it is given, so safe inside cross-validation."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        """Take the kind, `number` or `category`, of each feature by name, in order."""
        self.kinds = kinds

    def fit(self, frame: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002 - the signature of scikit-learn
        """Learn the encoding of the rows of `frame`."""
        self.encoding_ = fit_encoding(frame, self.kinds)
        return self

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the rows of `frame` encoded, (n, width) float64."""
        return self.encoding_.encode(as_columns(frame, self.encoding_)).matrix


def _column(values: pd.Series, name: str, kind: str) -> Column:
    if kind == "number":
        return _number(values.to_numpy(dtype=np.float64, na_value=np.nan), name)
    counts = values.value_counts()
    # By count, then by name: the order of rows must not decide which of two equally frequent levels is kept.
    frequent = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))[:MAX_LEVELS]
    levels = tuple(sorted(str(level) for level, _ in frequent))
    return Column(name, "category", levels=levels, indicator=bool(values.isna().any()))


def _number(values: Floats, name: str) -> Column:
    present = np.isfinite(values)
    known = np.clip(values[present], -LARGEST, LARGEST)
    if not len(known):
        return Column(name, "number", indicator=False)
    impute = float(np.median(known))
    filled = np.where(present, np.clip(values, -LARGEST, LARGEST), impute)
    mean, deviation = float(filled.mean()), float(filled.std())
    constant = deviation <= SMALLEST_SCALE * max(1.0, abs(mean))
    low, high = float(known.min()), float(known.max())
    scale = 1.0 if constant else deviation
    return Column(name, "number", impute, mean, scale, indicator=not bool(present.all()), low=low, high=high)
