"""A model compiled for serving beside the model as it is stored, and beside XGBoost itself, on the bundled customers.

All are asked about customers who are encoded already, on one thread; the answers of the first two are the same bits.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost

from churnflow.modelling.columns import Floats
from churnflow.modelling.compiled import Compiled, compile_model
from churnflow.modelling.encoding import Learned, learn
from churnflow.modelling.families import RECIPES, ModelName
from churnflow.modelling.fitting import Params, Sample
from churnflow.modelling.margins import MEMBERS
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.split import Ints
from measure import Row, side_by_side, table

BUNDLED = Path(__file__).resolve().parents[1] / "churnflow" / "data" / "telco.csv.gz"
ROUNDS = 15
# Calls of one measurement, by how many customers each is asked about.
CALLS = {1: 500, 100: 50, 20_000: 1}
BOOSTED: Params = {"rounds": 300, "eta": 0.05, "max_depth": 3, "min_child_weight": 5.0, "lambda": 1.0, "gamma": 0.0}
DEEPER: Params = {**BOOSTED, "rounds": 160, "max_depth": 5}
MEMBERS_OF_BLEND: Sequence[tuple[ModelName, Params]] = (
    ("logistic_regression", {"C": 1.0, "knots": 8}),
    ("random_forest", {"max_depth": 12, "min_samples_leaf": 3, "max_features": 0.4}),
    ("xgboost", BOOSTED),
    ("xgboost", BOOSTED),
    ("xgboost", BOOSTED),
    ("xgboost", DEEPER),
    ("xgboost", DEEPER),
    ("xgboost", DEEPER),
)
# The most that is good, of the stored model's time and of XGBoost's.
BESIDE_STORED: Mapping[int, float] = {1: 0.5, 100: 0.7, 20_000: 0.5}
BESIDE_XGBOOST: Mapping[int, float] = {1: 0.2, 100: 1.0, 20_000: 1.0}


def main() -> bool:
    """Print both comparisons; return whether their targets are held."""
    learned, target = _customers()
    sample = Sample(learned.matrix, target)
    boosted, blend = _boosted(sample, learned), _blend(sample, learned)
    models = {"300 boosted trees": boosted, f"a blend of {len(MEMBERS_OF_BLEND)}": blend}
    stored = [_beside_stored(name, model, learned.matrix, count) for name, model in models.items() for count in CALLS]
    peer = xgboost.train(_settings(target), xgboost.DMatrix(learned.matrix, target), BOOSTED["rounds"])
    trees = [_beside_xgboost(compile_model(boosted), peer, learned.matrix, count) for count in CALLS]
    held = table("A model compiled for serving", stored, ours="compiled", peer="as stored", unit="us")
    return table("300 boosted trees", trees, ours="compiled", peer="XGBoost", unit="us") and held


def _beside_stored(name: str, model: PortableModel, matrix: Floats, count: int) -> Row:
    compiled, rows = compile_model(model), _rows(matrix, count)
    np.testing.assert_array_equal(compiled.probability(rows), model.probability(rows))
    pair = side_by_side(_timed(_ask(compiled, rows), count), _timed(partial(model.probability, rows), count), ROUNDS)
    return Row(f"{name}, rows: {count:,}", *pair, BESIDE_STORED[count])


def _beside_xgboost(compiled: Compiled, peer: xgboost.Booster, matrix: Floats, count: int) -> Row:
    rows = _rows(matrix, count)
    # What XGBoost is fastest with.
    singles = rows.astype(np.float32)
    np.testing.assert_allclose(compiled.probability(rows), peer.inplace_predict(singles), atol=1e-6)
    pair = side_by_side(
        _timed(_ask(compiled, rows), count), _timed(partial(peer.inplace_predict, singles), count), ROUNDS
    )
    return Row(f"rows: {count:,}", *pair, BESIDE_XGBOOST[count])


def _ask(compiled: Compiled, rows: Floats) -> Callable[[], object]:
    return partial(compiled.probability_one, rows[0]) if len(rows) == 1 else partial(compiled.probability, rows)


def _timed(call: Callable[[], object], count: int) -> Callable[[int], float]:
    """Return a measurement: the microseconds of a call about `count` customers."""

    def measure(_: int) -> float:
        began = time.perf_counter()
        for _ in range(CALLS[count]):
            call()
        return 1e6 * (time.perf_counter() - began) / CALLS[count]

    return measure


def _rows(matrix: Floats, count: int) -> Floats:
    return matrix[np.random.default_rng(0).integers(0, len(matrix), count)]


def _customers() -> tuple[Learned, Ints]:
    frame = pd.read_csv(BUNDLED).drop(columns="customer_id")
    target: Ints = (frame.pop("churn") == "Yes").to_numpy(dtype=np.bool_).astype(np.int64)
    numbers = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns}
    return learn(frame, {name: "number" if numbers[name] else "category" for name in numbers}, target, 0), target


def _settings(target: Ints) -> dict[str, object]:
    own = {name: value for name, value in BOOSTED.items() if name != "rounds"}
    usual = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "base_score": float(target.mean())}
    return {**own, **usual, "seed": 0}


def _boosted(sample: Sample, learned: Learned) -> PortableModel:
    fitted = RECIPES["xgboost"].fit(sample, BOOSTED, 0, None)
    return PortableModel("xgboost", "boosted", learned.encoding, dict(fitted.arrays), (1.0, 0.0), 0.5, "yes", "no")


def _blend(sample: Sample, learned: Learned) -> PortableModel:
    """Return a blend as the search makes them: members of several kinds, those of trees trained on other rows."""
    parts, kinds = [], []
    for number, (name, params) in enumerate(MEMBERS_OF_BLEND):
        kept = np.arange(len(sample.target)) % len(MEMBERS_OF_BLEND) != number
        fitted = RECIPES[name].fit(Sample(sample.matrix[kept], sample.target[kept]), params, number, None)
        parts.append(fitted.arrays)
        kinds.append(MEMBERS.index(fitted.family))
    arrays: dict[str, np.ndarray] = {"mix": np.full(len(parts), 1 / len(parts)), "families": np.array(kinds, "<i4")}
    arrays |= {f"{number}.{name}": array for number, part in enumerate(parts) for name, array in part.items()}
    return PortableModel("blend", "blend", learned.encoding, arrays, (1.0, 0.0), 0.5, "yes", "no")


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
