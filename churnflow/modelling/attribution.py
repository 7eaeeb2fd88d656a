"""What an evaluation says of Shapley values: how far each feature moves customers, where to, and reasons."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata, spearmanr

from churnflow.modelling.columns import Encoding, Floats
from churnflow.modelling.encoding import as_columns
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.shapley import Contributions, contributions

EXPLAINED: Final = 200
BACKGROUND: Final = 100
DRAWN: Final = 12
REASONS: Final = 3


def explain(
    model: PortableModel, test: pd.DataFrame, train: pd.DataFrame, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the summary of the Shapley values of up to 200 test rows, and the three strongest reasons of each row.

    The background are up to 100 training rows. The reasons are a frame: row (from 1, as in `predictions`), feature, and
    log odds added; where the model has a curve, these are the log odds before it bends them.
    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.choice(len(test), min(EXPLAINED, len(test)), replace=False))
    others = np.sort(random.choice(len(train), min(BACKGROUND, len(train)), replace=False))
    matrix, background = (
        model.encoding.encode(as_columns(part, model.encoding)).matrix for part in (test.iloc[rows], train.iloc[others])
    )
    found = contributions(model, matrix, background, seed)
    slope, intercept = model.calibration
    gap = np.abs(found.base + found.values.sum(axis=1) - (slope * model.margin(matrix) + intercept))
    summary = {
        "unit": "log odds",
        "exact": found.exact,
        "base": found.base,
        "n": len(rows),
        "background": len(others),
        "additivity_max_abs_diff": float(gap.max()),
        "features": _ranked(found, test.iloc[rows], model.encoding),
    }
    return summary, _reasons(found, rows)


def _ranked(found: Contributions, frame: pd.DataFrame, encoding: Encoding) -> list[dict[str, Any]]:
    """Return the features, those first that move customers most; the first twelve with a point for each row.

    ranks: where the row's value stands among those of the rows, from 0 to 1; None for a category and a missing value.
    """
    strength = np.abs(found.values).mean(axis=0)
    kinds = {column.name: column.kind for column in encoding.columns}
    lines = []
    for place, at in enumerate(np.argsort(-strength, kind="stable")):
        name, values = found.features[at], found.values[:, at]
        ranks = _standing(frame[name], kinds[name])
        line: dict[str, Any] = {
            "feature": name,
            "mean_abs": round(float(strength[at]), 6),
            "low": round(float(values.min()), 6),
            "high": round(float(values.max()), 6),
            "direction": _direction(ranks, values),
        }
        if place < DRAWN:
            # In an order of its own: in that of the rows the points of all features would put a customer together.
            order = np.argsort(values, kind="stable")
            line["values"] = np.round(values[order], 4).tolist()
            line["ranks"] = [None if np.isnan(rank) else round(float(rank), 3) for rank in ranks[order]]
        lines.append(line)
    return lines


def _standing(values: pd.Series, kind: str) -> Floats:
    if kind != "number":
        return np.full(len(values), np.nan)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(numbers)
    ranks = np.full(len(numbers), np.nan)
    ranks[known] = (rankdata(numbers[known]) - 1) / max(1, int(known.sum()) - 1)
    return ranks


def _direction(ranks: Floats, values: Floats) -> str:
    """Say whether larger numbers raise or lower the odds; `mixed` where they do neither clearly, or are no numbers."""
    known = np.isfinite(ranks)
    if known.sum() < 3 or np.ptp(ranks[known]) == 0 or np.ptp(values[known]) == 0:  # noqa: PLR2004 - a correlation
        return "mixed"
    together = float(spearmanr(ranks[known], values[known]).statistic)
    return "mixed" if abs(together) < 0.5 else "raises" if together > 0 else "lowers"  # noqa: PLR2004


def _reasons(found: Contributions, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
    listed = [
        (int(row) + 1, feature, value)
        for place, row in enumerate(rows)
        for feature, value in found.reasons(place, REASONS)
    ]
    frame = pd.DataFrame(listed, columns=["row", "feature", "log_odds"])
    return frame.astype({"row": "int64", "feature": "str", "log_odds": "float64"})
