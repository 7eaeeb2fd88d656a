"""The report as JSON: the records, the scores, and what became of issues and checkpoints."""

import json

import pytest

from churnflow.domain.evidence import Issue
from churnflow.domain.journal import Run
from churnflow.domain.release import Release
from churnflow.reporting.json_report import as_json
from tests.reporting.records import begun, document, kept, mark, release, scope, whole


def test_the_json_report_gives_back_the_records_that_it_was_made_from() -> None:
    source = whole()
    found = json.loads(json.dumps(as_json(source), allow_nan=False))
    assert found["schema"] == "churnflow/report@1"
    assert Run.model_validate(found["run"]) == source.run
    assert Release.model_validate(found["served"]) == release()
    states = [(line["source"], line["kind"], line["state"]) for line in found["issues"]]
    risks = [("risks", "risk", "open")] * 2
    assert states == [*risks, ("plan", "issue", "waived"), ("train", "issue", "open")]
    assert [row["period"] for row in found["performance"]] == ["2026-03", "2026-04"]


def test_the_scores_are_those_of_the_document() -> None:
    source = whole()
    found = as_json(source)["confidence"]
    assert source.final is not None
    assert found["final"]["score"] == source.final.score
    assert sum(part["points"] for part in found["build"]["parts"]) == found["build"]["score"]


def test_what_came_true_of_claims_stands_by_author() -> None:
    found = as_json(whole())["standings"]
    assert [(line["author"], line["claims"], line["settled"]) for line in found] == [
        ("churn.scope", 1, 1),
        ("Bo", 1, 0),
    ]
    assert found[0]["brier"] == pytest.approx(0.04)


def test_checkpoints_say_where_they_come_from_and_how_to_return() -> None:
    found = as_json(whole())["checkpoints"]
    assert [item["number"] for item in found] == [1, 2, 3, 4, 5, 6, 7]
    assert found[5]["restores"] == found[1]["tag"]
    assert found[5]["reason"] == "wrong file | try again"
    assert found[0]["rollback"] == "churnflow rollback churnflow/260302-a1b2/01-planned"


def test_a_run_that_has_hardly_begun_has_nulls_instead_of_guesses() -> None:
    run = begun(mark("planned", 3))
    found = as_json(document(run, [kept(1, run)], stale=frozenset({"b", "a"})))
    assert found["confidence"] == {"initial": None, "build": None, "final": None}
    assert found["served"] is None
    assert found["checkpoints"][0]["confidence"] is None
    assert found["stale"] == ["a", "b"]


def test_texts_pass_through_unchanged() -> None:
    text = 'a | "b" \n <script>\u202e'
    found = json.loads(json.dumps(as_json(document(begun(scope(issues=(Issue(text=text),)), risks={})))))
    assert found["issues"][0]["text"] == text
