"""The search: trials shared over the models by Optuna, each scored by cross-validation with its encoding fitted inside.

One study holds all models, the model itself a parameter, so that trials go where they pay. The criterion is the mean
log loss over the folds. Trials are drawn in batches of fixed size, so that a seed finds the same on however many
workers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from churnflow.modelling.calibration import apply, fit_platt, mean_log_loss
from churnflow.modelling.columns import Floats
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES, ModelName
from churnflow.modelling.fitting import Params, Sample, Weighting, weighed
from churnflow.modelling.margins import sigmoid
from churnflow.modelling.split import Dealt, Ints
from churnflow.modelling.workers import Workers

Report = Callable[[int, int, str], None]

# Trials drawn at a time: enough to keep a few workers busy, few enough that each batch learns from the last.
BATCH: Final = 4
# The folds after which a trial may be given up.
FIRST_FOLDS: Final = 2
MIN_COURSES: Final = 2


@dataclass(frozen=True)
class Plan:
    """What may be spent: trials in all, and seconds; the models to try, and the seed of every random choice."""

    models: tuple[ModelName, ...]
    trials: int
    seconds: float
    seed: int


@dataclass(frozen=True)
class Part:
    """One fold: the rows to train on and those left out, encoded, and the positions of the latter."""

    train: Sample
    valid: Sample
    rows: Ints


@dataclass(frozen=True)
class Folded:
    """The training rows as dealt into folds: parts, target (n,), and the fold of each row (n,)."""

    parts: tuple[Part, ...]
    target: Ints
    folds: Ints


@dataclass(frozen=True)
class Tried:
    """One fold of a trial: margins (stages, rows left out) after so many rounds each, in so many seconds.

    There is one stage, of no rounds, where nothing is grown.
    """

    rounds: tuple[int, ...]
    margins: Floats
    seconds: float


@dataclass(frozen=True)
class Candidate:
    """A set of parameters after cross-validation: ROC AUC and log loss per fold, and out-of-fold margins (n,)."""

    model: str
    params: Params
    scores: tuple[float, ...]
    losses: tuple[float, ...]
    margins: Floats

    @property
    def mean(self) -> float:
        """The mean ROC AUC over the folds."""
        return float(np.mean(self.scores))

    @property
    def loss(self) -> float:
        """The mean log loss over the folds."""
        return float(np.mean(self.losses))


@dataclass
class Outcome:
    """What the search found: all completed candidates, trials and seconds of each model reached, and why it ended.

    courses: for each model, the losses per fold of its completed trials.
    """

    tried: list[Candidate] = field(default_factory=list)
    courses: dict[str, list[Sequence[float]]] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    pruned: int = 0
    out_of_time: bool = False

    @property
    def done(self) -> int:
        """How many trials were begun, pruned ones included."""
        return sum(self.trials.values())

    @property
    def best(self) -> dict[str, Candidate]:
        """The best candidate of each model."""
        return {name: self.ranked(name)[0] for name in self.courses if self.ranked(name)}

    def ranked(self, model: str) -> list[Candidate]:
        """Return the completed candidates of a model, the best first."""
        return sorted((entry for entry in self.tried if entry.model == model), key=lambda entry: entry.loss)


def deal(
    frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, dealt: Dealt, weighting: Weighting = "none"
) -> Folded:
    """Part the training rows by the fold of each, and encode each fold by its own training rows alone."""
    parts, folds = [], dealt.folds
    for fold in np.unique(folds):
        inside, rows = folds != fold, np.flatnonzero(folds == fold)
        learned = learn(frame.loc[inside], kinds, target[inside], dealt.seed, dealt.groups[inside])
        left_out = learned.encoding.encode(as_columns(frame.iloc[rows], learned.encoding)).matrix
        train, valid = weighed(learned.matrix, target[inside], weighting), weighed(left_out, target[rows], weighting)
        parts.append(Part(train, valid, rows.astype(np.int64)))
    return Folded(tuple(parts), target, folds)


def try_fold(part: Part, model: ModelName, params: Params, seed: int) -> Tried:
    """Fit a model without a fold and return its margins there; a pure function, so that it may run anywhere."""
    began = time.monotonic()
    recipe = RECIPES[model]
    # Arrays that came over the network lie at odd addresses, where vector instructions add up in another order.
    part = Part(_copied(part.train), _copied(part.valid), part.rows)
    with threadpool_limits(limits=1):
        if not recipe.grown:
            fitted = recipe.fit(part.train, params, seed, None)
            margins = fitted.margin(part.valid.matrix)[None, :] - part.train.offset
            return Tried((0,), margins, time.monotonic() - began)
        fitted = recipe.fit(part.train, params, seed, part.valid)
        margins = np.zeros((0, len(part.rows))) if fitted.staged is None else fitted.staged(part.valid.matrix)
    return Tried(fitted.rounds, margins - part.train.offset, time.monotonic() - began)


def _copied(sample: Sample) -> Sample:
    return Sample(sample.matrix.copy(), sample.target.copy(), None if sample.weights is None else sample.weights.copy())


def search(folded: Folded, plan: Plan, report: Report, workers: Workers[Part]) -> Outcome:
    """Try parameters until the trials or the seconds are used up; repeatable for a seed unless the seconds end it.

    Every model's own first choices come first. A later trial stops early when after two folds it is worse than the
    median of its own model's earlier ones (the median rule of Golovin et al. 2017; against other models' trials a
    simple model would never be tuned). At least one trial is completed, whatever the time.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    deadline = time.monotonic() + plan.seconds
    study = _study(plan)
    outcome = Outcome()
    while outcome.done < plan.trials and not outcome.out_of_time:
        size = min(BATCH, plan.trials - outcome.done) if outcome.tried else 1
        batch = [_draw(study, plan) for _ in range(size)]
        limit = deadline if outcome.tried else np.inf
        _run_batch(batch, folded, workers, outcome, limit)
        for trial in batch:
            _note(study, trial, folded, outcome)
            report(outcome.done, plan.trials, _said(trial, outcome))
        outcome.out_of_time |= outcome.done < plan.trials and time.monotonic() >= deadline
    return outcome


@dataclass
class _Trial:
    """A trial under way: what it tries, and what came of each fold so far."""

    asked: optuna.Trial
    model: ModelName
    params: Params
    number: int
    folds: dict[int, Tried] = field(default_factory=dict)
    stopped: bool = False
    out_of_time: bool = False
    candidate: Candidate | None = None


def _study(plan: Plan) -> optuna.Study:
    firsts = [(name, params) for name in plan.models for params in RECIPES[name].first]
    sampler = optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=len(firsts) + 4)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    # The first choice of every model before the second of any.
    for name, params in sorted(firsts, key=lambda pair: RECIPES[pair[0]].first.index(pair[1])):
        study.enqueue_trial({"model": name, **{f"{name}.{key}": value for key, value in params.items()}})
    return study


def _draw(study: optuna.Study, plan: Plan) -> _Trial:
    asked = study.ask()
    model = asked.suggest_categorical("model", list(plan.models))
    recipe = RECIPES[model]
    return _Trial(asked, recipe.name, recipe.suggest(asked), asked.number)


def _run_batch(
    batch: Sequence[_Trial], folded: Folded, workers: Workers[Part], outcome: Outcome, deadline: float
) -> None:
    """Score the trials of a batch on the first folds, then those that are not given up on the others."""
    every = range(len(folded.parts))
    for wave in filter(len, (every[:FIRST_FOLDS], every[FIRST_FOLDS:])):
        going = [(trial, fold) for trial in batch if not trial.stopped for fold in wave]
        calls = [(fold, partial(_call, trial.model, trial.params, fold)) for trial, fold in going]
        for (trial, fold), tried in zip(going, workers.run(calls, deadline), strict=True):
            if tried is None:
                trial.stopped = trial.out_of_time = outcome.out_of_time = True
            else:
                trial.folds[fold] = tried
                outcome.seconds[trial.model] = outcome.seconds.get(trial.model, 0.0) + tried.seconds
        for trial in batch:
            if wave[0] == 0 and not trial.stopped:
                trial.stopped = _falls_behind(trial, folded, outcome.courses.get(trial.model, []))


def _call(model: ModelName, params: Params, seed: int, part: Part) -> Tried:
    return try_fold(part, model, params, seed)


def _falls_behind(trial: _Trial, folded: Folded, courses: Sequence[Sequence[float]]) -> bool:
    """Tell whether a trial, after its first folds, is worse than the median of its model's earlier ones."""
    losses = [
        min(_fold_loss(margins, folded.parts[fold].valid.target, trial.model) for margins in tried.margins)
        for fold, tried in trial.folds.items()
    ]
    # The sampler ranks stopped trials by what they reported.
    trial.asked.report(float(np.mean(losses)), len(losses))
    if len(courses) < MIN_COURSES or len(losses) == len(folded.parts):
        return False
    return float(np.mean(losses)) > float(np.median([np.mean(course[: len(losses)]) for course in courses]))


def _fold_loss(margins: Floats, target: Ints, model: str) -> float:
    """Return the mean log loss of margins (m,); those that are no log odds are scaled by Platt first."""
    if RECIPES[model].proper:
        return mean_log_loss(sigmoid(margins), target)
    return mean_log_loss(apply(fit_platt(margins, target), margins), target)


def _joined(trial: _Trial, folded: Folded) -> Candidate:
    """Return the candidate of a trial whose folds are all done.

    Where it grows in rounds, all folds are judged after one and the same number, that of the lowest loss over all
    together: each at its own best would be too well thought of. A fold that stopped before is judged where it stopped.
    """
    folds = [trial.folds[fold] for fold in range(len(folded.parts))]
    targets = [part.valid.target for part in folded.parts]
    longest = max(folds, key=lambda tried: len(tried.rounds)).rounds
    last = [len(tried.rounds) - 1 for tried in folds]
    losses = np.array(
        [
            [
                _fold_loss(tried.margins[min(stage, end)], target, trial.model)
                for tried, end, target in zip(folds, last, targets, strict=True)
            ]
            for stage in range(len(longest))
        ]
    )
    stage = int(np.argmin(losses.mean(axis=1)))
    margins = np.zeros(len(folded.target))
    for part, tried, end in zip(folded.parts, folds, last, strict=True):
        margins[part.rows] = tried.margins[min(stage, end)]
    scores = [roc_auc_score(target, margins[part.rows]) for part, target in zip(folded.parts, targets, strict=True)]
    grown = {"rounds": longest[stage]} if RECIPES[trial.model].grown else {}
    losses_there = tuple(float(loss) for loss in losses[stage])
    return Candidate(trial.model, {**trial.params, **grown}, tuple(map(float, scores)), losses_there, margins)


def _note(study: optuna.Study, trial: _Trial, folded: Folded, outcome: Outcome) -> None:
    outcome.trials[trial.model] = outcome.trials.get(trial.model, 0) + 1
    courses = outcome.courses.setdefault(trial.model, [])
    if trial.stopped:
        study.tell(trial.asked, state=TrialState.PRUNED)
        outcome.pruned += not trial.out_of_time
        return
    trial.candidate = _joined(trial, folded)
    study.tell(trial.asked, trial.candidate.loss)
    courses.append(trial.candidate.losses)
    outcome.tried.append(trial.candidate)


def _said(trial: _Trial, outcome: Outcome) -> str:
    best = min(outcome.tried, key=lambda known: known.loss)
    ended = "ran out of time" if trial.out_of_time else "stopped early"
    now = ended if trial.candidate is None else f"log loss {trial.candidate.loss:.4f}"
    return f"{trial.model} {now}; best {best.model} log loss {best.loss:.4f}"


def plain(params: Params) -> dict[str, Any]:
    """Return parameters as JSON values, numbers at six significant digits."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in params.items()}
