"""Simulated releases: requirements set around what is reachable, and what became of them on rows that nothing saw."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from churnflow.modelling.assurance import (
    PREDICTED,
    Drawing,
    Gap,
    Labelled,
    Predicted,
    Requirement,
    agreement,
    draw,
    pooled,
    value_of,
    weigh,
)
from churnflow.modelling.metrics import Scored
from confidence_trainings import WORKERS, Floats, Rows, Training

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "recall_gap"})
METRICS = (
    "roc_auc",
    "recall",
    "precision",
    "f1",
    "accuracy",
    "average_precision",
    "log_loss",
    "brier",
    "lift_top_decile",
    "recall_gap",
)
MOST_REQUIREMENTS = 4
EASIEST, HARDEST = -3.0, 1.5
BATCHES = 4
COLUMN = "group"
POINT_METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
DRAWS = 400
ENDLESS = 10_000_000
UNLIKE = 0.01


@dataclass(frozen=True)
class Release:
    """A trained model with requirements on metrics by name, and whether all held on the next batch of `batch` rows."""

    training: Training
    names: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    batch: int
    held: bool


def labelled(rows: Rows) -> Labelled:
    """Return rows as the score takes them."""
    scored = Scored(rows.probability, rows.target, rows.decision)
    return Labelled(scored, {COLUMN: rows.group})


def known_of(metric: str) -> Predicted | Gap:
    """Return how a metric follows from predictions."""
    return Gap(COLUMN, "positives") if metric == "recall_gap" else Predicted(PREDICTED[metric])


def releases(trainings: Sequence[Training], each: int) -> Iterator[Release]:
    """Yield `each` releases of every training.

    Whoever declares requirements knows the kind of data and not this sample: limits lie evenly around the mean of all
    models of the data set and objective, from EASIEST to HARDEST in standard deviations of what single batches show.
    """
    reachable = _reachable(trainings)
    for training in trainings:
        levels = reachable[training.source, training.objective]
        for number in range(each):
            yield _release(
                training, levels, np.random.default_rng([training.number, number, *training.source.encode()])
            )


def _release(training: Training, levels: Mapping[str, tuple[float, float]], random: np.random.Generator) -> Release:
    names = [name for name in METRICS if name in levels]
    chosen = random.choice(names, random.integers(1, MOST_REQUIREMENTS + 1), replace=False)
    requirements = []
    for name in chosen:
        level, spread = levels[name]
        below = name in LOWER_IS_BETTER
        limit = level + spread * random.uniform(EASIEST, HARDEST) * (-1 if below else 1)
        requirements.append(Requirement("<=" if below else ">=", float(np.round(limit, 3)), known_of(name)))
    batch = len(training.test)
    drawn = training.unseen.take(random.permutation(len(training.unseen))[:batch])
    return Release(
        training, tuple(map(str, chosen)), tuple(requirements), batch, all(holds(one, drawn) for one in requirements)
    )


def holds(requirement: Requirement, rows: Rows) -> bool:
    """Tell whether a requirement holds on these rows as they are."""
    value = value_of(requirement.known, labelled(rows))
    return bool(value >= requirement.limit if requirement.op == ">=" else value <= requirement.limit)


def _reachable(trainings: Sequence[Training]) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
    """Return the mean and standard deviation of each metric over batches, by data set and objective."""
    seen: dict[tuple[str, str], dict[str, list[float]]] = {}
    for training in trainings:
        random = np.random.default_rng([training.number, 9, *training.source.encode()])
        found = seen.setdefault((training.source, training.objective), {name: [] for name in METRICS})
        for _ in range(BATCHES):
            batch = training.unseen.take(random.permutation(len(training.unseen))[: len(training.test)])
            for name in METRICS:
                found[name].append(value_of(known_of(name), labelled(batch)))
    return {key: dict(_summaries(found)) for key, found in seen.items()}


def _summaries(found: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, tuple[float, float]]]:
    for name, values in found.items():
        finite = np.array(values)[np.isfinite(values)]
        if len(finite) > len(values) / 2:
            yield name, (float(finite.mean()), float(finite.std()))


class Scorer:
    """The probabilities of releases: the draws of every metric are made once for each model and judged many times."""

    def __init__(self, models: Sequence[Training]) -> None:
        """Draw for all models, on two processors."""
        with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
            drawn = pool.map(_draws, models, chunksize=8)
            self._drawn = {id(model): values for model, values in zip(models, drawn, strict=True)}

    def joint(self, release: Release, kind: str) -> float:
        """Return the share of drawn batches in which all requirements hold."""
        return weigh(release.requirements, self._values(release, kind)).probability

    def product(self, release: Release, kind: str) -> float:
        """Return the product of the shares in which each requirement holds by itself."""
        values = self._values(release, kind)
        return float(np.prod([line.holds for line in weigh(release.requirements, values).prospects]))

    def _values(self, release: Release, kind: str) -> list[Floats]:
        values = self._drawn[id(release.training)][kind]
        return [values[name] for name in release.names]


def _draws(model: Training) -> dict[str, dict[str, Floats]]:
    """Return the drawn values of every metric by what they are drawn from: as the step does, and in simpler ways."""
    test, seen = labelled(model.test), labelled(model.out_of_fold)
    unlike = agreement(seen.scored, test.scored) < UNLIKE
    corrected, as_they_are = (test if unlike else pooled(seen, test, found) for found in (model.optimism, 0.0))
    known, batch = [known_of(name) for name in METRICS], len(model.test)
    kinds = {
        "test, endless batch": (test, ENDLESS),
        "test": (test, batch),
        "corrected, endless batch": (corrected, ENDLESS),
        "as they are": (as_they_are, batch),
        "corrected": (corrected, batch),
    }
    return {
        kind: dict(zip(METRICS, draw(known, rows, Drawing(size, DRAWS, model.number)), strict=True))
        for kind, (rows, size) in kinds.items()
    }
