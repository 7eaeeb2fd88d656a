"""Stored models for tests: one of every kind, fitted to a frame, and small ones written by hand."""

from typing import Any

import numpy as np
import pandas as pd

from churnflow.modelling import families
from churnflow.modelling.columns import Column, Floats
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.fitting import Fitted, Sample
from churnflow.modelling.margins import MEMBERS
from churnflow.modelling.model_file import pack
from churnflow.modelling.scorer import PortableModel

KINDS = {"tenure": "number", "bill": "number", "plan": "category", "noise": "number"}
CASES: dict[str, Any] = {
    "logistic_regression": {"C": 1.0, "knots": 0},
    "logistic_regression spline": {"C": 1.0, "knots": 8},
    "svm": {"kernel": "linear", "C": 0.05},
    "svm fourier": {"kernel": "fourier", "C": 0.05, "gamma": 0.01},
    "random_forest": {"max_depth": 10, "min_samples_leaf": 3, "max_features": 0.4},
    "extra_trees": {"max_depth": 14, "min_samples_leaf": 2, "max_features": 0.5},
    "xgboost": {"rounds": 120, "eta": 0.1, "max_depth": 6, "min_child_weight": 1.0, "lambda": 1.0, "gamma": 0.3},
    "catboost": {"rounds": 120, "learning_rate": 0.1, "depth": 5},
}


def fit_case(case: str, frame: pd.DataFrame, kinds: dict[str, str], target: str) -> tuple[PortableModel, Fitted]:
    recipe = families.RECIPES[case.split(maxsplit=1)[0]]
    learned = learn(frame, kinds, frame[target].to_numpy(), 0)
    fitted = recipe.fit(Sample(learned.matrix, frame[target].to_numpy()), CASES[case], 3, None)
    calibration = (1.0, 0.0) if recipe.proper else (1.7, -0.4)
    model = PortableModel(case, fitted.family, learned.encoding, fitted.arrays, calibration, 0.4, "yes", "no")
    return model, fitted


def blended(frame: pd.DataFrame) -> tuple[PortableModel, Floats]:
    """Return a blend of every family, and the margins that it must have on the frame."""
    parts = [fit_case(case, frame, KINDS, "churn")[0] for case in CASES]
    mix = np.linspace(0.1, 0.8, len(parts))
    arrays = {"mix": mix, "families": np.array([MEMBERS.index(part.family) for part in parts], "<i4")}
    for number, part in enumerate(parts):
        arrays |= {f"{number}.{name}": array for name, array in part.arrays.items()}
    encoding = parts[0].encoding
    matrix = encoding.encode(as_columns(frame, encoding)).matrix
    wanted = np.sum([weight * part.margin(matrix) for weight, part in zip(mix, parts, strict=True)], axis=0)
    return PortableModel("blend", "blend", encoding, arrays, (1.0, 0.1), 0.5, "yes", "no"), wanted


def small_tree(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return one tree of three nodes."""
    arrays = {
        "roots": np.array([0], "<i4"),
        "feature": np.array([0, -1, -1], "<i4"),
        "threshold": np.array([0.5, 0, 0], "<f4"),
        "left": np.array([1, -1, -1], "<i4"),
        "right": np.array([2, -1, -1], "<i4"),
        "value": np.array([0.0, -1.0, 1.0]),
        "bias": np.array([0.0]),
    }
    return {**arrays, **changed}


def packed(arrays: dict[str, np.ndarray], **changed: object) -> bytes:
    """Write a model file with whatever content."""
    header = {
        "schema": "churnflow/model@1",
        "name": "xgboost",
        "family": "boosted",
        "columns": [Column("a", "number").as_json()],
        "calibration": [1.0, 0.0],
        "threshold": 0.5,
        "positive": "yes",
        "negative": "no",
    }
    return pack({**header, **changed}, arrays)


def small_spline(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """Return one column bent over two intervals."""
    arrays = {
        "weights": np.array([0.5]),
        "bias": np.array([0.0]),
        "place": np.zeros(1, "<i4"),
        "grid": np.array([[0.0, 1.0, 5.0]]),
        "rank": np.array([[0.0, 0.5, 1.0]]),
        "table": np.array([[1.0, 0.0, 0.0, 2.0]]),
    }
    return {**arrays, **changed}
