"""The choice of the probability at which a customer is decided positive; made on training rows only."""

import re
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from churnflow.modelling.columns import Floats
from churnflow.modelling.metrics import Scored, confusion, wilson
from churnflow.modelling.profit import USUALLY_ACCEPTED, Campaign, parse_campaign, profit_curve
from churnflow.modelling.split import Ints

_FORM: Final = re.compile(r"(recall|precision)_(0?\.[0-9]*[1-9][0-9]*)")
_ALLOWED: Final = "f1, recall_X or precision_X with X between 0 and 1, or a campaign such as {value: 200, offer: 10}"
_DESCRIPTION: Final = f"{_ALLOWED}, of whose churners {USUALLY_ACCEPTED:.0%} accept unless accepted: says otherwise"


def parse_objective(value: Any) -> "str | Campaign":
    """Return what the threshold is to be best for. Raises PydanticCustomError, a ValueError, for anything else."""
    if isinstance(value, Campaign) or value == "f1" or (isinstance(value, str) and _FORM.fullmatch(value)):
        return value  # type: ignore[no-any-return]
    campaign = parse_campaign(value) if isinstance(value, dict) else None
    if campaign is not None:
        return campaign
    kind, form = "objective", "must be {allowed}"
    raise PydanticCustomError(kind, form, {"allowed": _ALLOWED})


# `f1`, `recall_0.8`, `precision_0.6`, or a campaign whose profit counts.
Objective = Annotated[str | Campaign, PlainValidator(parse_objective), Field(description=_DESCRIPTION)]


def described(objective: str | Campaign) -> str:
    """Return in words what the threshold is chosen for."""
    if isinstance(objective, Campaign):
        worth = f"the column {objective.value}" if isinstance(objective.value, str) else f"{objective.value:g}"
        return (
            f"most profit where a churner kept is worth {worth}, an offer costs {objective.offer:g} and a contact "
            f"{objective.contact:g}, and {objective.accepted:.0%} of churners accept"
        )
    kind, _, wanted = objective.partition("_")
    match kind:
        case "recall":
            return f"fewest alarms at a recall of {wanted}"
        case "precision":
            return f"most churners found at a precision of {wanted}"
        case _:
            return "best F1"


def assumed(objective: str | Campaign) -> dict[str, str]:
    """Return as a fact what a campaign takes for granted of those whom it contacts, none for another objective."""
    if not isinstance(objective, Campaign):
        return {}
    usual = f"the default is {USUALLY_ACCEPTED:g}; set accepted in the objective to what your campaigns reach"
    return {"offers accepted": f"by {objective.accepted:.0%} of the churners contacted ({usual})"}


def as_json(objective: str | Campaign) -> Any:
    """Return the objective as the workflow writes it."""
    return objective.as_json() if isinstance(objective, Campaign) else objective


def missed(objective: Any, scored: Scored) -> list[str]:
    """Say that the recall or precision of `objective` is not reached, where that is more than noise."""
    kind, _, wanted = objective.partition("_") if isinstance(objective, str) else ("", "", "")
    if kind not in {"recall", "precision"}:
        return []
    cells = confusion(scored)
    whole = cells["tp"] + (cells["fn"] if kind == "recall" else cells["fp"])
    found = wilson(cells["tp"], whole)
    if found.high >= float(wanted):
        return []
    return [f"the threshold was chosen for a {kind} of {wanted}; on the test part it is {found.value:.3f}"]


def choose_threshold(
    probabilities: Floats, target: Ints, objective: str | Campaign = "f1", values: Floats | None = None
) -> float:
    """Return the threshold, half-way between two probabilities that occur, at which `objective` is best.

    f1: the largest F1. recall_x: the highest threshold that reaches that recall, so the fewest false alarms.
    precision_x: the one with the most found among those that reach that precision, or, where none does, with the
    highest precision. A campaign: the largest profit; 1 where contacting nobody is best. Of equal ones the higher.
    values: what each row is worth to the campaign, (n,), where its value is the name of a column.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = probabilities[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], np.ones(1, dtype=np.bool_)))
    if isinstance(objective, Campaign):
        best = _most_profit(probabilities, target, objective, values)
        if best < 0:
            return 1.0
    else:
        best = _best_cut(objective, np.cumsum(target[order])[last], last + 1, int(target.sum()))
    here = float(ranked[last[best]])
    below = float(ranked[last[best + 1]]) if best + 1 < len(last) else here
    middle = (here + below) / 2
    # Between two neighbouring doubles the middle is the lower one, which would let it in.
    return middle if below < middle <= here else here


def _best_cut(objective: str, hits: Ints, marked: Ints, positives: int) -> int:
    """Return the position of the best cut, by how many of `marked` rows each marks and how many `hits` it has."""
    if objective == "f1":
        return int(np.argmax(2 * hits / (marked + positives)))
    kind, _, wanted = objective.partition("_")
    if kind == "recall":
        return int(np.argmax(hits >= float(wanted) * positives - 1e-9))
    reached = hits >= float(wanted) * marked - 1e-9
    return int(np.argmax(np.where(reached, hits, -1) if reached.any() else hits / marked))


def _most_profit(probabilities: Floats, target: Ints, campaign: Campaign, values: Floats | None) -> int:
    """Return the position of the most profitable cut, -1 for contacting nobody."""
    if values is None:
        if isinstance(campaign.value, str):
            message = f"the value of each row in {campaign.value!r} is needed"
            raise ValueError(message)
        values = np.full(len(target), float(campaign.value))
    _, _, profit = profit_curve(probabilities, campaign.gains(target, values))
    return int(np.argmax(profit)) - 1
