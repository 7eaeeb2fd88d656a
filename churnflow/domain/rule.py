"""A limit on a metric, written as in `roc_auc >= 0.80`, and its test."""

import re
from collections.abc import Mapping
from operator import eq, ge, gt, le, lt
from typing import Literal

from pydantic import model_serializer, model_validator

from churnflow.domain.base import Frozen
from churnflow.domain.evidence import Check, Measure

Operator = Literal["<=", ">=", "==", "<", ">"]

_COMPARE = {"<=": le, ">=": ge, "==": eq, "<": lt, ">": gt}
_FORM = re.compile(r"^\s*([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(<=|>=|==|<|>)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*$")


class Rule(Frozen):
    """A limit that a metric must keep; a metric that was not measured fails it."""

    metric: str
    op: Operator
    limit: float

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _FORM.match(value)
        if match is None:
            message = f"a rule reads like 'roc_auc >= 0.80', not {value!r}"
            raise ValueError(message)
        return {"metric": match[1], "op": match[2], "limit": float(match[3])}

    @model_serializer
    def _to_text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """Write the rule as the workflow writes it."""
        short = f"{self.limit:g}"
        return f"{self.metric} {self.op} {short if float(short) == self.limit else repr(self.limit)}"

    def judge(self, metrics: Mapping[str, Measure]) -> Check:
        """Test the rule on `metrics`; unmeasured means failed, with nothing observed."""
        measure = metrics.get(self.metric)
        if measure is None:
            return Check(claim=str(self), passed=False)
        held = bool(_COMPARE[self.op](measure.value, self.limit))
        return Check(claim=str(self), observed=measure.value, low=measure.low, high=measure.high, passed=held)

    def within_noise(self, metrics: Mapping[str, Measure]) -> bool:
        """Tell whether the 95% interval of the metric reaches across the limit, so that a new sample may fail."""
        measure = metrics.get(self.metric)
        if measure is None or measure.low is None or measure.high is None:
            return False
        compare = _COMPARE[self.op]
        return bool(compare(measure.low, self.limit) != compare(measure.high, self.limit))
