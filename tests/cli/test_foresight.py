"""What `churnflow check` knows of the data and of the machine before anything runs, and `plan` with it."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, churnflow, environment
from tests.customers import write_customers

WORKFLOW = """name: churn
task: Predict who leaves
phases:
  plan:
    - step: scope
      uses: churn.scope
      with: {source: data/customers.csv, target: churn, id: customer_id}
  build:
    - step: train
      uses: churn.train
      needs: {train: customers, schema: customers, features: customers}
      with: {models: [xgboost, catboost], cluster: "tcp://localhost:1"}
"""
SOURCE = "source: data/customers.csv"
READ = "    - step: read\n      uses: steps:read\n      produces: {customers: json}\n"
STEPS = "from churnflow import StepResult\n\n\ndef read():\n    return StepResult(outputs={'customers': {}})\n"
# Another machine: one on which the extras are not installed.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in {"catboost", "distributed"} else super().find_spec(name, path, target)

sys.meta_path = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a table of customers, whose workflow is right."""
    for folder in ("workflows", "data", "site"):
        (tmp_path / folder).mkdir()
    write_customers(tmp_path / "data")
    (tmp_path / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("  build:\n", f"  build:\n{READ}"))
    (tmp_path / "steps.py").write_text(STEPS)
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=tmp_path, check=True, env=environment())
    return tmp_path


def edited(root: Path, old: str, new: str, *command: str) -> Outcome:
    path = root / "workflows" / "churn.yaml"
    path.write_text(path.read_text().replace(old, new))
    return churnflow(root, *command)


@pytest.mark.parametrize(
    ("old", "new", "what", "hint"),
    [
        ("target: churn", "target: chrun", "scope.target: the file has no column 'chrun'", "did you mean 'churn'?"),
        ("id: customer_id", "id: customer", "scope.id: the file has no column 'customer'", "'customer_id'?"),
        ("id: customer_id", "time: tenur", "scope.time: the file has no column 'tenur'", "'tenure'?"),
        ("id: customer_id", "protected: [plans]", "scope.protected: the file has no column 'plans'", "'plan'?"),
        ("id: customer_id", "drop: [zzz]", "scope.drop: the file has no column 'zzz'", "its columns: customer_id, "),
        ("id: customer_id", "columns: {plam: drop}", "scope.columns: the file has no column 'plam'", "'plan'?"),
        ("id: customer_id", "drop: [churn]", "scope.target: the target 'churn' is also named under drop", "once"),
    ],
)
def test_a_name_that_the_source_does_not_have_is_found_before_anything_runs(
    root: Path, old: str, new: str, what: str, hint: str
) -> None:
    for command in ("check", "plan"):
        outcome = edited(root, old, new, command)
        assert outcome.code == 2
        assert outcome.error[0] == f"error: workflows/churn.yaml, line 7: {what}"
        assert hint in outcome.error[1]
    assert not list((root / ".git" / "churnflow").rglob("journal.jsonl"))


def test_a_name_that_is_set_for_one_run_is_looked_up_too(root: Path) -> None:
    outcome = churnflow(root, "plan", "--set", "scope.target=chrun")
    assert (outcome.code, outcome.error[1]) == (2, "hint: did you mean 'churn'?")
    assert outcome.error[0] == "error: --set scope.target: the file has no column 'chrun'"
    mended = edited(root, "target: churn", "target: chrun", "plan", "--set", "scope.target=churn")
    assert mended.code == 0, mended.err
    again = churnflow(root, "build", "--set", "train.models=[xgbost]")
    assert "train.models must be a list, each one of logistic_regression" in again.error[0]
    assert again.error[1] == "hint: did you mean 'xgboost'?"


def test_a_file_that_is_set_for_one_run_and_is_not_there_is_no_fault_of_the_workflow(root: Path) -> None:
    outcome = churnflow(root, "plan", "--set", "scope.source=nowhere.csv", "--set", "train.trials=3")
    assert outcome.code == 2
    assert outcome.error[0].startswith("error: --set scope.source, train.trials: ")
    assert "nowhere.csv" in outcome.error[0]


def test_what_is_wrong_in_the_file_stays_its_fault_where_something_right_is_set(root: Path) -> None:
    outcome = edited(root, "target: churn", "target: chrun", "plan", "--set", "train.trials=3")
    assert outcome.error[0].startswith("error: workflows/churn.yaml, line 7: scope.target: ")


@pytest.mark.parametrize(
    ("named", "what", "hint"),
    [
        ("customer: customr_id, time: tenure", "events.customer: customers.csv has no column 'customr_id'", "_id'?"),
        ("customer: customer_id, time: tenur", "events.time: customers.csv has no column 'tenur'", "'tenure'?"),
        ("customer: customer_id, time: tenure, amount: xyz", "events.amount: customers.csv has no column 'xyz'", "its"),
        ("customer: customer_id, time: tenure, event_type: paln", "events.event_type: ", "did you mean 'plan'?"),
    ],
)
def test_a_name_that_a_log_does_not_have_is_found_before_anything_runs(
    root: Path, named: str, what: str, hint: str
) -> None:
    step = f"    - step: events\n      uses: churn.from_events\n      with: {{{SOURCE}, outcome: 30d, {named}}}\n"
    outcome = edited(root, "  build:\n", f"  build:\n{step}", "check")
    assert (outcome.code, what in outcome.error[0], hint in outcome.error[1]) == (2, True, True), outcome.err


def test_an_extra_that_is_not_installed_is_named_with_how_to_get_it(root: Path) -> None:
    assert churnflow(root, "check").code == 0
    (root / "site" / "sitecustomize.py").write_text(WITHOUT)
    outcome = churnflow(root, "--json", "check", env={"PYTHONPATH": f"{root / 'site'}:{Path(__file__).parents[2]}"})
    assert [(problem["what"], problem["remedy"]) for problem in outcome.json["data"]["problems"]] == [
        (
            "train.models: the model catboost needs a package that is not installed",
            "pip install 'churnflow[catboost]', or take catboost out of models",
        ),
        (
            "train.cluster: the cluster tcp://localhost:1 needs a package that is not installed",
            "pip install 'churnflow[dask]', or leave cluster out",
        ),
    ]


@pytest.mark.parametrize(
    ("database", "what", "hint"),
    [
        ("mysql+pymysql://ann@localhost/crm", "the driver 'pymysql' is not installed", "pip install pymysql"),
        ("postgres//localhost", "the address of the database can not be read", "postgresql+psycopg://"),
        ("sqlite:///nowhere.db", "no such database: nowhere.db", "name a file that is there"),
    ],
)
def test_a_database_that_can_not_be_reached_from_here_is_found(root: Path, database: str, what: str, hint: str) -> None:
    step = f"    - step: rows\n      uses: churn.extract\n      with: {{database: '{database}', table: customers}}\n"
    outcome = edited(root, "  build:\n", f"  build:\n{step}", "check")
    assert outcome.code == 2
    assert f"rows.database: {what}" in outcome.error[0]
    assert hint in outcome.error[1]


def test_what_an_earlier_step_reads_is_not_looked_at(root: Path) -> None:
    step = READ + "    - step: ingest\n      uses: churn.ingest\n      needs: {source: customers}\n"
    assert edited(root, READ, step + "      with: {target: chrun}\n", "check").code == 0
