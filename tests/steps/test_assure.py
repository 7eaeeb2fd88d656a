"""The step `assure`: from predictions and other measures to one probability, and what each requirement takes of it."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import betabinom

from churnflow import Confidence, Evidence, InputError, Measure, StepResult
from churnflow.domain.evidence import Artifact
from churnflow.domain.journal import StepRecord
from churnflow.domain.rule import Rule
from churnflow.steps.assure import assure

RATE = 0.3
REHEARSED = {
    "error_ratio": Measure(value=0.0, low=0.0, high=0.009, n=400),
    "latency_p95_ms": Measure(value=4.0, low=3.5, high=5.0, n=400),
    "ready_seconds": Measure(value=1.5),
}


def record(name: str, metrics: dict[str, Measure], *outputs: str) -> StepRecord:
    made = [Artifact(name=output, codec="frame", sha256="1" * 64, size_bytes=1) for output in outputs]
    return StepRecord(
        name=name,
        phase="build",
        passed=True,
        key="0" * 64,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        uses=f"churn.{name}",
        metrics=metrics,
        outputs=tuple(made),
        confidence=Confidence(score=90, because="tested"),
    )


def scored(rows: int, seed: int, signal: float = 1.5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions as `train` and `evaluate` make them, and the customers that they are about."""
    random = np.random.default_rng(seed)
    churns = random.random(rows) < RATE
    probability = 1 / (1 + np.exp(-(random.normal(size=rows) + signal * churns - 1.2)))
    predictions = pd.DataFrame(
        {
            "row": np.arange(1, rows + 1),
            "label": np.where(churns, "gone", "here"),
            "probability": probability,
            "decision": np.where(probability >= 0.4, "gone", "here"),
        }
    )
    return predictions, pd.DataFrame({"plan": np.where(random.random(rows) < 0.5, "basic", "plus")})


def run(*rules: str, signal: float = 1.5, **given: Any) -> StepResult:
    predictions, test = scored(400, 1, signal)
    out_of_fold, train = scored(1600, 2, given.pop("seen", signal))
    measured = dict.fromkeys(("roc_auc", "recall", "f1", "log_loss_gain", "brier_skill"), Measure(value=0.7, n=400))
    measured |= {"recall_gap_plan": Measure(value=0.02, low=-0.1, high=0.2), "train_roc_auc": Measure(value=0.86)}
    optimism = given.pop("optimism", None)
    trained = {} if optimism is None else {"selection_optimism": Measure(value=optimism)}
    evidence = Evidence(
        requirements=tuple(Rule.model_validate(rule) for rule in rules),
        steps=(
            record("train", trained, "out_of_fold"),
            record("evaluate", measured, "predictions", "evaluation"),
            record("rehearse", REHEARSED, "candidate"),
        ),
    )
    arguments: dict[str, Any] = {
        "evaluation": {"baseline": {"probability": RATE}, "group_metrics": {"recall_gap_plan": "plan"}},
        "schema": {"positive": "gone"},
        "predictions": predictions,
        "test": test,
        "train": train,
        "out_of_fold": out_of_fold,
    }
    return assure(evidence, **{**arguments, **given})


def number(result: StepResult, name: str) -> float:
    value = result.metrics[name]
    return value.value if isinstance(value, Measure) else value


def test_requirements_on_predictions_on_events_and_on_times_are_weighed_together() -> None:
    rules = ("evaluate.roc_auc >= 0.8", "evaluate.recall >= 0.6", "rehearse.error_ratio <= 0.01")
    result = run(*rules, "rehearse.latency_p95_ms <= 50")
    hold = number(result, "requirements_hold")
    taken = [number(result, f"requirement_{place}_takes") for place in range(1, 5)]
    assert 0.5 < hold < 1
    assert hold + sum(taken) == pytest.approx(1)
    assert number(result, "requirement_4_holds") == 1
    expected = betabinom.cdf(4, 400, 0.5, 400.5)
    assert number(result, "requirement_3_holds") == pytest.approx(expected, abs=0.02)
    assert "drawn from predictions and out_of_fold" in result.facts["requirement_1"]
    assert "0 of 400 (beta-binomial)" in result.facts["requirement_3"]
    assert "[3.5, 5] (normal)" in result.facts["requirement_4"]
    assert number(result, "batch_rows") == 400
    assert result.metrics["requirements_hold"] == Measure(value=hold, n=2000)
    document: Any = result.outputs["assurance"]
    assert document["probability"] == hold
    assert [line["claim"] for line in document["requirements"]][:2] == list(rules[:2])
    assert {line["law"] for line in document["requirements"]} == {"drawn batches", "beta-binomial", "normal"}


def test_a_requirement_out_of_reach_leaves_no_probability_and_names_itself() -> None:
    result = run("evaluate.roc_auc >= 0.6", "evaluate.f1 >= 0.99")
    assert number(result, "requirements_hold") == 0
    assert number(result, "requirement_2_takes") == 1
    assert result.facts["requirement_2"].startswith("evaluate.f1 >= 0.99 holds in 0.0% of the batches")


@pytest.mark.parametrize(
    ("rule", "basis"),
    [
        ("evaluate.log_loss_gain >= 0.01", "predictions and out_of_fold"),
        ("evaluate.brier_skill >= 0.01", "predictions and out_of_fold"),
        ("evaluate.recall_gap_plan <= 0.3", "predictions and out_of_fold"),
        ("evaluate.train_roc_auc >= 0.8", "evaluate.train_roc_auc = 0.86, taken as it is"),
        ("rehearse.ready_seconds <= 5", "rehearse.ready_seconds = 1.5, taken as it is"),
    ],
)
def test_each_metric_is_drawn_from_what_tells_it(rule: str, basis: str) -> None:
    result = run(rule)
    assert result.facts["requirement_1"].endswith(f"drawn from {basis}")
    assert number(result, "requirements_hold") > 0.9


def test_a_group_column_that_is_not_at_hand_leaves_the_interval() -> None:
    _, test = scored(400, 1)
    result = run("evaluate.recall_gap_plan <= 0.3", test=test.rename(columns={"plan": "tariff"}), out_of_fold=None)
    assert result.facts["requirement_1"].endswith("[-0.1, 0.2] (normal)")


def test_what_was_not_measured_is_left_to_the_gate() -> None:
    result = run("evaluate.roc_auc >= 0.7", "evaluate.profit >= 1", "absent.rows >= 1")
    assert {name for name in result.metrics if name.startswith("requirement_")} == {
        "requirement_1_holds",
        "requirement_1_takes",
    }


def test_a_metric_that_no_batch_tells_is_said_to_be_so() -> None:
    _, test = scored(400, 1)
    alone = run("evaluate.recall_gap_plan <= 0.3", test=test.assign(plan="basic"), out_of_fold=None)
    assert "no batch tells it" in alone.facts["requirement_1"]
    assert number(alone, "requirements_hold") == 0
    document: Any = alone.outputs["assurance"]
    assert json.dumps(document, allow_nan=False)


def test_a_requirement_written_twice_takes_once() -> None:
    result = run("evaluate.recall >= 0.7", "evaluate.recall >= 0.7")
    hold, first, second = (number(result, f"requirement{name}") for name in ("s_hold", "_1_takes", "_2_takes"))
    assert (hold + first, second) == (pytest.approx(1), 0)


def test_without_requirements_nothing_is_claimed_and_that_is_said() -> None:
    result = run()
    assert "requirements_hold" not in result.metrics
    assert "declares no requirements" in result.issues[0].text


def test_rows_whose_model_has_seen_them_are_left_out_and_that_is_said() -> None:
    result = run("evaluate.roc_auc >= 0.8", seen=5.0)
    alone = run("evaluate.roc_auc >= 0.8", out_of_fold=None)
    assert number(result, "requirements_hold") == number(alone, "requirements_hold")
    assert result.facts["requirement_1"].endswith("drawn from predictions")
    assert [issue.severity for issue in result.issues] == ["warning"]
    assert "differ from those on the test part by more than chance" in result.issues[0].text
    assert not alone.issues


@pytest.mark.parametrize(
    "rule",
    [
        "evaluate.roc_auc >= 0.84",
        "evaluate.recall >= 0.7",
        "evaluate.f1 >= 0.66",
        "evaluate.log_loss_gain >= 0.16",
        "evaluate.brier_skill >= 0.3",
    ],
)
def test_the_optimism_of_the_best_of_many_trials_makes_every_metric_less_sure(rule: str) -> None:
    none, little, much = (run(rule, optimism=optimism, draws=4000) for optimism in (None, 0.005, 0.03))
    holds = [number(result, "requirements_hold") for result in (none, little, much)]
    assert 0.2 < holds[2] < holds[1] < holds[0]
    assert holds[0] - holds[2] > 0.05
    assert "weighed so that their log loss is 0.0300 higher" in much.facts["drawn"]
    assert "weighed" not in none.facts["drawn"]
    document: Any = much.outputs["assurance"]
    assert document["optimism"] == 0.03


def test_without_out_of_fold_rows_no_optimism_is_taken_off() -> None:
    rule = "evaluate.roc_auc >= 0.83"
    alone, told = (run(rule, out_of_fold=None, optimism=optimism) for optimism in (None, 0.05))
    assert number(alone, "requirements_hold") == number(told, "requirements_hold")
    assert "weighed" not in told.facts["drawn"]


def test_more_rows_and_a_larger_batch_say_it_more_clearly() -> None:
    rule = "evaluate.roc_auc >= 0.82"
    small = number(run(rule, out_of_fold=None, batch=50), "requirements_hold")
    large = number(run(rule, batch=5000), "requirements_hold")
    assert small < large


def test_the_same_seed_gives_the_same_result() -> None:
    first, again = (run("evaluate.recall >= 0.7", seed=3) for _ in range(2))
    assert first == again


def test_predictions_of_other_rows_are_refused() -> None:
    predictions, _ = scored(10, 3)
    with pytest.raises(InputError, match="10 predictions do not belong to 400 customers") as raised:
        run("evaluate.recall >= 0.7", predictions=predictions)
    assert raised.value.hint
