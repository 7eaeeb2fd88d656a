"""How often the detectors find planted leaks, contamination and drift, and how often they see some where none is."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import detector_sets
from churnflow.modelling.contamination import contamination, traces
from churnflow.modelling.drift import measure_drift
from churnflow.modelling.inspection import Parts, inspect_parts
from churnflow.modelling.leakage import Labelled, find_leaks
from churnflow.modelling.metrics import wilson
from churnflow.modelling.order import id_order, row_order
from churnflow.modelling.since_release import Change, change_since
from churnflow.modelling.since_release import Customers as Now
from churnflow.modelling.split import bound_rows, deal_folds, hold_out
from plants import LEAKS, Customers, sorted_rows

SEEDS = 20
ROWS = 2_000
SECONDS = {(7_000, 20): 3.0, (50_000, 60): 20.0}
FOUND = ("critical", "warning")
SOURCES = 50
MOST_FALSE = 0.02

Sets = Sequence[tuple[str, Customers]]


def main() -> bool:
    """Print the tables; return whether no untouched set had a critical sign and the detectors are fast enough."""
    names = detector_sets.TUNED if "--tuned" in sys.argv else detector_sets.REPORTED
    sets = list(detector_sets.load(names)) or list(detector_sets.load(detector_sets.TUNED))
    print(f"\nDetectors on {', '.join(name for name, _ in sets)}: {SEEDS} seeds each, up to {ROWS:,} rows drawn")
    known = _real(names)
    _hits(sets)
    clean = _false_alarms(sets)
    quiet = _quiet_since(sets)
    return _speed() and clean and known and quiet


def _real(names: dict[str, tuple[Path, str, str | None]]) -> bool:
    """Tell whether the leaks that real sets came with are found, each and nothing else."""
    held = True
    for name, customers in detector_sets.load(names, leaks=True):
        if name in detector_sets.REAL:
            found = find_leaks(Labelled(customers.frame, customers.kinds, customers.target, _places(customers)), 0)
            grave = [leak for leak in found if leak.severity == "critical"]
            print(f"\n{name} as it is: " + "; ".join(f"{leak.feature}: {leak.reason}" for leak in grave))
            held = held and [leak.feature for leak in grave] == [detector_sets.REAL[name]]
    return held


def _places(customers: Customers) -> np.ndarray:
    return np.arange(len(customers.target))


def _hits(sets: Sets) -> None:
    print(f"\n{'planted':46} {'strength':>9} {'critical':>9} {'noticed':>9}")
    for words, (plant, strengths) in LEAKS.items():
        for strength in strengths:
            _row(words, strength, [_leak(plant(c, strength, r), seed) for c, r, seed in _drawn(sets)])
    tests: dict[str, tuple[Callable[[Customers, float, np.random.Generator, int], str], tuple[float, ...]]] = {
        "rows sorted by target, share mixed": (_sorted, (0.0, 0.3, 0.6, 0.8)),
        "ids by target, share mixed": (_ids, (0.0, 0.3, 0.6, 0.8)),
        "test rows copied into train": (_copies, (1, 5, 20)),
        "the same with one number changed": (_near, (5, 20, 100)),
        "target means over all rows": (_means, (0,)),
        "scaled over all rows": (_scaled, (0,)),
        "test part shifted by deviations": (_shifted, (1.0, 0.5, 0.25, 0.1)),
        "share of a level replaced in the test part": (_relabelled, (0.5, 0.25, 0.1)),
        "source shifted since a release by deviations": (_since_shifted, (1.0, 0.5, 0.25, 0.1)),
        "the same in a fifth of a source that grew": (_since_grown, (1.0, 0.5, 0.25, 0.1)),
    }
    for words, (test, strengths) in tests.items():
        for strength in strengths:
            _row(words, strength, [test(c, strength, r, seed) for c, r, seed in _drawn(sets)])


def _row(words: str, strength: float, found: list[str]) -> None:
    counts, total = Counter(found), len([each for each in found if each != "unfit"])
    if total:
        critical, noticed = (sum(counts[word] for word in FOUND[:upto]) / total for upto in (1, 2))
        print(f"{words:46} {strength:>9g} {critical:>9.0%} {noticed:>9.0%}", flush=True)


def _false_alarms(sets: Sets) -> bool:
    print(f"\n{'untouched':36} {'rows':>6} {'critical':>9} {'warning':>9}  signs")
    clean = True
    for name, customers in sets:
        for rows in (300, 1_000, 3_000, len(customers.target)):
            for permuted in (False, True):
                seen, count = Counter[str](), Counter[str]()
                for seed in range(SEEDS if rows < len(customers.target) else 3):
                    random = np.random.default_rng(seed)
                    drawn = _some(customers, rows, random)
                    if permuted:
                        drawn = Customers(drawn.frame, drawn.kinds, random.permutation(drawn.target))
                    notices = inspect_parts(_parts(drawn, seed), seed).notices()
                    severities = {notice.severity for notice in notices}
                    count.update(severities & set(FOUND))
                    count["runs"] += 1
                    seen.update(notice.text[:60] for notice in notices if notice.severity != "note")
                shares = [count[word] / count["runs"] for word in FOUND]
                label = f"{name}{', permuted' if permuted else ''}"
                shown = "; ".join(f"{text} ({times})" for text, times in seen.most_common(2))
                print(f"{label:36} {rows:>6} {shares[0]:>9.0%} {shares[1]:>9.0%}  {shown}", flush=True)
                clean = clean and not count["critical"]
    return clean


def _quiet_since(sets: Sets) -> bool:
    """Print how often a run on customers of the released run's own source is told that they have changed."""
    print(f"\n{'same source as the release':36} {'rows':>6} {'warning':>9}")
    alarms = runs = 0
    for name, customers in sets:
        for rows in (100, 300, 1_000, 3_000):
            told = [_since(*_halves(customers, rows, seed), seed) for seed in range(SOURCES)]
            count = sum(_warns(change) for change in told)
            print(f"{name:36} {rows:>6} {count / len(told):>9.0%}", flush=True)
            alarms, runs = alarms + count, runs + len(told)
    rate = wilson(alarms, runs)
    print(f"{'all':36} {'':>6} {rate.value:>9.1%}  95% interval [{rate.low:.1%}, {rate.high:.1%}], {runs} runs")
    return rate.value <= MOST_FALSE


def _halves(customers: Customers, rows: int, seed: int) -> tuple[Customers, Customers]:
    """Return the customers of a release's run and those of a later one, as many, drawn from one source."""
    order = np.random.default_rng(seed).permutation(len(customers.target))
    rows = min(rows, len(order) // 2)
    return customers.part(order[:rows]), customers.part(order[rows : 2 * rows])


def _since(before: Customers, now: Customers, seed: int) -> Change:
    kept, parts = (_parts(customers, seed) for customers in (before, now))
    found = change_since(
        "v1.0.0", {"train": kept.train, "test": kept.test}, Now([parts.train, parts.test], parts.kinds), seed
    )
    assert found is not None
    return found


def _warns(change: Change) -> bool:
    return any(notice.severity == "warning" for notice in change.notices())


def _moved(customers: Customers, deviations: float) -> tuple[Customers, str]:
    """Return the customers with the number of most values moved by so many of its deviations, and its name."""
    frame = customers.frame
    widest = max((n for n, kind in customers.kinds.items() if kind == "number"), key=lambda n: frame[n].nunique())
    moved = frame.assign(**{widest: frame[widest] + deviations * frame[widest].std()})
    return Customers(moved, customers.kinds, customers.target), widest


def _named(change: Change, name: str) -> str:
    return "warning" if _warns(change) and name in [shift.feature for shift in change.moved] else "none"


def _since_shifted(customers: Customers, deviations: float, _: np.random.Generator, seed: int) -> str:
    before, after = _halves(customers, ROWS, seed)
    now, name = _moved(after, deviations)
    return _named(_since(before, now, seed), name)


def _since_grown(customers: Customers, deviations: float, _: np.random.Generator, seed: int) -> str:
    before, after = _halves(customers, ROWS, seed)
    new, name = _moved(after.part(np.arange(len(after.target) // 4)), deviations)
    grown = Customers(
        pd.concat([before.frame, new.frame], ignore_index=True), new.kinds, np.append(before.target, new.target)
    )
    return _named(_since(before, grown, seed), name)


def _speed() -> bool:
    print(f"\n{'all detectors':26} {'seconds':>8} {'limit':>6}")
    held = True
    for (rows, columns), limit in SECONDS.items():
        customers = _made(rows, columns)
        began = time.perf_counter()
        inspect_parts(_parts(customers, 0), 0)
        seconds = time.perf_counter() - began
        print(f"{f'{rows:,} x {columns}':26} {seconds:>8.1f} {limit:>6.0f}")
        held = held and seconds <= limit
    return held


def _made(rows: int, columns: int) -> Customers:
    random = np.random.default_rng(0)
    numbers = {f"n{place}": random.gamma(2, 50, rows) for place in range(columns * 2 // 3)}
    texts = {f"c{place}": random.choice(list("abcdefgh"), rows) for place in range(columns - len(numbers))}
    odds = numbers["n0"] / 100 + numbers["n1"] / 100 - 3.5 + (texts["c0"] == "a")
    frame = pd.DataFrame({**numbers, **{name: pd.Series(values, dtype="str") for name, values in texts.items()}})
    kinds = {**dict.fromkeys(numbers, "number"), **dict.fromkeys(texts, "category")}
    return Customers(frame, kinds, (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int64))


def _drawn(sets: Sets) -> list[tuple[Customers, np.random.Generator, int]]:
    found = []
    for _, customers in sets:
        for seed in range(SEEDS):
            random = np.random.default_rng(seed)
            found.append((_some(customers, ROWS, random), random, seed))
    return found


def _some(customers: Customers, rows: int, random: np.random.Generator) -> Customers:
    return customers.part(np.sort(random.permutation(len(customers.target))[:rows]))


def _parts(customers: Customers, seed: int) -> Parts:
    """Return the customers as the step `features` splits them."""
    held = hold_out(bound_rows(customers.frame, list(customers.kinds), None), customers.target, 0.2, seed)
    whole = customers.frame[list(customers.kinds)].assign(target_=customers.target)
    train, test = (whole[rows].reset_index(drop=True) for rows in (~held, held))
    return Parts(train, test, customers.kinds, "target_", places=np.flatnonzero(~held))


def _leak(customers: Customers, seed: int) -> str:
    leaks = find_leaks(Labelled(customers.frame, customers.kinds, customers.target, _places(customers)), seed)
    return next((leak.severity for leak in leaks if leak.feature.startswith("seen")), "none")


def _folds(customers: Customers, seed: int) -> np.ndarray:
    return deal_folds(np.arange(len(customers.target)), customers.target, 5, seed)


def _sorted(customers: Customers, mixed: float, random: np.random.Generator, seed: int) -> str:
    made = sorted_rows(customers, mixed, random)
    numbers = [name for name, kind in made.kinds.items() if kind == "number"]
    found = row_order(_places(made), made.frame, numbers, made.target, _folds(made, seed))
    return found.severity if found else "none"


def _ids(customers: Customers, mixed: float, random: np.random.Generator, seed: int) -> str:
    made = sorted_rows(customers, mixed, random)
    ids = pd.Series([f"C-{place:06d}" for place in range(len(made.target))], dtype="str")
    found = id_order(ids, "id", made.target, _folds(made, seed))
    return found.severity if found else "none"


def _copies(customers: Customers, rows: float, random: np.random.Generator, seed: int) -> str:
    parts = _parts(customers, seed)
    copies = parts.test.iloc[random.permutation(len(parts.test))[: int(rows)]]
    found = contamination(pd.concat([parts.train, copies]), parts.test, list(parts.kinds), None)
    return "unfit" if found.coarse else "critical" if found.equal else "none"


def _near(customers: Customers, rows: float, random: np.random.Generator, seed: int) -> str:
    parts = _parts(customers, seed)
    copies = parts.test.iloc[random.permutation(len(parts.test))[: int(rows)]].copy()
    name = next(name for name, kind in parts.kinds.items() if kind == "number")
    copies[name] += random.uniform(0.1, 0.2, len(copies))
    found = contamination(pd.concat([parts.train, copies]), parts.test, list(parts.kinds), None)
    unique = [parts.train[other].nunique() > 0.6 * len(parts.train) for other in parts.kinds if other != name]
    return "unfit" if found.coarse or not any(unique) else "critical" if found.copied else "none"


def _means(customers: Customers, _: float, __: np.random.Generator, seed: int) -> str:
    name = next((name for name, kind in customers.kinds.items() if kind == "category"), None)
    if name is None or customers.frame[name].nunique() < 3:
        return "unfit"
    means = pd.Series(customers.target).groupby(customers.frame[name]).mean()
    parts = _parts(customers.planting("seen", customers.frame[name].map(means).astype("float64"), "number"), seed)
    found = traces(parts.train, parts.test, parts.kinds, parts.target)
    return "critical" if any(trace.column == "seen" and trace.of_target for trace in found) else "none"


def _scaled(customers: Customers, _: float, __: np.random.Generator, seed: int) -> str:
    name = next(
        name for name, kind in customers.kinds.items() if kind == "number" and customers.frame[name].nunique() > 2
    )
    values = customers.frame[name]
    parts = _parts(customers.planting("seen", (values - values.mean()) / values.std(), "number"), seed)
    found = traces(parts.train, parts.test, parts.kinds, parts.target)
    return "warning" if any(trace.column == "seen" for trace in found) else "none"


def _shifted(customers: Customers, deviations: float, __: np.random.Generator, seed: int) -> str:
    parts = _parts(customers, seed)
    widest = max((n for n, kind in parts.kinds.items() if kind == "number"), key=lambda n: parts.train[n].nunique())
    test = parts.test.assign(**{widest: parts.test[widest] + deviations * parts.train[widest].std()})
    found = measure_drift(parts.train, test, parts.kinds, seed)
    return "warning" if found.drifted or widest in found.drifted_features else "none"


def _relabelled(customers: Customers, share: float, random: np.random.Generator, seed: int) -> str:
    parts = _parts(customers, seed)
    categories = [name for name, kind in parts.kinds.items() if kind == "category"]
    if not categories:
        return "unfit"
    name = min(categories, key=lambda each: parts.train[each].nunique())
    first, second = parts.train[name].value_counts().index[:2]
    moved = (parts.test[name] == first).to_numpy() & (random.random(len(parts.test)) < share)
    test = parts.test.assign(**{name: parts.test[name].mask(moved, second)})
    found = measure_drift(parts.train, test, parts.kinds, seed)
    return "warning" if found.drifted or name in found.drifted_features else "none"


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
