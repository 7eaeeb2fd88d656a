"""One customer scored by the stored model, as the API does it, beside scikit-learn's pipeline of the same model."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier

from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES, ModelName
from churnflow.modelling.fitting import Sample
from churnflow.modelling.scorer import PortableModel
from measure import Row, table

CUSTOMERS = 2_000
ROUNDS = 100
# As many as the forests of the models to choose from have.
TREES = 100
DEPTH = 6
MOST = 0.2
KINDS = {**{f"number{place}": "number" for place in range(8)}, "plan": "category", "region": "category"}
OURS: Mapping[ModelName, Mapping[str, Any]] = {
    "logistic_regression": {"C": 1.0, "knots": 0},
    "random_forest": {"max_depth": DEPTH, "max_features": 0.5},
    "xgboost": {"rounds": TREES, "max_depth": DEPTH},
}
THEIRS: Mapping[str, Any] = {
    "logistic_regression": LogisticRegression(),
    "random_forest": RandomForestClassifier(TREES, max_depth=DEPTH, n_jobs=1),
    "xgboost": XGBClassifier(n_estimators=TREES, max_depth=DEPTH, n_jobs=1),
}


def main() -> bool:
    """Print the comparison; return whether one customer takes us a fifth of the time at most, whatever the model."""
    frame, target = _customers()
    rows = [Row(name, *_milliseconds(name, frame, target), MOST) for name in OURS]
    return table("One customer", rows, peer="scikit-learn", unit="ms")


def _milliseconds(name: ModelName, frame: pd.DataFrame, target: np.ndarray) -> tuple[float, float]:
    model, peer = _ours(name, frame, target), _theirs(name, frame, target)
    one = frame.head(1)
    columns = {column: values[:1] for column, values in as_columns(one, model.encoding).items()}
    pairs = [(_timed(lambda: model.score(columns)), _timed(lambda: peer.predict_proba(one))) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _ours(name: ModelName, frame: pd.DataFrame, target: np.ndarray) -> PortableModel:
    learned = learn(frame, KINDS, target, 0)
    fitted = RECIPES[name].fit(Sample(learned.matrix, target), OURS[name], 0, None)
    return PortableModel(name, fitted.family, learned.encoding, dict(fitted.arrays), (1.0, 0.0), 0.5, "yes", "no")


def _theirs(name: str, frame: pd.DataFrame, target: np.ndarray) -> Pipeline:
    of_kind = {kind: [name for name in KINDS if KINDS[name] == kind] for kind in ("number", "category")}
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), of_kind["number"]),
        (OneHotEncoder(handle_unknown="ignore"), of_kind["category"]),
    )
    return make_pipeline(encoder, THEIRS[name]).fit(frame, target)


def _customers() -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    numbers = {name: random.normal(size=CUSTOMERS) for name, kind in KINDS.items() if kind == "number"}
    levels = {name: random.choice(list("abcdef"), CUSTOMERS) for name, kind in KINDS.items() if kind == "category"}
    frame = pd.DataFrame({**numbers, **{name: pd.Series(values, dtype="str") for name, values in levels.items()}})
    margin = frame["number0"] - frame["number1"] * frame["number2"] - 1
    return frame, (random.random(CUSTOMERS) < 1 / (1 + np.exp(-margin))).to_numpy(dtype=np.int64)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
