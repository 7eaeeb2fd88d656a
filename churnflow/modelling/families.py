"""The four kinds of model that are tried: how each is searched, fitted, and written as plain arrays."""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import xgboost
from optuna import Trial
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from churnflow.modelling.columns import Floats
from churnflow.modelling.scorer import FARTHEST, Family, add_hinges, log_odds
from churnflow.modelling.split import Ints

ModelName = Literal["logistic_regression", "random_forest", "xgboost", "svm"]
Params = Mapping[str, Any]
SIMPLEST_FIRST: Final = ("logistic_regression", "svm", "random_forest", "xgboost")

FOURIER_FEATURES: Final = 200
FOREST_TREES: Final = 100
_THREADS: Final = 2


@dataclass(frozen=True)
class Fitted:
    """A fitted model: log odds by its own library, and the arrays with which the scorer repeats them."""

    margin: Callable[[Floats], Floats]
    family: Family
    arrays: Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """How one kind of model is searched and fitted. scaled: it wants numbers centred and scaled.

    first: parameter sets tried before the search. proper: its margin is log odds, so that calibration is optional.
    """

    name: ModelName
    scaled: bool
    proper: bool
    first: tuple[Params, ...]
    suggest: Callable[[Trial], Params]
    fit: Callable[[Floats, Ints, Params, int], Fitted]


def fit_logistic(matrix: Floats, target: Ints, params: Params, seed: int) -> Fitted:
    """Fit a logistic regression with an L2 penalty, straight or with each number's line bent at `knots` quantiles."""
    model = LogisticRegression(C=params["C"], max_iter=1000, tol=1e-5, random_state=seed)
    place, knot = _hinges(matrix, params["knots"])
    if not len(place):
        _fit_quietly(model, matrix, target)
        return Fitted(model.decision_function, "linear", _linear_arrays(model))
    _fit_quietly(model, add_hinges(matrix, place, knot), target)
    arrays = {"place": place.astype("<i4"), "knot": _doubles(knot), **_linear_arrays(model)}
    return Fitted(lambda rows: model.decision_function(add_hinges(rows, place, knot)), "hinged", arrays)


def fit_svm(matrix: Floats, target: Ints, params: Params, seed: int) -> Fitted:
    """Fit a linear support vector machine, on the features or on random Fourier features of them.

    Random Fourier features stand for the RBF kernel (Rahimi and Recht 2007), so that no customer's row ends up in the
    model as a support vector. The margin is a distance; Platt's scaling makes a probability of it.
    """
    model = LinearSVC(C=params["C"], dual=False, tol=1e-3, random_state=seed)
    if params["kernel"] == "linear":
        _fit_quietly(model, matrix, target)
        return Fitted(model.decision_function, "linear", _linear_arrays(model))
    sampler = RBFSampler(gamma=params["gamma"], n_components=FOURIER_FEATURES, random_state=seed)
    _fit_quietly(model, sampler.fit_transform(matrix), target)
    waves = {"omega": _doubles(sampler.random_weights_), "offset": _doubles(sampler.random_offset_)}
    arrays = {**waves, **_linear_arrays(model)}

    def margin(rows: Floats) -> Floats:
        near = np.clip(rows, -FARTHEST, FARTHEST)
        result: Floats = model.decision_function(sampler.transform(near))
        return result

    return Fitted(margin, "fourier", arrays)


def fit_forest(matrix: Floats, target: Ints, params: Params, seed: int) -> Fitted:
    """Fit a random forest; leaf size and depth keep it at a few MB."""
    model = RandomForestClassifier(FOREST_TREES, **params, random_state=seed, n_jobs=_THREADS)
    model.fit(matrix, target)
    # Threads add their trees up in whatever order they finish, which differs in the last bits.
    model.set_params(n_jobs=1)
    nodes = [estimator.tree_ for estimator in model.estimators_]
    trees = [
        (tree.children_left, tree.children_right, tree.feature, _round_down(tree.threshold), tree.value[:, 0, 1])
        for tree in nodes
    ]
    return Fitted(lambda rows: log_odds(model.predict_proba(rows)[:, 1]), "forest", _tree_arrays(trees, 0.0))


def fit_xgboost(matrix: Floats, target: Ints, params: Params, seed: int) -> Fitted:
    """Fit gradient boosted trees with XGBoost's histogram method on one thread, repeatable bit by bit."""
    settings = {key: value for key, value in params.items() if key != "rounds"}
    fixed = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "verbosity": 0, "seed": seed}
    data = xgboost.DMatrix(matrix, target, nthread=1)
    booster = xgboost.train({**fixed, **settings, "base_score": float(target.mean())}, data, params["rounds"])
    learner = json.loads(booster.save_raw("json"))["learner"]
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    trees = [_xgboost_tree(tree) for tree in learner["gradient_booster"]["model"]["trees"]]

    def margin(rows: Floats) -> Floats:
        result: Floats = booster.predict(xgboost.DMatrix(rows, nthread=1), output_margin=True).astype(np.float64)
        return result

    return Fitted(margin, "boosted", _tree_arrays(trees, float(log_odds(np.array([base]))[0])))


def _suggest_logistic(trial: Trial) -> Params:
    return {
        "C": trial.suggest_float("logistic_regression.C", 1e-3, 1e2, log=True),
        "knots": trial.suggest_int("logistic_regression.knots", 0, 8),
    }


def _suggest_svm(trial: Trial) -> Params:
    params: dict[str, Any] = {
        "kernel": trial.suggest_categorical("svm.kernel", ["linear", "fourier"]),
        "C": trial.suggest_float("svm.C", 1e-3, 1.0, log=True),
    }
    if params["kernel"] == "fourier":
        params["gamma"] = trial.suggest_float("svm.gamma", 1e-3, 1e-1, log=True)
    return params


def _suggest_forest(trial: Trial) -> Params:
    return {
        "max_depth": trial.suggest_int("random_forest.max_depth", 4, 14),
        "min_samples_leaf": trial.suggest_int("random_forest.min_samples_leaf", 4, 40, log=True),
        "max_features": trial.suggest_float("random_forest.max_features", 0.1, 0.5),
    }


def _suggest_xgboost(trial: Trial) -> Params:
    return {
        "rounds": trial.suggest_int("xgboost.rounds", 50, 400, log=True),
        "eta": trial.suggest_float("xgboost.eta", 0.02, 0.2, log=True),
        "max_depth": trial.suggest_int("xgboost.max_depth", 2, 7),
        "min_child_weight": trial.suggest_float("xgboost.min_child_weight", 1.0, 30.0, log=True),
        "lambda": trial.suggest_float("xgboost.lambda", 0.1, 20.0, log=True),
        "subsample": trial.suggest_float("xgboost.subsample", 0.6, 1.0),
        "colsample_bytree": trial.suggest_float("xgboost.colsample_bytree", 0.4, 1.0),
    }


_XGBOOST_FIRST: Final = {
    "rounds": 150,
    "eta": 0.05,
    "max_depth": 4,
    "min_child_weight": 3.0,
    "lambda": 1.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
}
_LOGISTIC_FIRST: Final = ({"C": 0.3, "knots": 4}, {"C": 1.0, "knots": 0})
_FOREST_FIRST: Final = {"max_depth": 10, "min_samples_leaf": 5, "max_features": 0.2}
_SVM_FIRST: Final = ({"kernel": "linear", "C": 0.05}, {"kernel": "fourier", "C": 0.05, "gamma": 0.01})

RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe("logistic_regression", True, True, _LOGISTIC_FIRST, _suggest_logistic, fit_logistic),  # noqa: FBT003
        Recipe("svm", True, False, _SVM_FIRST, _suggest_svm, fit_svm),  # noqa: FBT003
        Recipe("random_forest", False, True, (_FOREST_FIRST,), _suggest_forest, fit_forest),  # noqa: FBT003
        Recipe("xgboost", False, True, (_XGBOOST_FIRST,), _suggest_xgboost, fit_xgboost),  # noqa: FBT003
    )
}


def _fit_quietly(model: LogisticRegression | LinearSVC, matrix: Floats, target: Ints) -> None:
    with warnings.catch_warnings():
        # A search tries penalties that do not converge; they lose by their score.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, target)


def _hinges(matrix: Floats, knots: int) -> tuple[Ints, Floats]:
    """Return column and position of each hinge: the inner quantiles of every column that is more than a flag."""
    places, positions = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for column in range(matrix.shape[1]):
        values = matrix[:, column]
        found = np.unique(np.quantile(values, np.linspace(0, 1, knots + 2)[1:-1])) if knots else np.zeros(0)
        inner = found[(found > values.min()) & (found < values.max())]
        places.append(np.full(len(inner), column, dtype=np.int64))
        positions.append(inner)
    return np.concatenate(places), np.concatenate(positions)


def _linear_arrays(model: LogisticRegression | LinearSVC) -> dict[str, npt.NDArray[Any]]:
    return {"weights": _doubles(model.coef_[0]), "bias": _doubles(model.intercept_)}


def _doubles(values: npt.NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, dtype="<f8")


def _round_down(threshold: Floats) -> npt.NDArray[np.float32]:
    """Return the largest float32 at or below each threshold: for a float32 x, x <= either means the same."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


Tree = tuple[Ints, Ints, Ints, npt.NDArray[np.float32], Floats]


def _xgboost_tree(tree: Mapping[str, Any]) -> Tree:
    """Return one tree of XGBoost's JSON, its nodes in breadth-first order.

    XGBoost goes left when x < threshold, the scorer when x <= threshold, hence the next smaller float32.
    """
    order = [0]
    for node in order:
        if tree["left_children"][node] >= 0:
            order += [tree["left_children"][node], tree["right_children"][node]]
    place = {node: position for position, node in enumerate(order)}
    left = np.array([place.get(tree["left_children"][node], -1) for node in order])
    right = np.array([place.get(tree["right_children"][node], -1) for node in order])
    condition = np.array([tree["split_conditions"][node] for node in order], dtype=np.float32)
    feature = np.array([tree["split_indices"][node] for node in order])
    below = np.nextafter(condition, np.float32(-np.inf))
    return left, right, feature, below, condition.astype(np.float64)


def _tree_arrays(trees: list[Tree], bias: float) -> dict[str, npt.NDArray[Any]]:
    starts = np.cumsum([0, *(len(tree[0]) for tree in trees)])
    left, right, feature, threshold, value = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    shift = np.repeat(starts[:-1], np.diff(starts))
    leaf = left < 0
    return {
        "roots": starts[:-1].astype("<i4"),
        "feature": np.where(leaf, -1, feature).astype("<i4"),
        "threshold": np.where(leaf, 0, threshold).astype("<f4"),
        "left": np.where(leaf, -1, left + shift).astype("<i4"),
        "right": np.where(leaf, -1, right + shift).astype("<i4"),
        "value": np.where(leaf, value, 0.0).astype("<f8"),
        "bias": np.array([bias], dtype="<f8"),
    }
