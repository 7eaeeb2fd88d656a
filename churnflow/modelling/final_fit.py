"""The model to ship: the chosen one fitted on all training rows, written portably and held against its library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from churnflow.errors import UsageError
from churnflow.modelling.bending import bend
from churnflow.modelling.columns import Floats
from churnflow.modelling.encoding import as_columns, learn
from churnflow.modelling.families import RECIPES
from churnflow.modelling.fitting import Fitted, Params, Sample, Weighting, weighed
from churnflow.modelling.margins import MEMBERS, Family, sigmoid
from churnflow.modelling.model_file import MAX_MODEL_BYTES
from churnflow.modelling.profit import Campaign
from churnflow.modelling.scorer import PortableModel
from churnflow.modelling.search import Candidate
from churnflow.modelling.selection import Contender
from churnflow.modelling.split import Ints
from churnflow.modelling.thresholds import Objective, choose_threshold

# More rows bear a few more rounds than the folds, which had a part of them, were best with.
_MORE_ROUNDS = 1.1
# A boosted model is grown several times, by other random numbers, and the mean is taken: it depends less on luck than
# any one of them.
_GROWN = 3


@dataclass(frozen=True)
class Settings:
    """What a final fit is made of; labels: positive, negative; groups: of each row, (n,), that of its customer."""

    contender: Contender
    objective: Objective
    labels: tuple[str, str]
    seed: int
    weighting: Weighting = "none"
    groups: Ints | None = None


@dataclass(frozen=True)
class Final:
    """The model to ship, and the largest difference of its probabilities from its library's on all training rows."""

    model: PortableModel
    parity: float


def worth(objective: Objective, frame: pd.DataFrame) -> Floats | None:
    """Return what each row is worth to a campaign, (n,); None where the objective is another.

    Raises UsageError when the campaign names a column that holds no amounts.
    """
    return objective.values(frame) if isinstance(objective, Campaign) else None


def fit_final(frame: pd.DataFrame, kinds: Mapping[str, str], target: Ints, made: Settings) -> Final:
    """Fit the chosen contender on all training rows and measure the written model against its library."""
    contender = made.contender
    slope, intercept = contender.calibration
    learned = learn(frame, kinds, target, made.seed, made.groups)
    columns = as_columns(frame, learned.encoding)
    with threadpool_limits(limits=1):
        sample = weighed(learned.matrix, target, made.weighting)
        fitted = _fit_members(contender, sample, made.seed)
        matrix = learned.encoding.encode(columns).matrix
        margins = sum((weight * member.margin(matrix) for member, weight in fitted), np.zeros(len(target)))
    calibration = (slope, intercept - slope * sample.offset * sum(weight for _, weight in fitted))
    family, arrays = _assembled(fitted)
    model = PortableModel(
        name=contender.candidate.model,
        family=family,
        encoding=learned.encoding,
        arrays=arrays,
        calibration=calibration,
        threshold=choose_threshold(contender.probabilities, target, made.objective, worth(made.objective, frame)),
        positive=made.labels[0],
        negative=made.labels[1],
        curve=contender.curve,
    )
    data = model.to_bytes()
    if len(data) > MAX_MODEL_BYTES:
        message = f"the model takes {len(data)} bytes, more than the {MAX_MODEL_BYTES} that can be served"
        raise UsageError(message, hint="leave extra_trees or random_forest out of models, or give blend: false")
    stored = PortableModel.from_bytes(data)
    of_library = sigmoid(bend(contender.curve, calibration[0] * margins + calibration[1]))
    return Final(stored, float(np.abs(stored.score(columns) - of_library).max()))


def _fit_members(contender: Contender, sample: Sample, seed: int) -> list[tuple[Fitted, float]]:
    members = contender.members or ((contender.candidate, 1.0),)
    return [
        (_fit(candidate, sample, seed + turn), weight / turns)
        for candidate, weight in members
        for turns in [_GROWN if RECIPES[candidate.model].grown else 1]
        for turn in range(turns)
    ]


def _fit(candidate: Candidate, sample: Sample, seed: int) -> Fitted:
    recipe = RECIPES[candidate.model]
    params: Params = dict(candidate.params)
    if recipe.grown:
        params = {**params, "rounds": max(1, round(_MORE_ROUNDS * candidate.params["rounds"]))}
    return recipe.fit(sample, params, seed, None)


def _assembled(fitted: list[tuple[Fitted, float]]) -> tuple[Family, dict[str, npt.NDArray[Any]]]:
    if len(fitted) == 1:
        return fitted[0][0].family, dict(fitted[0][0].arrays)
    arrays: dict[str, npt.NDArray[Any]] = {
        "mix": np.array([weight for _, weight in fitted], dtype="<f8"),
        "families": np.array([MEMBERS.index(member.family) for member, _ in fitted], dtype="<i4"),
    }
    for number, (member, _) in enumerate(fitted):
        arrays |= {f"{number}.{name}": array for name, array in member.arrays.items()}
    return "blend", arrays
