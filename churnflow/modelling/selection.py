"""From a search to one choice: the candidates calibrated, blended and compared on rows they were not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sklearn.metrics import roc_auc_score

from churnflow.modelling.bending import STRAIGHT, Curve
from churnflow.modelling.blending import cross_fit_mix, fit_mix
from churnflow.modelling.calibration import (
    NONE,
    Calibration,
    apply,
    cross_fit_curve,
    cross_fit_platt,
    fit_curve,
    fit_platt,
    log_losses,
    mean_log_loss,
)
from churnflow.modelling.columns import Floats
from churnflow.modelling.comparison import gap, simplest_within_noise
from churnflow.modelling.families import BLEND, RECIPES, SIMPLEST_FIRST
from churnflow.modelling.margins import log_odds, sigmoid
from churnflow.modelling.optimism import selection_optimism
from churnflow.modelling.search import Candidate, Folded, Outcome

Preference = Literal["simplest", "best"]


@dataclass(frozen=True)
class Contender:
    """The best candidate of one model, calibrated; probabilities (n,) are out-of-fold, calibration included.

    losses: the log loss of each row, (n,). fold_losses: the mean of each fold. members: for a blend, what it is made of
    and the weight of each. curve: what bends its calibrated log odds, where that is better than noise.
    """

    candidate: Candidate
    calibration: Calibration
    probabilities: Floats
    losses: Floats
    fold_losses: tuple[float, ...]
    members: tuple[tuple[Candidate, float], ...] = ()
    curve: Curve = STRAIGHT

    @property
    def log_loss(self) -> float:
        """The mean log loss over the rows."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class Choice:
    """The contender chosen, and those within noise of the best, best first.

    optimism: by how much its out-of-fold log loss is too low for having been the best of all that were tried. why: what
    it is among those within noise, in words.
    """

    contender: Contender
    tied: tuple[str, ...]
    optimism: float
    why: str

    @property
    def best(self) -> str:
        """The model with the lowest log loss, chosen or not."""
        return self.tied[0]


def contend(candidate: Candidate, folded: Folded) -> Contender:
    """Calibrate a candidate by Platt's scaling where that lowers the out-of-fold log loss, or its margin needs it.

    The judging probabilities of a fold are calibrated on the other folds, so that calibration adds no optimism.
    """
    scaled = cross_fit_platt(candidate.margins, folded.target, folded.folds)
    raw = apply(NONE, candidate.margins)
    if RECIPES[candidate.model].proper and mean_log_loss(raw, folded.target) <= mean_log_loss(scaled, folded.target):
        return _bent(_contender(candidate, NONE, candidate.margins, folded), candidate.margins, folded)
    line = fit_platt(candidate.margins, folded.target)
    return _bent(_contender(candidate, line, log_odds(scaled), folded), line[0] * candidate.margins + line[1], folded)


def _bent(entry: Contender, margins: Floats, folded: Folded) -> Contender:
    """Return a contender with a curve where one lowers its out-of-fold log loss by more than noise, else as it is.

    margins: its calibrated log odds of the training rows, (n,), out of fold.
    """
    judged = sigmoid(cross_fit_curve(log_odds(entry.probabilities), folded.target, folded.folds))
    losses = log_losses(judged, folded.target)
    if gap(entry.losses, losses).is_noise:
        return entry
    by_fold = _by_fold(losses, folded)
    curve = fit_curve(margins, folded.target)
    return replace(entry, probabilities=judged, losses=losses, fold_losses=by_fold, curve=curve)


def _contender(candidate: Candidate, calibration: Calibration, margins: Floats, folded: Folded) -> Contender:
    probabilities = sigmoid(margins)
    losses = log_losses(probabilities, folded.target)
    return Contender(candidate, calibration, probabilities, losses, _by_fold(losses, folded))


def _by_fold(losses: Floats, folded: Folded) -> tuple[float, ...]:
    return tuple(float(losses[part.rows].mean()) for part in folded.parts)


def contenders_of(outcome: Outcome, folded: Folded, *, blend: bool = True) -> dict[str, Contender]:
    """Return the best candidate of every model as a contender, and their blend where there are two to mix."""
    found = {name: contend(candidate, folded) for name, candidate in outcome.best.items()}
    members = [entry for name in found if RECIPES[name].proper for entry in outcome.ranked(name)[: _share(name)]]
    if blend and len(members) > 1:
        found[BLEND] = _blended(members, folded)
    return found


def _share(model: str) -> int:
    """Return how many candidates of a model a blend may have: trees grown differently complement each other."""
    return 2 if RECIPES[model].grown else 1


def _blended(members: list[Candidate], folded: Folded) -> Contender:
    margins = np.stack([member.margins for member in members], axis=1)
    mixed = cross_fit_mix(margins, folded.target, folded.folds)
    mix = fit_mix(margins, folded.target)
    scores = [roc_auc_score(part.valid.target, mixed[part.rows]) for part in folded.parts]
    probabilities = apply(NONE, mixed)
    losses = log_losses(probabilities, folded.target)
    by_fold = _by_fold(losses, folded)
    weighed = tuple((member, float(weight)) for member, weight in zip(members, mix.weights, strict=True) if weight)
    parts = [f"{weight:.2f} {member.model}" for member, weight in weighed]
    candidate = Candidate(BLEND, {"members": parts}, tuple(map(float, scores)), by_fold, mixed)
    entry = Contender(candidate, (1.0, mix.intercept), probabilities, losses, by_fold, weighed)
    return _bent(entry, mixed, folded)


def choose(
    contenders: Mapping[str, Contender], outcome: Outcome, folded: Folded, prefer: Preference = "simplest"
) -> Choice:
    """Choose the simplest model within noise of the best in log loss, or the best, by out-of-fold predictions.

    Where the blend is within noise of the best it counts as the best: it owes its place to all its members, not to the
    luck of the one that came out first.
    """
    losses = {name: entry.losses for name, entry in contenders.items()}
    chosen, tied = simplest_within_noise(losses, SIMPLEST_FIRST)
    why = "the simplest"
    if prefer == "best":
        chosen, why = (BLEND, "the steadiest") if BLEND in tied else (tied[0], "")
    proper = [log_losses(apply(NONE, tried.margins), folded.target) for tried in outcome.tried if _is_proper(tried)]
    optimism = selection_optimism(np.stack([*losses.values(), *proper], axis=1), 0)
    return Choice(contenders[chosen], tuple(tied), optimism, "the best" if chosen == tied[0] else why)


def _is_proper(candidate: Candidate) -> bool:
    return RECIPES[candidate.model].proper
