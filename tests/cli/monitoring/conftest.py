"""A project that serves a small real release, with a predictions log that a test fills."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from churnflow.modelling.bundle import write_bundle
from churnflow.modelling.prediction_log import PredictionLog
from churnflow.modelling.pseudonyms import pseudonym, secret_at
from churnflow.project import Project
from tests.cli.conftest import Outcome, churnflow, environment
from tests.customers import make_customers
from tests.traffic import release_files, some_days

STEPS = '''
"""Offers a release that is there already."""

from pathlib import Path

from churnflow import StepResult
from churnflow.modelling.bundle import read_bundle


def offer(bundle: Path) -> StepResult:
    """Hand on the files of a bundle."""
    return StepResult(outputs={"candidate": dict(read_bundle(bundle))}, metrics={"files": 1})
'''
WORKFLOW = """name: small
task: Release what is there
phases:
  build:
    - step: offer
      uses: steps:offer
      with: {bundle: data/one.release}
      produces: {candidate: release}
      checks: [files >= 1]
  decision:
    - gate: ship
    - checkpoint: shipped
"""
MADE_UP = '''

def tabulate() -> StepResult:
    """Make a table of another kind."""
    return StepResult(outputs={"tracking": {"rows": "none"}})
'''
OWN = """    - step: tabulate
      uses: steps:tabulate
      produces: {tracking: json}
"""
MONITOR = "workflows/monitor.yaml"
TEMPLATE = Path(__file__).resolve().parents[3] / "churnflow" / "templates" / "monitor.yaml"


@pytest.fixture(scope="session")
def released_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that serves a small real release, to copy and never to change."""
    root = tmp_path_factory.mktemp("released") / "project"
    for folder in ("workflows", "data"):
        (root / folder).mkdir(parents=True)
    (root / "steps.py").write_text(STEPS)
    (root / "workflows" / "churn.yaml").write_text(WORKFLOW)
    shutil.copyfile(TEMPLATE, root / MONITOR)
    write_bundle(release_files(), root / "data" / "one.release")
    (root / ".gitignore").write_text("/data/\n/reports/\n__pycache__/\n")
    subprocess.run(["git", "init", "-q", "-b", "main", "."], cwd=root, check=True, env=environment())
    outcome = churnflow(root, "run")
    assert outcome.code == 0, outcome.err
    return root


@pytest.fixture
def project(tmp_path: Path, released_once: Path) -> Path:
    """The project that serves, with a predictions log of nothing yet."""
    return Path(shutil.copytree(released_once, tmp_path / "project"))


Filled = Callable[..., None]


@pytest.fixture
def traffic(project: Path) -> Filled:
    """Write customers into the project's log, as its server would."""

    def fill(customers: pd.DataFrame, **options: Any) -> None:
        log = PredictionLog.open(Project.open(project).log_url)
        some_days(log, time.time(), customers, **options)
        log.close()

    return fill


@pytest.fixture
def watch(project: Path, here: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Run `churnflow monitor` in the project, in this process."""
    return lambda *arguments: here("monitor", *arguments)


def shifted(rows: int = 600, seed: int = 50) -> pd.DataFrame:
    customers = make_customers(rows, seed)
    customers["bill"] += 30.0
    return customers


def pseudonymised(project: Path, customers: pd.DataFrame) -> pd.DataFrame:
    """Return the customers as the project's log calls them."""
    secret = secret_at(Project.open(project).secret_path)
    return customers.assign(customer_id=[pseudonym(secret, name) for name in customers["customer_id"]])


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers as it is told."""

    taken: ClassVar[list[dict[str, Any]]] = []
    code: ClassVar[int] = 200

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(Receiver.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    Receiver.taken.clear()
    Receiver.code = 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/secret"
    server.shutdown()
    server.server_close()
    thread.join()
