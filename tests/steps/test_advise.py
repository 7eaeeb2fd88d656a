"""What is to be done about what monitoring has found: one action, and the most pressing."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from churnflow import Evidence, Issue, Measure
from churnflow.domain.evidence import Confidence
from churnflow.domain.journal import StepRecord
from churnflow.steps.advise import advise

UNTIL = datetime(2026, 11, 25, 12, tzinfo=UTC)


def told(uses: str, metrics: Mapping[str, float] = {}, facts: Mapping[str, str] = {}, *issues: Issue) -> StepRecord:
    return StepRecord(
        name=uses.replace(".", "-").replace("_", "-"),
        phase="observe",
        passed=True,
        key="0" * 64,
        at=UNTIL,
        uses=uses,
        metrics={name: Measure(value=value) for name, value in metrics.items()},
        facts=dict(facts),
        issues=issues,
        confidence=Confidence(score=85, because="tested"),
    )


WARNED = Issue(text="something", severity="warning")
CASES = {
    "the release before did better": (
        [told("churn.watch_performance", {"dropped_metrics": 2}, {"better_before": "v0.9.0"})],
        "churnflow rollback v0.9.0",
    ),
    "the model became worse": ([told("churn.watch_performance", {"dropped_metrics": 2})], "churnflow plan --new"),
    "the service fails": ([told("churn.watch_service", {}, {}, WARNED)], "see why the service fails"),
    "values became worse": ([told("churn.watch_quality", {"degraded_columns": 1})], "mend the source"),
    "drift without labels": ([told("churn.watch_drift", {"drifted_features": 1})], "churnflow monitor --labels FILE"),
    "drift of the score without labels": (
        [told("churn.watch_drift", {"score_drifted": 1}), told("x", {"labels_suffice": 1, "recent_labels": 3})],
        "churnflow monitor --labels FILE",
    ),
    "a low estimate": ([told("churn.watch_performance", {}, {}, WARNED)], "churnflow monitor --labels FILE"),
    "drift that labels show to be harmless": (
        [told("churn.watch_drift", {"drifted_features": 1}), told("x", {"labels_suffice": 1, "recent_labels": 99})],
        "the model still holds",
    ),
    "drift that labels do not reach": (
        [
            told("churn.watch_drift", {"drifted_features": 1}),
            told("x", {"labels_suffice": 1, "recent_labels": 99, "drifted_labels_suffice": 0}, {"drifted since": "W2"}),
        ],
        "tell outcomes of customers from W2 on",
    ),
    "predictions that the log lacks": ([told("churn.watch_service", {"lost_predictions": 3}, {}, WARNED)], "has room"),
    "nobody asks": ([told("churn.observe", {"predictions": 0})], "whether anybody still asks"),
    "a limit of the workflow": ([told("churn.observe")], "a limit of this workflow"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_next_action_follows_from_what_was_found(case: str) -> None:
    steps, expected = CASES[case]
    facts = advise(Evidence(requirements=(), steps=tuple(steps))).facts
    assert expected in facts["next_action_fix"]
    assert facts["next_action_rework"] == facts["next_action_fix"]
    found = "a limit of this workflow" not in expected
    kept = (
        f"the release goes on serving; {facts['next_action_fix']}" if found else "nothing: the release goes on serving"
    )
    assert facts["next_action_ship"] == kept


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        (["churn.watch_performance"], "the release goes on serving; tell outcomes as they arrive"),
        (["churn.watch_drift", "churn.watch_performance"], "there is too little to tell by yet"),
    ],
)
def test_where_nothing_is_found_for_want_of_evidence_the_next_action_brings_more(uses: list[str], said: str) -> None:
    steps = tuple(told(one, {"judged": 0}, {"not_told": "1 of the 50 labels needed"}) for one in uses)
    found = advise(Evidence(requirements=(), steps=steps))
    assert said in found.facts["next_action_ship"]
    assert (found.metrics["watched_parts"], found.metrics["unjudged_parts"]) == (len(uses), len(uses))
