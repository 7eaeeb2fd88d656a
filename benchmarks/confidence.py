"""Whether a final confidence of 80 is right 80% of the time: simulated releases, and the score beside simpler ones.

Each release is a model trained on a sample of a data set by the workflow's own steps, with requirements set beforehand,
and a next batch of customers that nothing has seen. A score is good if it says how often all requirements held.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from churnflow.modelling.assurance import value_of
from churnflow.reporting.svg import BLUE, GREY, Plot
from confidence_releases import (
    POINT_METRICS,
    Floats,
    Release,
    Scorer,
    holds,
    known_of,
    labelled,
    releases,
)
from confidence_speed import SIZES, timed
from confidence_trainings import Training, trainings
from measure import BUILD, table

PER_SET, EACH = 36, 20
QUICK_PER_SET = 4
SHIPS = 0.795
BINS = 10
RESAMPLES = 400
MOST_ERROR = 0.03
MOST_SECONDS = 1.0
WANTED = 2000
WANTED_SETS = 5
OURS = "out of fold, corrected, and test, joint, next batch"
FOLDER = BUILD / "bench" / "confidence"


def point_mean(release: Release, _: Scorer) -> float:
    """Return the mean of the metrics of the test part, as a form filled by hand has it."""
    rows = labelled(release.training.test)
    # A form has a nought where nobody is marked.
    return float(np.mean(np.nan_to_num([value_of(known_of(name), rows) for name in POINT_METRICS])))


def share_met(release: Release, _: Scorer) -> float:
    """Return the share of requirements that the test part meets."""
    return float(np.mean([holds(one, release.training.test) for one in release.requirements]))


def all_met(release: Release, scorer: Scorer) -> float:
    """Return 1 where the test part meets all requirements, else 0."""
    return float(share_met(release, scorer) == 1)


SCORES: Mapping[str, Callable[[Release, Scorer], float]] = {
    "mean of the metrics, as in a form": point_mean,
    "share met at the point estimate": share_met,
    "all met at the point estimate": all_met,
    "test part, joint": lambda release, scorer: scorer.joint(release, "test, endless batch"),
    "test part, joint, next batch": lambda release, scorer: scorer.joint(release, "test"),
    "out of fold as it is, and test, joint, next batch": lambda release, scorer: scorer.joint(release, "as they are"),
    "out of fold, corrected, and test, joint": lambda release, scorer: scorer.joint(
        release, "corrected, endless batch"
    ),
    "the same, product of single ones, next batch": lambda release, scorer: scorer.product(release, "corrected"),
    OURS: lambda release, scorer: scorer.joint(release, "corrected"),
}


@dataclass(frozen=True)
class Judged:
    """A score on all releases: what it said, what came true, and the model that each rests on."""

    said: Floats
    held: Floats
    model: np.typing.NDArray[np.int64]

    def drawn(self, seed: int) -> "Judged":
        """Return the releases of models drawn with replacement, for those of one model are not independent."""
        rows_of = [np.flatnonzero(self.model == model) for model in np.unique(self.model)]
        random = np.random.default_rng(seed)
        chosen = np.concatenate([rows_of[place] for place in random.integers(len(rows_of), size=len(rows_of))])
        return Judged(self.said[chosen], self.held[chosen], self.model[chosen])

    @property
    def error(self) -> float:
        """The expected calibration error over BINS bins of equal width (Naeini, Cooper and Hauskrecht 2015)."""
        return sum(abs(said - held) * count for said, held, count, *_ in self.bins()) / len(self.said)

    @property
    def brier(self) -> float:
        """The mean squared difference of score and outcome."""
        return float(((self.said - self.held) ** 2).mean())

    @property
    def shipped(self) -> float:
        """The share of releases that the score would ship."""
        return float((self.said >= SHIPS).mean())

    @property
    def kept(self) -> float:
        """Of these, the share in which all requirements held; not a number where there is none."""
        ships = self.said >= SHIPS
        return float(self.held[ships].mean()) if ships.any() else float("nan")

    def bins(self) -> list[tuple[float, float, int]]:
        """Return mean score, share that held and number of releases of each bin that has any."""
        place = np.minimum((self.said * BINS).astype(int), BINS - 1)
        inside = [place == number for number in range(BINS)]
        return [
            (float(self.said[rows].mean()), float(self.held[rows].mean()), int(rows.sum()))
            for rows in inside
            if rows.any()
        ]


def main() -> bool:
    """Print the tables, write the reliability diagram, and return whether the score is what it claims to be."""
    quick = "--quick" in sys.argv
    models = trainings(QUICK_PER_SET if quick else PER_SET)
    simulated = list(releases(models, EACH))
    scorer = Scorer(models)
    number = {id(model): place for place, model in enumerate(models)}
    held = np.array([release.held for release in simulated], dtype=np.float64)
    of_model = np.array([number[id(release.training)] for release in simulated])
    judged = {
        name: Judged(np.array([score(release, scorer) for release in simulated]), held, of_model)
        for name, score in SCORES.items()
    }
    text = "\n".join([*_compared(judged, models), *_by_set(judged[OURS], simulated), *_reliability(judged[OURS])])
    print(text)
    speed = timed()
    held_pace = table("One score, on one processor", speed, peer="scikit-learn")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "reliability.svg").write_text(_diagram(judged[OURS]))
    (FOLDER / "confidence.txt").write_text(text + "\n")
    print(f"written: {FOLDER / 'reliability.svg'}")
    return _met(judged, models, speed[0].ours, quick=quick) and held_pace


def _compared(judged: Mapping[str, Judged], models: Sequence[Training]) -> list[str]:
    one = judged[OURS]
    sets = len({model.source for model in models})
    lines = [
        "",
        f"Confidence: {len(one.said):,} simulated releases of {len(models):,} models on {sets} data sets; "
        f"in {one.held.mean():.0%} all requirements held",
        f"{'score':52} {'ECE':>20} {'Brier':>20} {'ships':>6} {'of these, held':>20}",
    ]
    for name, scores in judged.items():
        again = [scores.drawn(seed) for seed in range(RESAMPLES)]
        cells = [
            _interval(scores.error, [each.error for each in again], ".3f"),
            _interval(scores.brier, [each.brier for each in again], ".3f"),
            f"{scores.shipped:.0%}",
            _interval(scores.kept, [each.kept for each in again], ".0%"),
        ]
        lines.append(f"{name:52} {cells[0]:>20} {cells[1]:>20} {cells[2]:>6} {cells[3]:>20}")
    return [*lines, f"a score right by construction would show an ECE of {_floor(one):.3f} here, by chance alone"]


def _interval(value: float, again: Sequence[float], form: str) -> str:
    """Return a value with the 95% interval of its bootstrap error; the percentiles of an ECE would be too high."""
    half = 1.96 * float(np.nanstd(again))
    return f"{value:{form}} [{max(0.0, value - half):{form}}, {min(1.0, value + half):{form}}]"


def _floor(judged: Judged) -> float:
    """Return the error that a score right by construction would show on as many releases, by chance alone."""
    random = np.random.default_rng(0)
    exact = [Judged(judged.said, random.binomial(1, judged.said), judged.model).error for _ in range(RESAMPLES)]
    return float(np.mean(exact))


def _by_set(judged: Judged, simulated: Sequence[Release]) -> list[str]:
    """Return the score and the optimism of out-of-fold rows by data set.

    The latter in units of a batch's own noise, and for the log loss as estimated beside what it was.
    """
    names = ("roc_auc", "recall", "f1", "log_loss")
    lines = ["", f"{'':57} out of fold less unseen, in sd of a batch   optimism of the log loss"]
    lines.append(
        f"{'data set':26} {'releases':>8} {'said':>6} {'held':>6} {'ECE':>6}  {' '.join(f'{n:>9}' for n in names)}"
        f" {'estimated':>12} {'measured':>12}"
    )
    for source in dict.fromkeys(release.training.source for release in simulated):
        rows = np.array([release.training.source == source for release in simulated])
        part = Judged(judged.said[rows], judged.held[rows], judged.model[rows])
        own = {id(release.training): release.training for release in simulated if release.training.source == source}
        shifts = [f"{_shift(list(own.values()), name):+9.2f}" for name in names]
        numbers = f"{rows.sum():>8,} {part.said.mean():>6.3f} {part.held.mean():>6.3f} {part.error:>6.3f}"
        lines.append(f"{source:26} {numbers}  {' '.join(shifts)} {_optimism(list(own.values()))}")
    return lines


def _shift(models: Sequence[Training], name: str) -> float:
    """Return the mean difference of a metric out of fold and on unseen rows over its deviation between test parts."""
    values = np.array(
        [
            [value_of(known_of(name), labelled(rows)) for rows in (model.out_of_fold, model.unseen, model.test)]
            for model in models
        ]
    )
    return float((values[:, 0] - values[:, 1]).mean() / (values[:, 2] - values[:, 1]).std())


def _optimism(models: Sequence[Training]) -> str:
    """Return the mean optimism of the log loss out of fold, as `train` has estimated it and against unseen rows."""
    loss = known_of("log_loss")
    apart = [value_of(loss, labelled(one.unseen)) - value_of(loss, labelled(one.out_of_fold)) for one in models]
    return f"{np.mean([model.optimism for model in models]):>12.4f} {np.mean(apart):>12.4f}"


def _reliability(judged: Judged) -> list[str]:
    lines = ["", f"{'score':>6} {'held':>6} {'releases':>9}"]
    return lines + [f"{said:>6.2f} {held:>6.2f} {count:>9,}" for said, held, count in judged.bins()]


def _diagram(judged: Judged) -> str:
    plot = Plot("Reliability of the final confidence", "final confidence", "share of releases in which all held")
    plot.line([(0, 0), (1, 1)], GREY, name="as said", dashed=True)
    plot.line([(said, held) for said, held, _ in judged.bins()], BLUE, name=f"{len(judged.said):,} releases")
    for said, held, count in judged.bins():
        half = 1.96 * (max(held * (1 - held), 1 / count) / count) ** 0.5
        plot.point((said, held), (max(0.0, held - half), min(1.0, held + half)))
    return plot.svg()


def _met(judged: Mapping[str, Judged], models: Sequence[Training], seconds: float, *, quick: bool) -> bool:
    """Print the targets and return whether all are met; a quick run is too small to tell some of them."""
    ours = judged[OURS]
    targets = {
        f"at least {WANTED:,} releases": None if quick else len(ours.said) >= WANTED,
        f"at least {WANTED_SETS} data sets": len({model.source for model in models}) >= WANTED_SETS,
        f"calibration error at most {MOST_ERROR}": None if quick else ours.error <= MOST_ERROR,
        "no simpler score has a Brier score lower beyond chance": None
        if quick
        else not any(_beaten(ours, each) for name, each in judged.items() if name != OURS),
        f"a score of {SIZES[0]:,} rows in under {MOST_SECONDS:g} s": seconds < MOST_SECONDS,
    }
    for text, met in targets.items():
        print(f"{text:54} {'not told by a quick run' if met is None else 'ok' if met else 'MISSED'}")
    return False not in targets.values()


def _beaten(ours: Judged, other: Judged) -> bool:
    """Tell whether another score's Brier score is lower by more than the choice of models explains."""
    apart = [ours.drawn(seed).brier - other.drawn(seed).brier for seed in range(RESAMPLES)]
    return float(np.percentile(apart, 2.5)) > 0


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
