"""The step `features` on rows of several times: an out-of-time test part, and what moved between the parts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from churnflow import InputError, Measure
from churnflow.modelling.parting import Kind
from churnflow.steps.features import features
from tests.customers import make_customers, schema_of

CUTS = ["2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01"]


def make_panel(rising: float = 0.0) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Make customers at four cuts; `rising`: by how much the chance to leave grows with each."""
    parts = []
    for number, cut in enumerate(CUTS):
        frame = make_customers(400, seed=number)
        leaves = np.random.default_rng(number).random(400) < rising * number
        parts.append(frame.assign(cut=pd.Series([cut] * 400, dtype="str"), churn=frame["churn"].mask(leaves, 1)))
    panel = pd.concat(parts, ignore_index=True)
    schema = schema_of(panel.drop(columns="cut"), "churn", "customer_id")
    described = {"name": "cut", "role": "time", "kind": "date", "required": True, "levels": []}
    schema["columns"].append(described)
    return panel, {**schema, "time": "cut", "outcome_days": 90}


def value(result: Any, name: str) -> float:
    measured = result.metrics[name]
    return measured.value if isinstance(measured, Measure) else measured


def test_how_far_the_newest_rows_can_be_told_from_the_oldest_is_measured_by_time() -> None:
    panel, schema = make_panel()
    newest = panel["cut"] == CUTS[2]
    # Shuffled, so that only the times tell which rows are new; the newest of all are tested.
    mixed = panel.assign(bill=panel["bill"] + 25 * newest).sample(frac=1, random_state=0, ignore_index=True)
    plain, moved = (features(frame, schema, split="time") for frame in (panel, mixed))
    assert value(plain, "newest_drift_auc") < 0.6 < value(moved, "newest_drift_auc")
    assert any(issue.text.startswith("customers change over the rows") for issue in moved.issues)
    described: Any = moved.outputs["features"]
    assert [shift["feature"] for shift in described["aged"]["shifts"] if shift["drifted"]] == ["bill"]


@pytest.mark.parametrize(("split", "shared"), [("auto", 0), ("grouped", 0), ("time", 400)])
def test_the_parts_carry_id_and_time_and_say_who_stands_in_both(split: Kind, shared: int) -> None:
    panel, schema = make_panel()
    result = features(panel, schema, split=split)
    train, test = (pd.DataFrame(result.outputs[name]) for name in ("train", "test"))
    assert list(train.columns) == ["customer_id", "cut", "tenure", "bill", "plan", "noise", "churn"]
    assert len(set(train["customer_id"]) & set(test["customer_id"])) == shared
    assert (value(result, "shared_customers"), value(result, "shared_rows")) == (shared, 0)
    assert value(result, "contaminated_rows") == 0
    recorded: Any = result.outputs["features"]["split"]  # type: ignore[index]
    assert recorded["shares_customers"] == (shared > 0)
    if split != "grouped":
        assert set(test["cut"]) == {"2024-10-01"}
        assert "2024-10-01" not in set(train["cut"])


def test_what_was_split_how_and_why_is_recorded() -> None:
    panel, schema = make_panel()
    schema["outcome_days"] = 100
    result = features(panel, schema)
    split: Any = result.outputs["features"]["split"]  # type: ignore[index]
    assert (split["kind"], split["cut"], split["embargoed"]) == ("time and grouped", "2024-10-01", 400)
    assert split["left_out"] == 1600 - split["train"]["rows"] - split["test"]["rows"]
    assert value(result, "left_out_rows") == split["left_out"]
    assert "those from 2024-10-01 on are tested" in result.facts["kind of split"]
    assert result.facts["embargo"] == "400 rows, outcome open at 2024-10-01"


def test_a_rate_that_moved_is_measured_and_said() -> None:
    still, moving = (features(*make_panel(rising), split="time") for rising in (0.0, 0.15))
    assert not [issue for issue in still.issues if "share of positives moved" in issue.text]
    shift = moving.metrics["rate_shift"]
    assert isinstance(shift, Measure)
    assert shift.low is not None
    assert shift.low > 0.05
    rates = value(moving, "test_positive_ratio") - value(moving, "train_positive_ratio")
    assert shift.value == pytest.approx(rates)
    text = [issue.text for issue in moving.issues if "share of positives moved" in issue.text]
    assert len(text) == 1
    assert "from the training rows to those from 2024-10-01 on" in text[0]


def test_a_newest_time_of_one_class_is_refused() -> None:
    panel, schema = make_panel()
    panel.loc[panel["cut"] == CUTS[-1], "churn"] = 0
    with pytest.raises(InputError, match="the test part would hold one class only"):
        features(panel, schema, split="time")
