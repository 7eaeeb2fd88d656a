"""`POST /api/v1/feedback`: what became of customers, told later by prediction or by customer."""

import re
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final

from churnflow.domain.api_key import ApiKey
from churnflow.errors import ChurnflowError
from churnflow.serving.answers import MOST_OUTCOMES
from churnflow.serving.current import Served
from churnflow.serving.guard import retry_after
from churnflow.serving.logbook import Logbook
from churnflow.serving.requests import (
    MAX_PROBLEMS,
    Problem,
    RefusedRequestError,
    RepeatedKeyDict,
    is_identifier,
    parse_strictly,
    quoted,
)

LABEL: Final = "churned"
# Of an outcome, as `prediction_log.OutcomeRow` has them.
Fields = tuple[float, str | None, str | None, int, str | None]
_PREDICTION: Final = re.compile(r"[0-9a-f]{1,64}-\d{1,6}")
_BY: Final = ("prediction_id", "customer_id")


def take_outcomes(body: bytes, served: Served, logbook: Logbook, key: ApiKey | None) -> dict[str, Any]:
    """Keep the outcomes of a request in the log before it is answered; say how many name nothing that is known.

    Raises RefusedRequestError: 400 and 422 as for a prediction, 413 for more than MOST_OUTCOMES, 503 while the log can
    not be written.
    """
    # It brings SQLAlchemy along, 12 MB that a worker without feedback need not hold.
    prediction_log = import_module("churnflow.modelling.prediction_log")
    outcomes = [prediction_log.OutcomeRow(*fields) for fields in _outcomes(body, served, logbook, key)]
    try:
        log = prediction_log.PredictionLog.open(logbook.url)
        try:
            known, customers = log.known(
                [one.prediction for one in outcomes if one.prediction is not None],
                [one.customer for one in outcomes if one.customer is not None],
            )
            log.add_outcomes(outcomes)
        finally:
            log.close()
    except (prediction_log.LogError, ChurnflowError):
        text = "outcomes can not be kept now; tell them again later"
        raise RefusedRequestError(503, [Problem("log", text)], (retry_after(5.0),)) from None
    unknown = [
        place for place, one in enumerate(outcomes) if one.prediction not in known and one.customer not in customers
    ]
    return {"accepted": len(outcomes), "unknown": unknown}


def _outcomes(body: bytes, served: Served, logbook: Logbook, key: ApiKey | None) -> Iterable[Fields]:
    now, who = time.time(), key.id if key else None
    problems: list[Problem] = []
    rows: list[Fields] = []
    for place, one in enumerate(_listed(body)):
        found = list(_wrong(one, f"outcomes[{place}].", served))
        problems += found
        if len(problems) >= MAX_PROBLEMS:
            break
        if not found:
            label = _label(one[LABEL], served)
            customer = logbook.customer(one.get("customer_id"), served.privacy.customer)
            rows.append((now, one.get("prediction_id"), customer, int(bool(label)), who))
    if problems:
        raise RefusedRequestError(422, problems[:MAX_PROBLEMS])
    return rows


def _listed(body: bytes) -> Sequence[Any]:
    document = parse_strictly(body)
    if not isinstance(document, dict) or set(document) != {"outcomes"} or isinstance(document, RepeatedKeyDict):
        raise RefusedRequestError(422, [Problem("body", "must be an object with a list called `outcomes`")])
    outcomes = document["outcomes"]
    if not isinstance(outcomes, list) or not outcomes:
        raise RefusedRequestError(422, [Problem("outcomes", "must be a list of at least one outcome")])
    if len(outcomes) > MOST_OUTCOMES:
        raise RefusedRequestError(413, [Problem("outcomes", f"at most {MOST_OUTCOMES} in one request")])
    return outcomes


def _wrong(one: Any, prefix: str, served: Served) -> Iterable[Problem]:
    if not isinstance(one, dict):
        yield Problem(prefix.rstrip("."), "must be an object")
        return
    if isinstance(one, RepeatedKeyDict):
        yield Problem(prefix + quoted(one.twice), "given twice")
    for name in sorted(set(one) - {*_BY, LABEL}):
        yield Problem(prefix + quoted(name), "unknown field")
    named = [name for name in _BY if one.get(name) is not None]
    wrong = _wrong_name(one, named, served)
    if wrong:
        yield Problem(prefix + (named or _BY)[0], wrong)
    if _label(one.get(LABEL), served) is None:
        yield Problem(prefix + LABEL, "must be true or false, or one of the two labels of the model")


def _wrong_name(one: dict[str, Any], named: Sequence[str], served: Served) -> str | None:
    """Return what is wrong with how an outcome says whose it is."""
    if len(named) != 1:
        return "give either this or customer_id"
    given = one[named[0]]
    if named[0] == "prediction_id" and not (isinstance(given, str) and _PREDICTION.fullmatch(given)):
        return "must be an id as a prediction was answered with"
    if not is_identifier(given):
        return "must be an id as a prediction was asked with"
    if named[0] == "customer_id" and served.privacy.customer == "none":
        return "the log of this release knows no customers; use prediction_id"
    return None


def _label(given: Any, served: Served) -> bool | None:
    if isinstance(given, bool):
        return given
    return {served.model.positive: True, served.model.negative: False}.get(given) if isinstance(given, str) else None
