"""Quantiles of latencies: their intervals cover, and say when a sample is too small for one."""

import numpy as np

from churnflow.modelling.quantiles import quantile


def test_quantiles_have_distribution_free_intervals_that_cover() -> None:
    chance = np.random.default_rng(2)
    truth = np.log(20)
    covered = 0
    for _ in range(400):
        found = quantile(np.sort(chance.exponential(size=200)), 0.95)
        covered += found.low <= truth <= found.high
    assert covered / 400 >= 0.93


def test_a_quantile_beyond_the_sample_has_an_open_bound() -> None:
    found = quantile(np.arange(20.0), 0.99)
    assert (found.value, found.high, found.n) == (19, None, 20)
    assert quantile(np.arange(20.0), 0.01).low is None
