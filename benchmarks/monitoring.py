"""How often monitoring alarms where nothing has changed, and how often it notices what has, on bundled real customers.

Reference and window are drawn, with replacement, from the same 7,043 customers, so that each difference is chance; then
a change of known size is planted in the window. Beside it the rules of thumb that teams use instead.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

from churnflow.modelling.data_quality import rises
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES
from churnflow.modelling.feature_drift import moved
from churnflow.modelling.fitting import Sample
from churnflow.modelling.live_performance import drops, estimated, f1_of, measured, miscalibrated
from churnflow.modelling.logged import INSIDE, UNKNOWN, Logged, Read
from churnflow.modelling.metrics import Scored, measure
from churnflow.modelling.observed import observed
from churnflow.modelling.reference import Reference, build_reference
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.window import window

SIZES = (200, 1_000, 10_000)
WINDOWS = 400
JUDGED = 150
TRAIN, TEST = 5_600, 1_400
STATED = 0.01
# Of 400 windows a rate of 1% is exceeded by chance alone up to here, in 99 of 100 benchmarks.
MOST = 0.0225
SPAN = window("1d", "day", "2026-01-01T12:00:00+00:00")
Planted = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def main() -> bool:
    """Print three tables; return whether the stated rate of false alarms holds at each size."""
    world = World.of_customers()
    held = _alarms(world)
    _detections(world)
    return _performance(world) and held


@dataclass(frozen=True)
class World:
    """All customers there are, and a model of them."""

    customers: pd.DataFrame
    model: PortableModel

    @classmethod
    def of_customers(cls) -> "World":
        """Read the bundled customers and fit a logistic regression to them."""
        frame = pd.read_csv(str(files("churnflow.data") / "telco.csv.gz"), dtype_backend="numpy_nullable")
        frame["churn"] = (frame["churn"] == "Yes").astype("int64")
        frame["balance"] = np.random.default_rng(0).normal(size=len(frame))
        features = [name for name in frame.columns if name not in {"churn", "customer_id"}]
        kinds = {name: "number" if pd.api.types.is_numeric_dtype(frame[name]) else "category" for name in features}
        for name, kind in kinds.items():
            frame[name] = frame[name].astype("float64" if kind == "number" else "str")
        target = frame["churn"].to_numpy(dtype=np.int64)
        learned = learn(frame, kinds, target, 0)
        fitted = RECIPES["logistic_regression"].fit(Sample(learned.matrix, target), {"C": 1.0, "knots": 8}, 1, None)
        model = PortableModel("lr", fitted.family, learned.encoding, fitted.arrays, (1.0, 0.0), 0.3, "Yes", "No")
        return cls(frame, model)

    def drawn(self, rows: int, random: np.random.Generator) -> pd.DataFrame:
        """Draw customers with replacement, each with a balance that is normal and means nothing."""
        drawn = self.customers.iloc[random.integers(0, len(self.customers), rows)]
        return drawn.assign(balance=random.normal(size=rows))

    def reference(self, random: np.random.Generator) -> Reference:
        """Return the reference of a training and a test part."""
        parts = [as_columns(self.drawn(rows, random), self.model.encoding) for rows in (TRAIN, TEST)]
        return build_reference(self.model, *parts)

    def window(self, frame: pd.DataFrame, reference: Reference, ids: np.ndarray | None = None) -> Mapping[str, object]:
        """Return what is observed of customers who are asked about; `ids`: who is who, all different by default."""
        columns = as_columns(frame, self.model.encoding)
        probability = self.model.score(columns)
        rows = len(frame)
        codes = reference.codes(columns)
        logged = Logged(
            at=np.full(rows, SPAN.start + 1.0),
            customer=np.arange(rows) if ids is None else ids,
            probability=probability,
            flagged=probability >= self.model.threshold,
            latency_ms=np.ones(rows),
            label=np.full(rows, UNKNOWN),
            codes=codes,
            binned=np.ones(rows, dtype=np.bool_),
            ranges=np.full_like(codes, INSIDE),
            first=np.ones(rows, dtype=np.bool_),
        )
        return observed(Read(logged, {}), [], SPAN, reference)["whole"]


def _alarms(world: World) -> bool:
    print("\nFalse alarms: windows of", WINDOWS, "without any change in which anything is called so")
    print(f"{'customers':>24} {'drift':>8} {'quality':>8} {'any p < 0.05':>13} {'psi > 0.1':>10} {'psi > 0.2':>10}")
    held = True
    for size in SIZES:
        found = np.mean([_looked(world, size, np.random.default_rng([size, seed])) for seed in range(WINDOWS)], axis=0)
        print(
            f"{size:>24,} "
            + " ".join(f"{rate:>{width}.1%}" for rate, width in zip(found, (8, 8, 13, 10, 10), strict=True))
        )
        held = held and bool((found[:2] <= MOST).all())
    rates = np.mean([_repeated(world, np.random.default_rng([7, seed])) for seed in range(WINDOWS // 4)], axis=0)
    print(
        f"{'200, asked 50 times each':>24} {rates[0]:>8.1%} (each prediction counted as if it were new: {rates[1]:.1%})"
    )
    return held


def _looked(world: World, size: int, random: np.random.Generator) -> tuple[bool, ...]:
    reference = world.reference(random)
    whole = world.window(world.drawn(size, random), reference)
    lines = moved(whole, reference, STATED)
    degraded = any(line.worse for line in rises(whole, reference, STATED))
    psi = max(line.psi for line in lines)
    return any(line.drifted for line in lines), degraded, min(x.p_value for x in lines) < 0.05, psi > 0.1, psi > 0.2


def _repeated(world: World, random: np.random.Generator) -> tuple[bool, bool]:
    reference, customers = world.reference(random), world.drawn(200, random)
    frame, ids = pd.concat([customers] * 50), np.tile(np.arange(200), 50)
    told = (world.window(frame, reference, ids), world.window(frame, reference))
    return tuple(any(line.drifted for line in moved(whole, reference, STATED)) for whole in told)


def _detections(world: World) -> None:
    def shifted(name: str, deviations: float) -> Planted:
        by = deviations * float(world.customers[name].std())
        return lambda frame, _: frame.assign(**{name: frame[name] + by})

    def moved_to(name: str, level: str, share: float) -> Planted:
        return lambda frame, random: frame.assign(**{name: frame[name].mask(random.random(len(frame)) < share, level)})

    def lost(name: str, share: float) -> Planted:
        return lambda frame, random: frame.assign(**{name: frame[name].mask(random.random(len(frame)) < share)})

    planted: Mapping[str, tuple[str, Planted]] = {
        "a tenth of a deviation": ("balance", shifted("balance", 0.1)),
        "a quarter of a deviation": ("balance", shifted("balance", 0.25)),
        "half a deviation": ("balance", shifted("balance", 0.5)),
        "5% change the contract": ("contract", moved_to("contract", "Two year", 0.05)),
        "10% change the contract": ("contract", moved_to("contract", "Two year", 0.10)),
        "2% in a new level": ("contract", moved_to("contract", "Weekly", 0.02)),
        "3% go missing": ("tenure", lost("tenure", 0.03)),
    }
    print("\nDetected: windows of", JUDGED, "in which the changed feature is named by drift or by quality; psi > 0.1")
    print(f"{'change':>28} " + " ".join(f"{f'{size:,}':>16}" for size in SIZES))
    for text, (name, change) in planted.items():
        cells = []
        for size in SIZES:
            runs = [_noticed(world, size, name, change, np.random.default_rng([3, size, s])) for s in range(JUDGED)]
            ours, rule = np.mean(runs, axis=0)
            cells.append(f"{f'{ours:.0%} ({rule:.0%})':>16}")
        print(f"{text:>28} " + " ".join(cells))


def _noticed(world: World, size: int, name: str, change: Planted, random: np.random.Generator) -> tuple[bool, bool]:
    reference = world.reference(random)
    whole = world.window(change(world.drawn(size, random), random), reference)
    line = next(line for line in moved(whole, reference, STATED) if line.name == name)
    degraded = any(rise.worse for rise in rises(whole, reference, STATED) if rise.feature == name)
    return line.drifted or degraded, line.psi > 0.1


def _performance(world: World) -> bool:
    print(
        "\nPerformance: windows of", JUDGED, "called worse than the test part, and the error of F1 estimated unlabelled"
    )
    print(
        f"{'labelled':>24} {'no change':>10} {'1 in 5 labels turns':>20} {'error of estimate':>18} {'of test F1':>11}"
    )
    held = True
    for size in SIZES:
        runs = [_judged(world, size, np.random.default_rng([5, size, seed])) for seed in range(JUDGED)]
        false, found, error, naive = np.mean(runs, axis=0)
        print(f"{size:>24,} {false:>10.1%} {found:>20.0%} {error:>18.3f} {naive:>11.3f}")
        held = held and bool(false <= 2 * MOST)
    return held


def _judged(world: World, size: int, random: np.random.Generator) -> tuple[float, ...]:
    tested = _scored(world, world.drawn(TEST, random))
    promised = measure(tested, 0)
    now = _scored(world, world.drawn(size, random))
    turned = np.where(random.random(size) < 0.2, 1 - now.target, now.target)
    # Customers of the newer kind come more often: their scores differ, their outcomes follow from them as before.
    weights = np.exp(-world.customers["tenure"].to_numpy() / 20)
    newer = world.customers.iloc[random.choice(len(weights), size, p=weights / weights.sum())]
    shifted = _scored(world, newer)
    real, without = f1_of(_cells(shifted)).value, estimated(_expected(shifted))["f1"].value
    changed = Scored(now.probabilities, turned, now.decisions)
    return (
        _called(now, promised),
        _called(changed, promised),
        abs(without - real),
        abs(promised["f1"].value - real),
    )


def _called(scored: Scored, promised: Mapping[str, object]) -> bool:
    cells = _cells(scored)
    return bool(drops(measured(cells), promised, STATED)) or miscalibrated(cells, TEST, STATED)


def _scored(world: World, frame: pd.DataFrame) -> Scored:
    probabilities = world.model.score(as_columns(frame, world.model.encoding))
    return Scored.at(probabilities, frame["churn"].to_numpy(dtype=np.int64), world.model.threshold)


def _logged(scored: Scored, *, known: bool) -> Mapping[str, object]:
    rows = len(scored.target)
    empty = np.zeros((rows, 0), dtype=np.uint8)
    mask = np.zeros(rows, dtype=np.bool_)
    label = scored.target if known else np.full(rows, UNKNOWN)
    at = np.full(rows, SPAN.start + 1.0)
    logged = Logged(at, np.arange(rows), scored.probabilities, scored.decisions, at, label, empty, mask, empty, mask)
    return observed(Read(logged, {}), [], SPAN, None)["whole"]


def _cells(scored: Scored) -> Mapping[str, object]:
    return _logged(scored, known=True)["labelled"]


def _expected(scored: Scored) -> Mapping[str, object]:
    return _logged(scored, known=False)["unlabelled"]


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
