"""Models that add up: logistic regression, straight or through splines, and the support vector machine."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from churnflow.modelling.columns import Floats
from churnflow.modelling.fitting import Fitted, Params, Sample, doubles, fit_quietly
from churnflow.modelling.margins import FARTHEST, SPLINE_ORDER, ranks_of, spline_basis

FOURIER_FEATURES: Final = 200
QUANTILES: Final = 101
_MIN_VALUES: Final = 3


def fit_logistic(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit a logistic regression with an L2 penalty; with `knots`, each number bends as a quadratic B-spline.

    The spline runs over a number's rank among the training rows, so that its knots lie where customers are, and its
    straight line stands beside it (generalized additive models: Hastie and Tibshirani 1990; B-splines with a ridge:
    Eilers and Marx 1996). knots: how many, 0 for a straight line.
    """
    del seed, valid
    matrix = sample.matrix
    model = LogisticRegression(C=params["C"], max_iter=200, tol=1e-5, solver="newton-cholesky")
    place = _bent_columns(matrix) if params["knots"] else np.zeros(0, dtype=np.int64)
    if not len(place):
        fit_quietly(model, matrix, sample)
        return Fitted(model.decision_function, "linear", _linear_arrays(model))
    intervals = int(params["knots"]) - 1
    grids, ranks = zip(*(_quantiles(matrix[:, column]) for column in place), strict=True)
    bases = [
        _dense_basis(ranks_of(matrix[:, column], grid, rank), intervals)
        for column, grid, rank in zip(place, grids, ranks, strict=True)
    ]
    fit_quietly(model, np.concatenate([matrix, *bases], axis=1), sample)
    width = matrix.shape[1]
    arrays = {
        "weights": doubles(model.coef_[0][:width]),
        "bias": doubles(model.intercept_),
        "place": place.astype("<i4"),
        "grid": doubles(np.stack(grids)),
        "rank": doubles(np.stack(ranks)),
        "table": doubles(model.coef_[0][width:].reshape(len(place), -1)),
    }

    def margin(rows: Floats) -> Floats:
        pairs = zip(place, grids, ranks, strict=True)
        bent = [_dense_basis(ranks_of(rows[:, column], grid, rank), intervals) for column, grid, rank in pairs]
        result: Floats = model.decision_function(np.concatenate([rows, *bent], axis=1))
        return result

    return Fitted(margin, "spline", arrays)


def fit_svm(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit a linear support vector machine, on the features or on random Fourier features of them.

    Random Fourier features stand for the RBF kernel (Rahimi and Recht 2007), so that no customer's row ends up in the
    model as a support vector. The margin is a distance; Platt's scaling makes a probability of it.
    """
    del valid
    model = LinearSVC(C=params["C"], dual=False, tol=1e-3, random_state=seed)
    if params["kernel"] == "linear":
        fit_quietly(model, sample.matrix, sample)
        return Fitted(model.decision_function, "linear", _linear_arrays(model))
    sampler = RBFSampler(gamma=params["gamma"], n_components=FOURIER_FEATURES, random_state=seed)
    fit_quietly(model, sampler.fit_transform(sample.matrix), sample)
    waves = {"omega": doubles(sampler.random_weights_), "offset": doubles(sampler.random_offset_)}

    def margin(rows: Floats) -> Floats:
        near = np.clip(rows, -FARTHEST, FARTHEST)
        result: Floats = model.decision_function(sampler.transform(near))
        return result

    return Fitted(margin, "fourier", {**waves, **_linear_arrays(model)})


def _bent_columns(matrix: Floats) -> npt.NDArray[np.int64]:
    """Return the columns with at least three values; a flag has no curve."""
    return np.array(
        [column for column in range(matrix.shape[1]) if len(np.unique(matrix[:, column])) >= _MIN_VALUES],
        dtype=np.int64,
    )


def _quantiles(values: Floats) -> tuple[Floats, Floats]:
    """Return the quantiles of `values` and the rank of each, (101,), the middle one where several are equal."""
    share = np.linspace(0, 1, QUANTILES)
    grid = np.quantile(values, share)
    known, first, counts = np.unique(grid, return_index=True, return_counts=True)
    rank = (share[first] + share[first + counts - 1]) / 2
    rank[0], rank[-1] = 0.0, 1.0
    rest = QUANTILES - len(known)
    # All columns have equally long lists; what is repeated at the end changes no rank.
    return np.append(known, np.repeat(known[-1], rest)), np.append(rank, np.repeat(rank[-1], rest))


def _dense_basis(ranks: Floats, intervals: int) -> Floats:
    start, values = spline_basis(ranks, intervals)
    dense = np.zeros((len(ranks), intervals + SPLINE_ORDER - 1))
    rows = np.arange(len(ranks))
    for step in range(SPLINE_ORDER):
        dense[rows, start + step] = values[:, step]
    return dense


def _linear_arrays(model: LogisticRegression | LinearSVC) -> dict[str, npt.NDArray[Any]]:
    return {"weights": doubles(model.coef_[0]), "bias": doubles(model.intercept_)}
