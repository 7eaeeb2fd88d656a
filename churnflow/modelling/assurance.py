"""How likely it is that every requirement holds together on the next batch of customers from the same source.

Two kinds of chance are drawn. The labelled rows at hand are a sample: their weights are drawn from a Bayesian bootstrap
(Rubin 1981), with four pseudo rows of weight 1/2, one for each cell of the confusion matrix, so that no cell is
impossible (Jeffreys' prior of a multinomial). Rows scored out of fold have also chosen the model: they are weighed so
that they show it without what it owes to having been chosen. The next batch is a sample too: how often each row occurs
in it is drawn from a Poisson law. All requirements are tested on the same drawn batches, so that what fails together
counts once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2_contingency

from churnflow.modelling.calibration import log_losses
from churnflow.modelling.columns import Floats
from churnflow.modelling.fairness import MIN_ROWS
from churnflow.modelling.metrics import DRAWN, Ranked, Scored, Statistic, confusion, ks, log_loss
from churnflow.modelling.optimism import tilted

DRAWS: Final = 1000
MOST_CELLS: Final = 4000
PSEUDO: Final = 0.5
_CORNERS: Final = 4
_CHUNK: Final = 1_000_000
_PERCENT: Final = (2.5, 97.5)
_Z: Final = 1.959963984540054
_COMPARE: Final[Mapping[str, Callable[[Floats, float], npt.NDArray[np.bool_]]]] = {
    "<=": le,
    ">=": ge,
    "==": eq,
    "<": lt,
    ">": gt,
}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Rows whose outcome is known: what a model that has not seen them says, and by column the group of each, (n,).

    weights: how many rows each counts for, (n,); one each by default.
    """

    scored: Scored
    groups: Mapping[str, npt.NDArray[np.str_]]
    weights: Floats | None = None

    def __len__(self) -> int:
        return len(self.scored.target)


@dataclass(frozen=True)
class Predicted:
    """A metric of the predictions, computed anew on each drawn batch."""

    statistic: Statistic


Among = Literal["positives", "negatives", "all"]


@dataclass(frozen=True)
class Gap:
    """The largest difference between the groups of a column in how many are decided positive: of `among` each."""

    column: str
    among: Among


@dataclass(frozen=True)
class Share:
    """A share of events, `hits` of `n` of them: binomial, its rate drawn from the posterior under Jeffreys' prior."""

    hits: int
    n: int


@dataclass(frozen=True)
class Spread:
    """A number known within a 95% interval: normal on either side of it, wider by the noise of a batch where n is."""

    value: float
    low: float
    high: float
    n: int | None = None


@dataclass(frozen=True)
class Exact:
    """A number that the next batch does not change."""

    value: float


Known = Predicted | Gap | Share | Spread | Exact


@dataclass(frozen=True)
class Requirement:
    """A limit (`op` is one of <=, >=, ==, <, >) on what is known of a metric."""

    op: str
    limit: float
    known: Known


@dataclass(frozen=True)
class Prospect:
    """What the drawn batches say of one requirement.

    holds: the share in which it holds. takes: the share in which it is the first to fail, those counted first that fail
    most often, so that what all take and the joint probability add up to one. low, high: where 95% of its values lie,
    None if no batch tells it.
    """

    holds: float
    takes: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Assurance:
    """The probability that all requirements hold together on a batch, and what each contributes, in their order."""

    probability: float
    prospects: tuple[Prospect, ...]


@dataclass(frozen=True)
class Drawing:
    """How batches are drawn: the rows of each, how many, and the seed of the chance."""

    batch: int
    draws: int = DRAWS
    seed: int = 0


def probability(requirements: Sequence[Requirement], rows: Labelled, drawing: Drawing) -> Assurance:
    """Return how likely it is that all `requirements` hold together on a batch that is drawn as `rows` were.

    A requirement whose metric a batch leaves undefined, such as a recall without positives, does not hold on it. The
    drawing itself adds an error whose standard deviation is at most sqrt(1 / (4 draws)).
    """
    return weigh(requirements, draw([one.known for one in requirements], rows, drawing))


def draw(known: Sequence[Known], rows: Labelled, drawing: Drawing) -> list[Floats]:
    """Return the values (draws,) of each metric, those that predictions tell on the same drawn batches."""
    random = np.random.default_rng(drawing.seed)
    told = [one for one in known if isinstance(one, Predicted | Gap)]
    of_batches = iter(_of_batches(told, rows, drawing, random))
    return [next(of_batches) if isinstance(one, Predicted | Gap) else _alone(one, drawing, random) for one in known]


def weigh(requirements: Sequence[Requirement], drawn: Sequence[Floats]) -> Assurance:
    """Return in which share of the draws all requirements hold, and what each of them takes from it."""
    # A comparison with what is undefined does not hold.
    held = [_COMPARE[one.op](values, one.limit) for one, values in zip(requirements, drawn, strict=True)]
    left = np.ones(len(drawn[0]) if drawn else 1, dtype=np.bool_)
    takes = [0.0] * len(held)
    for place in sorted(range(len(held)), key=lambda place: held[place].mean()):
        takes[place] = float((left & ~held[place]).mean())
        left &= held[place]
    prospects = []
    for holds, taken, values in zip(held, takes, drawn, strict=True):
        finite = values[np.isfinite(values)]
        low, high = map(float, np.percentile(finite, _PERCENT)) if len(finite) else (None, None)
        prospects.append(Prospect(float(holds.mean()), taken, low, high))
    return Assurance(float(left.mean()), tuple(prospects))


def agreement(out_of_fold: Scored, tested: Scored) -> float:
    """Return the p-value that both have the same shares of right and wrong decisions of either kind.

    A chi-squared test of the four cells of the confusion matrices. Rows scored out of fold stand in for unseen ones
    only if the models of the folds decide as the final one does: not where they have seen their rows, and not without
    signal, where a threshold amid nearly equal probabilities means something else for each model.
    """
    cells = np.array([list(confusion(scored).values()) for scored in (out_of_fold, tested)])
    occurring = cells[:, cells.sum(axis=0) > 0]
    if occurring.shape[1] < 2:  # noqa: PLR2004 - one cell alone can not differ
        return 1.0
    return float(chi2_contingency(occurring, correction=False).pvalue)


def pooled(seen: Labelled, tested: Labelled, optimism: float) -> Labelled:
    """Return rows scored out of fold joined with test rows, the former weighed for the optimism of having been chosen.

    optimism: by how much the log loss out of fold is too low for that; see `tilted` and `selection_optimism`.
    """
    parts = (seen.scored, tested.scored)
    losses = log_losses(seen.scored.probabilities, seen.scored.target)
    joined = Scored(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.decisions for part in parts]),
    )
    groups = {name: np.concatenate([labels, tested.groups[name]]) for name, labels in seen.groups.items()}
    weights = np.append(tilted(losses, seen.scored.target, optimism), np.ones(len(tested)))
    return Labelled(joined, groups, weights)


def value_of(known: Predicted | Gap, rows: Labelled) -> float:
    """Return the metric on the rows by their weights, not a number where they do not tell it."""
    scored = rows.scored
    order = np.argsort(-scored.probabilities, kind="stable")
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights[order]
    cells = _Cells(Ranked.of(scored), weights, {name: label[order] for name, label in rows.groups.items()})
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(_value(known, cells, weights[None, :])[0])


def _alone(known: Share | Spread | Exact, drawing: Drawing, random: np.random.Generator) -> Floats:
    """Return the values (draws,) of a metric that the predictions do not tell."""
    match known:
        case Share():
            rates = random.beta(known.hits + PSEUDO, known.n - known.hits + PSEUDO, drawing.draws)
            return random.binomial(drawing.batch, rates) / drawing.batch
        case Spread():
            wider = 1.0 if known.n is None else float(np.sqrt(1 + known.n / drawing.batch))
            normal = random.standard_normal(drawing.draws) * wider / _Z
            return known.value + np.where(
                normal < 0, normal * (known.value - known.low), normal * (known.high - known.value)
            )
        case Exact():
            return np.full(drawing.draws, known.value)


@dataclass(frozen=True)
class _Cells:
    """Rows put together where nothing tells them apart, by falling probability: what they count, and their groups."""

    ranked: Ranked
    counts: Floats
    groups: Mapping[str, npt.NDArray[np.str_]]


def _of_batches(
    known: Sequence[Predicted | Gap], rows: Labelled, drawing: Drawing, random: np.random.Generator
) -> list[Floats]:
    """Return the values (draws,) of each metric on the same drawn batches."""
    if not known:
        return []
    cells = _cells(rows)
    found: list[list[Floats]] = [[] for _ in known]
    for weights in _batches(cells.counts, drawing, random):
        # A batch may lack a class; what is undefined there is no number, and no requirement on it holds.
        with np.errstate(divide="ignore", invalid="ignore"):
            for values, one in zip(found, known, strict=True):
                values.append(_value(one, cells, weights))
    return [np.concatenate(values) for values in found]


def _value(known: Predicted | Gap, cells: _Cells, weights: Floats) -> Floats:
    return _gap(known, cells, weights) if isinstance(known, Gap) else known.statistic(cells.ranked, weights)


def _batches(counts: Floats, drawing: Drawing, random: np.random.Generator) -> Iterator[Floats]:
    """Yield how often each cell occurs in a batch, (some draws, cells)."""
    step = max(1, _CHUNK // len(counts))
    for start in range(0, drawing.draws, step):
        weights = random.standard_gamma(counts, size=(min(step, drawing.draws - start), len(counts)))
        weights *= drawing.batch / weights.sum(axis=1, keepdims=True)
        yield random.poisson(weights).astype(np.float64)


def _cells(rows: Labelled) -> _Cells:
    """Return the rows and the pseudo rows as cells.

    Up to MOST_CELLS rows each is one. More are put together by rank, outcome, decision and groups: the sum of their
    weights is a gamma variable too, so that this is still the Bayesian bootstrap of rows rounded to that rank.
    """
    scored, labels = rows.scored, list(rows.groups.values())
    order = np.argsort(-scored.probabilities, kind="stable")
    rank = np.arange(len(order)) // max(1, -(-len(order) // MOST_CELLS))
    codes = [np.unique(label, return_inverse=True)[1][order] for label in labels]
    key = rank
    for part in (scored.decisions[order], scored.target[order], *codes):
        key = key * (int(part.max()) + 1) + part.astype(np.int64)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    means = np.bincount(rank, scored.probabilities[order]) / np.bincount(rank)
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights[order]
    rounded = Scored(means[rank[first]], scored.target[order][first], scored.decisions[order][first])
    whole, nobody = _with_pseudo(rounded, scored), np.full(_CORNERS, "")
    counts = np.append(np.bincount(inverse, weights), np.full(_CORNERS, PSEUDO))
    place = np.argsort(-whole.probabilities, kind="stable")
    groups = {name: np.append(label[order][first], nobody)[place] for name, label in rows.groups.items()}
    return _Cells(Ranked.of(whole), counts[place], groups)


def _with_pseudo(rounded: Scored, scored: Scored) -> Scored:
    """Return the cells and a row for each corner of the confusion matrix, amid the probabilities so decided.

    A decision that nobody was given stands at the end of the probabilities that was nearest to it: a certainty that the
    model never said would rule the log loss of all batches.
    """
    decisions = np.array([True, True, False, False])
    ends = {True: float(scored.probabilities.max()), False: float(scored.probabilities.min())}
    middle = [
        float(np.median(scored.probabilities[scored.decisions == decided]))
        if (scored.decisions == decided).any()
        else end
        for decided, end in ends.items()
    ]
    return Scored(
        np.append(rounded.probabilities, np.repeat(middle, 2)),
        np.append(rounded.target, np.array([1, 0, 1, 0])),
        np.append(rounded.decisions, decisions),
    )


def _gap(one: Gap, cells: _Cells, weights: Floats) -> Floats:
    """Return by batch the largest difference between groups that hold at least MIN_ROWS of those that count."""
    labels, target = cells.groups[one.column], cells.ranked.target
    counted = {"positives": target == 1, "negatives": target == 0, "all": labels != ""}[one.among]
    rates = []
    for label in np.unique(labels[labels != ""]):
        inside = counted & (labels == label)
        found = weights @ inside.astype(np.float64)
        marked = weights @ (inside & cells.ranked.decisions).astype(np.float64)
        rates.append(np.where(found >= MIN_ROWS, marked / found, np.nan))
    known = np.stack(rates)
    absent = np.isnan(known)
    gap: Floats = np.where(absent, -np.inf, known).max(axis=0) - np.where(absent, np.inf, known).min(axis=0)
    return np.where((~absent).sum(axis=0) > 1, gap, np.nan)


def _share(numerator: Callable[[Ranked], Bools], denominator: Callable[[Ranked], Bools]) -> Statistic:
    def statistic(ranked: Ranked, weights: Floats) -> Floats:
        below = weights @ denominator(ranked).astype(np.float64)
        result: Floats = (weights @ (numerator(ranked) & denominator(ranked)).astype(np.float64)) / below
        return result

    return statistic


def _everyone(ranked: Ranked) -> Bools:
    return np.ones(len(ranked.target), dtype=np.bool_)


def _positive(ranked: Ranked) -> Bools:
    return np.asarray(ranked.target == 1)


def _marked(ranked: Ranked) -> Bools:
    return ranked.decisions


def _right(ranked: Ranked) -> Bools:
    return np.asarray(ranked.decisions == (ranked.target == 1))


def gain_over(rate: float) -> Statistic:
    """Return by how much the log loss is lower than that of always predicting `rate`, as a statistic."""

    def statistic(ranked: Ranked, weights: Floats) -> Floats:
        positive = weights @ (ranked.target == 1).astype(np.float64) / weights.sum(axis=1)
        of_rate = -positive * np.log(rate) - (1 - positive) * np.log1p(-rate)
        result: Floats = of_rate - log_loss(ranked, weights)
        return result

    return statistic


PREDICTED: Final[Mapping[str, Statistic]] = {
    "accuracy": _share(_right, _everyone),
    "precision": _share(_positive, _marked),
    "recall": _share(_marked, _positive),
    "prevalence": _share(_positive, _everyone),
    **DRAWN,
    "ks": ks,
}
