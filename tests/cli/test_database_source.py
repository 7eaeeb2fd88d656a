"""A database as the source of a workflow: asked once, kept with the checkpoint, and its password kept nowhere."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.adapters.test_secret_scan import holds
from tests.cli.conftest import Cli
from tests.databases import execute

SECRET = "gehe1m"  # noqa: S105 - of this test alone
WORKFLOW = """name: churn
task: Find who leaves
phases:
  plan:
    - step: extract
      uses: churn.extract
      with:
        database: [[database]]
        query: SELECT * FROM customers ORDER BY id
        as_of: monday
      produces: {extract: frame}
    - step: scope
      uses: churn.scope
      needs: {source: extract}
      with: {target: churn, id: id}
    - checkpoint: scoped
  build:
    - step: ingest
      uses: churn.ingest
      needs: {source: extract}
      with: {target: churn, id: id}
      produces: {customers: frame, rejected: frame, schema: json}
    - checkpoint: ingested
"""


@pytest.fixture
def workflow(project: Path, postgres: str) -> Path:
    """A project whose customers are in a database, 300 of them."""
    execute(
        postgres,
        "DROP TABLE IF EXISTS customers",
        "CREATE TABLE customers (id text, tenure int, paid numeric(12, 2), churn boolean)",
        "INSERT INTO customers SELECT to_char(i, 'FM00000'), i % 72, i * 1.1, i % 4 = 0 FROM generate_series(1, 300) i",
    )
    path = project / "workflows" / "churn.yaml"
    path.write_text(WORKFLOW.replace("[[database]]", f'"{postgres}"'))
    return path


def records(cli: Cli) -> float:
    steps = cli("--json", "show", "HEAD").json["data"]["checkpoint"]["run"]["entries"]
    return next(entry["metrics"]["records"]["value"] for entry in steps if entry["name"] == "ingest")


def test_a_database_is_asked_once_and_again_only_when_the_workflow_says_so(
    workflow: Path, cli: Cli, postgres: str
) -> None:
    assert cli("run").code == 0
    execute(postgres, "DELETE FROM customers WHERE id > '00200'")
    assert {item["state"] for item in cli("--json", "status").json["data"]["items"]} == {"done"}
    assert cli("run", "--new").code == 0
    assert records(cli) == 300
    workflow.write_text(workflow.read_text().replace("monday", "tuesday"))
    assert cli("run").code == 0
    assert records(cli) == 200
    assert cli("rollback", "HEAD~1").code == 0
    execute(postgres, "DROP TABLE customers")
    assert cli("run").code == 0
    assert records(cli) == 200


def test_a_password_in_a_workflow_is_refused_before_anything_keeps_it(workflow: Path, project: Path, cli: Cli) -> None:
    text = workflow.read_text()
    workflow.write_text(text.replace("postgres@", f"postgres:{SECRET}@"))
    for command in (("check",), ("run",), ("--json", "run")):
        ended = cli(*command)
        assert ended.code == 2
        assert "database: holds a password" in ended.out + ended.err
        assert SECRET not in ended.out + ended.err
    workflow.write_text(text)
    ended = cli("run", "--set", f"extract.database=postgresql+psycopg://user:{SECRET}@host/db")
    assert ended.code == 2
    assert ended.error[0].startswith("error: --set extract.database holds a password")
    kept = [path for path in project.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


def test_a_database_that_does_not_answer_is_a_failed_step(workflow: Path, cli: Cli) -> None:
    workflow.write_text(workflow.read_text().replace("FROM customers", "FROM custmers"))
    ended = cli("run")
    assert ended.code == 7
    assert 'relation "custmers" does not exist' in ended.out + ended.err


def test_an_address_as_the_source_of_ingestion_names_the_step_that_reads_it(workflow: Path, cli: Cli) -> None:
    text = workflow.read_text().replace("needs: {source: extract}\n      with: {", "with: {source: 'mysql://host/db', ")
    workflow.write_text(text)
    ended = cli("check")
    assert ended.code == 2
    assert "the address of a server is no file of the project" in ended.out + ended.err
    assert "churn.extract" in ended.out + ended.err


def test_a_database_file_that_lies_in_the_project_never_enters_git(project: Path, cli: Cli) -> None:
    with closing(sqlite3.connect(project / "crm.db")) as crm:
        crm.execute("CREATE TABLE customers (id TEXT, tenure INTEGER, churn TEXT)")
        rows = [(f"{number:05}", number % 72, "yes" if number % 4 else "no") for number in range(300)]
        crm.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
        crm.commit()
    (project / "crm-old.db").write_bytes((project / "crm.db").read_bytes())
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW.replace("[[database]]", "sqlite:///crm.db"))
    done = cli("run")
    assert done.code == 0, done.err
    listed = subprocess.run(
        ["git", "log", "--all", "--name-only", "--format="], cwd=project, capture_output=True, text=True, check=True
    )
    assert "steps.py" in listed.stdout
    assert "crm" not in listed.stdout
    assert "crm-old.db stays out of checkpoints" in done.err + done.out
    # A look at a checkpoint from before takes it no more than the checkpoint did, whatever is remembered.
    for memory in (project / ".git").rglob("data-paths.json"):
        memory.unlink()
    with closing(sqlite3.connect(project / "crm.db")) as crm:
        crm.execute("INSERT INTO customers VALUES ('sign-of-a-new-customer', 1, 'no')")
        crm.commit()
    assert cli("rollback", "scoped", "--dry-run").code == 0
    assert holds(project / ".git", b"sign-of-a-new-customer") == []
