"""Why a customer is at risk, in words: what `?reasons=K` adds to a prediction."""

import re
from typing import Final
from urllib.parse import parse_qs

from churnflow.modelling.reason_words import Wording
from churnflow.modelling.reasons import Reasons
from churnflow.modelling.texts import missing_words
from churnflow.serving.current import Served
from churnflow.serving.reading import Asked
from churnflow.serving.requests import Problem, RefusedRequestError

PARAMETER: Final = "reasons"
MOST_REASONS: Final = 5
_NUMBER: Final = re.compile(r"[1-9]")


def wanted_reasons(query: bytes) -> int:
    """Return how many reasons a query string asks for, 0 for none. Raises RefusedRequestError (422) for no number."""
    if not query:
        return 0
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(PARAMETER)
    if given is None:
        return 0
    if len(given) != 1 or not _NUMBER.fullmatch(given[0]) or int(given[0]) > MOST_REASONS:
        raise RefusedRequestError(422, [Problem(PARAMETER, f"must be one whole number from 1 to {MOST_REASONS}")])
    return int(given[0])


class Explainer:
    """Says what raises the risk of customers of one release; made at the first question, which takes a moment."""

    def __init__(self, served: Served) -> None:
        """Take the release. Raises RefusedRequestError (422) when it has no reference to compare with."""
        if served.reference is None:
            text = "this release holds no training reference, which reasons are told against"
            raise RefusedRequestError(422, [Problem(PARAMETER, text)])
        self._reasons = Reasons(served.model, served.reference)
        missing = missing_words(served.schema.get("missing"))
        columns = {str(column["name"]): column for column in served.schema["columns"]}
        self._wordings = [Wording.of(columns[name], missing) for name in self._reasons.features]
        self._threshold = served.model.threshold

    def reasons(self, asked: Asked, probabilities: list[float], most: int) -> list[list[str]]:
        """Return the reasons of each customer, the strongest first; none for one below the threshold."""
        found: list[list[str]] = []
        for place, chosen in enumerate(self._reasons.strongest(asked.matrix, most)):
            at_risk = probabilities[place] >= self._threshold
            found.append([self._said(asked, feature, place) for feature in chosen if feature >= 0] if at_risk else [])
        return found

    def _said(self, asked: Asked, feature: int, place: int) -> str:
        return self._wordings[feature].said(asked.columns[self._reasons.features[feature]][place])
