"""The optimism of cross-validation: its sign, and an interval that holds nothing where there is nothing."""

import numpy as np
import pytest

from churnflow.modelling.cv_optimism import cv_optimism
from churnflow.modelling.metrics import Estimate

TESTED = {"roc_auc": Estimate(0.80, 0.76, 0.84, 500), "log_loss": Estimate(0.45, 0.42, 0.48, 500)}


def test_what_cross_validation_promised_too_much_is_positive() -> None:
    line = {"scores": [0.83, 0.84, 0.82], "log_loss_scores": [0.43, 0.42, 0.41]}
    found = cv_optimism(line, TESTED)
    assert found["cv_optimism"].value == pytest.approx(0.03)
    assert found["cv_optimism_log_loss"].value == pytest.approx(0.03)
    assert found["cv_optimism"].low < 0 < found["cv_optimism"].high
    assert found["cv_optimism"].n == 500


def test_what_the_leaderboard_does_not_hold_is_not_reported() -> None:
    assert cv_optimism({}, TESTED) == {}
    assert list(cv_optimism({"scores": [0.8, 0.81]}, TESTED)) == ["cv_optimism"]


def test_an_honest_cross_validation_is_seldom_called_optimistic() -> None:
    random = np.random.default_rng(0)
    called = 0
    for _ in range(400):
        tested = random.normal(0.8, 0.02)
        scores = random.normal(0.8, 0.02, 5)
        found = cv_optimism(
            {"scores": scores.tolist()}, {**TESTED, "roc_auc": Estimate(tested, tested - 0.04, tested + 0.04, 300)}
        )
        called += found["cv_optimism"].low > 0
    assert called / 400 <= 0.03
