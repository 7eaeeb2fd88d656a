"""The search: trials shared over the models by Optuna, each scored by cross-validation with its encoding fitted inside.

One study holds all models, the model itself a parameter, so that trials go where they pay. The criterion is the mean
ROC AUC over the folds: it does not depend on calibration or threshold, which are settled afterwards.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from churnflow.modelling.columns import Floats
from churnflow.modelling.encoding import TableEncoder, as_columns, unscaled
from churnflow.modelling.families import RECIPES, ModelName, Params, Recipe
from churnflow.modelling.split import Ints

Report = Callable[[int, int, str], None]

MIN_FOLDS: Final = 2
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
    """One fold: encoded training rows, and the rows left out with their positions. scaled, unscaled."""

    train: tuple[Floats, Floats]
    valid: tuple[Floats, Floats]
    train_target: Ints
    valid_target: Ints
    rows: Ints


@dataclass(frozen=True)
class Folded:
    """The training rows as dealt into folds: parts, target (n,), and the fold of each row (n,)."""

    parts: tuple[Part, ...]
    target: Ints
    folds: Ints


@dataclass(frozen=True)
class Candidate:
    """A set of parameters after cross-validation: ROC AUC per fold, and the out-of-fold margins (n,)."""

    model: ModelName
    params: Params
    scores: tuple[float, ...]
    margins: Floats

    @property
    def mean(self) -> float:
        """The mean ROC AUC over the folds."""
        return float(np.mean(self.scores))


@dataclass
class Outcome:
    """What the search found: the best candidate, trials and seconds of each model reached, and why it ended.

    courses: for each model, the scores per fold of its completed trials.
    """

    courses: dict[str, list[Sequence[float]]] = field(default_factory=dict)
    best: dict[str, Candidate] = field(default_factory=dict)
    trials: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    pruned: int = 0
    out_of_time: bool = False

    @property
    def done(self) -> int:
        """How many trials were begun, pruned ones included."""
        return sum(self.trials.values())


def deal(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, folds: Ints) -> Folded:
    """Part the training rows by the fold of each, (n,), and encode each fold by its own training rows alone."""
    parts = []
    for fold in np.unique(folds):
        inside, rows = folds != fold, np.flatnonzero(folds == fold)
        encoder = TableEncoder(kinds).fit(frame.loc[inside])
        both = (encoder.encoding_, unscaled(encoder.encoding_))
        train, valid = (
            tuple(encoding.encode(as_columns(part, encoding)).matrix for encoding in both)
            for part in (frame.loc[inside], frame.iloc[rows])
        )
        parts.append(
            Part((train[0], train[1]), (valid[0], valid[1]), target[inside], target[rows], rows.astype(np.int64))
        )
    return Folded(tuple(parts), target, folds)


def search(folded: Folded, plan: Plan, report: Report) -> Outcome:
    """Try parameters until the trials or the seconds are used up; repeatable for a seed unless the seconds end it.

    Every model's own first choices come first. A later trial stops early when after a fold it is below the median of
    its own model's earlier ones (the median rule of Golovin et al. 2017; against other models' trials a simple model
    would never be tuned). At least one trial is completed, whatever the time.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    deadline = time.monotonic() + plan.seconds
    study = _study(plan)
    outcome = Outcome()
    with threadpool_limits(limits=1):
        while outcome.done < plan.trials and not outcome.out_of_time:
            began = time.monotonic()
            trial = study.ask()
            model = trial.suggest_categorical("model", list(plan.models))
            recipe = RECIPES[model]
            params = recipe.suggest(trial)
            stops = _Stops(trial, outcome.courses.setdefault(model, []), deadline if outcome.best else np.inf)
            candidate = _cross_validate(recipe, params, folded, stops)
            _note(study, trial, candidate, outcome)
            outcome.trials[model] = outcome.trials.get(model, 0) + 1
            outcome.seconds[model] = outcome.seconds.get(model, 0.0) + time.monotonic() - began
            outcome.out_of_time = outcome.done < plan.trials and time.monotonic() >= deadline
            report(outcome.done, plan.trials, _said(model, candidate, outcome))
    return outcome


def _study(plan: Plan) -> optuna.Study:
    firsts = [(name, params) for name in plan.models for params in RECIPES[name].first]
    sampler = optuna.samplers.TPESampler(seed=plan.seed, n_startup_trials=len(firsts) + 4)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    # The first choice of every model before the second of any.
    for name, params in sorted(firsts, key=lambda pair: RECIPES[pair[0]].first.index(pair[1])):
        study.enqueue_trial({"model": name, **{f"{name}.{key}": value for key, value in params.items()}})
    return study


@dataclass(frozen=True)
class _Stops:
    """What ends a trial early: earlier courses of the same model, and the end of the time."""

    trial: optuna.Trial
    courses: Sequence[Sequence[float]]
    deadline: float

    def reached(self, scores: Sequence[float]) -> bool:
        """Tell whether to stop after the folds scored so far; never on the word of one fold or one earlier trial."""
        done = len(scores)
        # The sampler ranks stopped trials by what they reported.
        self.trial.report(float(np.mean(scores)), done)
        if time.monotonic() >= self.deadline:
            return True
        if done < MIN_FOLDS or len(self.courses) < MIN_COURSES:
            return False
        return float(np.mean(scores)) < float(np.median([np.mean(course[:done]) for course in self.courses]))


def _cross_validate(recipe: Recipe, params: Params, folded: Folded, stops: _Stops) -> Candidate | None:
    kind = 0 if recipe.scaled else 1
    margins = np.zeros(len(folded.target))
    scores: list[float] = []
    for number, part in enumerate(folded.parts):
        if scores and stops.reached(scores):
            return None
        fitted = recipe.fit(part.train[kind], part.train_target, params, number)
        margins[part.rows] = fitted.margin(part.valid[kind])
        scores.append(float(roc_auc_score(part.valid_target, margins[part.rows])))
    return Candidate(recipe.name, params, tuple(scores), margins)


def _note(study: optuna.Study, trial: optuna.Trial, candidate: Candidate | None, outcome: Outcome) -> None:
    if candidate is None:
        study.tell(trial, state=TrialState.PRUNED)
        outcome.pruned += 1
        return
    study.tell(trial, candidate.mean)
    outcome.courses[candidate.model].append(candidate.scores)
    known = outcome.best.get(candidate.model)
    if known is None or candidate.mean > known.mean:
        outcome.best[candidate.model] = candidate


def _said(model: str, candidate: Candidate | None, outcome: Outcome) -> str:
    best = max(outcome.best.values(), key=lambda known: known.mean)
    now = "stopped early" if candidate is None else f"{candidate.mean:.4f}"
    return f"{model} {now}; best {best.model} {best.mean:.4f}"


def plain(params: Params) -> dict[str, Any]:
    """Return parameters as JSON values, numbers at six significant digits."""
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in params.items()}
