"""A column that gives the answer away: it shuts the gate until it is dropped, or waived by name at a terminal."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Outcome, at_terminal, churnflow, ended, environment
from tests.customers import make_customers

WORKFLOW = """name: churn
task: Predict who leaves
requirements: [evaluate.roc_auc >= 0.6]
phases:
  build:
    - step: ingest
      uses: churn.ingest
      with: {source: data/customers.csv, target: churn, id: customer_id, positive: "1"}
      produces: {customers: frame, schema: json}
      checks: [records >= 100]
    - step: features
      uses: churn.features
      with: {drop: [DROPPED], as_of: 2030-01-01}
      produces: {train: frame, test: frame, features: json}
      checks: [contaminated_rows == 0]
    - step: train
      uses: churn.train
      with: {models: [logistic_regression], trials: 1, folds: 3}
      produces: {model: model, leaderboard: json}
      checks: [parity_max_abs_diff <= 1e-6]
    - step: evaluate
      uses: churn.evaluate
      produces: {predictions: frame, evaluation: json}
      checks: [log_loss_gain >= 0]
  review:
    - step: review
      uses: churn.review
    - approval: release
  decision:
    - gate: ship
    - checkpoint: shipped
"""


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose customers have a fee that only those who left were billed."""
    root = tmp_path_factory.mktemp("leaky") / "project"
    for folder in ("workflows", "data"):
        (root / folder).mkdir(parents=True)
    frame = make_customers(900)
    billed = (frame["churn"] == 1) & (np.arange(900) % 3 > 0)
    frame["closing_fee"] = np.where(billed, 20.0 + np.arange(900) % 7, 0.0)
    frame.to_csv(root / "data" / "customers.csv", index=False)
    (root / ".gitignore").write_text("/data/\n")
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=root, check=True, env=environment())
    return root


def run(root: Path, dropped: str) -> Outcome:
    """Run the workflow to its gate, every question answered by a file."""
    (root / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("DROPPED", dropped))
    (root / "answers.yaml").write_text("approvals: {}\n")
    waiting = churnflow(root, "--json", "run", "--answers", "answers.yaml").json["data"]["waiting"]
    answers = {"answer": "approve", "reviewer": "Ann", "answers": dict.fromkeys(waiting["questions"], "yes")}
    (root / "answers.yaml").write_text(json.dumps({"approvals": {waiting["approval"]: answers}}))
    return churnflow(root, "--json", "run", "--answers", "answers.yaml")


def decision(outcome: Outcome) -> dict[str, Any]:
    records = [item["record"] for item in outcome.json["data"]["items"] if item["record"]]
    found: dict[str, Any] = next(record for record in records if record["kind"] == "decision")
    return found


def critical(root: Path) -> list[dict[str, Any]]:
    lines = churnflow(root, "--json", "issues").json["data"]["issues"]
    return [line for line in lines if line["severity"] == "critical"]


def test_a_leak_shuts_the_gate_until_it_is_waived_by_name_and_the_report_says_who_did(leaky: Path) -> None:
    held = decision(run(leaky, ""))
    leaks = critical(leaky)
    assert [line["text"].split()[0] for line in leaks] == ["closing_fee"]
    assert held["verdict"] == "fix"
    assert any(leaks[0]["id"] in reason and "closing_fee" in reason for reason in held["reasons"])
    closed = churnflow(leaky, "issues", "close", leaks[0]["id"], "--reason", "looked at it")
    assert (closed.code, closed.error[0]) == (
        4,
        f"error: {leaks[0]['id']} is what features measured, which no word settles",
    )
    assert "issues waive" in closed.error[1]
    screen = at_terminal(leaky, "issues", "waive", leaks[0]["id"], "--reason", "billed in advance", "--by", "Cleo")
    screen.expect_exact("to waive it: ")
    screen.sendline(leaks[0]["id"])
    assert ended(screen) == 0
    outcome = churnflow(leaky, "--json", "decide")
    assert outcome.code == 0, outcome.out
    assert decision(outcome)["verdict"] == "ship"
    assert any(
        re.search(r"waived by Cleo until [-\d]+ \(billed in advance\)", reason)
        for reason in decision(outcome)["reasons"]
    )
    assert churnflow(leaky, "report", "-o", "report.md").code == 0
    line = next(line for line in (leaky / "report.md").read_text().splitlines() if "waived by Cleo" in line)
    assert "billed in advance" in line
    assert "closing_fee" in line


def test_a_leak_that_is_dropped_is_no_issue_and_the_rest_ships(leaky: Path) -> None:
    outcome = run(leaky, "closing_fee")
    assert critical(leaky) == []
    assert decision(outcome)["verdict"] == "ship"


def test_a_leak_that_the_plan_sees_keeps_its_id_when_the_build_sees_it_again(leaky: Path) -> None:
    plan = """  plan:
    - step: scope
      uses: churn.scope
      with: {source: data/customers.csv, target: churn, id: customer_id, positive: "1"}
  build:
"""
    text = WORKFLOW.replace("DROPPED", "").replace("  build:\n", plan, 1)
    (leaky / "workflows" / "churn.yaml").write_text(text)
    assert churnflow(leaky, "plan").code == 0
    [seen] = critical(leaky)
    assert seen["id"].startswith("scope-")
    assert "closing_fee gives the target away" in seen["text"]
    assert churnflow(leaky, "build", "--until", "features").code == 0
    assert critical(leaky) == [seen]
    (leaky / "workflows" / "churn.yaml").write_text(
        text.replace('positive: "1"}', 'positive: "1", drop: [closing_fee]}')
    )
    assert churnflow(leaky, "plan").code == 0
    assert churnflow(leaky, "build", "--until", "features").code == 0
    assert critical(leaky) == []
