"""Whom to contact for the money there is: the same customers that a loop over all of them would choose."""

import numpy as np
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.profit import Campaign
from tests.batch.conftest import Released

CAMPAIGN = {"value": 200, "offer": 20, "contact": 1}


def wanted(probabilities: np.ndarray, worth: np.ndarray, budget: float) -> list[int]:
    """Return the places of the customers to contact, the best first."""
    campaign = Campaign(**CAMPAIGN)
    earned, cost = campaign.expected_value(probabilities, worth), campaign.expected_cost(probabilities)
    chosen: list[int] = []
    for place in np.argsort(-earned, kind="stable").tolist():
        if earned[place] <= 0 or cost[chosen].sum() + cost[place] > budget:
            break
        chosen.append(place)
    return chosen


@pytest.mark.parametrize("budget", [0.0, 15.0, 300.0, 1e9])
def test_customers_are_contacted_while_the_money_lasts_and_never_at_a_loss(released: Released, listed, budget) -> None:
    frame, said = listed(released.texts, campaign=CAMPAIGN, budget=budget)
    places = wanted(np.array(released.probabilities), np.full(600, 200.0), budget)
    assert frame["customer_id"].tolist() == released.texts["customer_id"].iloc[places].tolist()
    assert said["listed"] == len(places) < 600
    assert (said["cost"] or 0) <= budget
    assert all(float(value) >= 0 for value in frame["expected_value"])
    assert said["ranked_by"] == "expected_value"


def test_what_a_customer_is_worth_may_stand_in_a_column_and_counts_as_the_mean_where_it_does_not(
    released: Released, listed
) -> None:
    worth = np.where(np.arange(600) % 7 == 0, np.nan, np.arange(600) % 50 * 20.0 + 10)
    texts = released.texts.assign(worth=["" if np.isnan(value) else repr(value) for value in worth.tolist()])
    frame, said = listed(texts, campaign={**CAMPAIGN, "value": "worth"}, budget=400.0)
    known = np.where(np.isnan(worth), np.nanmean(worth), worth)
    places = wanted(np.array(released.probabilities), known, 400.0)
    assert frame["customer_id"].tolist() == released.texts["customer_id"].iloc[places].tolist()
    earned = Campaign(**CAMPAIGN).expected_value(np.array(released.probabilities), known)[places]
    assert [float(value) for value in frame["expected_value"]] == pytest.approx(earned, abs=0.006)
    assert said["value"] == pytest.approx(earned.sum())


def test_a_feature_may_be_what_a_customer_is_worth(released: Released, listed) -> None:
    texts = released.texts.head(5).copy()
    texts.loc[1, "bill"] = "much"
    frame, said = listed(texts, campaign={"value": "bill", "offer": 1}, ranked=False)
    assert frame["problem"].tolist() == ["", "bill must be a number", "", "", ""]
    earned = [
        0.3 * p * float(bill) - (1 - p + 0.3 * p)
        for p, bill in zip(released.probabilities, texts["bill"].where(texts.index != 1, "0"), strict=False)
    ]
    assert [float(frame["expected_value"][place]) for place in (0, 2)] == pytest.approx(
        [earned[0], earned[2]], abs=0.006
    )
    assert said["refused"] == 1


def test_the_first_of_a_list_ranked_by_worth_have_their_reasons(released: Released, listed) -> None:
    texts = released.texts.assign(worth=[str(row % 97) for row in range(600)])
    campaign = {**CAMPAIGN, "value": "worth"}
    whole, _ = listed(texts, campaign=campaign)
    first, _ = listed(texts, "first.csv", campaign=campaign, top=25)
    assert first.equals(whole.head(25))


def test_a_column_of_amounts_that_is_not_there_is_missed_by_name(released: Released, listed) -> None:
    with pytest.raises(UsageError, match="no column 'worth'"):
        listed(released.texts, campaign={**CAMPAIGN, "value": "worth"})
