"""What every kind of model is fitted from, and what a fit gives: margins by its own library, and portable arrays."""

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from churnflow.modelling.columns import Floats
from churnflow.modelling.margins import Family
from churnflow.modelling.split import Ints

# scikit-learn sets the process's filters of warnings aside while it fits or predicts, and puts them back: two threads
# would undo each other's, and show warnings or lose them ever after.
WARNINGS: Final = threading.Lock()

Params = Mapping[str, Any]
Weighting = Literal["none", "balanced"]


@dataclass(frozen=True)
class Sample:
    """Encoded rows (n, width) with their outcome (n,) of 0 and 1, and perhaps a weight for each (n,)."""

    matrix: Floats
    target: Ints
    weights: Floats | None = None

    @property
    def rate(self) -> float:
        """The weighted share of positives."""
        return float(np.average(self.target, weights=self.weights))

    @property
    def offset(self) -> float:
        """By how much its weights raise log odds; what a model of weighted rows says is too high by as much.

        The prior correction of King and Zeng, "Logistic Regression in Rare Events Data" (2001).
        """
        rate, plain = self.rate, float(self.target.mean())
        return float(np.log(rate / (1 - rate)) - np.log(plain / (1 - plain)))


def weighed(matrix: Floats, target: Ints, weighting: Weighting) -> Sample:
    """Return a sample whose rows count alike, or, `balanced`, so that both classes weigh the same in all."""
    if weighting == "none":
        return Sample(matrix, target)
    positives = int(target.sum())
    of_class = len(target) / 2 / np.array([len(target) - positives, positives])
    return Sample(matrix, target, of_class[target])


@dataclass(frozen=True)
class Fitted:
    """A fitted model: log odds by its own library, and the arrays with which the scorer repeats them.

    stages: for what is grown in rounds, how many rounds there were at each stage, and the margins of rows given, after
    each of them: (stages,) and a function to (stages, n).
    """

    margin: Callable[[Floats], Floats]
    family: Family
    arrays: Mapping[str, npt.NDArray[Any]]
    rounds: tuple[int, ...] = ()
    staged: Callable[[Floats], Floats] | None = None


Fit = Callable[[Sample, Params, int, Sample | None], Fitted]


def doubles(values: npt.NDArray[Any]) -> Floats:
    """Return an array as the model file holds it."""
    return np.ascontiguousarray(values, dtype="<f8")


def fit_quietly(model: Any, matrix: Floats, sample: Sample) -> None:
    """Fit an estimator of scikit-learn; a search tries penalties that do not converge, and they lose by their score."""
    with WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, sample.target, sample_weight=sample.weights)
