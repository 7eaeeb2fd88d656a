"""Models made of trees: forests of scikit-learn, and boosted trees of XGBoost and CatBoost, as plain arrays."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xgboost
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from churnflow.modelling.columns import Floats
from churnflow.modelling.extras import no_catboost
from churnflow.modelling.fitting import WARNINGS, Fitted, Params, Sample
from churnflow.modelling.margins import log_odds
from churnflow.modelling.split import Ints

FOREST_TREES: Final = 100
MOST_LEAVES: Final = 5000
MOST_ROUNDS: Final = 2000
PATIENCE: Final = 50
# How many rounds lie between two stages at which a boosted model is judged.
STRIDE: Final = 10

Tree = tuple[Ints, Ints, Ints, npt.NDArray[np.float32], Floats]


def fit_forest(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit a random forest (Breiman 2001)."""
    del valid
    return _fit_forest(RandomForestClassifier(FOREST_TREES, **_bounded(params, sample), random_state=seed), sample)


def fit_extra_trees(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit extremely randomized trees (Geurts, Ernst and Wehenkel 2006)."""
    del valid
    return _fit_forest(ExtraTreesClassifier(FOREST_TREES, **_bounded(params, sample), random_state=seed), sample)


def _bounded(params: Params, sample: Sample) -> Params:
    """Return the parameters with leaves of at least a 5,000th of the rows: a forest stays within some 30 MB."""
    least = max(int(params.get("min_samples_leaf", 1)), len(sample.target) // MOST_LEAVES)
    return {**params, "min_samples_leaf": least}


def _fit_forest(model: RandomForestClassifier | ExtraTreesClassifier, sample: Sample) -> Fitted:
    """Fit a forest that is never surer than half a row among all it was trained on allows.

    Without that bound its probabilities of exactly 0 and 1 would rule the log loss, and any blend with it.
    """
    with WARNINGS:
        model.fit(sample.matrix, sample.target, sample_weight=sample.weights)
    bound = 0.5 / len(sample.target)
    trees: list[Tree] = []
    for estimator in model.estimators_:
        grown = estimator.tree_
        value = bound + (1 - 2 * bound) * grown.value[:, 0, 1]
        trees.append((grown.children_left, grown.children_right, grown.feature, _round_down(grown.threshold), value))

    def margin(rows: Floats) -> Floats:
        with WARNINGS:
            share = model.predict_proba(rows)[:, 1]
        return log_odds(bound + (1 - 2 * bound) * share)

    return Fitted(margin, "forest", _tree_arrays(trees, 0.0))


def fit_xgboost(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit gradient boosted trees with XGBoost's histogram method on one thread, repeatable bit by bit.

    With `valid` it grows until the log loss there has not fallen for 50 rounds, else for `rounds` rounds.
    """
    settings = {key: value for key, value in params.items() if key != "rounds"}
    fixed = {"objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist", "nthread": 1}
    given = {**fixed, "verbosity": 0, "seed": seed, "base_score": sample.rate, **settings}
    data = xgboost.DMatrix(sample.matrix, sample.target, weight=sample.weights, nthread=1)
    if valid is None:
        booster = xgboost.train(given, data, params["rounds"])
    else:
        watched = [(xgboost.DMatrix(valid.matrix, valid.target, weight=valid.weights, nthread=1), "valid")]
        stops = {"early_stopping_rounds": PATIENCE, "verbose_eval": False}
        booster = xgboost.train(given, data, params.get("rounds", MOST_ROUNDS), evals=watched, **stops)
    learner = json.loads(booster.save_raw("json"))["learner"]
    base = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    trees = [_xgboost_tree(tree) for tree in learner["gradient_booster"]["model"]["trees"]]
    rounds = _stages(len(trees))

    def margin(rows: Floats) -> Floats:
        return _xgboost_margin(booster, xgboost.DMatrix(rows, nthread=1), (0, 0))

    def staged(rows: Floats) -> Floats:
        matrix = xgboost.DMatrix(rows, nthread=1)
        offset = float(log_odds(np.array([base]))[0])
        pairs = zip((0, *rounds[:-1]), rounds, strict=True)
        return np.cumsum([_xgboost_margin(booster, matrix, pair) - offset for pair in pairs], axis=0) + offset

    arrays = _tree_arrays(trees, float(log_odds(np.array([base]))[0]))
    return Fitted(margin, "boosted", arrays, rounds, staged)


def _xgboost_margin(booster: xgboost.Booster, matrix: xgboost.DMatrix, rounds: tuple[int, int]) -> Floats:
    result: Floats = booster.predict(matrix, output_margin=True, iteration_range=rounds).astype(np.float64)
    return result


def has_catboost() -> bool:
    """Tell whether CatBoost is installed."""
    return find_spec("catboost") is not None


def fit_catboost(sample: Sample, params: Params, seed: int, valid: Sample | None = None) -> Fitted:
    """Fit boosted symmetric trees with CatBoost (Prokhorenkova et al. 2018) on the encoded numbers, on one thread.

    With `valid` it grows until the log loss there has not fallen for 50 rounds, else for `rounds` rounds. Raises
    UsageError where CatBoost is not installed.
    """
    if error := no_catboost():
        raise error
    from catboost import CatBoostClassifier, Pool  # noqa: PLC0415 - an extra

    if not np.ptp(sample.matrix, axis=0).any():
        return _constant(sample)
    settings = {key: value for key, value in params.items() if key != "rounds"}
    fixed = {"thread_count": 1, "random_seed": seed, "verbose": False, "allow_writing_files": False}
    model = CatBoostClassifier(iterations=params.get("rounds", MOST_ROUNDS), **fixed, **settings)
    data = Pool(sample.matrix, sample.target, weight=sample.weights)
    if valid is None:
        model.fit(data)
    else:
        watched = Pool(valid.matrix, valid.target, weight=valid.weights)
        model.fit(data, eval_set=watched, early_stopping_rounds=PATIENCE, use_best_model=False)
    rounds = _stages(model.tree_count_)

    def margin(rows: Floats) -> Floats:
        result: Floats = model.predict(rows, prediction_type="RawFormulaVal")
        return result

    def staged(rows: Floats) -> Floats:
        made = model.staged_predict(rows, prediction_type="RawFormulaVal", eval_period=STRIDE, thread_count=1)
        return np.array([values[:, 0] if values.ndim > 1 else values for values in made])

    return Fitted(margin, "summed", _catboost_arrays(model), rounds, staged)


def _constant(sample: Sample) -> Fitted:
    """Return the rate of all as a model; CatBoost refuses rows that are all alike."""
    bias = float(log_odds(np.array([sample.rate]))[0])
    arrays = {"weights": np.zeros(sample.matrix.shape[1]), "bias": np.array([bias])}
    return Fitted(
        lambda rows: np.full(len(rows), bias), "linear", arrays, (1,), lambda rows: np.full((1, len(rows)), bias)
    )


def _stages(rounds: int) -> tuple[int, ...]:
    """Return the numbers of rounds after which a boosted model is judged; the last is always one."""
    whole = tuple(range(STRIDE, rounds + 1, STRIDE))
    return whole if whole and whole[-1] == rounds else (*whole, rounds)


def _round_down(threshold: Floats) -> npt.NDArray[np.float32]:
    """Return the largest float32 at or below each threshold: for a float32 x, x <= either means the same."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


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


def _catboost_arrays(model: Any) -> dict[str, npt.NDArray[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        content = json.loads(path.read_bytes())
    scale, bias = content["scale_and_bias"]
    trees = [_symmetric_tree(tree, float(scale)) for tree in content["oblivious_trees"]]
    return _tree_arrays(trees, float(bias[0] if isinstance(bias, Sequence) else bias))


def _symmetric_tree(tree: Mapping[str, Any], scale: float) -> Tree:
    """Return one tree of CatBoost's JSON, which asks the same of all nodes of a level, in breadth-first order.

    The answer to split i, x > border, is bit i of the place among the leaves; the last split stands at the root, so
    that the leaves come in order.
    """
    splits = list(reversed(tree["splits"] or []))
    depth = len(splits)
    inner = 2**depth - 1
    leaves = np.array(tree["leaf_values"], dtype=np.float64) * scale
    nodes = np.arange(inner)
    levels = np.floor(np.log2(nodes + 1)).astype(np.int64)
    outer = np.full(len(leaves), -1, dtype=np.int64)
    feature = np.array([split["float_feature_index"] for split in splits], dtype=np.int64)[levels]
    border = np.array([split["border"] for split in splits], dtype=np.float32)[levels]
    return (
        np.append(2 * nodes + 1, outer),
        np.append(2 * nodes + 2, outer),
        np.append(feature, np.zeros_like(outer)),
        np.append(border, np.zeros(len(leaves), dtype=np.float32)),
        np.append(np.zeros(inner), leaves),
    )


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
