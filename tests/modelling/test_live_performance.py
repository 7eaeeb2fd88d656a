"""Performance of what is served: measured with its noise, estimated where outcomes are not known, and never mixed."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss, precision_score, recall_score

from churnflow.modelling.live_performance import (
    difference,
    drops,
    enough,
    estimated,
    f1_of,
    measured,
    miscalibrated,
    selective,
)
from churnflow.modelling.logged import UNKNOWN, Logged, Read
from churnflow.modelling.metrics import Estimate
from churnflow.modelling.observed import observed
from churnflow.modelling.window import window

SPAN = window("1d", "day", "2026-11-25T12:00:00+00:00")


def sums(rows: int, seed: int, *, part: str = "labelled", turned: float = 0.0, lift: float = 0.0) -> dict[str, float]:
    p, label = drawn(rows, seed, turned, lift)
    label = label if part == "labelled" else np.full(rows, UNKNOWN)
    empty, none = np.zeros((rows, 0), dtype=np.uint8), np.zeros(rows, dtype=bool)
    at = np.full(rows, SPAN.start)
    logged = Logged(at, np.arange(rows), p, p >= 0.4, at, label, empty, none, empty, none)
    found: dict[str, float] = observed(Read(logged, {}), [], SPAN, None)["whole"][part]
    return found


def drawn(rows: int, seed: int, turned: float = 0.0, lift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.beta(0.8, 1.6, rows) * (1 - lift) + lift
    label = (random.random(rows) < p).astype(np.int64)
    return p, np.where(random.random(rows) < turned, 1 - label, label)


def test_what_outcomes_tell_is_what_scikit_learn_computes_from_the_rows() -> None:
    p, label = drawn(700, 1)
    found = measured(sums(700, 1))
    assert found["f1"].value == pytest.approx(f1_score(label, p >= 0.4))
    assert found["precision"].value == pytest.approx(precision_score(label, p >= 0.4))
    assert found["recall"].value == pytest.approx(recall_score(label, p >= 0.4))
    assert found["log_loss"].value == pytest.approx(log_loss(label, p))
    assert found["brier"].value == pytest.approx(brier_score_loss(label, p))
    assert found["observed_expected_ratio"].value == pytest.approx(label.sum() / p.sum())
    assert all(value.low <= value.value <= value.high for value in found.values())


def test_without_an_outcome_nothing_is_measured_and_without_a_prediction_nothing_estimated() -> None:
    assert measured(sums(0, 1)) == {}
    assert estimated(sums(0, 1, part="unlabelled")) == {}


def test_the_interval_of_f1_holds_the_f1_of_the_source_in_19_of_20_samples() -> None:
    p, label = drawn(200_000, 99)
    truth = f1_score(label, p >= 0.4)
    found = [f1_of(sums(150, seed)) for seed in range(400)]
    assert 0.91 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.99


def test_the_estimate_without_outcomes_meets_what_they_would_tell_also_where_customers_have_changed() -> None:
    for lift in (0.0, 0.3):
        truth = measured(sums(20_000, 3, lift=lift))
        for name, value in estimated(sums(20_000, 3, part="unlabelled", lift=lift)).items():
            assert value.value == pytest.approx(truth[name].value, abs=0.015), name
            assert value.low < value.value < value.high


def test_where_nothing_has_changed_a_drop_is_rare_and_where_outcomes_turn_it_is_found() -> None:
    tested = measured(sums(1500, 1000))
    alarms = [bool(drops(measured(sums(800, seed)), tested, 0.01)) for seed in range(300)]
    assert np.mean(alarms) <= 0.02
    fallen = drops(measured(sums(800, 5, turned=0.2)), tested, 0.01)
    assert {drop.metric for drop in fallen} >= {"f1", "log_loss", "brier"}
    assert all(drop.by > 0 for drop in fallen)


def test_a_drop_within_the_noise_of_few_labels_is_none() -> None:
    tested = measured(sums(1500, 1000))
    assert drops(measured(sums(30, 5, turned=0.2)), tested, 0.01) == []
    assert drops({}, tested, 0.01) == []


def test_probabilities_that_are_off_are_told_from_chance() -> None:
    off = sums(2000, 4)
    assert not miscalibrated(off, 1500, 0.01)
    assert miscalibrated({**off, "probability": off["probability"] * 0.7}, 1500, 0.01)


def test_labels_suffice_from_fifty_with_ten_of_each_class() -> None:
    cells = {"n": 50, "tp": 10, "fp": 0, "fn": 0, "tn": 40}
    assert enough(cells)
    assert not enough({**cells, "n": 49})
    assert not enough({**cells, "tp": 9, "tn": 41})


def test_outcomes_of_some_customers_only_are_called_selective() -> None:
    assert selective(sums(900, 1), sums(900, 2, part="unlabelled")) is None
    apart = selective(sums(900, 1, lift=0.3), sums(900, 2, part="unlabelled"))
    assert apart is not None
    assert apart[0] > apart[1]
    assert selective(sums(10, 1, lift=0.3), sums(900, 2, part="unlabelled")) is None


def test_a_difference_has_the_noise_of_both() -> None:
    found = difference(Estimate(0.7, 0.65, 0.75, 100), Estimate(0.6, 0.55, 0.65, 50))
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - 0.05 * 2**0.5)
    assert found.n == 150
