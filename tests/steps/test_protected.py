"""A protected attribute: kept from the source to the comparison of its groups, and never learned from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from churnflow import InputError
from churnflow.modelling.card import served_schema
from churnflow.steps.evaluate import evaluate
from churnflow.steps.features import features
from churnflow.steps.ingest import ingest
from churnflow.steps.train import train
from tests.customers import make_customers


def quiet(done: int, total: int, text: str = "") -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frame = make_customers(500)
    random = np.random.default_rng(1)
    frame["race"] = np.where(random.random(500) < 0.4, "green", "blue")
    frame["age"] = random.integers(18, 90, 500)
    frame["churn"] = np.where(frame["churn"] == 1, "Yes", "No")
    path = tmp_path_factory.mktemp("protected") / "customers.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_protected_attribute_reaches_the_comparison_and_not_the_model(source: Path) -> None:
    taken: dict[str, Any] = dict(ingest(source, "churn", "customer_id", protected=("race", "age")).outputs)
    roles = {column["name"]: column["role"] for column in taken["schema"]["columns"]}
    assert (roles["race"], roles["age"], roles["plan"]) == ("protected", "protected", "feature")
    parts: dict[str, Any] = dict(features(taken["customers"], taken["schema"]).outputs)
    assert "race" in parts["test"].columns
    settings: dict[str, Any] = {"models": ("logistic_regression",), "trials": 1, "folds": 3}
    made: dict[str, Any] = dict(train(parts["train"], taken["schema"], parts["features"], quiet, **settings).outputs)
    assert {column.name for column in made["model"].encoding.columns} == {"tenure", "bill", "plan", "noise"}
    found = evaluate(
        *(made["model"], parts["train"], parts["test"], taken["schema"], parts["features"], made["leaderboard"]),
        groups=("plan",),
    )
    assert {"recall_gap_plan", "recall_gap_race", "fpr_gap_race", "selection_gap_age"} <= set(found.metrics)
    served = served_schema(made["model"], taken["schema"])
    race = next(column for column in served["columns"] if column["name"] == "race")
    assert (race["role"], race["levels"], race["example"]) == ("protected", [], None)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"protected": ("rase",)}, "no column 'rase'"),
        ({"protected": ("churn",)}, "the target 'churn' is also named under protected"),
        ({"protected": ("race",), "drop": ("race",)}, "the dropped column 'race' is also named under protected"),
    ],
)
def test_a_protected_attribute_that_can_be_none_is_refused(source: Path, named: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ingest(source, "churn", "customer_id", **named)
