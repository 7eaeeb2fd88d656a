"""The leaderboard: every model that was tried, and how far it is behind the best."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from churnflow.modelling.bending import STRAIGHT
from churnflow.modelling.calibration import NONE
from churnflow.modelling.comparison import gap, interval, p_value
from churnflow.modelling.search import Folded, Outcome, plain
from churnflow.modelling.selection import Choice, Contender

SCHEMA = "churnflow/leaderboard@1"


def leaderboard(
    contenders: Mapping[str, Contender], choice: Choice, outcome: Outcome, folded: Folded
) -> dict[str, Any]:
    """Return the models as JSON values, best first: log loss and ROC AUC over folds, trials, parameters."""
    ranked = sorted(contenders, key=lambda key: contenders[key].log_loss)
    best = contenders[choice.best]
    lines = [_line(contenders[name], best, outcome.trials.get(name, 0)) for name in ranked]
    return {
        "schema": SCHEMA,
        "metric": "log_loss",
        "folds": len(folded.parts),
        "rows": len(folded.target),
        "chosen": choice.contender.candidate.model,
        "best": choice.best,
        "tied": list(choice.tied),
        "optimism": choice.optimism,
        "trials": outcome.done,
        "pruned": outcome.pruned,
        "stopped_at_budget": outcome.out_of_time,
        "models": lines,
    }


def _line(entry: Contender, best: Contender, trials: int) -> dict[str, Any]:
    mean, low, high = interval(entry.candidate.scores)
    behind = gap(entry.losses, best.losses)
    return {
        "model": entry.candidate.model,
        "mean": mean,
        "sd": float(np.std(entry.candidate.scores, ddof=1)),
        "low": max(0.0, low),
        "high": min(1.0, high),
        "scores": list(entry.candidate.scores),
        "log_loss": entry.log_loss,
        "log_loss_scores": list(entry.fold_losses),
        "log_loss_gap": behind.mean,
        "log_loss_gap_error": behind.error,
        "calibrated": entry.calibration != NONE,
        "curved": entry.curve != STRAIGHT,
        "p_value": p_value(best.candidate.scores, entry.candidate.scores),
        "trials": trials,
        "params": plain(entry.candidate.params),
    }
