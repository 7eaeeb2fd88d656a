"""Profit: what Verbeke et al. define, by independent arithmetic, and a campaign that cannot pay is refused."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, stats

from churnflow.errors import UsageError
from churnflow.modelling.metrics import Scored
from churnflow.modelling.profit import (
    Campaign,
    CampaignForm,
    expected_maximum_profit,
    maximum_profit,
    profit_curve,
    profit_estimates,
)

Floats = npt.NDArray[np.float64]
CAMPAIGN = Campaign(value=200.0, offer=10.0, contact=1.0, accepted=0.3)


def make_scores(rows: int, seed: int, signal: float = 1.2) -> tuple[Floats, npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    target = (random.random(rows) < 0.2).astype(np.int64)
    return np.round(1 / (1 + np.exp(1.5 - random.normal(size=rows) - signal * target)), 2), target


def of_verbeke(probabilities: Floats, target: npt.NDArray[np.int64], accepted: float) -> Floats:
    """Return the average classification profit of equation (8) of Verbeke et al. (2012) at every threshold."""
    clv, delta, phi = 200.0, 10.0 / 200.0, 1.0 / 200.0
    churn = target.mean()
    profits = [0.0]
    for threshold in np.unique(probabilities):
        marked = probabilities >= threshold
        first, second = marked[target == 1].mean(), marked[target == 0].mean()
        gain = clv * (accepted * (1 - delta) - phi) * churn * first
        profits.append(gain - clv * (delta + phi) * (1 - churn) * second)
    return np.array(profits)


@pytest.mark.parametrize("seed", range(3))
def test_the_maximum_profit_is_that_of_the_paper(seed: int) -> None:
    probabilities, target = make_scores(300, seed)
    gains = CAMPAIGN.gains(target, np.full(300, 200.0))
    assert maximum_profit(probabilities, gains) == pytest.approx(of_verbeke(probabilities, target, 0.3).max())


@pytest.mark.parametrize("contact", [0.0, 1.0])
@pytest.mark.parametrize("signal", [0.0, 1.2])
def test_the_expected_maximum_profit_is_the_integral_over_the_share_that_accepts(contact: float, signal: float) -> None:
    probabilities, target = make_scores(150, 1, signal)
    campaign = Campaign(value=200.0, offer=10.0, contact=contact)
    saved, outlay = campaign.saved(target, np.full(150, 200.0)), campaign.outlay(target)

    def at(share: float) -> float:
        return float(profit_curve(probabilities, share * saved - outlay)[2].max() * stats.beta(6, 14).pdf(share))

    expected = expected_maximum_profit(probabilities, saved, outlay, 0.3)
    assert expected.profit == pytest.approx(integrate.quad(at, 0, 1, limit=400)[0], abs=1e-5)
    assert 0 < expected.share <= 1


def test_rows_that_count_twice_are_like_rows_that_stand_twice() -> None:
    probabilities, target = make_scores(60, 3)
    counts = np.random.default_rng(0).integers(0, 3, 60)
    saved, outlay = CAMPAIGN.saved(target, np.full(60, 200.0)), CAMPAIGN.outlay(target)
    often = expected_maximum_profit(probabilities, saved, outlay, 0.3, counts.astype(np.float64))
    apart = expected_maximum_profit(*(np.repeat(each, counts) for each in (probabilities, saved, outlay)), 0.3)
    assert (often.profit, often.share) == pytest.approx((apart.profit, apart.share))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10)), min_size=1, max_size=30))
def test_the_profit_curve_contacts_rows_of_one_score_together(rows: list[tuple[int, float]]) -> None:
    probabilities, gains = np.array([p / 5 for p, _ in rows]), np.array([gain for _, gain in rows])
    thresholds, shares, profits = profit_curve(probabilities, gains)
    assert (thresholds[0], shares[0], profits[0]) == (1.0, 0.0, 0.0)
    for threshold, share, profit in zip(thresholds[1:], shares[1:], profits[1:], strict=True):
        marked = probabilities >= threshold
        assert share == pytest.approx(marked.mean())
        assert profit == pytest.approx(np.where(marked, gains, 0.0).mean(), abs=1e-9)


def test_profits_come_with_intervals_that_hold_the_truth() -> None:
    whole = Scored.at(*make_scores(200_000, 99), 0.35)
    values = np.full(200_000, 200.0)
    gains = CAMPAIGN.gains(whole.target, values)
    truth = {
        "profit": float(np.where(whole.decisions, gains, 0.0).mean()),
        "mpc": maximum_profit(whole.probabilities, gains),
        "empc": expected_maximum_profit(
            whole.probabilities, CAMPAIGN.saved(whole.target, values), CAMPAIGN.outlay(whole.target), 0.3
        ).profit,
    }
    held = dict.fromkeys(truth, 0)
    for seed in range(40):
        found = profit_estimates(Scored.at(*make_scores(400, seed), 0.35), CAMPAIGN, np.full(400, 200.0), seed)
        for name, estimate in found.items():
            assert estimate.low <= estimate.value <= estimate.high
            held[name] += estimate.low <= truth[name] <= estimate.high
    assert min(held.values()) >= 0.85 * 40, held


def test_a_customer_is_worth_what_a_column_says_and_the_mean_where_that_is_missing() -> None:
    frame = pd.DataFrame({"bill": [10.0, np.nan, 50.0], "plan": ["a", "b", "c"]})
    assert Campaign(value="bill", offer=1.0).values(frame).tolist() == [10.0, 30.0, 50.0]
    assert Campaign(value=70.0, offer=1.0).values(frame).tolist() == [70.0] * 3


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("plan", ["a", "b"], "no column of numbers"),
        ("gone", [1.0, 2.0], "no column of numbers"),
        ("plan", [np.nan, np.nan], "no amount"),
        ("plan", [1.0, -2.0], "negative amount"),
    ],
)
def test_a_column_that_cannot_be_a_worth_is_refused(column: str, values: list[object], said: str) -> None:
    frame = pd.DataFrame({"plan": values, "bill": [1.0, 2.0]})
    with pytest.raises(UsageError, match=said):
        Campaign(value=column, offer=1.0).values(frame)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"value": 20, "offer": 30}, "campaign: no contact can pay"),
        ({"value": 20, "offer": 5, "contact": 5}, "campaign: no contact can pay"),
        ({"value": 20, "offer": 0}, "campaign: it costs nothing"),
        ({"value": 20}, "offer: is missing"),
        ({"value": -1, "offer": 1}, "value: must be above 0"),
        ({"value": 20, "offer": 1, "accepted": 1.5}, "accepted: must be below 1"),
        ({"value": 20, "offer": 1, "price": 3}, "price: is no setting of a campaign"),
        (["value"], "campaign: must be a mapping"),
        ({"value": "", "offer": 1}, "value: must be a"),
        ({"value": 20, "offer": "x"}, "offer: must be a number"),
        ({"value": 20, "offer": -1}, "offer: must be 0 or more"),
    ],
)
def test_a_campaign_that_makes_no_sense_is_refused_with_the_reason(written: object, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(CampaignForm).validate_python(written)
    assert refused.value.errors()[0]["msg"].startswith(said)


def test_a_campaign_is_read_as_it_is_written() -> None:
    assert TypeAdapter(CampaignForm).validate_python(CAMPAIGN.as_json()) == CAMPAIGN
    assert TypeAdapter(CampaignForm).validate_python(None) is None
