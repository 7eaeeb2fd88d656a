"""What contacting customers earns: the profit of a retention campaign, its maximum, and what is expected of it.

After Verbeke, Dejaeger, Martens, Hur and Baesens (2012), "New insights into churn prediction in the telecommunication
sector: A profit driven data mining approach", and Verbraken, Verbeke and Baesens (2013), "A novel profit maximizing
metric for measuring classification performance of customer churn prediction models".
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass as validated
from pydantic_core import PydanticCustomError
from scipy.optimize import isotonic_regression
from scipy.special import betainc

from churnflow.errors import UsageError
from churnflow.modelling.columns import Floats
from churnflow.modelling.metrics import Estimate, Scored, draw_weights, mean_gain, of_maximum
from churnflow.modelling.split import Ints

# Verbraken et al. let the share that accepts follow Beta(6, 14): a mean of 0.3, known as well as from 20 customers.
CERTAINTY: Final = 20.0
USUALLY_ACCEPTED: Final = 0.3
_SMALLEST: Final = 1e-12
_FEW_DRAWS: Final = 200

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@validated(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Campaign:
    """What a campaign to keep customers brings and costs, all in one currency.

    value: what a churner who is kept is worth (customer lifetime value), an amount or the name of a column of amounts.
    offer: the cost of the incentive; whoever stays anyway accepts it. contact: the cost of reaching a customer.
    accepted: the share of churners whom the offer keeps; 0.3, as in the papers, where nothing is said.
    """

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Annotated[str, Field(min_length=1)]
    offer: Amount
    contact: Amount = 0.0
    accepted: Annotated[float, Field(gt=0, lt=1)] = USUALLY_ACCEPTED

    @model_validator(mode="after")
    def _can_pay(self) -> "Campaign":
        if not isinstance(self.value, str) and self.accepted * (self.value - self.offer) <= self.contact:
            message = "no contact can pay: accepted * (value - offer) is not above contact"
            raise ValueError(message)
        if not self.offer + self.contact:
            message = "it costs nothing, so that every customer is contacted; give offer or contact"
            raise ValueError(message)
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the campaign as the workflow writes it."""
        return asdict(self)

    def values(self, frame: pd.DataFrame) -> Floats:
        """Return the worth of each customer of `frame`, (n,); a missing amount counts as the mean of the known.

        Raises UsageError when the column of amounts is not there, holds no numbers, or holds a negative one.
        """
        if not isinstance(self.value, str):
            return np.full(len(frame), float(self.value))
        if self.value not in frame.columns or not pd.api.types.is_numeric_dtype(frame[self.value]):
            numbers = [str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
            message = f"the value of a customer is to stand in {self.value!r}, which is no column of numbers"
            raise UsageError(message, hint=f"give an amount, or a column: {', '.join(numbers)}")
        amounts = frame[self.value].to_numpy(dtype=np.float64, na_value=np.nan)
        known = amounts[np.isfinite(amounts)]
        if not len(known) or known.min() < 0:
            message = f"the column {self.value!r} holds {'no amount' if not len(known) else 'a negative amount'}"
            raise UsageError(message, hint="name a column that says what each customer is worth")
        return np.where(np.isfinite(amounts), amounts, known.mean())

    def outlay(self, target: Ints) -> Floats:
        """Return what contacting each row costs whatever the offer achieves, (n,): who stays takes the offer, too."""
        return self.contact + np.where(target == 1, 0.0, self.offer)

    def saved(self, target: Ints, values: Floats) -> Floats:
        """Return what contacting each row saves if the offer is accepted, (n,)."""
        return np.where(target == 1, values - self.offer, 0.0)

    def gains(self, target: Ints, values: Floats) -> Floats:
        """Return the profit of contacting each row, (n,), worth `values` (n,), were it contacted."""
        return self.accepted * self.saved(target, values) - self.outlay(target)

    def expected_cost(self, probabilities: Floats) -> Floats:
        """Return what contacting customers costs on average, (n,): who accepts the offer, or stays anyway, takes it."""
        return self.contact + self.offer * (1 - probabilities + self.accepted * probabilities)

    def expected_value(self, probabilities: Floats, values: Floats) -> Floats:
        """Return what contacting customers worth `values`, (n,), earns on average: the expectation of `gains`, (n,)."""
        return self.accepted * probabilities * values - self.expected_cost(probabilities)


_FORM: Final = TypeAdapter(Campaign)


_REASONS: Final = {
    "value_error": "{error}",
    "missing": "is missing",
    "unexpected_keyword_argument": "is no setting of a campaign; settings: value, offer, contact, accepted",
    "dataclass_type": "must be a mapping, such as {{value: 200, offer: 10}}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be below {lt:g}",
    "string_too_short": "must be an amount, or the name of a column",
}


def parse_campaign(value: Any) -> Campaign | None:
    """Return the campaign that a workflow writes. Raises PydanticCustomError, a ValueError that names what is wrong."""
    if value is None or isinstance(value, Campaign):
        return value
    try:
        return _FORM.validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        said = {"place": str(first["loc"][0]) if first["loc"] else "campaign"}
        said["reason"] = _REASONS.get(first["type"], "must be a number").format(**first.get("ctx", {}))
        kind, form = "campaign", "{place}: {reason}"
        raise PydanticCustomError(kind, form, said) from None


# A campaign as a parameter of a step: {value: 200, offer: 10, contact: 1, accepted: 0.3}.
CampaignForm = Annotated[Campaign | None, PlainValidator(parse_campaign)]


def profit_curve(probabilities: Floats, gains: Floats) -> tuple[Floats, Floats, Floats]:
    """Return thresholds, share of rows contacted and profit per row, each (cuts + 1,): the first contacts nobody.

    Rows of one probability are contacted together, those of the highest first.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(1, dtype=np.bool_)))
    profit = np.append(0.0, np.cumsum(gains[order])[last] / len(gains))
    return np.append(1.0, ranked[last]), np.append(0.0, (last + 1) / len(gains)), profit


def profit_estimates(scored: Scored, campaign: Campaign, values: Floats, seed: int) -> dict[str, Estimate]:
    """Return the profit per customer with intervals: `profit` as decided, `mpc` and `empc` at best on these rows.

    values: what each row is worth, (n,). The threshold of `mpc` and `empc` is chosen on the rows that it is judged on.
    """
    gains = campaign.gains(scored.target, values)
    saved, outlay = campaign.saved(scored.target, values), campaign.outlay(scored.target)
    best, expected = maximum_profit(scored.probabilities, gains), []
    drawn = []
    for weights in draw_weights(scored.target, seed, _FEW_DRAWS):
        for counts in weights:
            drawn.append(maximum_profit(scored.probabilities, gains * counts))
            expected.append(
                expected_maximum_profit(scored.probabilities, saved, outlay, campaign.accepted, counts).profit
            )
    rows = len(gains)
    overall = expected_maximum_profit(scored.probabilities, saved, outlay, campaign.accepted).profit
    return {
        "profit": mean_gain(np.where(scored.decisions, gains, 0.0), seed, scored.target),
        "mpc": of_maximum(best, np.array(drawn), rows),
        "empc": of_maximum(overall, np.array(expected), rows),
    }


def maximum_profit(probabilities: Floats, gains: Floats) -> float:
    """Return the maximum profit per row (MPC) over all thresholds, contacting nobody included."""
    return float(profit_curve(probabilities, gains)[2].max())


@dataclass(frozen=True)
class Expected:
    """The expected maximum profit per row (EMPC), and the share of rows that is contacted for it."""

    profit: float
    share: float


def expected_maximum_profit(
    probabilities: Floats, saved: Floats, outlay: Floats, accepted: float, weights: Floats | None = None
) -> Expected:
    """Return the maximum profit where the share that accepts is uncertain: Beta with mean `accepted`.

    saved, outlay: of each row (n,), as `Campaign` has them; weights: how often each row counts. The best set of rows is
    a whole number of segments of the convex hull of the profit curve, and each segment is contacted if the share that
    accepts is above its outlay by what it saves: so the integral over that share is a sum over segments.
    """
    counts = np.ones(len(saved)) if weights is None else weights
    _, tied = np.unique(-probabilities, return_inverse=True)
    gain, cost, rows = (np.bincount(tied, each) for each in (saved * counts, outlay * counts, counts))
    # A row that costs nothing would have a slope without end.
    cost = np.maximum(cost, _SMALLEST)
    starts = isotonic_regression(gain / cost, weights=cost, increasing=False).blocks[:-1]
    gain, cost, rows = (np.add.reduceat(each, starts) / counts.sum() for each in (gain, cost, rows))
    pays = gain > cost
    enough = cost[pays] / gain[pays]
    a, b = CERTAINTY * accepted, CERTAINTY * (1 - accepted)
    chance: npt.NDArray[np.float64] = 1 - betainc(a, b, enough)
    accepting = accepted * (1 - betainc(a + 1, b, enough))
    profit = (gain[pays] * accepting - cost[pays] * chance).sum()
    return Expected(float(profit), float((rows[pays] * chance).sum()))
