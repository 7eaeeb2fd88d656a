"""By how much cross-validation promised more than the test part shows."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy.stats import t as student

from churnflow.modelling.comparison import corrected_variance
from churnflow.modelling.metrics import Estimate

_TAIL: Final = 0.975


def cv_optimism(line: Mapping[str, Any], tested: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the optimism of the ROC AUC and of the log loss, positive where cross-validation looked better.

    line: of the leaderboard, with the score of each fold. tested: `roc_auc` and `log_loss` on the test part. Both parts
    are independent samples, so that their variances add up; that of cross-validation is corrected for what its folds
    share (Nadeau and Bengio 2003). Empty for what the leaderboard does not hold.
    """
    found = {}
    for name, key, of, sign in (
        ("cv_optimism", "scores", "roc_auc", 1.0),
        ("cv_optimism_log_loss", "log_loss_scores", "log_loss", -1.0),
    ):
        scores = line.get(key) or ()
        if len(scores) > 1:
            found[name] = _less(sign, scores, tested[of])
    return found


def _less(sign: float, scores: Sequence[float], tested: Estimate) -> Estimate:
    value = sign * (float(np.mean(scores)) - tested.value)
    folded = float(student.ppf(_TAIL, len(scores) - 1)) ** 2 * corrected_variance(scores)
    half = float(np.sqrt(folded + ((tested.high - tested.low) / 2) ** 2))
    return Estimate(value, value - half, value + half, tested.n)
