"""The version of a release rises by what clients notice of it: several ships and a rollback of a real project."""

import json
from pathlib import Path
from typing import Any

import pytest

from churnflow.project import Project
from tests.cli.conftest import Cli
from tests.cli.packing import FIRST, STEPS, WORKFLOW


@pytest.fixture
def root(project: Path) -> Path:
    (project / "packing.py").write_text(STEPS)
    (project / "workflows" / "churn.yaml").write_text(WORKFLOW)
    return project


def ship(root: Path, here: Cli, **told: Any) -> tuple[str, str | None]:
    """Release what the first release was told, but for `told`; return its version and why it rose."""
    (root / "data" / "told.json").write_text(json.dumps({**FIRST, **told}))
    outcome = here("run", "--new")
    assert outcome.code == 0, outcome.err
    served = Project.open(root).pointer.read()
    assert served is not None
    return served.version, served.change


def test_a_version_rises_by_what_clients_notice_and_is_never_given_twice(root: Path, here: Cli) -> None:
    assert ship(root, here) == ("v1.0.0", None)
    assert ship(root, here, threshold=0.4) == (
        "v1.0.1",
        "patch since v1.0.0: the threshold of the decision, the model card",
    )
    assert ship(root, here, weight=0.7) == ("v1.1.0", "minor since v1.0.1: the model")
    assert ship(root, here, features=["tenure", "calls"]) == (
        "v2.0.0",
        "major since v1.1.0: bill is no longer taken, calls is asked for",
    )
    assert "serves   v2.0.0 (major since v1.1.0: bill is no longer taken, calls is asked for)" in here("show").out
    assert here("report", "-o", "report.md").code == 0
    assert "Release `v2.0.0` (major since v1.1.0: bill is no longer taken" in (root / "report.md").read_text()

    assert here("rollback", "v1.0.1").code == 0
    assert here("--json", "status").json["data"]["served"]["version"] == "v1.0.1"
    # The next is a patch of what is served again, and asks otherwise than the highest version does.
    version, change = ship(root, here, threshold=0.3)
    assert version == "v3.0.0"
    assert change == "major since v2.0.0: calls is no longer taken, bill is asked for"

    bundle = Project.open(root).pointer.read()
    assert bundle is not None
    assert "reference.json" in Project.open(root).store.get(bundle.artifact)  # type: ignore[operator]
    assert here("verify").code == 0
