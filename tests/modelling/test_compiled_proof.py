"""The proof that a compiled model may be served: on every row of the test part, and on customers no one has seen."""

from typing import Any

import numpy as np
import pytest

from churnflow.errors import UsageError
from churnflow.modelling.columns import Floats
from churnflow.modelling.compiled_proof import prove
from churnflow.modelling.scorer import PortableModel
from tests.customers import make_customers
from tests.models import CASES, KINDS, fit_case

ODD = {"number": 5, "category": 2}


def remade(kind: type[PortableModel], model: PortableModel) -> PortableModel:
    return kind(**{name: getattr(model, name) for name in PortableModel.__dataclass_fields__ if name != "_margin"})


@pytest.mark.parametrize("case", CASES)
def test_what_is_trained_is_proved_equal(case: str) -> None:
    frame = make_customers(300)
    proof = prove(fit_case(case, frame, KINDS, "churn")[0], frame)
    assert proof.max_abs_diff == 0
    assert proof.odd == 200 * sum(ODD[kind] for kind in KINDS.values())
    assert proof.rows == 300 + proof.odd
    assert proof.as_json() == {"compiled": True, "rows": proof.rows, "max_abs_diff": 0.0}


class WrongForOneRow(PortableModel):
    """A model that scores one customer of the test part otherwise than its arrays say."""

    def probability(self, matrix: Floats) -> Any:
        probability = super().probability(matrix)
        return (
            np.where(np.arange(len(matrix)) == 257, probability + 1e-4, probability)
            if len(matrix) > 257
            else probability
        )


class WrongForUnseen(PortableModel):
    """A model that scores customers of an unseen plan otherwise than its arrays say."""

    def probability(self, matrix: Floats) -> Any:
        unseen = ~matrix[:, self.encoding.slices()["plan"]].any(axis=1)
        return super().probability(matrix) + 2e-5 * unseen


class WrongAsSinglesAre(PortableModel):
    """A model whose every probability is off by less than matters."""

    def probability(self, matrix: Floats) -> Any:
        return super().probability(matrix) + 1e-6


@pytest.mark.parametrize(
    ("kind", "served"), [(WrongForOneRow, False), (WrongForUnseen, False), (WrongAsSinglesAre, True)]
)
def test_one_customer_who_differs_is_enough_not_to_be_served_but_not_the_last_digits(
    kind: type[PortableModel], *, served: bool
) -> None:
    frame = make_customers(300)
    proof = prove(remade(kind, fit_case("xgboost", frame, KINDS, "churn")[0]), frame)
    assert proof.max_abs_diff > 0
    assert proof.compiled is served
    assert ("the compiled one is served" in str(proof)) is served


def test_a_test_part_without_a_column_of_the_model_is_refused() -> None:
    frame = make_customers(60)
    model, _ = fit_case("logistic_regression", frame, KINDS, "churn")
    with pytest.raises(UsageError, match="no column bill"):
        prove(model, frame.drop(columns="bill"))
