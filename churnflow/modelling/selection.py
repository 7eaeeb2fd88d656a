"""From a search to one model: calibrated, compared, chosen, fitted on all training rows, and written portably."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from churnflow.modelling.calibration import (
    NONE,
    Calibration,
    apply,
    cross_fit_platt,
    fit_platt,
    mean_log_loss,
)
from churnflow.modelling.columns import Floats
from churnflow.modelling.comparison import Scores, interval, p_value, simplest_within_noise
from churnflow.modelling.encoding import as_columns, fit_encoding, unscaled
from churnflow.modelling.families import RECIPES, SIMPLEST_FIRST
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.search import Candidate, Folded, Outcome, plain
from churnflow.modelling.split import Ints
from churnflow.modelling.thresholds import Objective, choose_threshold

SCHEMA = "churnflow/leaderboard@1"


@dataclass(frozen=True)
class Contender:
    """The best candidate of one model, calibrated; probabilities (n,) are out-of-fold, calibration included.

    log_losses: the mean log loss of each fold.
    """

    candidate: Candidate
    calibration: Calibration
    probabilities: Floats
    log_losses: tuple[float, ...]

    @property
    def log_loss(self) -> float:
        """The mean log loss over the folds."""
        return float(np.mean(self.log_losses))


@dataclass(frozen=True)
class Choice:
    """The contender chosen: the simplest of `tied`, which are within noise of the best, best first."""

    contender: Contender
    tied: tuple[str, ...]

    @property
    def best(self) -> str:
        """The model with the best mean score, chosen or not."""
        return self.tied[0]


def contend(candidate: Candidate, folded: Folded) -> Contender:
    """Calibrate a candidate by Platt's scaling where that lowers the out-of-fold log loss, or its margin needs it.

    The judging probabilities of a fold are calibrated on the other folds, so that calibration adds no optimism.
    """
    scaled = cross_fit_platt(candidate.margins, folded.target, folded.folds)
    raw = apply(NONE, candidate.margins)
    if RECIPES[candidate.model].proper and mean_log_loss(raw, folded.target) <= mean_log_loss(scaled, folded.target):
        return Contender(candidate, NONE, raw, _by_fold(raw, folded))
    calibration = fit_platt(candidate.margins, folded.target)
    return Contender(candidate, calibration, scaled, _by_fold(scaled, folded))


def _by_fold(probabilities: Floats, folded: Folded) -> tuple[float, ...]:
    return tuple(mean_log_loss(probabilities[part.rows], part.valid_target) for part in folded.parts)


def choose(contenders: Mapping[str, Contender]) -> Choice:
    """Choose the simplest model that, over the folds, is within noise of the best in ROC AUC and in log loss."""
    scores = {name: Scores(entry.candidate.scores, entry.log_losses) for name, entry in contenders.items()}
    chosen, tied = simplest_within_noise(scores, SIMPLEST_FIRST)
    return Choice(contenders[chosen], tuple(tied))


@dataclass(frozen=True)
class Final:
    """The model to ship, and the largest difference of its probabilities from its library's on all training rows."""

    model: PortableModel
    parity: float


def fit_final(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, made: "Settings") -> Final:
    """Fit the chosen contender on all training rows and measure the written model against its library."""
    candidate, recipe = made.contender.candidate, RECIPES[made.contender.candidate.model]
    learned = fit_encoding(frame, kinds)
    encoding = learned if recipe.scaled else unscaled(learned)
    columns = as_columns(frame, encoding)
    matrix = encoding.encode(columns).matrix
    with threadpool_limits(limits=1):
        fitted = recipe.fit(matrix, target, candidate.params, made.seed)
        of_library = apply(made.contender.calibration, fitted.margin(matrix))
    model = PortableModel(
        name=candidate.model,
        family=fitted.family,
        encoding=encoding,
        arrays=fitted.arrays,
        calibration=made.contender.calibration,
        threshold=choose_threshold(made.contender.probabilities, target, made.objective),
        positive=made.labels[0],
        negative=made.labels[1],
    )
    stored = PortableModel.from_bytes(model.to_bytes())
    return Final(stored, float(np.abs(stored.score(columns) - of_library).max()))


@dataclass(frozen=True)
class Settings:
    """What a final fit is made of; labels: positive, negative."""

    contender: Contender
    objective: Objective
    labels: tuple[str, str]
    seed: int


def leaderboard(
    contenders: Mapping[str, Contender], choice: Choice, outcome: Outcome, folded: Folded
) -> dict[str, Any]:
    """Return the models as JSON values, best first: ROC AUC and log loss over folds, trials, parameters."""
    best = contenders[choice.best]
    lines = []
    for name in sorted(contenders, key=lambda key: -contenders[key].candidate.mean):
        entry = contenders[name]
        mean, low, high = interval(entry.candidate.scores)
        lines.append(
            {
                "model": name,
                "mean": mean,
                "sd": float(np.std(entry.candidate.scores, ddof=1)),
                "low": max(0.0, low),
                "high": min(1.0, high),
                "scores": list(entry.candidate.scores),
                "log_loss": entry.log_loss,
                "log_loss_scores": list(entry.log_losses),
                "calibrated": entry.calibration != NONE,
                "p_value": p_value(best.candidate.scores, entry.candidate.scores),
                "trials": outcome.trials[name],
                "params": plain(entry.candidate.params),
            }
        )
    return {
        "schema": SCHEMA,
        "metric": "roc_auc",
        "folds": len(folded.parts),
        "rows": len(folded.target),
        "chosen": choice.contender.candidate.model,
        "best": choice.best,
        "tied": list(choice.tied),
        "trials": outcome.done,
        "pruned": outcome.pruned,
        "stopped_at_budget": outcome.out_of_time,
        "models": lines,
    }
