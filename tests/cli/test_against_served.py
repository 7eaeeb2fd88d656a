"""A new model against the one that is served, in a real project: the first run, and one with more customers."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from churnflow.domain.journal import StepRecord
from churnflow.project import Project
from tests.cli.conftest import churnflow, environment
from tests.customers import make_customers

WORKFLOW = """name: churn
task: Predict churn
requirements: [evaluate.vs_released_log_loss <= 0.01]
phases:
  build:
    - step: ingest
      uses: churn.ingest
      with: {source: data/customers.csv, target: churn, id: customer_id}
      produces: {customers: frame, schema: json}
    - step: features
      uses: churn.features
      with: {against: served}
      produces: {train: frame, test: frame, features: json}
    - step: train
      uses: churn.train
      with: {models: [logistic_regression], trials: 1, folds: 3}
      produces: {model: model, leaderboard: json}
    - step: evaluate
      uses: churn.evaluate
      with: {against: served}
      produces: {evaluation: json}
    - step: pack
      uses: steps:pack
      produces: {candidate: release}
  decision:
    - gate: ship
      ship: 0
      fix: 0
    - checkpoint: shipped
"""
STEPS = '''
"""Packs what a rehearsal would, without starting the API."""

from churnflow import StepResult
from churnflow.modelling.card import candidate_files


def pack(model, schema: dict, evaluation: dict, leaderboard: dict) -> StepResult:
    """Return the files of a release."""
    return StepResult(outputs={"candidate": candidate_files(model, schema, evaluation, leaderboard)})
'''


def write_source(root: Path, rows: int, dearer: float = 0.0) -> None:
    frame = make_customers(rows)
    frame["bill"] += dearer
    frame["churn"] = np.where(frame["churn"] == 1, "Yes", "No")
    frame.to_csv(root / "data" / "customers.csv", index=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first model is served, and whose source has grown since."""
    root = tmp_path_factory.mktemp("served") / "project"
    for folder in ("workflows", "data"):
        (root / folder).mkdir(parents=True)
    (root / "workflows" / "churn.yaml").write_text(WORKFLOW)
    (root / "steps.py").write_text(STEPS)
    (root / ".gitignore").write_text("/data/\n__pycache__/\n")
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=root, check=True, env=environment())
    write_source(root, 400)
    outcome = churnflow(root, "run")
    assert outcome.code == 0, outcome.err
    return root


def done(root: Path, step: str) -> StepRecord:
    record = Project.open(root).run().latest(step)
    assert isinstance(record, StepRecord)
    return record


def test_every_model_is_compared_with_the_one_that_is_served(root: Path) -> None:
    first = done(root, "evaluate")
    assert "since the release" not in done(root, "features").facts
    assert "than of no model" in first.facts["released"]
    assert not any(artifact.codec == "release" for artifact in first.inputs)

    write_source(root, 600)
    outcome = churnflow(root, "run", "--new")
    assert outcome.code == 0, outcome.err
    second = done(root, "evaluate")
    assert [artifact.name for artifact in second.inputs][-1] == "release v1.0.0"
    assert "than of the released model v1.0.0" in second.facts["released"]
    assert "neither was trained on" in second.facts["released"]
    difference = second.metrics["vs_released_log_loss"]
    assert difference.n is not None
    # Most of the new test part was in the training part of the first model.
    assert 20 < difference.n < 120
    assert difference.low is not None
    assert difference.low <= difference.value <= difference.high  # type: ignore[operator]


def test_a_run_on_a_source_that_has_drifted_since_the_release_says_so_by_column(root: Path) -> None:
    version = Project.open(root).pointer.past()[-1].version
    write_source(root, 700)
    assert churnflow(root, "run", "--new").code == 0
    alike = done(root, "features")
    assert alike.facts["since the release"].startswith(f"{version}: 700 customers beside ")
    assert not [issue for issue in alike.issues if "since the release" in issue.text]

    write_source(root, 700, dearer=30.0)
    outcome = churnflow(root, "run", "--new")
    assert outcome.code == 0, outcome.err
    drifted = done(root, "features")
    (issue,) = [issue for issue in drifted.issues if "since the release" in issue.text]
    assert issue.severity == "warning"
    assert ", in bill (PSI " in issue.text
    auc = drifted.metrics["vs_released_drift_auc"]
    assert auc.low is not None
    assert auc.low > 0.7
    assert "customers have changed since the release" in " ".join(churnflow(root, "issues").out.split())
